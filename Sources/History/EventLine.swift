// One event as a line of JSON: what `muster events -o json` prints and the API streams.
//
// Keys are stable; ids and digests are hex text, times RFC 3339 with milliseconds. Nothing here is
// secret: tokens are known by the SHA-256 of their secrets.

package import Membership

/// An event with its place, its time and its hash, ready to be encoded.
package struct EventLine: Encodable, Sendable {
  package var recorded: RecordedEvent
  /// Hex of the chain hash at this index.
  package var hash: String
  /// What it changed, in words; nil where the state before is not at hand.
  package var effect: String?
  /// For people, the name of a node that acted under its id; nil for other actors.
  package var actorName: String?

  package init(
    _ recorded: RecordedEvent, hash: String, effect: String? = nil, actorName: String? = nil
  ) {
    self.recorded = recorded
    self.hash = hash
    self.effect = effect
    self.actorName = actorName
  }

  private enum Key: String, CodingKey {
    case index, term, time, type, actor, commandId, reason, data, hash, effect
  }

  package func encode(to encoder: any Encoder) throws {
    var out = encoder.container(keyedBy: Key.self)
    let envelope = recorded.envelope
    try out.encode(recorded.index, forKey: .index)
    try out.encode(recorded.term, forKey: .term)
    try out.encode(envelope.time.rfc3339, forKey: .time)
    try out.encode(envelope.event.type.name, forKey: .type)
    try out.encode(envelope.actor, forKey: .actor)
    try out.encode(envelope.command.description, forKey: .commandId)
    if !envelope.reason.isEmpty { try out.encode(envelope.reason, forKey: .reason) }
    try out.encode(EventData(envelope.event), forKey: .data)
    try out.encode(hash, forKey: .hash)
    try out.encodeIfPresent(effect, forKey: .effect)
  }
}

/// What is particular to one kind of event.
struct EventData: Encodable {
  let event: Event
  init(_ event: Event) { self.event = event }

  private struct Key: CodingKey, ExpressibleByStringLiteral {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringLiteral value: String) { stringValue = value }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }
  private typealias Container = KeyedEncodingContainer<Key>

  func encode(to encoder: any Encoder) throws {
    var out = encoder.container(keyedBy: Key.self)
    switch event {
    case .clusterFormed(let formed):
      try out.encode(formed.cluster.description, forKey: "cluster")
      try encode(formed.first, to: &out)
    case .leaderElected(let elected):
      try out.encode(elected.node.description, forKey: "node")
    case .tokenIssued(let token):
      try encode(token, to: &out)
    case .tokenRevoked(let revoked):
      try out.encode(revoked.id.description, forKey: "token")
    case .nodeJoined(let joined):
      try encode(joined.node, to: &out)
      try out.encode(joined.token.description, forKey: "token")
    case .nodeLeft(let left):
      try out.encode(left.node.description, forKey: "node")
    case .nodeRemoved(let removed):
      try out.encode(removed.node.description, forKey: "node")
      try out.encode(removed.forced, forKey: "forced")
    case .endpointRefreshed(let refreshed):
      try out.encode(refreshed.node.description, forKey: "node")
      try encode(refreshed.endpoints, to: &out)
      try out.encode(refreshed.apiserverReady, forKey: "apiserverReady")
      try out.encode(refreshed.version, forKey: "version")
    case .roleAssigned(let assigned):
      try encode(assigned, to: &out)
    case .rolesSettled: break
    case .nodeSuspected(let suspected):
      try out.encode(suspected.node.description, forKey: "node")
    case .nodeRecovered(let recovered):
      try out.encode(recovered.node.description, forKey: "node")
    case .replicaLost(let lost):
      try out.encode(lost.node.description, forKey: "node")
      try out.encode(lost.acknowledged, forKey: "acknowledged")
      try out.encode(lost.found, forKey: "found")
      try out.encode(lost.boot, forKey: "boot")
    case .replicaRefetched(let refetched):
      try out.encode(refetched.node.description, forKey: "node")
      try out.encode(refetched.index, forKey: "upTo")
    }
  }

  private func encode(_ node: NodeRecord, to out: inout Container) throws {
    try out.encode(node.id.description, forKey: "node")
    try out.encode(node.name, forKey: "name")
    try out.encode(node.role == .worker ? "worker" : "control-plane", forKey: "role")
    try encode(node.endpoints, to: &out)
    try out.encode(node.key.description, forKey: "key")
    try out.encode(node.failureDomain, forKey: "failureDomain")
    try out.encode(node.version, forKey: "version")
  }

  private func encode(_ endpoints: Endpoints, to out: inout Container) throws {
    try out.encode(endpoints.cluster.description, forKey: "clusterAddress")
    try out.encodeIfPresent(endpoints.datastore?.description, forKey: "datastoreAddress")
    try out.encodeIfPresent(endpoints.apiserver?.description, forKey: "apiserverAddress")
    if !endpoints.extra.isEmpty {
      try out.encode(endpoints.extra.map(\.description), forKey: "extraAddresses")
    }
  }

  private func encode(_ token: TokenIssued, to out: inout Container) throws {
    try out.encode(token.id.description, forKey: "token")
    try out.encode(token.uses, forKey: "uses")
    try out.encodeIfPresent(token.expires?.rfc3339, forKey: "expires")
    var secrets = out.nestedUnkeyedContainer(forKey: "secrets")
    for secret in token.secrets {
      var entry = secrets.nestedContainer(keyedBy: Key.self)
      try entry.encode(secret.hash.description, forKey: "sha256")
      try entry.encode(
        secret.roles.map { $0 == .worker ? "worker" : "control-plane" }, forKey: "roles")
    }
  }

  private func encode(_ assigned: RoleAssigned, to out: inout Container) throws {
    var assignments = out.nestedUnkeyedContainer(forKey: "assignments")
    for assignment in assigned.assignments {
      var entry = assignments.nestedContainer(keyedBy: Key.self)
      try entry.encode(assignment.node.description, forKey: "node")
      try entry.encode(assignment.role?.word ?? "none", forKey: "role")
    }
    try out.encode(assigned.cause.word, forKey: "cause")
    try out.encode(assigned.joint, forKey: "joint")
    if let departing = assigned.departing {
      try out.encode(departing.node.description, forKey: "departing")
      try out.encode(departing.kind == .leave ? "leave" : "remove", forKey: "how")
      try out.encode(departing.forced, forKey: "forced")
    }
  }
}

extension DatastoreRole {
  /// As users read it.
  package var word: String {
    switch self {
    case .voter: "voter"
    case .standby: "standby"
    case .spare: "spare"
    }
  }
}

extension RoleAssigned.Cause {
  /// As users read it.
  package var word: String {
    switch self {
    case .joined: "joined"
    case .shortage: "shortage"
    case .surplus: "surplus"
    case .replaced: "replaced"
    case .spread: "spread"
    case .departure: "departure"
    }
  }
}
