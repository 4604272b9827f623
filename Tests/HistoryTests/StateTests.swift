// The state at any index, and lines of any part, are what they were when it happened.

import EventLog
import History
import Membership
import Projections
import Raft
import Schema
import Testing

@Suite struct StateTests {
  @Test("The state at every index is the one that was there live, with stored states or without")
  func everyIndex() throws {
    let story = try Story.life()
    var source = story.source
    for stored in [[], [3, 9, 20]] as [[Int]] {
      source.stored = [:]
      for index in stored { source.stored[UInt64(index)] = story.states[index] }
      let history = History(source)
      for index in story.states.indices {
        let bare = try history.state(at: UInt64(index))
        #expect(bare == story.states[index].withoutCommands)
        let now = story.states[index].lastTime
        #expect(
          ProjectionDigests.texts(bare, now: now).map(\.text)
            == ProjectionDigests.texts(story.states[index], now: now).map(\.text))
      }
    }
  }

  @Test("A walk tells each event with the states around it")
  func walk() throws {
    let story = try Story.life()
    var seen: [UInt64] = []
    try story.history.walk(from: 4, through: 17) { event, before, after in
      #expect(before == story.states[Int(event.index) - 1].withoutCommands)
      #expect(after == story.states[Int(event.index)].withoutCommands)
      seen.append(event.index)
      return true
    }
    #expect(seen == Array(4...17))
  }

  @Test("Any part of the lines, in any order, is that part of all lines", arguments: [true, false])
  func parts(_ stores: Bool) throws {
    let story = try Story.life()
    var source = story.source
    if stores { source.stored[11] = story.states[11] }
    let history = History(source)
    let all = try history.lines().map(\.document)
    #expect(all.count == story.entries.count)
    for limit in [1, 3, all.count, all.count + 5] {
      #expect(try history.lines(limit: limit).map(\.document) == Array(all.suffix(limit)))
      #expect(
        try history.lines(limit: limit, newest: false).map(\.document) == Array(all.prefix(limit)))
      #expect(
        try history.lines(limit: limit, reversed: true).map(\.document)
          == Array(all.reversed().prefix(limit)))
    }
    let nodes = try history.lines(EventFilter(type: "node")).map(\.document)
    #expect(
      try history.lines(EventFilter(type: "node"), limit: 2).map(\.document)
        == Array(nodes.suffix(2)))
    #expect(
      try history.lines(EventFilter(from: 5, to: 8)).map(\.document) == Array(all[4..<8]))
  }

  @Test("Who follows by index, whatever the pieces, reads every event once")
  func following() throws {
    let story = try Story.life()
    for step in [1, 2, 7] {
      var reader = EventReader()
      var read: [Document] = []
      var last = 0
      while last < story.entries.count {
        let next = min(last + step, story.entries.count)
        let history = History(MemorySource(Array(story.entries[..<next])))
        try reader.lines(EventFilter(from: UInt64(last) + 1), of: history) {
          read.append($0.document)
        }
        last = next
      }
      #expect(try read == story.history.lines().map(\.document))
    }
  }

  @Test("An event of the future stops the reading, and says what is needed")
  func unknownEvent() throws {
    var story = try Story.life()
    let last = story.entries.count
    // Field 45 of the envelope: format.raised, which this version only names.
    story.entries[last - 1].payload = [0xea, 0x02, 0x00]
    let history = story.history
    #expect(
      try history.state(at: UInt64(last) - 1) == story.states[last - 1].withoutCommands)
    let error = #expect(throws: HistoryFault.self) { try history.state(at: UInt64(last)) }
    #expect(error?.index == UInt64(last))
    #expect(error?.description.contains("format.raised") == true)
    #expect(error?.description.contains("higher event schema") == true)
  }

  @Test("A stored state of another index than its place is passed over")
  func misplaced() throws {
    let story = try Story.life()
    var source = story.source
    source.stored = [5: story.states[9], 12: story.states[12]]
    let history = History(source)
    for index in [5, 6, 8, 11, 12, 14] {
      #expect(try history.state(at: UInt64(index)) == story.states[index].withoutCommands)
    }
    let rebuilt = try Rebuild(history)
    #expect(rebuilt.difference == nil && rebuilt.storedStates == 1)
    #expect(rebuilt.unreadableStates == 1 && rebuilt.unreadable?.contains("1 stored state") == true)
  }

  @Test("Rebuilding agrees with the states stored on the way, and finds the one that is not so")
  func rebuild() throws {
    let story = try Story.life()
    var source = story.source
    source.stored = [5: story.states[5], 12: story.states[12]]
    var good = try Rebuild(History(source))
    #expect(good.difference == nil && good.storedStates == 2)
    #expect(good.state == story.cluster)
    good.compare(with: ProjectionDigests(story.cluster))
    #expect(good.difference == nil)

    var wrong = story.states[12]
    let again = RecordedEvent(
      index: 13, term: wrong.term,
      envelope: Envelope(
        time: wrong.lastTime, command: CommandID(high: 1, low: 1), fingerprint: 0, actor: "n1",
        event: .nodeSuspected(NodeSuspected(node: NodeID(1)))))
    #expect(wrong.evolve(again) == nil)
    source.stored[13] = wrong
    let bad = try Rebuild(History(source))
    #expect(bad.difference?.contains("index 13") == true)
    #expect(bad.difference?.contains("agreed at index 12") == true)
    // Two logs of the same events, by hash: what they come to is looked at nevertheless.
    let differs = try Difference(History(source), 13, story.history, 13)
    #expect(!differs.isEmpty && differs.text.contains("WRONG"), "\(differs.text)")
    #expect(differs.changes?.contains { $0.path == "nodes.n1.suspectedSince" } == true)
    let same = try Difference(History(story.source), 13, story.history, 13)
    #expect(same.isEmpty && same.contradiction == nil)

    var other = try Rebuild(story.history)
    let live = ProjectionDigests(
      index: story.cluster.lastIndex,
      entries: ProjectionDigests(story.cluster).entries.map {
        .init(name: $0.name, digest: $0.name == "tokens" ? "0" : $0.digest)
      })
    other.compare(with: live)
    #expect(other.difference?.hasSuffix(": tokens") == true)
  }
}
