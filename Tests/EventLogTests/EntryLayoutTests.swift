import EventLog
import Foundation
import Raft
import Testing

@Suite("How entries lie on the disk")
struct EntryLayoutTests {
  private let change = ConfigurationChange(
    transition: .jointExplicit, steps: [.remove(9), .addVoter(1 << 63)])

  private func samples() -> [Entry] {
    [31, 32, 33, 1 << 40].flatMap { (index: Index) in
      [0, 1, 127, 128, 1 << 14, 1 << 63, .max].flatMap { (term: Term) in
        [
          Entry(index: index, term: term, payload: []),
          Entry(index: index, term: term, kind: .change, change: change, payload: [0, 255]),
          Entry(
            index: index, term: term, kind: .change,
            change: ConfigurationChange(transition: .automatic), payload: [7]),
        ]
      }
    }
  }

  @Test("What is written is read again, with the same hash in every layout")
  func roundTrip() throws {
    for entry in samples() {
      var hashes: Set<ChainHash> = []
      for layout in EntryLayout.allCases {
        let (value, hash) = layout.encode(entry, after: .genesis)
        let read = try layout.checked(value.span, at: entry.index, after: .genesis)
        #expect(read.entry == entry)
        #expect(read.hash == hash)
        hashes.insert(hash)
      }
      #expect(hashes.count == 1)
    }
  }

  @Test("A short entry has four bytes of its hash, every 32nd the whole of it")
  func bytes() {
    for index in [1, 31, 32, 33, 64] as [Index] {
      let entry = Entry(index: index, term: 300, kind: .change, change: change, payload: [1, 2])
      let (value, hash) = EntryLayout.short.encode(entry, after: .genesis)
      let isWhole = index.isMultiple(of: 32)
      let head: [UInt8] = [Entry.Kind.change.rawValue | 0x80, 0xac, 0x02, 19]
      let steps: [UInt8] = [
        change.transition.rawValue, 3, 0, 0, 0, 0, 0, 0, 0, 9, 1, 128, 0, 0, 0, 0, 0, 0, 0,
      ]
      #expect(value == hash.bytes.prefix(isWhole ? 32 : 4) + head + steps + [1, 2])
    }
  }

  @Test("Any flipped bit and any cut is found", arguments: EntryLayout.allCases)
  func flips(layout: EntryLayout) {
    for entry in samples() {
      let value = layout.encode(entry, after: .genesis).value
      for bit in 0..<value.count * 8 {
        var altered = value
        altered[bit / 8] ^= 1 << (bit % 8)
        #expect(throws: EntryLayout.Unsound.self, "bit \(bit) of \(entry)") {
          try layout.checked(altered.span, at: entry.index, after: .genesis)
        }
      }
      for count in value.indices {
        #expect(throws: EntryLayout.Unsound.self, "\(count) bytes of \(entry)") {
          try layout.checked(Array(value.prefix(count)).span, at: entry.index, after: .genesis)
        }
      }
    }
  }

  @Test("A log of either layout is written on as it began, and has the hashes of the other")
  func either() async throws {
    var hashes: [[ChainHash?]] = []
    for layout in EntryLayout.allCases {
      let directory = try TemporaryDirectory()
      let own = LogIdentity(cluster: 1, node: 2, layout: layout)
      try EventLog.create(directory: directory.log, identity: own)
      var log = try EventLog.open(directory: directory.log, mode: .readWrite)
      _ = await log.write(entries(1...70), hardState: HardState(term: 1, vote: 0, commit: 40))
      log.close()
      // Whoever expects the log does not know its layout.
      log = try EventLog.open(
        directory: directory.log, mode: .readWrite, expecting: LogIdentity(cluster: 1, node: 2))
      #expect(log.identity.layout == layout)
      #expect(await log.write(entries(51...90, term: 2)).fault == nil)
      #expect(try log.allEntries() == entries(1...50) + entries(51...90, term: 2))
      #expect(try log.verify().checked == 90)
      hashes.append(try (0...91).map { try log.chainHash(at: $0) })
      log.close()
    }
    #expect(hashes[0] == hashes[1])
    #expect(hashes[0].filter { $0 == nil }.count == 1)
  }

  @Test("From any index on, entries are read, each proven from the last whole hash before")
  func anywhere() async throws {
    let directory = try TemporaryDirectory()
    let log = try newLog(directory)
    let all = entries(1...100)
    _ = await log.write(all, hardState: HardState(term: 1, vote: 0, commit: 100))
    for first in 1...100 as ClosedRange<Index> {
      let read = log.entries(from: first, to: 101, maxBytes: .max)
      #expect(read == Array(all[(Int(first) - 1)...]))
    }
    // One whose hash stands there in part is believed only if those since the whole one are.
    log.close()
    let path = directory.log + "/data.mdb"
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    let place = try #require(data.range(of: Data(all[69].payload)))
    try patch(path, at: UInt64(place.lowerBound)) { $0[$0.startIndex] ^= 1 }
    let damaged = try EventLog.open(directory: directory.log, mode: .readOnly)
    for first in 1...100 as ClosedRange<Index> {
      let read = try? damaged.chainHash(at: first)
      #expect((read == nil) == (70...95).contains(first), "index \(first)")
    }
    #expect(try damaged.verify().damage?.index == 70)
  }
}
