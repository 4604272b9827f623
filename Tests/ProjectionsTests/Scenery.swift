// Clusters to look at, built by events, and the texts that are expected of them.

import FoundationEssentials
import Membership
import Testing

/// A cluster built event by event. Control-plane nodes get roles as `roles` says.
struct Scenery {
  var cluster = Cluster()
  var log: [(RecordedEvent, Cluster, Cluster)] = []
  var now = Timestamp(milliseconds: 1_792_811_520_000)

  mutating func append(_ event: Event, actor: String = "root@n1", reason: String = "") {
    let before = cluster
    let isElection = event.type == .leaderElected
    let recorded = RecordedEvent(
      index: cluster.lastIndex + 1, term: isElection ? cluster.term + 1 : max(1, cluster.term),
      envelope: Envelope(
        time: now, command: CommandID(high: 0, low: cluster.lastIndex), fingerprint: 0,
        actor: actor, reason: reason, event: event))
    let inconsistency = cluster.evolve(recorded)
    #expect(inconsistency == nil)
    log.append((recorded, before, cluster))
  }

  /// Node n1 at `address`, forming the cluster and leading it.
  init(_ address: String = "10.0.0.1", ready: Bool = true) {
    append(
      .clusterFormed(
        ClusterFormed(cluster: ClusterID(0xc1), first: record(1, at: address, .controlPlane))))
    append(.leaderElected(LeaderElected(node: NodeID(1))))
    append(
      .tokenIssued(
        TokenIssued(
          id: TokenID(0x7f3a),
          secrets: [.init(hash: digest(9), roles: [.controlPlane, .worker])], uses: 0,
          expires: nil)))
    if ready { setReady(1) }
  }

  /// A cluster of so many ready control-plane nodes at 10.0.0.1, 10.0.0.2, ...
  init(controlPlane count: Int, domains: [String] = []) {
    self.init()
    for n in 2..<max(2, count + 1) where count > 1 {
      join(n, domain: n <= domains.count ? domains[n - 1] : "1")
    }
    var roles: [Int: DatastoreRole] = [:]
    for n in 2..<max(2, count + 1) where count > 1 {
      roles[n] = n <= 3 && count >= 3 ? .voter : n <= 6 ? .standby : .spare
    }
    if !roles.isEmpty { assign(roles, cause: .shortage, joint: count >= 3, settle: true) }
  }

  mutating func join(
    _ n: Int, _ role: NodeRole = .controlPlane, at address: String? = nil, domain: String = "1",
    ready: Bool = true
  ) {
    now = now.adding(seconds: 60)
    var node = record(n, at: address ?? "10.0.0.\(n)", role)
    node.failureDomain = domain
    append(.nodeJoined(NodeJoined(node: node, token: TokenID(0x7f3a))), actor: "token 7f3a")
    if role == .controlPlane, ready { setReady(n) }
  }

  mutating func setReady(_ n: Int, _ ready: Bool = true) {
    guard let member = cluster.node(NodeID(UInt64(n))) else { return }
    append(
      .endpointRefreshed(
        EndpointRefreshed(
          node: member.id, endpoints: member.record.endpoints, apiserverReady: ready,
          version: member.record.version)))
  }

  mutating func assign(
    _ roles: [Int: DatastoreRole?], cause: RoleAssigned.Cause,
    departing: RoleAssigned.Departing? = nil, joint: Bool, settle: Bool
  ) {
    append(
      .roleAssigned(
        RoleAssigned(
          assignments: roles.keys.sorted().map {
            RoleAssigned.Assignment(node: NodeID(UInt64($0)), role: roles[$0] ?? nil)
          }, cause: cause, departing: departing, joint: joint)))
    if joint, settle { append(.rolesSettled(RolesSettled())) }
  }

  mutating func suspect(_ n: Int) {
    append(.nodeSuspected(NodeSuspected(node: NodeID(UInt64(n)))))
  }
}

func digest(_ n: Int) -> Digest {
  guard let digest = Digest(bytes: [UInt8](repeating: UInt8(n & 255), count: 32)) else {
    preconditionFailure("32 bytes")
  }
  return digest
}

func address(_ text: String) -> Address {
  guard let address = Address(text) else { preconditionFailure("address \(text)") }
  return address
}

func record(_ n: Int, at host: String, _ role: NodeRole) -> NodeRecord {
  let isWorker = role == .worker
  return NodeRecord(
    id: NodeID(UInt64(n)), name: "n\(n)", role: role,
    endpoints: Endpoints(
      cluster: address("\(host):25000"), datastore: isWorker ? nil : address("\(host):19001"),
      apiserver: isWorker ? nil : address("\(host):16443")),
    key: digest(n), failureDomain: "1", version: "0.1.0")
}

func nodes(_ numbers: Int...) -> Set<NodeID> { Set(numbers.map { NodeID(UInt64($0)) }) }

/// Compares a text with the file Fixtures/`path`. With UPDATE_FIXTURES=1 in the environment the
/// file is rewritten instead, for a person to review.
func expect(_ text: String, matches path: String, _ location: SourceLocation = #_sourceLocation)
  throws
{
  let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures/\(path)")
  if ProcessInfo.processInfo.environment["UPDATE_FIXTURES"] == "1" {
    try Data(text.utf8).write(to: url)
    return
  }
  let expected = String(decoding: try Data(contentsOf: url), as: UTF8.self)
  #expect(text == expected, "Fixtures/\(path)", sourceLocation: location)
}
