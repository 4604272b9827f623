import NIOCore
import Testing

@testable import Transport

@Suite struct ProxyBackendTableTests {
  private let names = (1...3).map { HostPort("10.0.0.\($0)", 16443) }
  private let second: UInt64 = 1_000_000_000

  private func table() -> (table: BackendTable, ids: [BackendTable.ID]) {
    var table = BackendTable(seed: 7)
    let ids = table.setList(names).added
    return (table, ids)
  }

  @Test("connections spread evenly: of two servers the one with fewer is taken")
  func spread() {
    var (table, ids) = table()
    for _ in 0..<300 { _ = table.take(except: []) }
    let counts = ids.compactMap { table[$0]?.connections }
    #expect(counts.allSatisfy { (90...110).contains($0) }, "\(counts)")
  }

  @Test("one that failed comes last, and never is nothing left to try")
  func order() {
    var (table, ids) = table()
    for id in ids.dropFirst() {
      let first = table.failed(id, why: "is dead", silent: true, byCheck: false, at: 0)
      let second = table.failed(id, why: "is dead", silent: true, byCheck: false, at: 1)
      #expect(first && !second, "only the first time is news")
    }
    for _ in 0..<20 {
      let taken = table.take(except: [])
      #expect(taken?.id == ids[0])
    }
    #expect(!table.hasFit(except: [ids[0]]))
    let other = table.take(except: [ids[0]])
    #expect(other != nil && other?.id != ids[0])
    let none = table.take(except: ids)
    #expect(none == nil)
  }

  @Test("who comes back is used at once; who then fails again and again stays out longer each time")
  func penalty() {
    var (table, ids) = table()
    let id = ids[0]
    var now: UInt64 = 100 * second
    var waits: [UInt64] = []
    for _ in 0..<6 {
      _ = table.failed(id, why: "is dead", silent: false, byCheck: true, at: now)
      var wait: UInt64 = 0
      while !table.answered(id, byCheck: true, at: now + wait) { wait += second / 2 }
      waits.append(wait)
      now += wait + second
    }
    #expect(waits == [0, 1, 2, 4, 8, 8].map { $0 * second })
    now += 60 * second
    _ = table.failed(id, why: "is dead", silent: false, byCheck: true, at: now)
    let isBack = table.answered(id, byCheck: true, at: now)
    #expect(isBack, "a long good time is a clean slate")
  }

  @Test(
    "a new list keeps what it knows of those that stay, and forgets those that have nothing left")
  func list() {
    var (table, ids) = table()
    _ = table.failed(ids[0], why: "is dead", silent: false, byCheck: false, at: 0)
    let taken = table.take(except: [ids[2], ids[0]])
    let other = HostPort("10.0.0.9", 1)
    let change = table.setList([names[0], other, other])
    #expect(change.added.count == 1)
    #expect(change.removed == [ids[1], ids[2]])
    #expect(table[ids[0]]?.trouble != nil)
    #expect(table[ids[2]] == nil)
    #expect(taken?.id == ids[1] && table[ids[1]]?.isListed == false)
    table.release(ids[1])
    #expect(table[ids[1]] == nil)
    let again = table.setList([names[1]])
    #expect(again.added != [ids[1]], "a new stay is a new one")
  }
}

@Suite struct ProxyClientHelloTests {
  private let whole: [UInt8] = [22, 3, 1, 0, 5, 1, 0, 0, 1, 9]

  @Test("a ClientHello is one in any number of pieces, until there is more than one")
  func pieces() {
    var hello = ClientHello()
    for (index, byte) in whole.enumerated() {
      #expect(!hello.isComplete)
      let isOne = hello.append([byte])
      #expect(isOne, "byte \(index)")
    }
    #expect(hello.isComplete)
    #expect(hello.bytes == whole)
    let isOne = hello.append([20])
    #expect(!isOne, "early data is said once")
  }

  @Test(
    "what is no ClientHello is never said again",
    arguments: [
      Array("GET / HTTP/1.1\r\n".utf8), [22, 2], [22, 3, 1, 0, 5, 2], [22, 3, 1, 0, 0],
      [22, 3, 1, 0x40, 1], [23, 3, 3, 0, 1, 0], [22, 3, 1, 0, 1, 1, 1],
    ])
  func others(bytes: [UInt8]) {
    var hello = ClientHello()
    let isOne = hello.append(bytes)
    #expect(!isOne)
  }

  @Test("nothing longer than a record is kept")
  func limit() {
    var hello = ClientHello()
    let begins = hello.append([22, 3, 1, 0x40, 0, 1])
    let isOne = hello.append([UInt8](repeating: 0, count: ClientHello.limit))
    #expect(begins && !isOne)
  }
}
