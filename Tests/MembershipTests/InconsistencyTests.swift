import Membership
import Testing

/// Tries an event on a state that it may contradict; then the state must stay as it was.
func inconsistency(
  _ stage: Stage, _ event: Event, index: UInt64? = nil, term: UInt64? = nil,
  time: Timestamp? = nil, command: CommandID = CommandID(high: 0, low: 12345),
  fingerprint: UInt64 = 1
) -> String? {
  var cluster = stage.cluster
  let found = cluster.evolve(
    RecordedEvent(
      index: index ?? cluster.lastIndex + 1, term: term ?? cluster.term,
      envelope: Envelope(
        time: time ?? stage.now, command: command, fingerprint: fingerprint, actor: "a",
        event: event)))
  #expect(found == nil || cluster == stage.cluster)
  return found?.description
}

@Suite struct InconsistencyTests {
  @Test("An event at the wrong place, of an earlier term or time is told")
  func misplaced() throws {
    let stage = try Stage.controlPlane(3)
    let event = Event.leaderElected(LeaderElected(node: NodeID(2)))
    #expect(inconsistency(stage, event) == nil)
    #expect(inconsistency(stage, event, index: stage.cluster.lastIndex) != nil)
    #expect(inconsistency(stage, event, index: stage.cluster.lastIndex + 2) != nil)
    #expect(inconsistency(stage, event, term: 0) != nil)
    #expect(inconsistency(stage, event, time: stage.now.adding(seconds: -1)) != nil)
  }

  @Test("An event that contradicts the state is told, and changes nothing")
  func contradictions() throws {
    var stage = try Stage.controlPlane(3)
    try stage.join(4, .worker)
    try stage.invite(9)
    let nobody = NodeID(99)
    let voter = RoleAssigned.Assignment(node: NodeID(1), role: .standby)
    let all = [1, 2, 3].map { RoleAssigned.Assignment(node: NodeID($0), role: .standby) }
    let events: [Event] = [
      .clusterFormed(ClusterFormed(cluster: ClusterID(8), first: record(8))),
      .leaderElected(LeaderElected(node: nobody)), .tokenRevoked(TokenRevoked(id: TokenID(77))),
      .tokenIssued(TokenIssued(id: TokenID(9), secrets: [], uses: 1, expires: nil)),
      .nodeJoined(NodeJoined(node: record(2), token: TokenID(9))),
      .nodeJoined(NodeJoined(node: record(8), token: TokenID(77))),
      .nodeJoined(NodeJoined(node: record(8), token: TokenID(4))),
      .nodeLeft(NodeLeft(node: nobody)), .nodeLeft(NodeLeft(node: NodeID(1))),
      .nodeRemoved(NodeRemoved(node: NodeID(1), forced: true)),
      .nodePromoted(NodePromoted(node: nobody, endpoints: endpoints(9))),
      .nodePromoted(NodePromoted(node: NodeID(1), endpoints: endpoints(1))),
      .nodePromoted(NodePromoted(node: NodeID(4), endpoints: endpoints(4, .worker))),
      .nodeDemoted(NodeDemoted(node: nobody, endpoints: endpoints(9, .worker))),
      .nodeDemoted(NodeDemoted(node: NodeID(1), endpoints: endpoints(1, .worker))),
      .nodeDemoted(NodeDemoted(node: NodeID(4), endpoints: endpoints(4, .worker))),
      .endpointRefreshed(
        EndpointRefreshed(
          node: nobody, endpoints: endpoints(9), apiserverReady: true, version: "")),
      .roleAssigned(RoleAssigned(assignments: [], cause: .spread, joint: false)),
      .roleAssigned(RoleAssigned(assignments: [voter], cause: .spread, joint: false)),
      .roleAssigned(RoleAssigned(assignments: all, cause: .spread, joint: true)),
      .roleAssigned(RoleAssigned(assignments: all.reversed(), cause: .spread, joint: true)),
      .roleAssigned(
        RoleAssigned(
          assignments: [.init(node: NodeID(4), role: .standby)], cause: .joined, joint: false)),
      .roleAssigned(
        RoleAssigned(
          assignments: [.init(node: NodeID(3), role: nil)], cause: .spread, joint: true)),
      .roleAssigned(
        RoleAssigned(
          assignments: [voter], cause: .departure,
          departing: .init(node: NodeID(3), kind: .leave, forced: false), joint: true)),
      .rolesSettled(RolesSettled()), .nodeRecovered(NodeRecovered(node: NodeID(1))),
      .nodeSuspected(NodeSuspected(node: nobody)),
      .replicaLost(ReplicaLost(node: nobody, acknowledged: 2, found: 1, boot: 1)),
      .replicaRefetched(ReplicaRefetched(node: NodeID(1), index: 2)),
      .maintenanceEntered(MaintenanceEntered(node: nobody, until: nil)),
      .maintenanceExited(MaintenanceExited(node: NodeID(1))),
      .policyChanged(PolicyChanged(voters: 4)),
    ]
    for event in events { #expect(inconsistency(stage, event) != nil, "\(event)") }
    #expect(Stage().cluster.isFormed == false)
    #expect(inconsistency(Stage(), .rolesSettled(RolesSettled()), index: 1) != nil)
  }

  @Test("A command id with another body is told")
  func reused() throws {
    var stage = try Stage.controlPlane(1)
    let id = stage.freshID()
    try stage.invite(5)
    try stage.ask(.revokeToken(TokenID(5)), id: id)
    let event = Event.nodeSuspected(NodeSuspected(node: NodeID(1)))
    #expect(inconsistency(stage, event, command: id, fingerprint: 2) != nil)
    #expect(inconsistency(stage, event, command: id, fingerprint: 1) == nil)
  }

  @Test("A departing node is not recorded as gone while the configuration counts it")
  func tooEarly() throws {
    var stage = try Stage.controlPlane(3)
    try stage.ask(.leave(NodeID(3)))
    #expect(inconsistency(stage, .nodeLeft(NodeLeft(node: NodeID(3)))) != nil)
    try stage.ask(.settle)
    #expect(
      inconsistency(stage, .nodeRemoved(NodeRemoved(node: NodeID(3), forced: false))) != nil)
    #expect(inconsistency(stage, .nodeLeft(NodeLeft(node: NodeID(3)))) == nil)
  }

  @Test("A node is suspected at most six times an hour")
  func damped() throws {
    var stage = try Stage.controlPlane(3)
    let node = NodeID(2)
    let first = stage.now
    for _ in 0..<6 {
      try stage.ask(.suspect(node))
      try stage.ask(.recover(node))
      stage.now = stage.now.adding(seconds: 60)
    }
    #expect(throws: Refusal.suspectedTooOften("n2", since: first)) {
      try stage.ask(.suspect(node))
    }
    stage.now = first.adding(seconds: 3600)
    #expect(throws: Never.self) { try stage.ask(.suspect(node)) }
    #expect(
      try stage.ask(.suspect(node))
        == .already(
          Already(first: stage.cluster.lastIndex, latest: stage.cluster.lastIndex, finished: true)))
  }
}
