import Testing

@testable import Raft

/// The log view against the plain list that it stands for.
@Suite struct LogViewTests {
  private func view(_ store: Store, commit: Index = 0, applied: Index = 0) -> LogView {
    LogView(stable: store, commit: commit, applied: applied, maxApplyingSize: 1 << 20)
  }

  @Test("a long log does not live in memory, and reading the end of it does not touch the disk")
  func bounded() {
    let store = Store(Configuration(voters: [1]))
    var log = view(store)
    let payload = [UInt8](repeating: 7, count: 300)
    for round in 0..<1_000 {
      log.append(Array(repeating: Entry(payload: payload), count: 100), term: 1)
      let entries = log.handOutUnstable()
      store.change { $0.entries += entries }
      log.becameStable(index: log.lastIndex, term: 1)
      let isCommitted = log.commit(to: log.lastIndex)
      let committed = log.handOutCommitted(onlyStable: true)
      let released = log.applied(to: log.lastIndex)
      #expect(isCommitted)
      #expect(committed?.count == 100, "round \(round)")
      #expect(released == 30_000)
      #expect(log.entries(from: log.lastIndex - 99, maxSize: .max)?.count == 100)
    }
    #expect(log.lastIndex == 100_000)
    #expect(log.memory.entries <= 4_096 + 100)
    #expect(log.memory.bytes <= 1 << 20 + 30_000)
    #expect(store.now.reads == 0)
    // What is not in memory is still in the log.
    #expect(log.term(at: 1) == 1)
    #expect(log.entries(from: 1, to: 11, maxSize: .max)?.count == 10)
  }

  @Test("what is not durable is never forgotten")
  func unstableStays() {
    let store = Store(Configuration(voters: [1]))
    var log = view(store)
    for _ in 0..<100 {
      log.append(Array(repeating: Entry(payload: [1]), count: 100), term: 1)
      _ = log.handOutUnstable()
    }
    log.becameStable(index: 10, term: 1)
    #expect(log.unstableFrom == 11)
    #expect(log.entries(from: 11, maxSize: .max)?.count == 9_990)
  }

  @Test(
    "any sequence of appends, replacements and acks reads like a list",
    arguments: 0..<30 as Range<UInt64>)
  func model(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let store = Store(Configuration(voters: [1]))
    var log = view(store)
    var list: [Entry] = []
    var term: Term = 1
    var jobs: [[Entry]] = []
    for _ in 0..<300 {
      switch Int.random(in: 0..<5, using: &random) {
      case 0, 1:
        let size = Int.random(in: 0..<40, using: &random)
        let count = Int.random(in: 1...4, using: &random)
        let entry = Entry(payload: Array(repeating: 1, count: size))
        log.append(Array(repeating: entry, count: count), term: term)
        for _ in 0..<count {
          list.append(
            Entry(
              index: Index(list.count + 1), term: term, payload: Array(repeating: 1, count: size)))
        }
      case 2:
        term += 1
        let start = Int.random(in: 0...list.count, using: &random)
        guard Index(start) >= log.committed else { continue }
        let entry = Entry(index: Index(start + 1), term: term, payload: [2])
        list.removeLast(list.count - start)
        list.append(entry)
        log.replace(from: [entry])
      case 3:
        let entries = log.handOutUnstable()
        if !entries.isEmpty { jobs.append(entries) }
      default:
        while let job = jobs.first, let first = job.first {
          jobs.removeFirst()
          store.change { content in
            content.entries.removeLast(content.entries.count - Int(first.index - 1))
            content.entries += job
          }
          let last = job[job.count - 1]
          if jobs.isEmpty { log.becameStable(index: last.index, term: last.term) }
        }
      }
      #expect(log.lastIndex == Index(list.count))
      let from = Index.random(in: 1...Index(list.count + 1), using: &random)
      let size = Int.random(in: 1...200, using: &random)
      let read = log.entries(from: from, maxSize: size)
      var expected: [Entry] = []
      var sum = 0
      for entry in list[Int(from - 1)...] {
        sum += entry.size
        if sum > size, !expected.isEmpty { break }
        expected.append(entry)
      }
      #expect(read == expected)
      #expect(log.term(at: from) == (from > list.count ? nil : list[Int(from - 1)].term))
    }
  }

  @Test("the window of messages in flight counts like a list", arguments: 0..<10 as Range<UInt64>)
  func inflights(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var window = Inflights(maxMessages: 5, maxBytes: 100)
    var list: [(Index, Int)] = []
    var next: Index = 1
    for _ in 0..<500 {
      if !window.isFull, Bool.random(using: &random) {
        let bytes = Int.random(in: 0...40, using: &random)
        window.add(last: next, bytes: bytes)
        list.append((next, bytes))
        next += Index.random(in: 1...3, using: &random)
      } else {
        let index = Index.random(in: 0...next, using: &random)
        window.free(upTo: index)
        list.removeAll { $0.0 <= index }
      }
      #expect(window.count == list.count)
      #expect(window.isFull == (list.count >= 5 || list.reduce(0) { $0 + $1.1 } >= 100))
    }
  }
}
