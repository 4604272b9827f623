import Membership
import Simulator
import Testing

@Suite struct ScenarioTests {
  @Test("Three nodes that join one after the other vote, all three", arguments: 1...5)
  func threeJoin(seed: Int) throws {
    let script = try Script(seed: UInt64(seed))
    #expect(script.roles == [.voter: 1])
    try script.grow()
    try script.settle()
    #expect(script.roles == [.voter: 1, .standby: 1])
    try script.grow()
    try script.settle()
    #expect(script.roles == [.voter: 3])
    script.finish()
  }

  @Test("Seven nodes are three voters, three standbys and a spare")
  func sevenJoin() throws {
    let script = try Script(seed: 11, size: 7)
    #expect(script.roles == [.voter: 3, .standby: 3, .spare: 1])
    script.finish()
  }

  @Test("When the leader is killed another one serves", arguments: 1...5)
  func leaderKilled(seed: Int) throws {
    let script = try Script(seed: UInt64(seed), size: 3)
    let old = try script.leader()
    script.world.kill(old)
    #expect(script.isCommitted(.issueToken(script.world.drawToken(uses: 1))))
    #expect(try script.leader().id != old.id)
    script.finish()
  }

  @Test("A leader that leaves hands over, is gone, and the others go on", arguments: 1...5)
  func leaderLeaves(seed: Int) throws {
    let script = try Script(seed: UInt64(seed), size: 4)
    let old = try script.leader()
    #expect(script.isCommitted(.leave(old.id), at: old.id))
    try script.settle()
    #expect(script.world.truth.departed(old.id) != nil)
    #expect(script.roles == [.voter: 3])
    script.finish()
  }

  @Test("A follower that leaves is replaced, and with two nodes left one votes", arguments: 1...5)
  func followerLeaves(seed: Int) throws {
    let script = try Script(seed: UInt64(seed), size: 3)
    let leader = try script.leader()
    let follower = try #require(script.world.nodes.first { $0.id != leader.id })
    #expect(script.isCommitted(.leave(follower.id), at: follower.id))
    try script.settle()
    #expect(script.roles == [.voter: 1, .standby: 1])
    script.finish()
  }

  @Test("A sole voter that leaves makes its standby the voter first", arguments: 1...5)
  func lastVoterLeaves(seed: Int) throws {
    let script = try Script(seed: UInt64(seed), size: 2)
    let leader = try script.leader()
    #expect(script.isCommitted(.leave(leader.id), at: leader.id))
    try script.settle()
    #expect(script.roles == [.voter: 1])
    #expect(try script.leader().id != leader.id)
    script.finish()
  }

  @Test("A dead voter's vote goes to a standby, and the dead node can be removed", arguments: 1...5)
  func removeDead(seed: Int) throws {
    let script = try Script(seed: UInt64(seed), size: 4)
    let leader = try script.leader()
    let dead = try #require(
      script.world.nodes.first { node in
        node.id != leader.id && script.world.truth.node(node.id)?.datastoreRole == .voter
      })
    let removal = Command.removeNode(.init(target: dead.name, force: false))
    #expect(script.outcome(removal, at: leader.id) == .refused(code: "node-alive"))
    script.world.lose(dead)
    script.world.run(for: 8 * second)
    #expect(script.world.truth.node(dead.id)?.datastoreRole != .voter)
    #expect(script.isCommitted(removal, at: leader.id))
    try script.settle()
    #expect(script.world.truth.departed(dead.id)?.how == .removed(forced: false))
    #expect(script.roles == [.voter: 3])
    script.finish()
  }

  @Test("Of two joiners with one invitation for one node, one gets in", arguments: 1...10)
  func oneUse(seed: Int) throws {
    let script = try Script(seed: UInt64(seed), size: 3)
    let world = script.world
    let token = world.drawToken(uses: 1)
    try #require(script.isCommitted(.issueToken(token)))
    let joins = (0..<2).map { _ in
      world.ask(
        .join(.init(node: world.drawRecord(.worker), secret: token.secrets[0].hash)))
    }
    world.run(for: 10 * second) { world in
      joins.allSatisfy { world.operations[$0].state != .open }
    }
    let refused = joins.filter { world.operations[$0].state == .refused(code: "token-used") }
    #expect(refused.count == 1)
    #expect(world.truth.token(token.id)?.redemptions.count == 1)
    script.finish()
  }

  @Test("A join whose leader dies before the answer happens once", arguments: 1...20)
  func crashBeforeAnswer(seed: Int) throws {
    let script = try Script(seed: UInt64(seed), size: 3)
    let world = script.world
    let leader = try script.leader()
    let last = world.truth.lastIndex
    let record = world.drawRecord(.worker)
    let join = world.ask(.join(.init(node: record, secret: script.secret)))
    let isAppended = world.run(for: second) { _ in leader.lastIndex > last }
    try #require(isAppended)
    #expect(world.operations[join].state == .open)
    world.kill(leader)
    world.run(for: 20 * second) { $0.operations[join].state != .open }
    let joined = world.history.filter {
      if case .nodeJoined(let joined) = $0.envelope.event { joined.node == record } else { false }
    }
    #expect(joined.count == 1)
    #expect(
      world.operations[join].state
        == .committed(first: joined[0].index, last: joined[0].index))
    script.finish()
  }

  @Test("A leader that is cut off confirms no reads and refuses nothing", arguments: 1...5)
  func cutOff(seed: Int) throws {
    let script = try Script(seed: UInt64(seed), size: 3)
    let world = script.world
    let old = try script.leader()
    let reads = world.confirmedReads
    world.isolate(old)
    world.read(at: old)
    let unknown = Command.join(
      .init(node: world.drawRecord(.worker), secret: world.drawToken(uses: 1).secrets[0].hash))
    let refusable = world.ask(unknown, asked: old.id)
    #expect(script.isCommitted(.issueToken(world.drawToken(uses: 1))))
    world.run(for: 20 * second)
    #expect(world.confirmedReads == reads)
    #expect(world.operations[refusable].state == .open)
    #expect(!old.isLeader)
    world.mend()
    world.run(for: 20 * second) { $0.operations[refusable].state != .open }
    #expect(world.operations[refusable].state == .refused(code: "token-unknown"))
    script.finish()
  }

  @Test("A minority commits nothing, and what it had taken is not lost when it is healed")
  func minority() throws {
    let script = try Script(seed: 3, size: 3)
    let world = script.world
    let old = try script.leader()
    world.isolate(old)
    let token = world.drawToken(uses: 1)
    let number = world.ask(.issueToken(token), asked: old.id)
    world.run(for: 5 * second)
    #expect(world.operations[number].state == .open)
    #expect(world.truth.token(token.id) == nil)
    world.mend()
    world.run(for: 20 * second) { $0.operations[number].state != .open }
    #expect(world.truth.token(token.id) != nil)
    script.finish()
  }
}
