import Raft
import Testing

/// Changes of the configuration under a running group.
@Suite struct MembershipTests {
  @Test("a refused change appends nothing, and says why")
  func refused() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    let last = group[1].machine.lastIndex
    #expect(throws: Refused.notJoint) { try group.propose(1, ConfigurationChange()) }
    let all = ConfigurationChange(
      transition: .jointImplicit, steps: [.remove(1), .remove(2), .remove(3)])
    #expect(throws: Refused.invalidChange("removed all voters")) { try group.propose(1, all) }
    #expect(group[1].machine.lastIndex == last)
    group.cut = [2, 3]
    try group.propose(1, ConfigurationChange(steps: [.addLearner(4)]))
    #expect(throws: Refused.changeInFlight(last + 1)) {
      try group.propose(1, ConfigurationChange(steps: [.addLearner(5)]))
    }
    // All or none: a batch with one bad change leaves nothing behind.
    #expect(throws: Refused.changeInFlight(last + 1)) {
      let change = ConfigurationChange(steps: [.addLearner(5)])
      try group[1].machine.propose(
        [Entry(payload: [1]), Entry(kind: .change, change: change)],
        at: Time(monotonic: 0, stamp: 0))
    }
    #expect(group[1].machine.lastIndex == last + 1)
  }

  @Test("a new leader takes no change before everything that it found is applied")
  func foundIsAppliedFirst() throws {
    var group = Group(voters: [])
    let state = HardState(term: 1, vote: 0, commit: 0)
    for id in [1, 2, 3] as [PeerID] {
      // Two entries that may be committed, and may hide a change.
      group.add(id, Configuration(voters: [1, 2, 3]), log: [1, 1], hardState: state)
    }
    group.loses = { message in
      if case .append = message.body { true } else { false }
    }
    try group.elect(1)
    let change = ConfigurationChange(steps: [.addLearner(4)])
    #expect(group[1].machine.pendingChangeIndex == 2)
    #expect(throws: Refused.changeInFlight(2)) { try group.propose(1, change) }
    group.loses = { _ in false }
    try group.pass(3)
    try group.propose(1, change)
  }

  @Test("a voter is replaced through a joint configuration that the leader leaves by itself")
  func replace() throws {
    var group = Group(voters: [1, 2, 3])
    group.add(4, Configuration(voters: [1, 2, 3]))
    try group.elect(1)
    try group.propose(1, ConfigurationChange(steps: [.addVoter(4), .remove(3)]))
    try group.pass(3)
    #expect(group[1].machine.configuration == Configuration(voters: [1, 2, 4]))
    #expect(group[4].machine.configuration == Configuration(voters: [1, 2, 4]))
    #expect(group[4].machine.lastIndex == group[1].machine.lastIndex)
  }

  @Test("in a joint configuration both halves must agree")
  func bothHalves() throws {
    var group = Group(voters: [1, 2, 3])
    for id in [4, 5] as [PeerID] { group.add(id, Configuration(voters: [1, 2, 3])) }
    try group.elect(1)
    try group.propose(
      1,
      ConfigurationChange(
        transition: .jointExplicit,
        steps: [.addVoter(4), .addVoter(5), .remove(2), .remove(3)]))
    try group.pass(3)
    #expect(group[1].machine.configuration.isJoint)
    #expect(throws: Refused.alreadyJoint) {
      try group.propose(1, ConfigurationChange(steps: [.addVoter(9)]))
    }
    let before = group[1].machine.commitIndex
    group.cut = [2, 3]
    try group.propose(1, "only the incoming half")
    try group.settle()
    #expect(group[1].machine.commitIndex == before)
    group.cut = [3, 5]
    try group.pass(2)
    #expect(group[1].machine.commitIndex == before + 1)
    group.cut = [4, 5]
    try group.propose(1, "only the outgoing half")
    try group.settle()
    #expect(group[1].machine.commitIndex == before + 1)
  }

  @Test("a later leader leaves the joint configuration that an earlier one entered")
  func laterLeaderLeaves() throws {
    var group = Group(voters: [1, 2, 3])
    group.add(4, Configuration(voters: [1, 2, 3]))
    try group.elect(1)
    // The leader dies as soon as the joint configuration is in force.
    group.loses = { message in
      guard case .append(let append) = message.body else { return false }
      return append.entries.contains { $0.change?.leavesJoint == true } && message.term == 1
    }
    try group.propose(1, ConfigurationChange(steps: [.addVoter(4), .remove(3)]))
    try group.pass(2)
    #expect(group[2].machine.configuration.isJoint)
    group.cut = [1]
    try group.pass(60)
    #expect(group[2].machine.configuration == Configuration(voters: [1, 2, 4]))
  }

  @Test("nobody asks for votes while a committed change waits to be applied")
  func noCampaignBeforeApplied() throws {
    var group = Group(voters: [])
    let entries = [Entry(index: 1, term: 1, kind: .change, change: .init(steps: [.addVoter(4)]))]
    group.add(
      1, Configuration(voters: [1, 2, 3]), hardState: HardState(term: 1, vote: 0, commit: 0))
    group[1].store.change {
      $0.entries = entries
      $0.hardState.commit = 1
    }
    group[1].restart(at: 0)
    try group.step(1, .campaign)
    #expect(group[1].machine.role == .follower)
    _ = group[1].collect()
    try group[1].apply(at: 0)
    #expect(group[1].machine.configuration.voters == [1, 2, 3, 4])
    try group.step(1, .campaign)
    #expect(group[1].machine.role == .preCandidate)
  }

  @Test("a leader that is removed steps down once that is applied, and the others go on")
  func removedLeader() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    try group.propose(1, ConfigurationChange(steps: [.remove(1)]))
    try group.settle()
    #expect(group[1].machine.role == .follower)
    try group.pass(40)
    #expect(group.leaders.count == 1)
    #expect(!group[2].machine.configuration.contains(1))
    #expect(throws: Refused.self) { try group.propose(1, "x") }
  }

  @Test("a learner that was made a voter without knowing yet votes when it is asked")
  func learnerVotes() throws {
    var group = Group(voters: [1, 2], learners: [3])
    try group.elect(1)
    group.cut = [3]
    try group.propose(1, ConfigurationChange(steps: [.addVoter(3)]))
    try group.settle()
    try group.pass(1)
    #expect(group[2].machine.configuration.voters == [1, 2, 3])
    #expect(group[3].machine.configuration.voters == [1, 2])
    group.cut = [1]
    try group.pass(60)
    #expect(group.leaders.contains(2))
  }
}
