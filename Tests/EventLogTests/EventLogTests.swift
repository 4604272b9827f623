import EventLog
import Foundation
import Raft
import Testing

@Suite struct EventLogTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// Random appends and cuts, with commits and new terms, beside an array that does the same.
  @Test(
    "A log is an array whose uncommitted tail may change, and reopening changes nothing",
    arguments: [1, 2, 3, 4] as [UInt64])
  func model(seed: UInt64) async throws {
    var random = Seeded(state: seed)
    var log = try newLog(directory)
    var model: [Entry] = []
    var state = HardState()
    for round in 0..<150 {
      let cut = Index.random(in: state.commit...Index(model.count), using: &random)
      if Bool.random(using: &random) { state.term += 1 }
      state.vote = state.term > log.hardState.term ? .random(in: 0...3, using: &random) : state.vote
      let count = Index.random(in: 0...12, using: &random)
      let added = (0..<count).map { randomEntry(cut + 1 + $0, max(1, state.term), &random) }
      if !added.isEmpty {
        model.removeSubrange(Int(cut)...)
        model += added
      }
      state.commit = .random(in: state.commit...max(state.commit, cut), using: &random)
      #expect(await log.write(added, hardState: state).fault == nil)
      if round % 25 == 24 {
        log.close()
        log = try EventLog.open(directory: directory.log, mode: .readWrite, expecting: identity)
        #expect(log.findings == [])
      }
      #expect(log.lastIndex == Index(model.count))
      #expect(log.lastTerm == model.last?.term ?? 0)
      #expect(log.hardState == state)
      #expect(try log.allEntries() == model)
      let hash = model.reduce(ChainHash.genesis) { $0.extended(by: $1) }
      #expect(try log.chainHash(at: log.lastIndex) == hash)
    }
    #expect(try log.verify().damage == nil)
    #expect(try log.verify().checked == model.count)
    #expect(log.bootNumber == 7)
  }

  @Test("A boot number that was raised is below that of every later start, and no start is lower")
  func raisedBootNumber() async throws {
    let log = try newLog(directory)
    for boot in [40, 2] as [UInt64] {
      let fault = await withCheckedContinuation { continuation in
        log.submit(LogWrite(boot: boot) { continuation.resume(returning: $0.fault) })
      }
      #expect(fault == nil)
    }
    log.close()
    for boot in [41, 42] as [UInt64] {
      let again = try EventLog.open(directory: directory.log, mode: .readWrite)
      #expect(again.bootNumber == boot && again.findings.isEmpty)
      again.close()
    }
  }

  private func randomEntry(
    _ index: Index, _ term: Term, _ random: inout Seeded
  ) -> Entry {
    let size = [0, 1, 40, 3000, 9000].randomElement(using: &random) ?? 0
    let payload = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
    switch Int.random(in: 0..<4, using: &random) {
    case 0: return Entry(index: index, term: term, kind: .newTerm, payload: payload)
    case 1:
      let steps: [ConfigurationChange.Step] = [
        .addVoter(.random(in: 0 ... .max, using: &random)), .addLearner(7), .remove(.max),
        .update(0),
      ]
      let change = ConfigurationChange(
        transition: [.automatic, .jointImplicit, .jointExplicit].randomElement(using: &random)
          ?? .automatic,
        steps: Array(steps.shuffled(using: &random).prefix(.random(in: 0...4, using: &random))))
      return Entry(index: index, term: term, kind: .change, change: change, payload: payload)
    default: return Entry(index: index, term: term, payload: payload)
    }
  }

  @Test("Reading gives at least one entry, then what fits, and nothing that is not there")
  func reading() async throws {
    let log = try newLog(directory)
    #expect(log.firstIndex == 1)
    #expect(log.lastIndex == 0)
    #expect(log.term(at: 0) == 0)
    #expect(log.term(at: 1) == nil)
    #expect(log.entries(from: 1, to: 2, maxBytes: 10) == nil)
    #expect(log.snapshot() == nil)
    _ = await log.write(entries(1...10, size: 20))
    _ = await log.write(entries(11...20, term: 3))
    #expect(log.entries(from: 1, to: 21, maxBytes: 0)?.count == 1)
    #expect(log.entries(from: 1, to: 21, maxBytes: 59)?.count == 2)
    #expect(log.entries(from: 1, to: 21, maxBytes: 60)?.count == 3)
    #expect(log.entries(from: 1, to: 21, maxBytes: .max)?.count == 20)
    #expect(log.entries(from: 5, to: 8, maxBytes: .max) == entries(5...7))
    #expect(log.entries(from: 19, to: .max, maxBytes: .max) == entries(19...20, term: 3))
    #expect(log.entries(from: 21, to: 22, maxBytes: .max) == nil)
    #expect(log.entries(from: 0, to: 5, maxBytes: .max) == nil)
    #expect(log.entries(from: 5, to: 5, maxBytes: .max) == [])
    #expect(
      (0...21).map { log.term(at: $0) } == [0] + .init(repeating: 1, count: 10)
        + .init(repeating: 3, count: 10) + [nil])
    var seen: [Index] = []
    try log.forEach(from: 4, through: 17, batch: 3) {
      seen.append($0.index)
      return $0.index < 15
    }
    #expect(seen == Array(4...15))
    #expect(log.failure == nil)
  }

  @Test("A log that begins from a state knows the term and the hash before its first entry")
  func seeded() async throws {
    let base = LogBase(
      index: 1000, term: 4, chainHash: ChainHash.genesis.extended(by: Entry(index: 1, term: 1)))
    let seeded = LogIdentity(cluster: 1, node: 2, firstIndex: 1001)
    try EventLog.create(
      directory: directory.log, identity: seeded, base: base,
      checkpoint: Checkpoint(index: 1000, bytes: [1, 2, 3]))
    let log = try EventLog.open(directory: directory.log, mode: .readWrite, expecting: seeded)
    #expect(log.firstIndex == 1001)
    #expect(log.lastIndex == 1000)
    #expect(log.term(at: 1000) == 4)
    #expect(log.term(at: 999) == nil)
    #expect(log.hardState == HardState(term: 4, vote: 0, commit: 1000))
    #expect(try log.lastCheckpoint(atOrBefore: .max)?.bytes == [1, 2, 3])
    #expect(try log.lastCheckpoint(atOrBefore: 999) == nil)
    let added = entries(1001...1003, term: 4)
    #expect(await log.write(added).fault == nil)
    #expect(try log.allEntries() == added)
    let hash = added.reduce(base.chainHash) { $0.extended(by: $1) }
    #expect(try log.chainHash(at: 1003) == hash)
    let found = try log.verify()
    #expect(found.checked == 3)
    #expect(found.lastIndex == 1003)
    #expect(found.chainHash == hash)
    #expect(found.damage == nil)
    let replaced = entries(1001...1001, term: 5)
    #expect(await log.write(replaced).fault == nil)
    #expect(try log.allEntries() == replaced)
  }

  @Test("The beginning moves: what it stands for goes, what rests on it stays, nothing committed")
  func moved() async throws {
    var log = try newLog(directory)
    _ = await log.write(entries(1...20), hardState: HardState(term: 2, vote: 1, commit: 15))
    for index in [5, 10, 15] as [Index] {
      _ = await log.write(checkpoint: Checkpoint(index: index, bytes: [UInt8(index)]))
    }
    // The log's own: a trim.
    let base = LogBase(index: 10, term: 1, chainHash: try #require(try log.chainHash(at: 10)))
    let hash = try log.chainHash(at: 20)
    #expect(await log.write(base: base).fault == nil)
    #expect(log.firstIndex == 11)
    #expect(try log.chainHash(at: 20) == hash)
    #expect(log.term(at: 10) == 1)
    #expect(log.term(at: 9) == nil)
    #expect(log.entries(from: 10, to: 12, maxBytes: .max) == nil)
    #expect(log.entries(from: 11, to: .max, maxBytes: .max) == entries(11...20))
    #expect(try log.lastCheckpoint(atOrBefore: 9) == nil)
    #expect(try log.lastCheckpoint(atOrBefore: 14)?.index == 10)
    #expect(try log.verify().checked == 10)
    // Another's: a state takes the place of all, and more follows in the same write.
    let other = LogBase(index: 18, term: 3, chainHash: ChainHash.genesis.extended(by: Entry()))
    let state = HardState(term: 3, vote: 0, commit: 19)
    #expect(await log.write(base: other, entries(19...19, term: 3), hardState: state).fault == nil)
    log.close()
    log = try EventLog.open(directory: directory.log, mode: .readWrite, expecting: identity)
    #expect(log.tip.base == other)
    #expect(log.lastIndex == 19)
    #expect(log.hardState == state)
    #expect(try log.allEntries() == entries(19...19, term: 3))
    #expect(try log.verify().damage == nil)
    #expect(try log.verify().checked == 1)
    // What is committed is not another's to replace.
    let wrong = LogBase(index: 19, term: 3, chainHash: .genesis)
    #expect(await log.write(base: wrong).fault?.kind == .other)
    #expect(try log.allEntries() == entries(19...19, term: 3))
  }

  @Test("Answers come in the order of the writes, each after what it says is durable")
  func order() async throws {
    let log = try newLog(directory)
    let stream = AsyncStream<(Index, Index)> { continuation in
      for index in 1...3000 as ClosedRange<Index> {
        log.submit(
          LogWrite(entries: entries(index...index)) { _ in
            continuation.yield((index, log.lastIndex))
            if index == 3000 { continuation.finish() }
          })
      }
    }
    var next: Index = 1
    for await (index, lastIndex) in stream {
      #expect(index == next)
      #expect(lastIndex >= index)
      next += 1
    }
    #expect(next == 3001)
    #expect(try log.verify().checked == 3000)
  }

  @Test(
    "A write that no log may do ends it, and changes nothing",
    arguments: ["gap", "committed", "term", "commit", "vote", "hard term", "checkpoint", "newest"])
  func refused(name: String) async throws {
    let log = try newLog(directory)
    let state = HardState(term: 2, vote: 1, commit: 5)
    _ = await log.write(entries(1...10, term: 2), hardState: state)
    let before = log.tip
    let fault =
      switch name {
      case "gap": await log.write(entries(12...12, term: 2)).fault
      case "committed": await log.write(entries(5...6, term: 3)).fault
      case "term": await log.write(entries(11...11, term: 1)).fault
      case "commit": await log.write(hardState: HardState(term: 2, vote: 1, commit: 11)).fault
      case "vote": await log.write(hardState: HardState(term: 2, vote: 2, commit: 5)).fault
      case "hard term": await log.write(hardState: HardState(term: 1, vote: 1, commit: 5)).fault
      case "newest": await log.write(newest: Checkpoint(index: 6, bytes: [])).fault
      default: await log.write(checkpoint: Checkpoint(index: 6, bytes: [])).fault
      }
    #expect(fault != nil)
    #expect(log.failure == fault)
    #expect(await log.write(entries(11...11, term: 2)).fault == fault)
    #expect(log.tip == before)
    log.close()
    let again = try EventLog.open(directory: directory.log, mode: .readWrite)
    #expect(again.tip == before)
  }

  @Test("Checkpoints and facts are found again, the nearest before and the latest")
  func checkpoints() async throws {
    var log = try newLog(directory)
    _ = await log.write(entries(1...300), hardState: HardState(term: 1, vote: 0, commit: 300))
    for index in [100, 200, 300] as [Index] {
      let checkpoint = Checkpoint(index: index, bytes: .init(repeating: 1, count: Int(index) * 100))
      _ = await log.write(checkpoint: checkpoint, facts: ["at": [UInt8](repeating: 2, count: 3)])
    }
    _ = await log.write(facts: ["at": [9], "other": []])
    #expect(try log.newestCheckpoint() == nil)
    for index in [250, 280] as [Index] {
      _ = await log.write(newest: Checkpoint(index: index, bytes: [UInt8](repeating: 3, count: 9)))
    }
    log.close()
    log = try EventLog.open(directory: directory.log, mode: .readWrite)
    #expect(try log.lastCheckpoint(atOrBefore: 99) == nil)
    #expect(try log.lastCheckpoint(atOrBefore: 100)?.index == 100)
    #expect(try log.lastCheckpoint(atOrBefore: 299)?.bytes.count == 20000)
    #expect(try log.lastCheckpoint(atOrBefore: .max)?.index == 300)
    let newest = try #require(try log.newestCheckpoint())
    #expect(newest.index == 280 && newest.bytes.count == 9)
    #expect(try log.newestCheckpointIndex() == 280)
    #expect(try log.fact("at") == [9])
    #expect(try log.fact("other") == [])
    #expect(try log.fact("none") == nil)
  }

  @Test("Nothing is written when nothing changes; a commit index alone follows by itself")
  func idle() async throws {
    let log = try newLog(directory)
    let state = HardState(term: 1, vote: 1, commit: 0)
    _ = await log.write(entries(1...3), hardState: state)
    let before = try log.space().commits
    for _ in 0..<50 { #expect(await log.write(hardState: state).fault == nil) }
    #expect(await log.write().fault == nil)
    #expect(try log.space().commits == before)
    _ = await log.write(hardState: HardState(term: 1, vote: 1, commit: 3))
    #expect(log.hardState.commit == 3)
    // It reaches the disk without anything else being written.
    while try log.space().commits == before { await Task.yield() }
    #expect(try log.space().commits == before + 1)
    log.close()
    let again = try EventLog.open(directory: directory.log, mode: .readOnly)
    #expect(again.hardState.commit == 3)
  }

  @Test("Closing writes the commit index that still waits")
  func closing() async throws {
    let log = try newLog(directory)
    _ = await log.write(entries(1...3), hardState: HardState(term: 1, vote: 1, commit: 0))
    _ = await log.write(hardState: HardState(term: 1, vote: 1, commit: 2))
    log.close()
    #expect(await log.write(entries(4...4)).fault != nil)
    #expect(log.entries(from: 1, to: 2, maxBytes: 1) == nil)
    let again = try EventLog.open(directory: directory.log, mode: .readWrite)
    #expect(again.hardState.commit == 2)
    #expect(again.findings == [])
  }

  @Test("A copy is a whole log, verified and compact, and is not made over another")
  func backup() async throws {
    let log = try newLog(directory)
    _ = await log.write(entries(1...500), hardState: HardState(term: 1, vote: 2, commit: 400))
    let target = directory.path + "/copy"
    try log.backup(to: target)
    #expect(throws: Fault.self) { try log.backup(to: target) }
    let copy = try EventLog.open(directory: target, mode: .readWrite, expecting: identity)
    #expect(try copy.allEntries() == log.allEntries())
    #expect(copy.tip == log.tip)
    #expect(copy.findings == [])
    #expect(await copy.write(entries(501...501)).fault == nil)
    #expect(log.lastIndex == 500)
  }

  @Test("Files are for their owner alone")
  func modes() throws {
    try newLog(directory).close()
    func mode(_ path: String) throws -> Int? {
      try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }
    #expect(try mode(directory.log) == 0o700)
    for name in try FileManager.default.contentsOfDirectory(atPath: directory.log) {
      #expect(try mode("\(directory.log)/\(name)") == 0o600)
    }
    #expect(!FileManager.default.fileExists(atPath: directory.log + ".new"))
  }
}
