import Raft
import Testing

@Suite struct TransferTests {
  @Test("leadership goes to the member that was chosen, without waiting for a timeout")
  func transfer() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    try group.step(1, .transferLeader(to: 3))
    try group.settle()
    #expect(group.leaders == [3])
    #expect(group.now == 0)
  }

  @Test("a member that lags is brought up to date first")
  func lagging() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    group.cut = [3]
    try group.propose(1, "x")
    try group.settle()
    group.cut = []
    try group.step(1, .unreachable(3))
    try group.step(1, .transferLeader(to: 3))
    #expect(group[1].machine.transferTarget == 3)
    try group.settle()
    #expect(group.leaders == [3])
    #expect(group.terms(3) == [1, 1, 2])
  }

  @Test("while leadership is handed over proposals are refused, with the successor's name")
  func refusesMeanwhile() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    group.cut = [3]
    try group.step(1, .transferLeader(to: 3))
    try group.settle()
    #expect(throws: Refused.transferring(to: 3)) { try group.propose(1, "x") }
  }

  @Test("a handover that takes longer than an election is given up")
  func givenUp() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    group.cut = [3]
    try group.step(1, .transferLeader(to: 3))
    try group.pass(11)
    #expect(group[1].machine.transferTarget == nil)
    #expect(group[1].machine.role == .leader)
    try group.propose(1, "x")
  }

  @Test("leadership is not handed to a learner, nor to a stranger")
  func onlyVoters() throws {
    var group = Group(voters: [1, 2], learners: [3])
    try group.elect(1)
    #expect(throws: Refused.unknownPeer(3)) { try group.step(1, .transferLeader(to: 3)) }
    #expect(throws: Refused.unknownPeer(9)) { try group.step(1, .transferLeader(to: 9)) }
    #expect(group[1].machine.transferTarget == nil)
  }

  @Test("a follower sends the request on to its leader")
  func byFollower() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    try group.step(2, .transferLeader(to: 3))
    try group.settle()
    #expect(group.leaders == [3])
  }
}
