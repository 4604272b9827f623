import Membership
import Testing

/// A cluster that begins with the log of another one.
@Suite struct ImportTests {
  /// The event after the last one of that history, with a node that it never had.
  private func imported(
    _ cluster: Cluster, first: NodeRecord = record(200), as id: ClusterID = ClusterID(99)
  ) -> ClusterImported {
    ClusterImported(
      cluster: id, first: first, source: cluster.id, sourceIndex: cluster.lastIndex,
      sourceHash: secret(1), file: nil)
  }

  private func following(_ stage: Stage) -> Stage {
    var next = stage
    next.append(.clusterImported(imported(stage.cluster)), term: stage.cluster.term + 1)
    return next
  }

  @Test(
    "After any history one node votes, and nobody and nothing of before has a right",
    arguments: 1...16)
  func nothingOfBefore(seed: Int) throws {
    var walk = HistoryTests.Walk(seed: UInt64(seed))
    for _ in 0..<(60 * seed % 400) { walk.step() }
    let before = walk.stage.cluster
    var stage = following(walk.stage)
    let after = stage.cluster
    #expect(after.id == ClusterID(99) && after.incarnation == before.incarnation + 1)
    #expect(after.nodes.map(\.id) == [NodeID(200)] && after.voters == [NodeID(200)])
    #expect(after.controlPlane.map(\.id) == [NodeID(200)] && after.outgoingVoters.isEmpty)
    #expect(after.joint == nil && after.departure == nil && after.leader == nil)
    #expect(after.endpointIndex == after.lastIndex)
    #expect(after.policy == before.policy && after.policyIndex == before.policyIndex)
    #expect(after.servingAPI.map(\.id) == [NodeID(200)])
    #expect(after.departed.starts(with: before.departed))
    let behind = after.departed.dropFirst(before.departed.count)
    #expect(behind.map(\.node) == before.nodes.filter(\.isActive).map(\.id))
    #expect(behind.allSatisfy { $0.how == .leftBehind && $0.index == after.lastIndex })
    for member in before.nodes {
      #expect(after.activeNode(key: member.record.key) == nil)
      #expect(after.departed(key: member.record.key) != nil)
      #expect(after.node(named: member.name) == nil || member.name == "n200")
    }
    #expect(after.tokens.count == before.tokens.count)
    #expect(!after.tokens.contains { $0.state(at: after.lastTime) == .active })
    for (old, new) in zip(before.tokens, after.tokens)
    where old.state(at: after.lastTime) != .active {
      #expect(old == new, "what became of an invitation before stays as it was")
    }
    let recent = before.lastTime.adding(seconds: -3600)
    for session in before.sessions.all.suffix(100) where session.time >= recent {
      let known = after.sessions[session.command]
      #expect(known?.first == session.first, "a command is not carried out again")
    }
    stage.elect(NodeID(200))
    stage.now = max(stage.now, stage.cluster.lastTime)
    try stage.invite(500)
    for member in before.nodes where member.record.key != key(200) {
      var record = member.record
      record.name = "back"
      let join = Command.join(Command.Join(node: record, secret: secret(500)))
      #expect(throws: Refusal.self) { try stage.ask(join) }
    }
  }

  @Test("The new cluster lives as any other does, under the names and addresses of the old one")
  func lives() throws {
    var stage = following(try Stage.controlPlane(3))
    stage.elect(NodeID(200))
    for n in 1...3 {
      try stage.invite(300 + n)
      var again = record(n)
      again.id = NodeID(UInt64(300 + n))
      again.key = key(300 + n)
      try stage.ask(.join(Command.Join(node: again, secret: secret(300 + n))))
    }
    stage.keepRoles()
    #expect(stage.roles() == ["n200 voter", "n1 voter", "n2 voter", "n3 standby"])
    try stage.ask(.leave(NodeID(200)))
    stage.keepRoles()
    #expect(stage.cluster.voters == [301, 302, 303].map { NodeID($0) })
    var folded = Cluster()
    for event in stage.log { #expect(folded.evolve(event) == nil) }
    #expect(folded == stage.cluster)
  }

  @Test("A secret of before is refused with the words of what became of it")
  func secrets() throws {
    var stage = try Stage.controlPlane(1)
    try stage.invite(5)
    stage = following(stage)
    stage.elect(NodeID(200))
    let refusal = #expect(throws: Refusal.self) {
      try stage.ask(.join(Command.Join(node: record(7), secret: secret(5))))
    }
    #expect(refusal?.code == "token-revoked")
  }

  @Test("It ends a change of voters and a departure that were under way")
  func underWay() throws {
    var stage = try Stage.controlPlane(4)
    try stage.ask(.leave(NodeID(2)))
    #expect(stage.cluster.joint != nil && stage.cluster.departure != nil)
    stage = following(stage)
    #expect(stage.cluster.joint == nil && stage.cluster.departure == nil)
    stage.elect(NodeID(200))
    stage.keepRoles()
    #expect(stage.roles() == ["n200 voter"])
  }

  @Test("An import that does not follow what is before it is told, and changes nothing")
  func contradictions() throws {
    var stage = try Stage.controlPlane(3)
    try stage.join(4, .worker)
    try stage.ask(.leave(NodeID(4)))
    try stage.ask(.removeNode(.init(target: "n4", force: false)))
    let good = imported(stage.cluster)
    func wrong(_ change: (inout ClusterImported) -> Void) -> ClusterImported {
      var copy = good
      change(&copy)
      return copy
    }
    let events = [
      wrong { $0.source = ClusterID(8) }, wrong { $0.cluster = stage.cluster.id },
      wrong { $0.sourceIndex -= 1 }, wrong { $0.sourceIndex += 1 },
      wrong { $0.first = record(9, .worker) }, wrong { $0.first.id = NodeID(2) },
      wrong { $0.first.id = NodeID(4) }, wrong { $0.first.key = key(2) },
      wrong { $0.first.key = key(4) },
    ]
    for event in events {
      var cluster = stage.cluster
      let problem = cluster.evolve(
        RecordedEvent(
          index: cluster.lastIndex + 1, term: cluster.term + 1,
          envelope: Envelope(
            time: stage.now, command: CommandID(high: 0, low: 1), fingerprint: 0, actor: "a",
            event: .clusterImported(event))))
      #expect(problem != nil && cluster == stage.cluster, "\(event)")
    }
    var nothing = Cluster()
    #expect(
      nothing.evolve(
        RecordedEvent(
          index: 1, term: 1,
          envelope: Envelope(
            time: stage.now, command: CommandID(high: 0, low: 1), fingerprint: 0, actor: "a",
            event: .clusterImported(good)))) != nil)
  }
}
