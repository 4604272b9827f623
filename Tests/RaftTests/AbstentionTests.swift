import Raft
import Testing

@Suite("A node that may have forgotten what it promised")
struct AbstentionTests {
  private func ledByOne() throws -> Group {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    return group
  }

  @Test("it grants no vote and starts no election")
  func novotes() throws {
    var group = Group(voters: [1, 2, 3])
    group.cut = [3]
    try group.step(2, .abstain(true))
    try group.elect(1)
    #expect(group.leaders.isEmpty)
    try group.pass(60, only: 2)
    #expect(group[2].machine.role == .follower)
    try group.step(2, .abstain(false))
    try group.elect(1)
    #expect(group.leaders == [1])
  }

  @Test("its acknowledgements commit nothing, and count again once it is sure")
  func acksDoNotCount() throws {
    var group = try ledByOne()
    group.cut = [3]
    try group.step(2, .abstain(true))
    let before = group[1].machine.commitIndex
    try group.propose(1, "a")
    try group.settle()
    try group.pass(2)
    #expect(group[2].machine.lastIndex == group[1].machine.lastIndex)
    #expect(group[1].machine.commitIndex == before)
    try group.step(2, .abstain(false))
    try group.pass(2)
    try group.propose(1, "b")
    try group.settle()
    #expect(group[1].machine.commitIndex == group[1].machine.lastIndex)
  }

  @Test("it confirms no read and keeps no leader in office")
  func confirmsNothing() throws {
    var group = try ledByOne()
    group.cut = [3]
    try group.step(2, .abstain(true))
    try group.pass(1)
    try group.step(1, .readIndex(context: 7))
    try group.pass(3)
    #expect(group[1].reads.isEmpty)
    try group.pass(30)
    #expect(group.leaders.isEmpty)
  }

  @Test("whatever it says tells that, a read that it asks for too")
  func everythingTells() throws {
    var group = try ledByOne()
    try group.step(2, .abstain(true))
    group.sent = []
    try group.step(2, .readIndex(context: 7))
    try group.pass(30)
    let said = group.sent.filter { $0.from == 2 }
    #expect(said.contains { $0.body == .readIndex(context: 7) })
    #expect(said.allSatisfy { $0.abstains && $0.standing == 1 })
    try group.step(2, .abstain(false))
    group.sent = []
    try group.pass(30)
    #expect(group.sent.allSatisfy { $0.from != 2 || !$0.abstains && $0.standing == 2 })
  }

  @Test("a leader that finds it may have forgotten steps down at once")
  func leaderStepsDown() throws {
    var group = try ledByOne()
    try group.step(1, .abstain(true))
    #expect(group[1].machine.role == .follower)
  }

  @Test("leadership is not handed to it")
  func noTransfer() throws {
    var group = try ledByOne()
    try group.step(2, .abstain(true))
    try group.pass(2)
    #expect(throws: Refused.unknownPeer(2)) { try group.step(1, .transferLeader(to: 2)) }
  }

  @Test("what it lost of an acknowledged log is sent to it again")
  func refetches() throws {
    var group = try ledByOne()
    for text in ["a", "b", "c"] { try group.propose(1, text) }
    try group.settle()
    let last = group[1].machine.lastIndex
    #expect(group[1].machine.progress(of: 2)?.match == last)
    // Its disk is put back to how it was before all of them.
    group[2].store.change { content in
      content.entries.removeLast(content.entries.count - 1)
      content.hardState.commit = 1
      content.applied = 1
    }
    group[2].restart(at: group.now)
    try group.step(2, .abstain(true))
    try group.pass(3)
    #expect(group[2].store.lastIndex == last)
    #expect(group[2].machine.commitIndex == last)
    try group.step(2, .abstain(false))
    group.cut = [3]
    try group.pass(2)
    try group.propose(1, "d")
    try group.settle()
    #expect(group[1].machine.commitIndex == last + 1)
  }
}
