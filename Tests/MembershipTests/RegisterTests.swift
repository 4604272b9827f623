import Testing

@testable import Membership

@Suite("Values in their order, found by id")
struct RegisterTests {
  struct Item: Identifiable, Equatable, Sendable {
    var id: Int
    var value: Int
  }

  @Test(
    "However it was made, it answers as a list that is searched",
    arguments: 1...12 as ClosedRange<UInt64>)
  func model(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for count in [0, 3, 20] {
      let items = (0..<count).map { Item(id: $0 * 3, value: $0) }
      var registers = [Register(items), Register(distinct: items)]
      var model = items
      for step in 0..<60 {
        let id = Int.random(in: 0..<70, using: &random)
        let item = Item(id: id, value: step + 100)
        switch Int.random(in: 0..<4, using: &random) {
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
          #expect(register[id] == model.first { $0.id == id })
        }
        #expect(registers[0] == registers[1])
      }
    }
  }

  @Test("Of several values with one id the last counts, at the place of the first")
  func doubles() {
    let register = Register([Item(id: 1, value: 1), Item(id: 2, value: 2), Item(id: 1, value: 3)])
    #expect(register.all == [Item(id: 1, value: 3), Item(id: 2, value: 2)])
  }
}
