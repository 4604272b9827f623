// States that a log stores on the way: near every index, small, and what the events make.

import EventLog
import Foundation
import History
import Membership
import Raft
import Schema
import Testing

@Suite("Stored states")
struct StoredStatesTests {
  /// A long life: many invitations, then API servers come and go, and now and then one more is
  /// issued.
  private func story(_ count: Int) throws -> Story {
    var story = try Story.life()
    while story.entries.count < count {
      let number = UInt64(story.entries.count)
      if number.isMultiple(of: 500) || number < 200 {
        story.append(
          .tokenIssued(
            TokenIssued(
              id: TokenID(number), secrets: [.init(hash: digest(2, Int(number)), roles: [.worker])],
              uses: 1, expires: story.now.adding(seconds: 60))))
      } else {
        story.append(
          .endpointRefreshed(
            EndpointRefreshed(
              node: NodeID(1), endpoints: record(1).endpoints,
              apiserverReady: number.isMultiple(of: 2), version: "0.1.0")))
      }
      // The states on the way are asked for here and there only.
      if number > 100, !number.isMultiple(of: 97) { story.states[Int(number)] = Cluster() }
    }
    return story
  }

  /// Makes a log of that story and lends its folder.
  private func inLog(of count: Int, _ body: (Story, String) throws -> Void) throws {
    let story = try story(count)
    try inFolder { folder in
      let path = folder.appending(path: "log").path
      try story.history.restore(to: path)
      try body(story, path)
    }
  }

  @Test("From a log made of a history, any state is what the events made it")
  func near() throws {
    try inLog(of: 9_000) { story, path in
      let log = try EventLog.open(directory: path, mode: .readOnly)
      defer { log.close() }
      let source = LogSource(log)
      let history = History(source)
      let stored = try source.storedStates()
      #expect(stored.count >= 3)
      for index in stored {
        let kept = try #require(try log.lastCheckpoint(atOrBefore: index))
        #expect(kept.index == index || index == stored.last)
      }
      // Whole ones, differences from these, and differences from differences.
      #expect(try Set(stored.map { try depth(log, $0) }) == [0, 1, 2])
      for index in stride(from: 97, to: story.entries.count, by: 97) {
        #expect(try history.state(at: UInt64(index)) == story.states[index].withoutCommands)
      }
      let newest = try #require(source.newest())
      #expect(newest.remembersCommands)
      #expect(newest.lastIndex + 2 * StoredStates.spacing > history.head)
      let rebuilt = try Rebuild(history)
      #expect(rebuilt.difference == nil && rebuilt.storedStates == stored.count)
    }
  }

  /// How many others it takes to read the one kept there.
  private func depth(_ log: EventLog, _ index: UInt64) throws -> Int {
    let kept = try #require(try log.lastCheckpoint(atOrBefore: index))
    guard let base = try StoredState.base(of: kept.bytes) else { return 0 }
    return try depth(log, base) + 1
  }

  @Test("A stored state that cannot be read costs time and nothing else")
  func damaged() throws {
    try inLog(of: 5_000) { story, path in
      let log = try EventLog.open(directory: path, mode: .readWrite)
      let whole = try #require(try log.lastCheckpoint(atOrBefore: 2_500))
      var bytes = whole.bytes
      bytes[bytes.count / 2] ^= 1
      log.submit(
        LogWrite(
          checkpoint: Checkpoint(index: whole.index, bytes: bytes),
          newest: Checkpoint(index: 4_900, bytes: [2, 4])))
      log.close()
      let damaged = try EventLog.open(directory: path, mode: .readOnly)
      defer { damaged.close() }
      let history = History(LogSource(damaged))
      for index in [2_425, 4_850, 4_947] {
        #expect(try history.state(at: UInt64(index)) == story.states[index].withoutCommands)
      }
      let source = LogSource(damaged)
      #expect(source.newest() == nil)
      let (stored, rebuilt) = (try source.storedStates(), try Rebuild(history))
      let readable = try stored.filter { try source.checkpoint(atOrBefore: $0)?.lastIndex == $0 }
      // What is told by its difference from a damaged one cannot be read either.
      #expect(readable.count + 1 < stored.count)
      #expect(rebuilt.difference == nil && rebuilt.storedStates == readable.count)
      #expect(rebuilt.unreadableStates == stored.count - readable.count)
    }
  }

  @Test("A rebuild finds the stored state that is sound and not what its events make")
  func wrong() throws {
    try inLog(of: 5_000) { story, path in
      let log = try EventLog.open(directory: path, mode: .readWrite)
      let history = History(LogSource(log))
      let index = try #require(try log.checkpointIndex(atOrBefore: 2_500))
      let sound = try history.state(at: index)
      var wrong = try history.state(at: index - 1)
      let other = try history.event(at: index - 1)
      #expect(
        wrong.evolve(RecordedEvent(index: index, term: other.term, envelope: other.envelope)) == nil
      )
      #expect(wrong != sound)
      let whole = StoredState.whole(wrong.packed())
      log.submit(LogWrite(checkpoint: Checkpoint(index: index, bytes: whole)))
      log.close()
      let odd = try EventLog.open(directory: path, mode: .readOnly)
      defer { odd.close() }
      let rebuilt = try Rebuild(History(LogSource(odd)))
      #expect(rebuilt.difference?.contains("stored at index \(index) is not") == true)
    }
  }

  @Test("A key that changed in the tables costs time or an answer, and never gives a wrong one")
  func keys() throws {
    try inLog(of: 9_000) { story, path in
      let file = URL(filePath: path).appending(path: "data.mdb")
      let sound = try Data(contentsOf: file)
      var right = 0
      for index in [2_000, 4_000, 8_000] as [UInt64] {
        // The size of the key stands before it.
        let key = Data([8, 0]) + withUnsafeBytes(of: index.bigEndian) { Data($0) }
        var from = sound.startIndex
        while let found = sound.range(of: key, in: from..<sound.endIndex) {
          from = found.upperBound
          for (byte, bit) in [(8, 0), (8, 3), (9, 4), (3, 1)] {
            var data = sound
            data[found.lowerBound + byte] ^= UInt8(1 << bit)
            try data.write(to: file)
            guard let log = try? EventLog.open(directory: path, mode: .readOnly) else { continue }
            defer { log.close() }
            let source = LogSource(log)
            let history = History(source)
            _ = try source.storedStates()
            for index in [97, 1_940, 2_037, 4_074, 8_051, 8_924] {
              guard let state = try? history.state(at: UInt64(index)) else { continue }
              #expect(state == story.states[index].withoutCommands)
              right += 1
            }
            _ = try? Rebuild(history)
          }
        }
      }
      #expect(right > 100)
    }
  }

  @Test("What is kept for good is little, and near, however the state grows")
  func cost() throws {
    for tokensAtOnce in [0, 1, 5, 20, 40] {
      var (states, kept, bytes, written) = (StoredStates(), UInt64(0), 0, UInt64(0))
      var tokens: [Token] = []
      let last: UInt64 = 200_000
      for index in stride(from: 500, through: last, by: 500) {
        for number in 0..<tokensAtOnce {
          tokens.append(
            Token(
              issued: TokenIssued(
                id: TokenID(index + UInt64(number)), secrets: [], uses: 1, expires: nil),
              index: index, time: Timestamp(milliseconds: 0), actor: "root@n1"))
        }
        guard states.isDue(at: index) else { continue }
        let state = Cluster(
          id: ClusterID(7), incarnation: 1, formed: Timestamp(milliseconds: 0), tokens: tokens,
          lastIndex: index)
        let writes = states.store(state)
        if let newest = writes.newest {
          #expect(newest.index == index)
          #expect(written == 0 || index >= written + StoredStates.spacing)
          written = index
        }
        guard let checkpoint = writes.kept else { continue }
        // As near as they may be; where very much changes, not much farther than one is worth.
        let size = UInt64(state.packed().size)
        let due = max(StoredStates.spacing, size / 1000) + 500
        #expect(index - kept <= (tokensAtOnce > 20 ? due + size / 10 : due))
        bytes += checkpoint.bytes.count
        kept = index
      }
      #expect(kept > 0 && written > 0)
      #expect(UInt64(bytes) <= 10 * last)
    }
  }

  @Test("What was stored goes on where a log is opened again")
  func reopened() {
    let states = StoredStates(after: Checkpoint(index: 70_000, bytes: []), kept: 69_000)
    #expect(!states.isDue(at: 70_001))
    #expect(states.isDue(at: 70_000 + StoredStates.spacing))
    // Where the table names an index that cannot be, nothing more is kept and nothing else lost.
    for kept in [90_000, UInt64.max] {
      var odd = StoredStates(after: Checkpoint(index: 70_000, bytes: []), kept: kept)
      let writes = odd.store(
        Cluster(
          id: ClusterID(7), incarnation: 1, formed: Timestamp(milliseconds: 0), lastIndex: 80_000))
      #expect(writes.kept == nil && writes.newest?.index == 80_000)
    }
  }
}
