// One node as the log has it, and what remains of one that went.

/// A node in the membership, with everything the log says about it.
package struct Member: Hashable, Sendable, Identifiable {
  package enum State: Hashable, Sendable {
    case active
    /// It left by its own wish; listed until `remove-node` closes the record.
    case left(index: UInt64, time: Timestamp)
  }

  /// It may be away for a while, and an operator said so.
  package struct Maintenance: Hashable, Sendable {
    /// Index of the event that last said so.
    package var index: UInt64
    package var since: Timestamp
    /// When it ends by itself; nil if it must be ended.
    package var until: Timestamp?
    package init(index: UInt64, since: Timestamp, until: Timestamp?) {
      self.index = index
      self.since = since
      self.until = until
    }
  }

  package var record: NodeRecord
  package var joined: Timestamp
  package var joinIndex: UInt64
  /// The token that admitted it; nil for the first node.
  package var token: TokenID?
  /// Nil: outside the datastore's configuration (workers, newcomers, departing and left nodes).
  package var datastoreRole: DatastoreRole?
  package var state: State
  package var apiserverReady: Bool
  package var suspectedSince: Timestamp?
  /// Since when it lacks what it had acknowledged; nil while it holds everything.
  package var lostSince: Timestamp?
  /// Nil: it is meant to be there.
  package var maintenance: Maintenance?
  /// Who votes in its place since it was in maintenance; nil if nobody does.
  package var lentTo: NodeID?
  /// When it was suspected of late, oldest first, at most `suspicionLimit`.
  package var suspicions: [Timestamp]
  /// Index of the event that last told its endpoints.
  package var endpointIndex: UInt64
  /// Index of the event that made it a control-plane node or a worker.
  package var roleIndex: UInt64
  /// Kubernetes certificates that were signed for it, oldest first; at most `certificateLimit`.
  package var certificates: [Certificate] = []

  /// How many times a node may be suspected in one hour of log time.
  package static let suspicionLimit = 6

  package init(
    record: NodeRecord, joined: Timestamp, joinIndex: UInt64, token: TokenID? = nil,
    datastoreRole: DatastoreRole? = nil, state: State = .active, apiserverReady: Bool = false,
    suspectedSince: Timestamp? = nil, suspicions: [Timestamp] = [], endpointIndex: UInt64
  ) {
    self.record = record
    self.joined = joined
    self.joinIndex = joinIndex
    self.token = token
    self.datastoreRole = datastoreRole
    self.state = state
    self.apiserverReady = apiserverReady
    self.suspectedSince = suspectedSince
    self.suspicions = suspicions
    self.endpointIndex = endpointIndex
    roleIndex = joinIndex
  }

  package var id: NodeID { record.id }
  package var name: String { record.name }
  package var isActive: Bool { state == .active }
  package var isControlPlane: Bool { record.role == .controlPlane }
  package var isSuspected: Bool { suspectedSince != nil }
  /// Neither suspected nor without what it had acknowledged.
  package var isSound: Bool { suspectedSince == nil && lostSince == nil }
}

extension Endpoints {
  /// Every address in here, without duplicates, sorted.
  package var all: [Address] {
    Array(Set([cluster] + extra + [datastore, apiserver].compactMap { $0 })).sorted()
  }

  /// Whether that address is in here.
  package func has(_ address: Address) -> Bool {
    cluster == address || datastore == address || apiserver == address || extra.contains(address)
  }
}

/// A node that is no member any more. Kept for ever: its key is refused for ever.
package struct Departed: Hashable, Sendable, Identifiable {
  package enum How: Hashable, Sendable {
    case left
    case removed(forced: Bool)
    /// Its machine, or another in its place, came in under a new identity.
    case replaced(by: NodeID)
    /// Its cluster's log became the beginning of another cluster's, without it.
    case leftBehind
  }
  package var node: NodeID
  package var name: String
  package var key: Digest
  package var how: How
  package var index: UInt64
  package var time: Timestamp
  package var actor: String
  package var reason: String

  package init(
    node: NodeID, name: String, key: Digest, how: How, index: UInt64, time: Timestamp,
    actor: String, reason: String
  ) {
    self.node = node
    self.name = name
    self.key = key
    self.how = how
    self.index = index
    self.time = time
    self.actor = actor
    self.reason = reason
  }

  /// The key: it cannot come back, so it departs once.
  package var id: Digest { key }
}
