import EventLog
import Foundation
import Raft
import Testing

/// What is on the disk is not what was written.
@Suite struct DamageTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func closedLog(_ count: Index = 100) async throws {
    let log = try newLog(directory)
    #expect(
      await log.write(entries(1...count), hardState: HardState(term: 1, vote: 3, commit: count))
        .fault == nil)
    log.close()
  }

  private func openFault(
    _ mode: EventLog.Mode = .readWrite, expecting: LogIdentity? = nil
  ) -> Fault? {
    do throws(Fault) {
      _ = try EventLog.open(directory: directory.log, mode: mode, expecting: expecting)
      return nil
    } catch {
      return error
    }
  }

  @Test("One flipped bit in a payload is found, at its index", arguments: [2, 57, 100] as [Index])
  func flippedBit(index: Index) async throws {
    let log = try newLog(directory)
    _ = await log.write(
      (1...100).map { at in
        Entry(index: at, term: 1, payload: Array("the payload of entry \(at).".utf8))
      })
    log.close()
    let path = directory.log + "/data.mdb"
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    let place = try #require(data.range(of: Data("entry \(index).".utf8)))
    try patch(path, at: UInt64(place.lowerBound)) { $0[$0.startIndex] ^= 4 }
    let damaged = try EventLog.open(directory: directory.log, mode: .readOnly)
    #expect(try damaged.verify(.quick).damage?.index == index)
    let found = try damaged.verify()
    #expect(found.damage?.index == index)
    #expect(found.lastIndex == index - 1)
    #expect(try damaged.verify(.last(40)).damage?.index == (index > 32 ? index : nil))
    #expect(throws: Fault.self) { try damaged.backup(to: directory.path + "/copy") }
    #expect(!FileManager.default.fileExists(atPath: directory.path + "/copy"))
  }

  @Test("An entry that is passed on the way along and missed on the way down is damage")
  func unfindable() async throws {
    try await closedLog(2_000)
    let path = directory.log + "/data.mdb"
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    // A page above the leaves, and in it the least key of a leaf.
    let (size, keys) = (4096, 200...1_900 as ClosedRange<Index>)
    let places = stride(from: 0, to: data.count, by: size).filter { data[$0 + 10] == 1 }
    let found = places.lazy.flatMap { page in
      keys.lazy.compactMap { index -> (place: Int, index: Index)? in
        let key = Data([8, 0]) + withUnsafeBytes(of: index.bigEndian) { Data($0) }
        return data[page..<page + size].range(of: key).map { ($0.upperBound - 1, index) }
      }
    }.first { $0.index % 2 == 0 }
    let (place, index) = try #require(found)
    try patch(path, at: UInt64(place)) { $0[$0.startIndex] ^= 1 }
    let log = try EventLog.open(directory: directory.log, mode: .readOnly)
    defer { log.close() }
    let verified = try log.verify()
    #expect(verified.damage?.index == index && verified.lastIndex == index - 1)
    #expect(verified.damage?.text.contains("not found where it is looked for") == true)
  }

  @Test("What was changed is never read: not by index, not in passing, not by a peer's wish")
  func neverRead() async throws {
    let log = try newLog(directory)
    _ = await log.write(
      (1...100).map { at in
        Entry(index: at, term: 1, payload: Array("the payload of entry \(at).".utf8))
      })
    log.close()
    let path = directory.log + "/data.mdb"
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    let place = try #require(data.range(of: Data("entry 57.".utf8)))
    try patch(path, at: UInt64(place.lowerBound)) { $0[$0.startIndex] ^= 4 }
    let damaged = try EventLog.open(directory: directory.log, mode: .readWrite)
    #expect(damaged.entries(from: 40, to: 57, maxBytes: .max)?.count == 17)
    // Those up to the next whole hash cannot be proven without it.
    #expect(damaged.entries(from: 65, to: 70, maxBytes: .max)?.count == 5)
    #expect(damaged.failure == nil)
    var seen: Index = 0
    let fault = #expect(throws: Fault.self) {
      try damaged.forEach(from: 1, batch: 8) { entry in
        seen = entry.index
        return true
      }
    }
    #expect(seen == 56)
    #expect(fault?.kind == .damaged)
    #expect(fault?.description.contains("index 57") == true)
    #expect(damaged.entries(from: 57, to: 58, maxBytes: .max) == nil)
    #expect(damaged.failure?.kind == .damaged)
    #expect(await damaged.write(entries(101...101)).fault?.kind == .damaged)
  }

  @Test("A new log in place of a damaged one has what is proven, and what was promised")
  func rebuilt() async throws {
    let log = try newLog(directory)
    let state = HardState(term: 4, vote: 3, commit: 60)
    _ = await log.write(entries(1...100, term: 4), hardState: state)
    let hash = try log.chainHash(at: 70)
    log.close()
    let promised = try #require(try EventLog.promises(of: directory.log))
    #expect(promised.term == 4)
    #expect(promised.vote == 3)
    #expect(promised.boot == 1)
    for (name, isSettled) in [("behind", false), ("settled", true)] {
      let path = directory.path + "/" + name
      try EventLog.rebuild(
        directory.log, as: path, of: identity, through: 70, committed: 60,
        promised: promised, isSettled: isSettled)
      let new = try EventLog.open(directory: path, mode: .readWrite, expecting: identity)
      #expect(new.lastIndex == 70)
      #expect(try new.chainHash(at: 70) == hash)
      #expect(new.hardState == state)
      #expect(new.bootNumber > promised.boot)
      #expect(new.findings.map(\.isLogBehind) == (isSettled ? [] : [true]))
      #expect(try new.verify().damage == nil)
      new.close()
    }
    // Nothing can be kept: the promise is.
    let path = directory.path + "/empty"
    try EventLog.rebuild(
      directory.log, as: path, of: identity, through: 0, committed: 60,
      promised: promised, isSettled: false)
    let empty = try EventLog.open(directory: path, mode: .readWrite, expecting: identity)
    #expect(empty.lastIndex == 0)
    #expect(empty.hardState == HardState(term: 4, vote: 3, commit: 0))
    #expect(empty.findings.map(\.isLogBehind) == [true])
  }

  @Test("Any change of any stored byte of an entry changes the chain")
  func everyByte() throws {
    let change = ConfigurationChange(transition: .jointExplicit, steps: [.remove(9), .addVoter(8)])
    let entry = Entry(index: 5, term: 3, kind: .change, change: change, payload: [1, 2])
    var others = [entry, entry, entry, entry, entry, entry, entry, entry]
    others[0].index = 6
    others[1].term = 4
    others[2].kind = .normal
    others[3].change?.transition = .automatic
    others[4].change?.steps.reverse()
    others[5].change = nil
    others[6].payload = [1, 3]
    others[7].payload = [1, 2, 0]
    let hashes = Set((others + [entry]).map { ChainHash.genesis.extended(by: $0) })
    #expect(hashes.count == 9)
    // Computed by other means from the layout that is documented.
    #expect(
      ChainHash.genesis.extended(by: entry).description
        == "2f5695d18fd73659d94a1a695ffd5ae730eae5ca1f317693164fb321279baf58")
  }

  @Test(
    "A file that was cut is refused before a page of it is read",
    arguments: [0, 1, 4096, 8192, 8193, 40960])
  func truncated(size: Int) async throws {
    try await closedLog(2000)
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: directory.log + "/data.mdb"))
    try file.truncate(atOffset: UInt64(size))
    try file.close()
    for mode in [EventLog.Mode.readOnly, .readWrite] {
      let fault = openFault(mode)
      #expect(fault?.kind == .damaged)
      #expect(fault?.exitCode == 65)
    }
  }

  @Test("A missing file is refused, never made anew", arguments: ["data.mdb", "identity"])
  func missing(name: String) async throws {
    try await closedLog()
    try FileManager.default.removeItem(atPath: "\(directory.log)/\(name)")
    #expect(openFault()?.kind == .damaged)
    #expect(!FileManager.default.fileExists(atPath: "\(directory.log)/\(name)"))
  }

  @Test("Where there is no log, that is said")
  func nothing() throws {
    #expect(openFault()?.kind == .other)
    #expect(openFault()?.exitCode == 1)
    #expect(openFault()?.description.contains("there is no log here") == true)
  }

  @Test("A log of another cluster, node or beginning is refused")
  func foreign() async throws {
    try await closedLog()
    for other in [
      LogIdentity(cluster: 2, node: identity.node),
      LogIdentity(cluster: identity.cluster, node: 2),
      LogIdentity(cluster: identity.cluster, node: identity.node, firstIndex: 2),
    ] {
      #expect(openFault(expecting: other)?.kind == .foreign)
    }
    #expect(openFault(expecting: identity) == nil)
    // Another log's identity file beside this data.
    let path = directory.log + "/identity"
    let text = LogIdentity(cluster: 2, node: 2).description
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    #expect(openFault()?.kind == .foreign)
    #expect(openFault()?.exitCode == 65)
    try Data("muster-log 3\ncluster c1\nnode a1\nfirst-index 1\n".utf8)
      .write(to: URL(fileURLWithPath: path))
    #expect(openFault()?.kind == .foreign)
    try Data("what".utf8).write(to: URL(fileURLWithPath: path))
    #expect(openFault()?.kind == .damaged)
  }

  @Test("A log is made once")
  func existing() async throws {
    try await closedLog()
    let error = #expect(throws: Fault.self) {
      try EventLog.create(directory: directory.log, identity: identity)
    }
    #expect(error?.kind == .inUse)
    let log = try EventLog.open(directory: directory.log, mode: .readWrite)
    #expect(log.lastIndex == 100)
    #expect(openFault(.readOnly)?.kind == .inUse)
  }

  @Test("Data that was put back to an earlier day is found by the witness, which keeps the vote")
  func rolledBack() async throws {
    try await closedLog()
    let data = URL(fileURLWithPath: directory.log + "/data.mdb")
    let old = try Data(contentsOf: data)
    let log = try EventLog.open(directory: directory.log, mode: .readWrite)
    #expect(log.findings == [])
    let state = HardState(term: 7, vote: 2, commit: 120)
    _ = await log.write(entries(101...120, term: 7), hardState: state)
    log.close()
    try old.write(to: data)
    let again = try EventLog.open(directory: directory.log, mode: .readWrite)
    #expect(again.bootNumber == 3)
    #expect(again.lastIndex == 100)
    #expect(again.hardState == HardState(term: 7, vote: 2, commit: 100))
    let words = again.findings.first.map { "\($0)" } ?? ""
    #expect(
      words.contains("it ends at 100 with term 1") && !words.contains("logBehind"), "\(words)")
    guard case .logBehind(let log, let witness, 100) = again.findings.first else {
      Issue.record("found \(again.findings)")
      return
    }
    #expect(log.term == 1)
    #expect(witness == Witness(state, boot: 2))
    again.close()
    // It stays so, whatever dies meanwhile, until the host has dealt with it.
    let third = try EventLog.open(directory: directory.log, mode: .readWrite)
    #expect(third.findings == again.findings)
    await withCheckedContinuation { continuation in
      third.submit(LogWrite(settlesFindings: true) { _ in continuation.resume() })
    }
    third.close()
    #expect(try EventLog.open(directory: directory.log, mode: .readWrite).findings == [])
  }

  @Test("A witness that is missing or behind is put right; one torn slot costs nothing")
  func witness() async throws {
    try await closedLog()
    let path = directory.log + "/votes"
    let old = try Data(contentsOf: URL(fileURLWithPath: path))
    var log = try EventLog.open(directory: directory.log, mode: .readWrite)
    _ = await log.write(hardState: HardState(term: 2, vote: 1, commit: 100))
    log.close()
    try old.write(to: URL(fileURLWithPath: path))
    log = try EventLog.open(directory: directory.log, mode: .readWrite)
    guard case .witnessBehind = log.findings.first else {
      Issue.record("found \(log.findings)")
      return
    }
    #expect(log.hardState == HardState(term: 2, vote: 1, commit: 100))
    log.close()
    // The older slot is the one that a crash may tear.
    let slots = try Data(contentsOf: URL(fileURLWithPath: path))
    let sequences = [slots[15], slots[4096 + 15]]
    try patch(path, at: sequences[0] < sequences[1] ? 0 : 4096) { $0[$0.startIndex + 20] ^= 1 }
    log = try EventLog.open(directory: directory.log, mode: .readWrite)
    #expect(log.findings == [])
    log.close()
    // Even if it is the newer one, the older still stands.
    let later = try Data(contentsOf: URL(fileURLWithPath: path))
    try patch(path, at: later[15] > later[4096 + 15] ? 0 : 4096) { $0[$0.startIndex + 20] ^= 1 }
    log = try EventLog.open(directory: directory.log, mode: .readWrite)
    guard case .witnessBehind = log.findings.first else {
      Issue.record("found \(log.findings)")
      return
    }
    log.close()
    try FileManager.default.removeItem(atPath: path)
    log = try EventLog.open(directory: directory.log, mode: .readWrite)
    #expect(log.findings == [.witnessMissing])
    log.close()
    log = try EventLog.open(directory: directory.log, mode: .readWrite)
    #expect(log.findings == [])
  }

  @Test("A witness that knows of more committed entries than there are is believed")
  func shortened() async throws {
    try await closedLog(100)
    let other = try TemporaryDirectory()
    let longer = try newLog(other)
    let state = HardState(term: 1, vote: 3, commit: 120)
    _ = await longer.write(entries(1...120), hardState: state)
    longer.close()
    try Data(contentsOf: URL(fileURLWithPath: other.log + "/votes"))
      .write(to: URL(fileURLWithPath: directory.log + "/votes"))
    let log = try EventLog.open(directory: directory.log, mode: .readWrite)
    #expect(log.findings.map(\.isLogBehind) == [true])
    #expect(log.hardState.commit == 100)
  }

  @Test("Two votes in one term are damage")
  func twoVotes() async throws {
    try await closedLog()
    let path = directory.log + "/votes"
    let old = try Data(contentsOf: URL(fileURLWithPath: path))
    let other = directory.path + "/other"
    try EventLog.create(directory: other, identity: identity)
    let log = try EventLog.open(directory: other, mode: .readWrite)
    _ = await log.write(hardState: HardState(term: 1, vote: 2, commit: 0))
    log.close()
    try Data(contentsOf: URL(fileURLWithPath: other + "/votes"))
      .write(to: URL(fileURLWithPath: path))
    #expect(openFault()?.kind == .damaged)
    try old.write(to: URL(fileURLWithPath: path))
    #expect(openFault() == nil)
  }
}
