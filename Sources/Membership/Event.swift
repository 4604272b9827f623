// The whole catalogue of events on one screen. An event is a fact: past tense, immutable, free of
// secrets. Its name and number are frozen from the first release on (Schema/Protos/events.proto).

/// Every kind of event there is or will be in this generation, with its frozen number and name.
package enum EventType: Int, Sendable, CaseIterable {
  case clusterFormed = 1
  case clusterImported = 2
  case leaderElected = 3
  case tokenIssued = 4
  case tokenRevoked = 5
  case nodeJoined = 6
  case nodeLeft = 7
  case nodeRemoved = 8
  case nodeReplaced = 9
  case nodePromoted = 10
  case nodeDemoted = 11
  case endpointRefreshed = 12
  case endpointPinned = 13
  case endpointUnpinned = 14
  case roleAssigned = 15
  case rolesSettled = 16
  case nodeSuspected = 17
  case nodeRecovered = 18
  case replicaLost = 19
  case replicaRefetched = 20
  case maintenanceEntered = 21
  case maintenanceExited = 22
  case policyChanged = 23
  case certificateIssued = 24
  case kubernetesCARotated = 25
  case noteAttached = 26
  case backupTaken = 27
  case clusterRecovered = 28
  case formatRaised = 29

  package var name: String {
    switch self {
    case .clusterFormed: "cluster.formed"
    case .clusterImported: "cluster.imported"
    case .leaderElected: "leader.elected"
    case .tokenIssued: "token.issued"
    case .tokenRevoked: "token.revoked"
    case .nodeJoined: "node.joined"
    case .nodeLeft: "node.left"
    case .nodeRemoved: "node.removed"
    case .nodeReplaced: "node.replaced"
    case .nodePromoted: "node.promoted"
    case .nodeDemoted: "node.demoted"
    case .endpointRefreshed: "endpoint.refreshed"
    case .endpointPinned: "endpoint.pinned"
    case .endpointUnpinned: "endpoint.unpinned"
    case .roleAssigned: "role.assigned"
    case .rolesSettled: "roles.settled"
    case .nodeSuspected: "node.suspected"
    case .nodeRecovered: "node.recovered"
    case .replicaLost: "replica.lost"
    case .replicaRefetched: "replica.refetched"
    case .maintenanceEntered: "maintenance.entered"
    case .maintenanceExited: "maintenance.exited"
    case .policyChanged: "policy.changed"
    case .certificateIssued: "certificate.issued"
    case .kubernetesCARotated: "kubernetes-ca.rotated"
    case .noteAttached: "note.attached"
    case .backupTaken: "backup.taken"
    case .clusterRecovered: "cluster.recovered"
    case .formatRaised: "format.raised"
    }
  }
}

/// One fact. Only kinds that this version appends have a case; the others are reserved.
package enum Event: Hashable, Sendable {
  case clusterFormed(ClusterFormed)
  case clusterImported(ClusterImported)
  case leaderElected(LeaderElected)
  case tokenIssued(TokenIssued)
  case tokenRevoked(TokenRevoked)
  case nodeJoined(NodeJoined)
  case nodeLeft(NodeLeft)
  case nodeRemoved(NodeRemoved)
  case nodeReplaced(NodeReplaced)
  case nodePromoted(NodePromoted)
  case nodeDemoted(NodeDemoted)
  case endpointRefreshed(EndpointRefreshed)
  case roleAssigned(RoleAssigned)
  case rolesSettled(RolesSettled)
  case nodeSuspected(NodeSuspected)
  case nodeRecovered(NodeRecovered)
  case replicaLost(ReplicaLost)
  case replicaRefetched(ReplicaRefetched)
  case maintenanceEntered(MaintenanceEntered)
  case maintenanceExited(MaintenanceExited)
  case policyChanged(PolicyChanged)
  case certificateIssued(CertificateIssued)

  package var type: EventType {
    switch self {
    case .clusterFormed: .clusterFormed
    case .clusterImported: .clusterImported
    case .leaderElected: .leaderElected
    case .tokenIssued: .tokenIssued
    case .tokenRevoked: .tokenRevoked
    case .nodeJoined: .nodeJoined
    case .nodeLeft: .nodeLeft
    case .nodeRemoved: .nodeRemoved
    case .nodeReplaced: .nodeReplaced
    case .nodePromoted: .nodePromoted
    case .nodeDemoted: .nodeDemoted
    case .endpointRefreshed: .endpointRefreshed
    case .roleAssigned: .roleAssigned
    case .rolesSettled: .rolesSettled
    case .nodeSuspected: .nodeSuspected
    case .nodeRecovered: .nodeRecovered
    case .replicaLost: .replicaLost
    case .replicaRefetched: .replicaRefetched
    case .maintenanceEntered: .maintenanceEntered
    case .maintenanceExited: .maintenanceExited
    case .policyChanged: .policyChanged
    case .certificateIssued: .certificateIssued
    }
  }
}

/// A cluster came to be, with one node that votes.
package struct ClusterFormed: Hashable, Sendable {
  package var cluster: ClusterID
  package var first: NodeRecord
  package init(cluster: ClusterID, first: NodeRecord) {
    self.cluster = cluster
    self.first = first
  }
}

/// A cluster came to be, with one node that votes, whose log begins with all of another cluster's:
/// that one's members and invitations count no more.
package struct ClusterImported: Hashable, Sendable {
  package var cluster: ClusterID
  package var first: NodeRecord
  /// Whose log stands before this event.
  package var source: ClusterID
  /// The last index of that log, and the chain hash there.
  package var sourceIndex: UInt64
  package var sourceHash: Digest
  /// SHA-256 of the exported file that it was read from; nil if it was a log.
  package var file: Digest?
  package init(
    cluster: ClusterID, first: NodeRecord, source: ClusterID, sourceIndex: UInt64,
    sourceHash: Digest, file: Digest?
  ) {
    self.cluster = cluster
    self.first = first
    self.source = source
    self.sourceIndex = sourceIndex
    self.sourceHash = sourceHash
    self.file = file
  }
}

/// The first entry of a term.
package struct LeaderElected: Hashable, Sendable {
  package var node: NodeID
  package init(node: NodeID) { self.node = node }
}

/// An invitation was made. Each secret is known by its SHA-256 alone and admits certain roles.
package struct TokenIssued: Hashable, Sendable {
  package struct Secret: Hashable, Sendable {
    package var hash: Digest
    /// Sorted, without duplicates.
    package var roles: [NodeRole]
    package init(hash: Digest, roles: [NodeRole]) {
      self.hash = hash
      self.roles = roles
    }
  }
  package var id: TokenID
  package var secrets: [Secret]
  /// How many nodes it admits; 0 for any number.
  package var uses: UInt32
  /// Nil if it never expires.
  package var expires: Timestamp?
  package init(id: TokenID, secrets: [Secret], uses: UInt32, expires: Timestamp?) {
    self.id = id
    self.secrets = secrets
    self.uses = uses
    self.expires = expires
  }
}

package struct TokenRevoked: Hashable, Sendable {
  package var id: TokenID
  package init(id: TokenID) { self.id = id }
}

/// A node became a member, and the token that admitted it was spent: never one without the other.
package struct NodeJoined: Hashable, Sendable {
  package var node: NodeRecord
  package var token: TokenID
  /// SHA-256 of the files that it was given; nil if there were none.
  package var bundle: Digest?
  package init(node: NodeRecord, token: TokenID, bundle: Digest? = nil) {
    self.node = node
    self.token = token
    self.bundle = bundle
  }
}

extension Event {
  /// Who became a member by it, and by which token; nil if nobody did.
  package var joined: NodeJoined? {
    switch self {
    case .nodeJoined(let joined): joined
    case .nodeReplaced(let replaced): replaced.joined
    default: nil
    }
  }
}

/// A node left by its own wish.
package struct NodeLeft: Hashable, Sendable {
  package var node: NodeID
  package init(node: NodeID) { self.node = node }
}

/// A node was taken out by others; also closes the record of one that had left.
package struct NodeRemoved: Hashable, Sendable {
  package var node: NodeID
  package var forced: Bool
  package init(node: NodeID, forced: Bool) {
    self.node = node
    self.forced = forced
  }
}

/// A machine came back under a new identity, which took the place of the old one: that departed,
/// the new one is a member, and a token was spent, in one event.
package struct NodeReplaced: Hashable, Sendable {
  /// The old identity.
  package var node: NodeID
  /// The new one, and the token that admitted it.
  package var joined: NodeJoined
  /// What becomes of the roles where the old identity had one: it is out of the configuration,
  /// others may move up. As in `RoleAssigned`; empty where it had none.
  package var assignments: [RoleAssigned.Assignment]
  package var joint: Bool
  package init(
    node: NodeID, joined: NodeJoined, assignments: [RoleAssigned.Assignment] = [],
    joint: Bool = false
  ) {
    self.node = node
    self.joined = joined
    self.assignments = assignments
    self.joint = joint
  }
}

/// A node's endpoints, or whether its API server is ready, changed.
package struct EndpointRefreshed: Hashable, Sendable {
  package var node: NodeID
  package var endpoints: Endpoints
  package var apiserverReady: Bool
  package var version: String
  package init(node: NodeID, endpoints: Endpoints, apiserverReady: Bool, version: String) {
    self.node = node
    self.endpoints = endpoints
    self.apiserverReady = apiserverReady
    self.version = version
  }
}

/// The joint configuration was left: the roles assigned before are the only ones.
package struct RolesSettled: Hashable, Sendable {
  package init() {}
}

/// The leader had no contact with a control-plane node for the damping time.
package struct NodeSuspected: Hashable, Sendable {
  package var node: NodeID
  package init(node: NodeID) { self.node = node }
}

/// A suspected node has been in contact again for the damping time.
package struct NodeRecovered: Hashable, Sendable {
  package var node: NodeID
  package init(node: NodeID) { self.node = node }
}

/// A control-plane node came back without what it had acknowledged (its disk was rolled back,
/// damaged or set aside): until it has it again it neither votes nor counts.
package struct ReplicaLost: Hashable, Sendable {
  package var node: NodeID
  /// The last index it is known to have acknowledged, and the last that it still has.
  package var acknowledged: UInt64
  package var found: UInt64
  /// Its boot number.
  package var boot: UInt64
  package init(node: NodeID, acknowledged: UInt64, found: UInt64, boot: UInt64) {
    self.node = node
    self.acknowledged = acknowledged
    self.found = found
    self.boot = boot
  }
}

/// It holds everything up to that index again, and counts again.
package struct ReplicaRefetched: Hashable, Sendable {
  package var node: NodeID
  package var index: UInt64
  package init(node: NodeID, index: UInt64) {
    self.node = node
    self.index = index
  }
}

/// A node may be away for a while: others lead and, where they can, vote in its place.
package struct MaintenanceEntered: Hashable, Sendable {
  package var node: NodeID
  /// When it ends by itself; nil if it must be ended.
  package var until: Timestamp?
  package init(node: NodeID, until: Timestamp?) {
    self.node = node
    self.until = until
  }
}

/// The node is back, and has back the vote that it lent.
package struct MaintenanceExited: Hashable, Sendable {
  package var node: NodeID
  package init(node: NodeID) { self.node = node }
}

/// Who and when around an event; index and term are the log entry's own.
package struct Envelope: Hashable, Sendable {
  /// Stamped once by the leader; never before the previous event's.
  package var time: Timestamp
  /// The client's id of the command that caused it; events of the core itself carry (term, index).
  package var command: CommandID
  /// FNV-1a of the command's encoded body: a known id with another body is refused.
  package var fingerprint: UInt64
  /// `root@n1`, `n1` for what a node did by itself, `token 1f0c…` for a joiner.
  package var actor: String
  /// An operator's words; empty if none were given.
  package var reason: String
  package var event: Event
  package init(
    time: Timestamp, command: CommandID, fingerprint: UInt64, actor: String, reason: String = "",
    event: Event
  ) {
    self.time = time
    self.command = command
    self.fingerprint = fingerprint
    self.actor = actor
    self.reason = reason
    self.event = event
  }
}

/// An event at its place in the log.
package struct RecordedEvent: Hashable, Sendable {
  package var index: UInt64
  package var term: UInt64
  package var envelope: Envelope
  package init(index: UInt64, term: UInt64, envelope: Envelope) {
    self.index = index
    self.term = term
    self.envelope = envelope
  }
}
