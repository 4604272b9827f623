// What can be asked of a cluster. Imperative; all time and randomness a command needs is in it.

/// A wish; `Cluster.decide` turns it into events or refuses.
package enum Command: Hashable, Sendable {
  case issueToken(TokenIssued)
  case revokeToken(TokenID)
  case join(Join)
  /// The node itself wants out.
  case leave(NodeID)
  case removeNode(RemoveNode)
  case changeRole(ChangeRole)
  /// A node tells its endpoints as they are.
  case refreshEndpoints(EndpointRefreshed)
  /// The leader's own: from `RolePolicy`, never from a client.
  case assignRoles(RoleAssigned)
  /// The leader's own: leave the joint configuration, or close a departure.
  case settle
  /// The leader's own: damped reachability.
  case suspect(NodeID)
  case recover(NodeID)
  /// A control-plane node tells that it lost what it had acknowledged, and that it has it again.
  case loseReplica(ReplicaLost)
  case refetchReplica(ReplicaRefetched)
  case enterMaintenance(EnterMaintenance)
  /// The node's name, id or address.
  case exitMaintenance(String)
  case changePolicy(PolicyChanged)
  /// A control-plane node signed a Kubernetes certificate for a node that has no key.
  case issueCertificate(CertificateIssued)

  package struct Join: Hashable, Sendable {
    package var node: NodeRecord
    /// SHA-256 of the secret that was presented.
    package var secret: Digest
    /// The member whose place it takes (a name, an id or an address), which must have left or be
    /// out of reach; nil if it is one more.
    package var replaces: String?
    /// SHA-256 of the files that it will be given; nil if there are none. Whoever answers fills it
    /// in, so it tells no wish from another.
    package var bundle: Digest?
    package init(
      node: NodeRecord, secret: Digest, replaces: String? = nil, bundle: Digest? = nil
    ) {
      self.node = node
      self.secret = secret
      self.replaces = replaces
      self.bundle = bundle
    }
  }

  package struct EnterMaintenance: Hashable, Sendable {
    /// A name, an id, or an address (with or without port).
    package var target: String
    /// For how many seconds; nil until it is ended.
    package var seconds: Int64?
    package init(target: String, seconds: Int64?) {
      self.target = target
      self.seconds = seconds
    }
  }

  package struct RemoveNode: Hashable, Sendable {
    /// A name, an id, or an address (with or without port).
    package var target: String
    package var force: Bool
    package init(target: String, force: Bool) {
      self.target = target
      self.force = force
    }
  }
}

/// A command with who, when and which: everything that is drawn outside the core.
package struct Request: Hashable, Sendable {
  package var id: CommandID
  package var command: Command
  package var actor: String
  package var reason: String
  /// The node whose agent took the request in; nil if it is none of the cluster's (a joiner's).
  package var origin: NodeID?
  package init(
    id: CommandID, command: Command, actor: String, reason: String = "", origin: NodeID? = nil
  ) {
    self.id = id
    self.command = command
    self.actor = actor
    self.reason = reason
    self.origin = origin
  }
}

/// Why a node that was heard from of late does not count.
package enum Hindrance: UInt8, Sendable, CaseIterable {
  /// Its disk takes no writes.
  case disk = 1
  /// It may have forgotten what it promised, and does not have all of that again.
  case forgotten = 2
  /// It has not answered since its link closed.
  case link = 3
}

/// What the leader sees of the control plane when it decides. Live opinion, given with a command;
/// whatever of it matters is recorded in the events.
package struct Observation: Hashable, Sendable {
  /// Control-plane nodes heard from within the election timeout (this node itself included), but
  /// for those that may have forgotten promises: what they say does not count.
  package var reachable: Set<NodeID>
  /// Of these, the ones whose log is close enough to the leader's to vote at once.
  package var caughtUp: Set<NodeID>
  /// Nodes, workers included, with some sign of life within the last 30 s.
  package var alive: Set<NodeID>
  /// The leader's wall clock; nil if it is the time that the decision is stamped with.
  package var clock: Timestamp?
  /// The log's disk is nearly full: only what takes nodes out is still admitted.
  package var lowOnSpace: Bool
  package init(
    reachable: Set<NodeID>, caughtUp: Set<NodeID>, alive: Set<NodeID>, clock: Timestamp? = nil,
    lowOnSpace: Bool = false
  ) {
    self.reachable = reachable
    self.caughtUp = caughtUp
    self.alive = alive
    self.clock = clock
    self.lowOnSpace = lowOnSpace
  }
}
