// What why ha tells of losses besides the newest: as many as the states say, and what the record
// cannot say.

import History
import Membership
import Projections
import Raft
import Schema
import Testing

@Suite("Why, of losses and silences")
struct OutageTests {
  private func isHigh(_ state: Cluster) -> Bool { HighAvailability(state).isHighlyAvailable }

  /// n2 is out of contact three times; the second time its vote goes to n4, and n4 leaves then.
  private func story() throws -> Story {
    var story = try Story.life()
    for _ in 1...2 {
      try story.ask(.suspect(NodeID(2)), actor: "n1")
      try story.ask(.recover(NodeID(2)), actor: "n1")
    }
    return story
  }

  @Test("Why ha tells how often high availability was lost before, and what lists every loss")
  func earlier() throws {
    var story = try story()
    try story.goOn()
    var most = 0
    for state in story.states where state.isFormed {
      let index = Int(state.lastIndex)
      let losses = (1...index).filter { !isHigh(story.states[$0]) && isHigh(story.states[$0 - 1]) }
      let why = try Why(story.history, "ha", at: state.lastIndex, option: " --file x")
      let told = losses.last.map { loss in
        why.verdict.contains {
          $0.contains("until index \(loss) (") || $0.contains("lost at index \(loss) (")
        }
      }
      let line = why.verdict.filter { $0.contains("high availability was lost ") }
        .first { $0.hasPrefix("before index ") || $0.hasPrefix("up to index ") }
      let before = told == true ? losses.dropLast() : losses[...]
      most = max(most, before.count)
      guard let last = before.last else {
        #expect(line == nil, "\(why.verdict)")
        #expect(
          why.verdict.contains { $0.contains("was never lost") } == (told == true),
          "\(why.verdict)")
        continue
      }
      let words = before.count == 1 ? "once, " : "\(before.count) times, the last time "
      #expect(
        line?.contains(" was lost \(words)at index \(last) (") == true, "\(why.verdict)")
      #expect(
        line?.hasSuffix(": muster bisect --scan --expect ha.highAvailability=yes --file x") == true)
    }
    #expect(most > 1)
    let expectation = try Expectation("ha.highAvailability=yes")
    try expectation.check(story.history)
    let scan = try Bisection(story.history, 1...story.history.head, condition: "x", scan: true) {
      expectation.holds($0) ? .holds : .fails
    }
    let changes = story.states.indices.dropFirst().filter {
      isHigh(story.states[$0]) != isHigh(story.states[$0 - 1])
    }
    #expect(scan.changes == changes.map { UInt64($0) })
  }

  @Test("Of a long history the newest part is looked at, and why ha says which")
  func long() throws {
    var story = try story()
    let loss = try #require(try Why(story.history, "ha", at: story.history.head).lost)
    story.lengthen(by: 20_010)
    for _ in 1...2 {
      try story.ask(.suspect(NodeID(2)), actor: "n1")
      try story.ask(.recover(NodeID(2)), actor: "n1")
    }
    let newest = story.history.head - 1
    let why = try Why(story.history, "ha", at: story.history.head)
    #expect(why.lost == newest && loss < newest)
    #expect(
      why.verdict.contains {
        $0.hasPrefix("before index \(newest), from index \(newest - 20_000) on, ")
          && $0.contains(" was lost once, at index \(newest - 2) (")
      }, "\(why.verdict)")
  }

  @Test("A loss that was recorded after a silence is told as that, one that somebody caused is not")
  func lag() throws {
    var story = try Story.life()
    try story.ask(.changePolicy(PolicyChanged(suspectAfter: 25_000, recoverAfter: 7_000)))
    try story.ask(.suspect(NodeID(2)), actor: "n1")
    let lost = story.history.head
    let words = "the loss at index \(lost) was recorded after 25 s of silence or more: n2 was "
    func lines() throws -> [String] {
      try Why(story.history, "ha", at: story.history.head).verdict.filter {
        $0.contains(" of silence ")
      }
    }
    #expect(try lines().first?.hasPrefix(words) == true)
    #expect(try lines().first?.contains("contact or more") == false)
    try story.ask(.recover(NodeID(2)), actor: "n1")
    #expect(try lines().first?.hasPrefix(words) == true)
    #expect(try lines().first?.contains("; its end after 7 s of contact or more: n2 ") == true)
    try story.ask(.removeNode(.init(target: "n3", force: true)), reason: "sold")
    #expect(!isHigh(story.cluster))
    #expect(try lines().isEmpty)
    // The default, where the policy says nothing.
    let early = try Why(try Story.life().history, "ha", at: 19).verdict
    #expect(early.contains { $0.hasPrefix("the loss at index 19 was recorded after 10 s of ") })
  }

  @Test("Why ha tells of the newest silence before one of the last elections, and of no short one")
  func silence() throws {
    var story = try Story.life()
    func told() throws -> [String] {
      try Why(story.history, "ha", at: story.history.head).verdict.filter {
        $0.contains("nothing was recorded")
      }
    }
    func elect(_ n: Int, after seconds: Int64) {
      story.now = story.now.adding(seconds: seconds - 1)
      let elected = LeaderElected(node: NodeID(UInt64(n)))
      story.append(.leaderElected(elected), term: story.cluster.term + 1)
    }
    elect(3, after: 9)
    #expect(try told().isEmpty)
    elect(1, after: 53)
    let index = story.history.head
    let times = try [index - 1, index].map {
      try story.history.event(at: $0).envelope.time.rfc3339
    }
    let words =
      "between index \(index - 1) (\(times[0])) and index \(index) (\(times[1]), n1 elected) "
      + "nothing was recorded: for those 53 s there may have been no leader"
    for n in 1...19 {
      #expect(try told() == [words], "\(n)")
      elect(n % 3 + 1, after: 1)
    }
    #expect(try told() == [words])
    let chain = try Why(story.history, "ha", at: story.history.head).chain
    #expect(chain.contains { $0.line.recorded.index == index && $0.words.contains("a silence") })
    elect(1, after: 1)
    #expect(try told().isEmpty)
    // Nobody led before the first election.
    story.now = story.now.adding(seconds: 3600)
    try story.importing(201, as: ClusterID(20))
    elect(201, after: 3600)
    #expect(try told().isEmpty)
  }
}

extension Story {
  /// Adds events that say little. Their states are not kept: there are many.
  fileprivate mutating func lengthen(by count: Int) {
    for _ in 0..<count {
      let index = cluster.lastIndex + 1
      let envelope = Envelope(
        time: now, command: CommandID(high: 9, low: index), fingerprint: 0, actor: "n1",
        event: .policyChanged(PolicyChanged(standbys: 3)))
      #expect(
        cluster.evolve(RecordedEvent(index: index, term: cluster.term, envelope: envelope)) == nil)
      entries.append(
        Entry(index: index, term: cluster.term, kind: .normal, payload: envelope.encoded()))
    }
  }
}

extension Why {
  /// The index of the loss that is told by itself.
  fileprivate var lost: UInt64? {
    chain.last { $0.words.contains("high availability ended here") }?.line.recorded.index
  }
}
