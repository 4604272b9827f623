// Why leader tells who leads and since when, and of why only what the log holds.

import History
import Membership
import Testing

@Suite("Why, of the leader")
struct LeaderTests {
  private func why(_ story: Story, at index: UInt64? = nil) throws -> Why {
    try Why(story.history, "leader", at: index ?? story.history.head)
  }

  private func elect(_ n: Int, after seconds: Int64 = 1, _ story: inout Story) {
    story.now = story.now.adding(seconds: seconds - 1)
    let elected = LeaderElected(node: NodeID(UInt64(n)))
    story.append(.leaderElected(elected), term: story.cluster.term + 1)
  }

  private func place(_ story: Story, _ index: UInt64) throws -> String {
    "index \(index) (\(try story.history.event(at: index).envelope.time.rfc3339))"
  }

  private func expect(
    _ story: Story, _ words: String, at index: UInt64? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let verdict = try why(story, at: index).verdict
    #expect(
      verdict.contains { $0.hasPrefix(words) }, "\(verdict)", sourceLocation: sourceLocation)
    #expect(
      verdict.contains { $0.hasPrefix("no event says why") } == words.hasPrefix("no event"),
      sourceLocation: sourceLocation)
  }

  @Test("At every index the newest election is named, the one before it, and how many there were")
  func elections() throws {
    var story = try Story.life()
    for n in [3, 1, 1] { elect(n, &story) }
    try story.goOn()
    var elections: [UInt64] = []
    for state in story.states where state.isFormed {
      let index = state.lastIndex
      if story.states[Int(index) - 1].term < state.term, state.leader != nil {
        if case .leaderElected = try story.history.event(at: index).envelope.event {
          elections.append(index)
        }
      }
      let why = try why(story, at: index)
      guard let leader = state.leader, let newest = elections.last else {
        #expect(why.verdict == ["no leader is recorded: nobody was elected yet"])
        #expect(why.chain.map(\.line.recorded.index) == [index])
        continue
      }
      let name = state.name(of: leader)
      #expect(
        why.verdict.first
          == "\(name) leads in term \(state.term), since \(try place(story, newest)), as recorded")
      let number = elections.count == 1 ? "1 election is" : "\(elections.count) elections are"
      #expect(why.verdict.dropFirst().first == "\(number) recorded up to index \(index)")
      let chain = Set(why.chain.map(\.line.recorded.index))
      let isFirst = story.states[Int(newest) - 1].leader == nil
      #expect(chain.isSuperset(of: isFirst ? [newest - 1, newest] : Set(elections.suffix(2))))
    }
    #expect(elections.count == 5)
  }

  @Test("What took the leader away is told if it lies directly before, and nothing is guessed")
  func reasons() throws {
    var story = try Story.life()
    let calm = story
    elect(3, &story)
    try expect(story, "no event says why the leadership changed from n1")
    elect(3, &story)
    try expect(story, "no event says why n3, which led before as well, was elected anew")

    story = calm
    try story.ask(.enterMaintenance(.init(target: "n1", seconds: 600)), actor: "root@n2")
    let upkeep = story.history.head
    elect(3, &story)
    let place = try place(story, upkeep)
    try expect(
      story,
      "directly before that election n1, which led, was taken into maintenance: \(place) by root@n2"
    )
    #expect(
      try why(story).chain.contains {
        $0.line.recorded.index == upkeep && $0.words == "n1, which led, was taken into maintenance"
      })

    // That of another is no reason.
    story = calm
    try story.ask(.enterMaintenance(.init(target: "n2", seconds: 600)))
    elect(3, &story)
    try expect(story, "no event says why the leadership changed from n1")
  }

  @Test("A leader whose vote was taken is told with what took it, before and after the settling")
  func votes() throws {
    for isSettled in [false, true] {
      var story = try Story.life()
      for n in 6...7 { try story.join(n) }
      try story.ask(.leave(NodeID(1)), actor: "root@n1")
      let taken = story.history.head
      #expect(story.cluster.joint != nil)
      if isSettled { try story.ask(.settle, actor: "n1") }
      elect(3, &story)
      try expect(
        story, "directly before that election n1, which led, lost its vote: index \(taken) (")
    }
  }

  @Test("A silence before the election is told, and that the old leader was gone after it")
  func silence() throws {
    var story = try Story.life()
    let last = story.history.head
    elect(3, after: 70, &story)
    let place = try place(story, last)
    let words = "for 1 min 10 s before that election nothing was recorded, since \(place): "
    try expect(story, words)
    story.now = story.now.adding(seconds: 9)
    let calm = story
    try story.ask(.suspect(NodeID(1)), actor: "n3")
    let suspected = try self.place(story, story.history.head)
    try expect(story, words)
    try expect(
      story,
      "n1, which led before, was suspected at \(suspected), 10 s after that election, after 10 s ")
    // What happens long afterwards has nothing to do with it, nor has what befalls another.
    story = calm
    try story.ask(.suspect(NodeID(2)), actor: "n3")
    story.now = story.now.adding(seconds: 10)
    try story.ask(.suspect(NodeID(1)), actor: "n3")
    #expect(!(try why(story)).text.contains("which led before, was suspected"))
  }
}
