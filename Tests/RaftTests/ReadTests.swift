import Raft
import Testing

@Suite struct ReadTests {
  @Test("a read waits until the leader has committed in its own term")
  func waitsForFirstCommit() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    try group.propose(1, "x")
    try group.settle()
    // 2 takes over, and can not commit yet.
    group.loses = { message in
      if case .append = message.body { message.from == 2 } else { false }
    }
    try group.pass(11, only: 3)
    try group.step(1, .transferLeader(to: 2))
    try group.settle()
    #expect(group[2].machine.role == .leader)
    try group.step(2, .readIndex(context: 7))
    try group.pass(3)
    #expect(group[2].reads == [])
    group.loses = { _ in false }
    try group.pass(3)
    #expect(group[2].reads == [ReadState(index: 3, context: 7)])
  }

  @Test("even a leader that is alone answers no read before its first commit")
  func aloneWaits() throws {
    var group = Group(voters: [])
    // It had committed two entries; the hard state on disk is behind.
    group.add(
      1, Configuration(voters: [1]), log: [1, 1], hardState: HardState(term: 1, vote: 1, commit: 1))
    try group.step(1, .campaign)
    while group[1].machine.role != .leader {
      _ = group[1].collect()
      _ = try group[1].write(at: 0)
    }
    try group.step(1, .readIndex(context: 1))
    #expect(group[1].machine.takeEffects().reads == [])
    group[1].jobs = []
    group[1].restart(at: 0)
    try group.elect(1)
    try group.step(1, .readIndex(context: 2))
    try group.settle()
    #expect(group[1].reads == [ReadState(index: 3, context: 2)])
  }

  @Test("a read is answered only when a majority confirms the leader after it was asked")
  func needsQuorum() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    group.cut = [2, 3]
    try group.step(1, .readIndex(context: 1))
    try group.settle()
    #expect(group[1].reads == [])
    group.cut = [3]
    try group.pass(1)
    #expect(group[1].reads == [ReadState(index: 1, context: 1)])
  }

  @Test("an answer to an older heartbeat confirms no newer read, even with the same context")
  func oldAnswer() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    try group.step(1, .readIndex(context: 5))
    let first = group[1].collect()
    try group.step(1, .readIndex(context: 5))
    _ = group[1].collect()
    for message in first {
      guard case .heartbeat(let heartbeat) = message.body else { continue }
      let answer = Message.HeartbeatResponse(context: heartbeat.context)
      try group.step(
        1, .receive(Message(from: message.to, to: 1, term: 1, .heartbeatResponse(answer))))
    }
    _ = group[1].collect()
    #expect(group[1].reads == [ReadState(index: 1, context: 5)])
    // An answer that names a read which was never asked confirms nothing either.
    let lie = Message.HeartbeatResponse(context: 1_000)
    try group.step(1, .receive(Message(from: 2, to: 1, term: 1, .heartbeatResponse(lie))))
    _ = group[1].collect()
    #expect(group[1].reads.count == 1)
  }

  @Test("reads that come together are asked about once")
  func together() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    for context in 1...100 { try group.step(1, .readIndex(context: UInt64(context))) }
    let messages = group[1].collect()
    #expect(messages.count == 2)
    group.post(messages)
    try group.deliver()
    try group.settle()
    #expect(group[1].reads.map(\.context) == Array(1...100))
  }

  @Test("a follower's read is confirmed by the leader")
  func followerReads() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    try group.step(3, .readIndex(context: 9))
    try group.settle()
    #expect(group[3].reads == [ReadState(index: 1, context: 9)])
  }

  @Test("without a leader a read is refused")
  func noLeader() {
    var group = Group(voters: [1, 2, 3])
    #expect(throws: Refused.notLeader(leader: nil)) {
      try group.step(1, .readIndex(context: 1))
    }
  }

  @Test("a deposed leader confirms no read")
  func deposed() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    group.cut = [1]
    try group.step(1, .readIndex(context: 1))
    try group.pass(40)
    try group.propose(group.leaders.first { $0 != 1 } ?? 0, "x")
    try group.settle()
    group.cut = []
    try group.pass(5)
    #expect(group[1].reads == [])
  }

  @Test("a confirmed read tells that a quorum knows the commit index")
  func quorumKnows() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    try group.propose(1, "x")
    try group.settle()
    #expect(group[1].machine.commitIndex == 2)
    #expect(group[1].machine.commitKnownByQuorum == 0)
    try group.step(1, .readIndex(context: 1))
    try group.settle()
    #expect(group[1].machine.commitKnownByQuorum == 2)
    #expect(group[2].machine.commitIndex == 2)
  }

  @Test("an answer to a heartbeat tells of the commit index that it carried, not of a later one")
  func knowsWhatWasTold() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    let answer = { (body: Message.Body) in Input.receive(Message(from: 2, to: 1, term: 1, body)) }
    try group.step(1, .readIndex(context: 1))
    _ = group[1].collect()
    try group.propose(1, "x")
    try group.settle()
    // Only the answers to this heartbeat are lost, which carries the same read and a later commit.
    group.cut = [2, 3]
    try group.pass(1)
    #expect(group[1].machine.commitIndex == 2)
    try group.step(1, answer(.heartbeatResponse(.init(context: 1))))
    #expect(group[1].machine.commitKnownByQuorum == 1)
  }
}
