import Testing

@testable import Membership

@Suite("Values in their order, found by id")
struct RegisterTests {
  struct Item: Identifiable, Equatable, Sendable {
    var id: Int
    var value: Int
  }

  /// As a stored state has them.
  private func unread(_ items: [Item], without missing: Set<Int> = []) -> Register<Item> {
    Register(
      unread: Unread(
        count: items.count, position: { id in items.lastIndex { $0.id == id } },
        read: { missing.contains($0) ? nil : items[$0] },
        readAll: { items.indices.map { missing.contains($0) ? nil : items[$0] } }))
  }

  @Test(
    "However it was made, it answers as a list that is searched",
    arguments: 1...12 as ClosedRange<UInt64>)
  func model(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    // While nothing is removed, some may stay unread.
    for (count, kinds) in [(0, 4), (3, 4), (20, 4), (20, 2), (40, 8)] {
      let items = (0..<count).map { Item(id: $0 * 3, value: $0) }
      var registers = [Register(items), unread(items)]
      var model = items
      for step in 0..<60 {
        let id = Int.random(in: 0..<70, using: &random)
        let item = Item(id: id, value: step + 100)
        switch Int.random(in: 0..<kinds, using: &random) {
        case 0:
          if let place = model.firstIndex(where: { $0.id == id }) {
            model[place] = item
          } else {
            model.append(item)
          }
          for place in registers.indices { registers[place].append(item) }
        case 1:
          if let place = model.firstIndex(where: { $0.id == id }) { model[place].value = step }
          for place in registers.indices { registers[place].update(id) { $0.value = step } }
        case 2:
          model.removeAll { $0.id == id }
          for place in registers.indices { registers[place].remove(id) }
        default: break
        }
        for register in registers {
          #expect(register.all == model)
          let found = model.first { $0.id == id }
          #expect(register[id] == found && register.contains(id) == (found != nil))
          #expect(register.look(at: id) { $0.value } == found?.value)
          #expect(register.first { $0.id == id } == found)
        }
        #expect(registers[0] == registers[1])
      }
    }
  }

  @Test("What cannot be read is left out, whatever is done with it")
  func unreadable() {
    let items = (0..<5).map { Item(id: $0, value: $0) }
    var register = unread(items, without: [1, 3])
    #expect(register.all.map(\.id) == [0, 2, 4])
    #expect(register[1] == nil && register[2]?.value == 2)
    register.update(1) { $0.value = 7 }
    register.update(2) { $0.value = 8 }
    #expect(register.all == [items[0], Item(id: 2, value: 8), items[4]])
    var again = register
    again.append(Item(id: 1, value: 5))
    #expect(again[1]?.value == 5 && again.all.map(\.id) == [0, 1, 2, 4], "unless it comes again")
    register.append(Item(id: 9, value: 9))
    for _ in 0..<20 { register.update(4) { $0.value += 1 } }
    #expect(register.all.map(\.id) == [0, 2, 4, 9] && register[4]?.value == 24)
    register.remove(0)
    #expect(register[9]?.value == 9 && register[1] == nil)
  }

  @Test("Of several values with one id the last counts, at the place of the first")
  func doubles() {
    let register = Register([Item(id: 1, value: 1), Item(id: 2, value: 2), Item(id: 1, value: 3)])
    #expect(register.all == [Item(id: 1, value: 3), Item(id: 2, value: 2)])
  }
}
