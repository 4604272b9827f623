// Who votes, who stands by, and why that changed.

/// Datastore roles changed; the Raft configuration change is this event's effect: one step if only
/// learners change, else into a joint configuration that `roles.settled` leaves.
package struct RoleAssigned: Hashable, Sendable {
  package struct Assignment: Hashable, Sendable {
    package var node: NodeID
    /// Nil: out of the configuration.
    package var role: DatastoreRole?
    package init(node: NodeID, role: DatastoreRole?) {
      self.node = node
      self.role = role
    }
  }
  /// Why roles moved.
  package enum Cause: UInt8, Sendable, CaseIterable {
    /// A control-plane node joined and takes its first role.
    case joined = 1
    /// Too few voters or standbys, and somebody fit for it.
    case shortage = 2
    /// More voters or standbys than the policy wants.
    case surplus = 3
    /// A suspected node's vote went to another.
    case replaced = 4
    /// Voters move to other failure domains.
    case spread = 5
    /// A node leaves, is removed or becomes a worker.
    case departure = 6
    /// A node in maintenance lends its vote, or has it back afterwards.
    case maintenance = 7
  }
  package struct Departing: Hashable, Sendable {
    package enum Kind: UInt8, Sendable, CaseIterable {
      case leave = 1
      case remove = 2
      /// It stays, as a worker.
      case demote = 3
    }
    package var node: NodeID
    package var kind: Kind
    package var forced: Bool
    package init(node: NodeID, kind: Kind, forced: Bool) {
      self.node = node
      self.kind = kind
      self.forced = forced
    }
  }
  /// Sorted by node; each node once; only nodes whose role changes.
  package var assignments: [Assignment]
  package var cause: Cause
  package var departing: Departing?
  /// Whether voters change, so that the configuration is joint until `roles.settled`.
  package var joint: Bool
  package init(
    assignments: [Assignment], cause: Cause, departing: Departing? = nil, joint: Bool
  ) {
    self.assignments = assignments
    self.cause = cause
    self.departing = departing
    self.joint = joint
  }
}
