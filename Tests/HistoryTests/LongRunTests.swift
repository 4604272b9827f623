// A long run of events is read on another thread; whoever takes it must not notice.

import EventLog
import History
import Membership
import Raft
import Synchronization
import Testing

@Suite("A long run of events")
struct LongRunTests {
  /// A source that knows whether it is being read, and fails at an index.
  private final class Watched: HistorySource {
    let whole: MemorySource
    let flaw: UInt64
    private let reads = Atomic(0)
    var isRead: Bool { reads.load(ordering: .sequentiallyConsistent) > 0 }

    init(_ whole: MemorySource, flaw: UInt64 = .max) {
      self.whole = whole
      self.flaw = flaw
    }

    var name: String { whole.name }
    var cluster: ClusterID { whole.cluster }
    var node: NodeID { whole.node }
    var redaction: String? { nil }
    var firstIndex: UInt64 { 1 }
    var lastIndex: UInt64 { whole.lastIndex }
    var baseTerm: UInt64 { 0 }

    func forEach(
      from first: UInt64, through last: UInt64, _ body: (Entry, ChainHash) throws -> Bool
    ) throws {
      reads.add(1, ordering: .sequentiallyConsistent)
      defer { reads.subtract(1, ordering: .sequentiallyConsistent) }
      try whole.forEach(from: first, through: last) { entry, hash in
        if entry.index == flaw {
          throw Fault(.damaged, operation: "read", subject: name, text: "entry \(flaw)")
        }
        return try body(entry, hash)
      }
    }

    func chainHash(at index: UInt64) throws -> ChainHash? { try whole.chainHash(at: index) }
    func storedState(atOrBefore index: UInt64) throws -> UInt64? { nil }
    func checkpoint(atOrBefore index: UInt64) throws -> Cluster? { nil }
    func newest() throws -> Cluster? { nil }
  }

  private struct Enough: Error {}

  private static let length: UInt64 = 5_000
  private static let source = Result {
    var story = try Story.life()
    while UInt64(story.entries.count) < length {
      story.append(
        .endpointRefreshed(
          EndpointRefreshed(
            node: NodeID(1), endpoints: record(1).endpoints,
            apiserverReady: story.entries.count.isMultiple(of: 2), version: "0.1.0")))
      story.states.removeLast()
    }
    return story.source
  }
  private let source: MemorySource

  init() throws { source = try Self.source.get() }

  @Test("comes in order, from where it is asked for to where it ends")
  func order() throws {
    let watched = Watched(source)
    let history = History(watched)
    for (first, last) in [
      (1, 5_000), (1, 4_096), (1, 4_097), (2, 4_099), (300, 20_000), (7, 7), (9, 8),
      (5_000, 5_001),
    ] as [(UInt64, UInt64)] {
      var next = first
      try history.forEachEvent(from: first, through: last) { recorded in
        #expect(recorded.index == next)
        next += 1
        return true
      }
      #expect(next == max(first, min(last, Self.length) + 1))
      #expect(!watched.isRead)
    }
  }

  @Test("comes up to what cannot be read, and then says so")
  func damage() {
    for flaw in [1, 2, 255, 256, 257, 1_024, 1_025, 4_999, 5_000] as [UInt64] {
      var taken: UInt64 = 0
      #expect(throws: Fault.self) {
        try History(Watched(source, flaw: flaw)).forEachEvent(from: 1, through: Self.length) {
          taken = $0.index
          return true
        }
      }
      #expect(taken == flaw - 1)
    }
  }

  @Test("ends where it is left, and is read no more")
  func leaving() throws {
    for flaw in [UInt64.max, 3_000] {
      for end in [1, 256, 257, 2_500] as [UInt64] {
        let watched = Watched(source, flaw: flaw)
        var taken: UInt64 = 0
        try History(watched).forEachEvent(from: 1, through: Self.length) {
          taken = $0.index
          return taken < end
        }
        #expect(taken == end && !watched.isRead)
        #expect(throws: Enough.self) {
          try History(watched).forEachEvent(from: 1, through: Self.length) {
            taken = $0.index
            if taken == end { throw Enough() }
            return true
          }
        }
        #expect(taken == end && !watched.isRead)
      }
    }
  }

  @Test("searched backwards gives its newest event that fits, however it is read")
  func backwards() throws {
    let payloads = source.entries.suffix(2).map(\.payload)
    let count: UInt64 = 17_000
    let long = MemorySource(
      (1...count).map {
        Entry(index: $0, term: 1, kind: .normal, payload: payloads[Int($0 % 2)])
      })
    let history = History(long)
    let wanted = [1, 2, 300, 873, 4_000, 8_000, 8_871, 8_872, 8_873, 16_999, count] as [UInt64]
    for end in [count, count - 1, 16_400] {
      for index in wanted where index <= end {
        #expect(try history.last(atOrBefore: end) { $0.index == index }?.index == index)
      }
      // In one block, in several parts of it.
      let several = try history.last(atOrBefore: end, types: [.endpointRefreshed]) {
        [2_000, 3_500, 5_500, 7_500].contains($0.index)
      }
      #expect(several?.index == 7_500)
    }
    for flaw in [1_000, 3_500, 8_000] as [UInt64] {
      let watched = Watched(long, flaw: flaw)
      #expect(throws: Fault.self) {
        try History(watched).last(atOrBefore: count) { $0.index == 1 }
      }
      #expect(!watched.isRead)
    }
  }
}
