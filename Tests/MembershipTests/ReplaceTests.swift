import Membership
import Testing

/// A machine that was rebuilt takes the place of its old identity.
@Suite struct ReplaceTests {
  /// Node n100 with the name and the addresses of node n.
  private func rebuilt(_ n: Int, _ role: NodeRole = .controlPlane) -> NodeRecord {
    var record = record(100, role)
    record.name = "n\(n)"
    record.endpoints = endpoints(n, role)
    return record
  }

  private func replace(
    _ stage: inout Stage, _ target: String, by record: NodeRecord, token: Int = 50,
    id: CommandID? = nil
  ) throws(Refusal) -> Decision {
    if stage.cluster.token(TokenID(UInt64(token))) == nil { try stage.invite(token) }
    let isWorker = record.role == .worker
    return try stage.ask(
      .join(
        Command.Join(
          node: record, secret: secret(isWorker ? token + 1000 : token), replaces: target)), id: id)
  }

  /// Everybody but these is out of reach.
  private func lose(_ stage: inout Stage, allBut up: [Int]) {
    let nodes = Set(up.map { NodeID(UInt64($0)) })
    (stage.up, stage.alive) = (nodes, nodes)
  }

  @Test("A dead voter gives way in one event, and a standby votes in its place")
  func voter() throws {
    var stage = try Stage.controlPlane(4)
    lose(&stage, allBut: [1, 2, 4])
    let before = stage.cluster.lastIndex
    let id = stage.freshID()
    _ = try replace(&stage, "n3", by: rebuilt(3), id: id)
    let event = stage.log.last?.envelope.event
    guard case .nodeReplaced(let replaced) = event else {
      Issue.record("\(event as Any)")
      return
    }
    #expect(replaced.node == NodeID(3) && replaced.joint)
    #expect(stage.cluster.voters == [1, 2, 4].map { NodeID($0) })
    #expect(stage.cluster.outgoingVoters == [1, 2, 3].map { NodeID($0) })
    #expect(stage.cluster.node(named: "n3")?.id == NodeID(100))
    #expect(stage.cluster.node(NodeID(3)) == nil)
    #expect(stage.cluster.departed(key: key(3))?.how == .replaced(by: NodeID(100)))
    #expect(stage.cluster.token(TokenID(50))?.redemptions.map(\.node) == [NodeID(100)])
    #expect(stage.cluster.endpointIndex == stage.cluster.lastIndex)
    stage.up = nil
    stage.alive = nil
    stage.keepRoles()
    #expect(stage.roles() == ["n1 voter", "n2 voter", "n4 voter", "n3 standby"])
    let again = try replace(&stage, "n3", by: rebuilt(3), id: id)
    #expect(
      again == .already(Already(first: before + 2, latest: before + 3, finished: true)),
      "the invitation, the replacement and its settling")
    let other = try replace(&stage, "n3", by: rebuilt(3), token: 51)
    #expect(other == .already(Already(first: before + 2, latest: before + 2, finished: true)))
  }

  @Test("Of three voters one is dead: the two that are left agree, and it votes again later")
  func withoutStandby() throws {
    var stage = try Stage.controlPlane(3)
    lose(&stage, allBut: [1, 2])
    _ = try replace(&stage, "127.0.0.3", by: rebuilt(3))
    lose(&stage, allBut: [1, 2, 100])
    stage.keepRoles()
    #expect(stage.roles() == ["n1 voter", "n2 voter", "n3 voter"])
  }

  @Test("A node without a vote, a worker and one that left give way without moving roles")
  func withoutVote() throws {
    var stage = try Stage.controlPlane(4)
    try stage.join(5, .worker)
    try stage.join(6, .worker)
    lose(&stage, allBut: [1, 2, 3])
    _ = try replace(&stage, "n5", by: rebuilt(5, .worker))
    #expect(stage.cluster.node(named: "n5")?.record.key == key(100))
    var other = record(101)
    other.name = "n4"
    other.endpoints = endpoints(4)
    _ = try replace(&stage, "n4", by: other, token: 51)
    #expect(stage.cluster.joint == nil)
    #expect(stage.cluster.node(named: "n4")?.datastoreRole == nil)
    try stage.ask(.leave(NodeID(6)))
    var third = record(102, .worker)
    third.name = "n6"
    third.endpoints = endpoints(6, .worker)
    _ = try replace(&stage, "n6", by: third, token: 52)
    #expect(stage.cluster.departed(key: key(6))?.how == .left)
    #expect(stage.cluster.nodes.count { $0.name == "n6" } == 1)
  }

  @Test("Nobody takes the place of one that is alive, unknown, gone or on its way out")
  func refused() throws {
    var stage = try Stage.controlPlane(4)
    func refusal(_ target: String, _ record: NodeRecord) -> Refusal? {
      do {
        _ = try replace(&stage, target, by: record)
        return nil
      } catch { return error }
    }
    let alive = refusal("n3", rebuilt(3))
    #expect(alive == .replacesAlive("n3"))
    #expect(alive?.exitCode == 3)
    #expect(refusal("n9", rebuilt(3)) == .nodeUnknown("n9", gone: nil))
    lose(&stage, allBut: [1, 2, 4])
    #expect(refusal("n3", rebuilt(2)) == .nameTaken("n2", by: NodeID(2), since: stage.since(2)))
    var elsewhere = rebuilt(3)
    elsewhere.endpoints = endpoints(2)
    #expect(
      refusal("n3", elsewhere)
        == .addressTaken(address("127.0.0.2:16443"), by: "n2", since: stage.since(2)))
    #expect(stage.cluster.token(TokenID(50))?.redemptions.isEmpty == true)
    try stage.ask(.removeNode(.init(target: "n3", force: false)))
    if case .busy? = refusal("n3", rebuilt(3)) {} else { Issue.record("it departs already") }
    stage.keepRoles()
    if case .nodeUnknown("n3", gone: .some)? = refusal("n3", rebuilt(3)) {
    } else {
      Issue.record("it is gone")
    }
  }

  @Test("Where too few voters are left to agree, nobody is replaced")
  func quorum() throws {
    var stage = try Stage.controlPlane(3)
    lose(&stage, allBut: [1])
    do {
      _ = try replace(&stage, "n3", by: rebuilt(3))
      Issue.record("it was taken")
    } catch {
      #expect(error.exitCode == 3 && error.code == "quorum-loss")
    }
  }

  @Test("The place of one that lent its vote, or holds a lent one, is taken whole")
  func maintenance() throws {
    var stage = try Stage.controlPlane(4)
    try stage.ask(.enterMaintenance(.init(target: "n2", seconds: nil)))
    stage.keepRoles()
    #expect(stage.cluster.node(NodeID(2))?.lentTo == NodeID(4))
    lose(&stage, allBut: [1, 2, 3])
    _ = try replace(&stage, "n4", by: rebuilt(4))
    #expect(stage.cluster.node(NodeID(2))?.lentTo == nil)
    #expect(stage.cluster.nodes.allSatisfy { $0.lentTo != NodeID(4) })
  }

  @Test("A replacement that the state cannot take is told, and changes nothing")
  func contradictions() throws {
    var stage = try Stage.controlPlane(4)
    try stage.join(5, .worker)
    try stage.invite(50)
    func event(
      _ node: Int, _ assignments: [RoleAssigned.Assignment] = [], joint: Bool = false,
      token: Int = 50, by record: NodeRecord? = nil
    ) -> Event {
      .nodeReplaced(
        NodeReplaced(
          node: NodeID(UInt64(node)),
          joined: NodeJoined(node: record ?? rebuilt(node), token: TokenID(UInt64(token))),
          assignments: assignments, joint: joint))
    }
    func out(_ node: Int) -> RoleAssigned.Assignment {
      .init(node: NodeID(UInt64(node)), role: nil)
    }
    let wrong: [Event] = [
      event(99), event(3), event(3, [out(3)]), event(3, [out(2)], joint: true), event(4),
      event(4, [out(4)], joint: true), event(5, [out(4)]), event(5, joint: true),
      event(5, token: 77), event(5, by: record(2)), event(3, [out(3), out(4)], joint: true),
      event(3, [.init(node: NodeID(3), role: .standby)], joint: true),
    ]
    for event in wrong { #expect(inconsistency(stage, event) != nil, "\(event)") }
    for event in [event(3, [out(3)], joint: true), event(4, [out(4)]), event(5)] {
      #expect(inconsistency(stage, event) == nil, "\(event)")
    }
  }
}
