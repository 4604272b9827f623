// What is under way: at most one joint configuration and at most one departure at a time.

/// On whose behalf an event is appended. Events that finish a command carry the command's own.
package struct Attribution: Hashable, Sendable {
  package var command: CommandID
  package var fingerprint: UInt64
  package var actor: String
  package var reason: String
  package init(command: CommandID, fingerprint: UInt64, actor: String, reason: String) {
    self.command = command
    self.fingerprint = fingerprint
    self.actor = actor
    self.reason = reason
  }
}

/// A control-plane node is on its way out: its roles are gone or going, its `node.left`,
/// `node.removed` or `node.demoted` is still to come. Any leader finishes it.
package struct Departure: Hashable, Sendable {
  package var node: NodeID
  package var kind: RoleAssigned.Departing.Kind
  package var forced: Bool
  package var attribution: Attribution
  /// Of the `role.assigned` that began it.
  package var index: UInt64
  /// The configuration without the node is the only one: only the last event is missing.
  package var settled: Bool
  package init(
    node: NodeID, kind: RoleAssigned.Departing.Kind, forced: Bool, attribution: Attribution,
    index: UInt64, settled: Bool
  ) {
    self.node = node
    self.kind = kind
    self.forced = forced
    self.attribution = attribution
    self.index = index
    self.settled = settled
  }
}

/// Voters are changing: until `roles.settled`, a quorum is one of the old and one of the new.
package struct JointRoles: Hashable, Sendable {
  /// Who voted before; sorted.
  package var outgoing: [NodeID]
  package var attribution: Attribution
  /// Of the `role.assigned` that began it.
  package var index: UInt64
  package init(outgoing: [NodeID], attribution: Attribution, index: UInt64) {
    self.outgoing = outgoing
    self.attribution = attribution
    self.index = index
  }
}
