// One value of everything that has bytes, and more than one where a field may be absent. Their
// bytes are in Fixtures; names are file names.

import Membership
import Raft
import Schema

enum Samples {
  static let n1 = NodeID(0x0123_4567_89ab_cdef)
  static let n2 = NodeID(0x1123_4567_89ab_cdef)
  static let n3 = NodeID(0xfedc_ba98_7654_3210)
  static let cluster = ClusterID(0x00c0_ffee_0000_0001)
  static let token = TokenID(0x1f_0c12_34e7)
  static let command = CommandID(high: 0x92b2_db23_7428_470d, low: 0xc4fc_fc4e_bbd9_dc81)

  static func digest(_ first: UInt8) -> Digest {
    Digest(bytes: (0..<32).map { first &+ $0 }) ?? unreachable()
  }

  static func address(_ text: String) -> Address { Address(text) ?? unreachable() }

  static func unreachable<Value>() -> Value { preconditionFailure("a sample is not valid") }

  static let controlPlane = NodeRecord(
    id: n1, name: "n1", role: .controlPlane,
    endpoints: Endpoints(
      cluster: address("10.128.63.86:25000"), datastore: address("10.128.63.86:19001"),
      apiserver: address("10.128.63.86:16443")),
    key: digest(0x10), failureDomain: "1", version: "1.0.0")

  static let worker = NodeRecord(
    id: n3, name: "worker-3.lan", role: .worker,
    endpoints: Endpoints(
      cluster: address("[fd00::3]:25000"),
      extra: [address("192.168.1.3:25000"), address("worker-3.lan:25000")]),
    key: digest(0x30), failureDomain: "rack 7", version: "1.0.0")

  static let issued = TokenIssued(
    id: token,
    secrets: [
      TokenIssued.Secret(hash: digest(0x40), roles: [.controlPlane, .worker]),
      TokenIssued.Secret(hash: digest(0x60), roles: [.worker]),
    ],
    uses: 1, expires: Timestamp(milliseconds: 1_760_003_600_000))

  static let refreshed = EndpointRefreshed(
    node: n1, endpoints: controlPlane.endpoints, apiserverReady: true, version: "1.0.1")

  static let assigned = RoleAssigned(
    assignments: [
      RoleAssigned.Assignment(node: n1, role: nil),
      RoleAssigned.Assignment(node: n2, role: .voter),
      RoleAssigned.Assignment(node: n3, role: .standby),
    ],
    cause: .departure,
    departing: RoleAssigned.Departing(node: n1, kind: .remove, forced: true), joint: true)

  static let certificate = CertificateIssued(
    node: n3, subject: "/CN=system:node:worker-3.lan/O=system:nodes", certificate: digest(0xa0),
    serial: [0x6d, 0x75, 0x73, 0x74], expires: Timestamp(milliseconds: 2_075_360_000_000))

  private static func imported(file: Digest?) -> ClusterImported {
    ClusterImported(
      cluster: ClusterID(0xc2), first: controlPlane, source: cluster, sourceIndex: 1042,
      sourceHash: digest(0x80), file: file)
  }

  /// File name: the event's name, and after `_` which variant.
  static let events: [(name: String, event: Event)] = [
    ("cluster.formed", .clusterFormed(ClusterFormed(cluster: cluster, first: controlPlane))),
    ("cluster.imported", .clusterImported(imported(file: digest(0x90)))),
    ("cluster.imported_log", .clusterImported(imported(file: nil))),
    ("leader.elected", .leaderElected(LeaderElected(node: n1))),
    ("token.issued", .tokenIssued(issued)),
    (
      "token.issued_unlimited",
      .tokenIssued(
        TokenIssued(id: token, secrets: [issued.secrets[1]], uses: 0, expires: nil))
    ),
    ("token.revoked", .tokenRevoked(TokenRevoked(id: token))),
    ("node.joined", .nodeJoined(NodeJoined(node: controlPlane, token: token))),
    (
      "node.joined_bundle",
      .nodeJoined(NodeJoined(node: controlPlane, token: token, bundle: digest(0xa0)))
    ),
    ("node.joined_worker", .nodeJoined(NodeJoined(node: worker, token: token))),
    ("node.left", .nodeLeft(NodeLeft(node: n3))),
    ("node.removed", .nodeRemoved(NodeRemoved(node: n3, forced: false))),
    ("node.removed_forced", .nodeRemoved(NodeRemoved(node: n3, forced: true))),
    (
      "node.replaced",
      .nodeReplaced(
        NodeReplaced(
          node: n3, joined: NodeJoined(node: controlPlane, token: token),
          assignments: [
            RoleAssigned.Assignment(node: n2, role: .voter),
            RoleAssigned.Assignment(node: n3, role: nil),
          ], joint: true))
    ),
    (
      "node.replaced_worker",
      .nodeReplaced(NodeReplaced(node: n3, joined: NodeJoined(node: worker, token: token)))
    ),
    (
      "node.promoted", .nodePromoted(NodePromoted(node: n2, endpoints: controlPlane.endpoints))
    ),
    ("node.demoted", .nodeDemoted(NodeDemoted(node: n2, endpoints: worker.endpoints))),
    ("endpoint.refreshed", .endpointRefreshed(refreshed)),
    (
      "role.assigned",
      .roleAssigned(
        RoleAssigned(
          assignments: [RoleAssigned.Assignment(node: n2, role: .spare)], cause: .joined,
          joint: false))
    ),
    ("role.assigned_departure", .roleAssigned(assigned)),
    (
      "role.assigned_demotion",
      .roleAssigned(
        RoleAssigned(
          assignments: [RoleAssigned.Assignment(node: n2, role: nil)], cause: .departure,
          departing: RoleAssigned.Departing(node: n2, kind: .demote, forced: false), joint: false))
    ),
    ("roles.settled", .rolesSettled(RolesSettled())),
    ("node.suspected", .nodeSuspected(NodeSuspected(node: n2))),
    ("node.recovered", .nodeRecovered(NodeRecovered(node: n2))),
    (
      "replica.lost",
      .replicaLost(ReplicaLost(node: n2, acknowledged: 1045, found: 1040, boot: 4))
    ),
    ("replica.refetched", .replicaRefetched(ReplicaRefetched(node: n2, index: 1050))),
    (
      "maintenance.entered",
      .maintenanceEntered(
        MaintenanceEntered(node: n2, until: Timestamp(milliseconds: 1_760_000_060_000)))
    ),
    ("maintenance.entered_open", .maintenanceEntered(MaintenanceEntered(node: n2, until: nil))),
    ("maintenance.exited", .maintenanceExited(MaintenanceExited(node: n2))),
    ("policy.changed", .policyChanged(PolicyChanged(voters: 5))),
    (
      "policy.changed_all",
      .policyChanged(
        PolicyChanged(
          voters: 5, standbys: 0, suspectAfter: 20_000, recoverAfter: 5000, spread: false))
    ),
    ("certificate.issued", .certificateIssued(certificate)),
  ]

  static func envelope(_ event: Event) -> Envelope {
    Envelope(
      time: Timestamp(milliseconds: 1_760_000_000_000), command: command,
      fingerprint: 0xcbf2_9ce4_8422_2325, actor: "root@n1", reason: "drill", event: event)
  }

  static let requests: [(name: String, request: Request)] = [
    ("issue-token", request(.issueToken(issued))),
    ("revoke-token", request(.revokeToken(token))),
    ("join", request(.join(Command.Join(node: worker, secret: digest(0x60))))),
    (
      "join_replace",
      request(.join(Command.Join(node: worker, secret: digest(0x60), replaces: "n3")))
    ),
    ("leave", request(.leave(n2))),
    ("remove-node", request(.removeNode(Command.RemoveNode(target: "n3", force: true)))),
    (
      "change-role",
      request(
        .changeRole(
          Command.ChangeRole(
            target: "n2", role: .controlPlane, endpoints: controlPlane.endpoints)))
    ),
    (
      "change-role_demotion",
      request(.changeRole(Command.ChangeRole(target: "n2", role: .worker)))
    ),
    ("refresh-endpoints", request(.refreshEndpoints(refreshed))),
    ("assign-roles", request(.assignRoles(assigned))),
    ("settle", request(.settle)),
    ("suspect", request(.suspect(n2))),
    ("recover", request(.recover(n2))),
    (
      "lose-replica",
      request(.loseReplica(ReplicaLost(node: n2, acknowledged: 1045, found: 1040, boot: 4)))
    ),
    ("refetch-replica", request(.refetchReplica(ReplicaRefetched(node: n2, index: 1050)))),
    ("enter-maintenance", request(.enterMaintenance(.init(target: "n2", seconds: 1800)))),
    ("exit-maintenance", request(.exitMaintenance("n2"))),
    ("change-policy", request(.changePolicy(PolicyChanged(voters: 5)))),
    ("issue-certificate", request(.issueCertificate(certificate))),
  ]

  static func request(_ command: Command, reason: String = "drill") -> Request {
    Request(id: self.command, command: command, actor: "root@n1", reason: reason, origin: n1)
  }

  static let entries = [
    Entry(index: 1042, term: 6, payload: [0x0a, 0x00, 0xff]),
    Entry(index: 1043, term: 7, kind: .newTerm, payload: [1]),
    Entry(
      index: 1044, term: 7, kind: .change,
      change: ConfigurationChange(
        transition: .jointExplicit,
        steps: [
          .addVoter(n1.rawValue), .addLearner(n2.rawValue), .remove(n3.rawValue),
          .update(n1.rawValue),
        ]), payload: [2]),
    Entry(index: 1045, term: 7, kind: .change, change: ConfigurationChange(), payload: []),
  ]

  static let snapshot = Snapshot(
    index: 1000, term: 6,
    configuration: Configuration(
      voters: [1, 2, 3], outgoing: [1, 2, 4], learners: [5], learnersNext: [4], autoLeave: true),
    data: [9, 8, 7])

  static let bodies: [(name: String, body: Message.Body)] = [
    (
      "append",
      .append(
        Message.Append(previousIndex: 1041, previousTerm: 6, commit: 1040, entries: entries))
    ),
    ("append-response", .appendResponse(Message.AppendResponse(index: 1045))),
    (
      "append-response_rejected",
      .appendResponse(
        Message.AppendResponse(index: 1045, rejected: true, hint: 1000, hintTerm: 6))
    ),
    ("vote", .vote(Message.Vote(isPreVote: true, lastIndex: 9, lastTerm: 2, isTransfer: true))),
    ("vote-response", .voteResponse(Message.VoteResponse(isPreVote: true, rejected: true))),
    ("heartbeat", .heartbeat(Message.Heartbeat(commit: 1040, context: .max))),
    ("heartbeat-response", .heartbeatResponse(Message.HeartbeatResponse(context: 77))),
    ("snapshot", .snapshot(snapshot)),
    ("timeout-now", .timeoutNow),
    ("transfer-leader", .transferLeader(target: n2.rawValue)),
    ("propose", .propose([Entry(payload: [1, 2]), Entry(payload: [])])),
    ("read-index", .readIndex(context: 78)),
    ("read-index-response", .readIndexResponse(index: 1040, context: 78)),
  ]

  static let frames: [(name: String, frame: Frame)] =
    bodies.map { name, body in
      (
        "raft-\(name)",
        .raft(Message(from: n1.rawValue, to: n2.rawValue, term: 7, body))
      )
    } + [
      ("forward", .forward(id: 12, request: request(.leave(n2)))),
      ("answer_committed", .answer(id: 12, outcome: .committed(first: 1043, last: 1045))),
      (
        "answer_refused",
        .answer(
          id: 12,
          outcome: .refused(code: "token.expired", exitCode: 6, message: "it has expired"))
      ),
      ("answer_unknown", .answer(id: 12, outcome: .unknown(reason: "leadership was lost"))),
      ("answer_not-leader", .answer(id: 12, outcome: .notLeader(leader: n2.rawValue))),
      ("answer_no-leader", .answer(id: 12, outcome: .notLeader(leader: nil))),
      (
        "observed",
        .observed(
          [
            Sighting(node: n1, silence: 38, lag: 0, isHealthy: true),
            Sighting(node: n3, silence: 61_000, skew: -12),
          ], clock: Timestamp(milliseconds: 1_760_000_000_000))
      ),
      (
        "observed_hindered",
        .observed(
          Hindrance.allCases.map { Sighting(node: n3, silence: 12, hindrance: $0) },
          clock: Timestamp(milliseconds: 1_760_000_000_000))
      ),
      (
        "recollection",
        .recollection(
          Recollection(
            node: n2, boot: 4, nonce: 0xabad_1dea, term: 9, acknowledged: 1045, committed: 1043,
            isContested: true))
      ),
    ]

  static let hello = Hello(
    protocolVersion: 1, cluster: cluster, incarnation: 0, node: n2, boot: 4, nonce: 0xabad_1dea,
    lastIndex: 1045, appliedIndex: 1040, format: 1,
    introductions: [
      Introduction(
        cluster: cluster, incarnation: 0, node: n2, key: digest(0x20), index: 17,
        signer: [0x30, 0x59], signature: [0x30, 0x45, 0x02])
    ], datastore: Address("10.0.0.2:19001"))
}
