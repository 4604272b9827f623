import Raft
import Testing

@Suite struct ElectionTests {
  @Test("a vote is remembered across a restart, so that no term gets two")
  func voteSurvives() throws {
    var group = Group(voters: [1, 2, 3])
    let ask = { (id: PeerID) in
      Input.receive(
        Message(from: id, to: 1, term: 1, .vote(.init(isPreVote: false, lastIndex: 0, lastTerm: 0)))
      )
    }
    try group.step(1, ask(2))
    _ = group[1].collect()
    let released = try group[1].write(at: 0)
    #expect(released.map(\.body) == [.voteResponse(.init(isPreVote: false))])
    group[1].restart(at: 0)
    try group.step(1, ask(3))
    _ = group[1].collect()
    let second = try group[1].write(at: 0)
    #expect(second.map(\.body) == [.voteResponse(.init(isPreVote: false, rejected: true))])
  }

  @Test("a vote leaves only once it is durable")
  func voteWaits() throws {
    var group = Group(voters: [1, 2, 3])
    try group.step(
      1,
      .receive(
        Message(
          from: 2, to: 1, term: 1, .vote(.init(isPreVote: false, lastIndex: 0, lastTerm: 0)))))
    #expect(group[1].collect().isEmpty)
    #expect(group[1].jobs[0].mustSync)
    #expect(group[1].jobs[0].hardState == HardState(term: 1, vote: 2, commit: 0))
    #expect(group[1].jobs[0].released.count == 1)
  }

  @Test("a candidate asks for votes once its own vote and the log that it names are durable")
  func ownVoteIsDurable() throws {
    var group = Group(voters: [1, 2, 3]) { $0.preVote = false }
    try group.step(1, .campaign)
    #expect(group[1].collect().isEmpty)
    #expect(group[1].jobs[0].hardState == HardState(term: 1, vote: 1, commit: 0))
    #expect(try group[1].write(at: 0).map(\.to) == [2, 3])
  }

  @Test("a pre-vote of an earlier term is answered with the later one, so that nobody is stuck")
  func lowPreVoteIsAnswered() throws {
    var group = Group(voters: [1, 2, 3])
    group.add(
      1, Configuration(voters: [1, 2, 3]), log: [1],
      hardState: HardState(term: 7, vote: 0, commit: 0))
    try group.step(
      1,
      .receive(
        Message(from: 2, to: 1, term: 3, .vote(.init(isPreVote: true, lastIndex: 1, lastTerm: 1)))))
    _ = group[1].collect()
    let answer = try group[1].write(at: 0)
    #expect(
      answer == [
        Message(from: 1, to: 2, term: 7, .voteResponse(.init(isPreVote: true, rejected: true)))
      ])
    // Who asked adopts the term, so that its next attempt is heard.
    try group.step(2, .receive(#require(answer.first)))
    #expect(group[2].machine.term == 7)
  }

  @Test("a log is compared by its last term first, then by its length")
  func newerTermWins() throws {
    var group = Group(voters: [1, 2, 3])
    let all = Configuration(voters: [1, 2, 3])
    group.add(1, all, log: [1, 1, 1, 1], hardState: HardState(term: 4, vote: 0, commit: 0))
    group.add(2, all, log: [1, 3], hardState: HardState(term: 4, vote: 0, commit: 0))
    group.add(3, all, log: [1, 3], hardState: HardState(term: 4, vote: 0, commit: 0))
    try group.elect(1)
    #expect(group.leaders == [])
    try group.elect(2)
    #expect(group.leaders == [2])
    #expect(group.terms(1) == group.terms(2))
  }

  @Test("nobody votes against a leader that was heard from within an election timeout")
  func stickiness() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    let term = group[1].machine.term
    try group.pass(3)
    try group.step(3, .campaign)
    try group.settle()
    #expect(group.leaders == [1])
    #expect(group[1].machine.term == term)
  }

  @Test("activity of learners does not keep a leader in office")
  func learnersDoNotCount() throws {
    var group = Group(voters: [1, 2, 3], learners: [4, 5])
    try group.elect(1)
    group.cut = [2, 3]
    try group.pass(25)
    #expect(group.leaders == [])
    #expect(group[4].machine.term >= 1)
  }

  @Test("a leader with a majority stays in office, however long others are silent")
  func majorityStays() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    group.cut = [3]
    try group.pass(100)
    #expect(group.leaders == [1])
    #expect(group[1].machine.term == 1)
  }

  @Test("a node that comes back from a partition does not depose the leader")
  func returnIsQuiet() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    group.cut = [3]
    try group.pass(100)
    group.cut = []
    try group.pass(5)
    #expect(group.leaders == [1])
    #expect(group[1].machine.term == 1)
    #expect(group[3].machine.leader == 1)
  }

  @Test("a leader that fell silent is replaced by itself")
  func silentLeaderIsReplaced() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    group.cut = [1]
    try group.pass(40)
    #expect(group.leaders.count == 1)
    #expect(group.leaders != [1])
  }

  @Test("the deadline is when a tick does something: before it a tick does nothing")
  func deadlineIsExact() throws {
    var group = Group(voters: [1, 2, 3])
    #expect(group[1].machine.deadline >= 10 && group[1].machine.deadline < 20)
    group.now = group[1].machine.deadline - 1
    try group.step(1, .tick)
    #expect(!group[1].machine.hasEffects)
    group.now += 1
    try group.step(1, .tick)
    #expect(group[1].machine.role == .preCandidate)
    try group.settle()
    #expect(group.leaders == [1])
    #expect(group[1].machine.deadline == group.now + 1)
  }

  @Test("a node that may not lead has no deadline")
  func learnerHasNoDeadline() throws {
    let group = Group(voters: [1], learners: [2])
    #expect(group[2].machine.deadline == .max)
  }

  @Test("followers whose link to the leader closed elect another within milliseconds")
  func forgottenLeader() throws {
    var group = Group(voters: [1, 2, 3]) {
      $0.electionTimeout = 1_000
      $0.heartbeatInterval = 100
      $0.forgottenLeaderDelay = 20
    }
    try group.elect(1)
    try group.propose(1, "seen by 2 only")
    group.loses = { $0.to == 3 }
    try group.settle()
    group.loses = { _ in false }
    group.cut = [1]
    // 2 asks first, while 3 still holds to the leader; 3 asks in vain, since its log is shorter.
    try group.step(2, .forgetLeader)
    #expect(group[2].machine.deadline <= group.now + 20)
    try group.pass(25)
    try group.step(3, .forgetLeader)
    try group.pass(200)
    #expect(group.leaders.contains(2))
    #expect(group.now < 1_000)
  }

  @Test("nodes that start together elect one without waiting for a timeout, and depose nobody")
  func firstElection() throws {
    var group = Group(voters: [1, 2, 3]) {
      $0.electionTimeout = 1_000
      $0.heartbeatInterval = 100
      $0.firstElectionDelay = 100
    }
    // The others are slower, so that the first attempts lead to nothing.
    group.cut = [2, 3]
    try group.pass(150)
    #expect(group.leaders.isEmpty)
    group.cut = []
    try group.pass(450)
    #expect(group.leaders.count == 1)
    let leader = try #require(group.leaders.first)
    let term = group[leader].machine.term
    // One that starts again asks too, before it hears from the leader.
    let other = try #require([1, 2, 3].first { $0 != leader })
    group[other].restart(at: group.now)
    group.loses = { $0.from == leader }
    try group.pass(90)
    group.loses = { _ in false }
    try group.pass(400)
    #expect(group.leaders == [leader] && group[leader].machine.term == term)
  }

  @Test("a leader's answer from an earlier term of a node that left does not depose anybody")
  func strangersAreNotHeard() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    let stranger = Message(from: 9, to: 1, term: 50, .appendResponse(.init(index: 1)))
    #expect(throws: Refused.unknownPeer(9)) { try group.step(1, .receive(stranger)) }
    #expect(group.leaders == [1])
  }
}
