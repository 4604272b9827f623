// The rules say no: why, in values that tests and programs can compare, and in words that say what
// was asked, why not, and what to do next. A refusal is an answer, not a fault.

/// Why a request is not carried out. Nothing was appended.
package enum Refusal: Error, Hashable, Sendable {
  // Invitations.
  /// The presented secret is no invitation's.
  case tokenUnknown
  /// No invitation has this id.
  case tokenMissing(TokenID)
  case tokenExpired(TokenID, at: Timestamp)
  case tokenUsedUp(TokenID, uses: UInt32, last: Token.Redemption)
  case tokenRevoked(TokenID, Token.Revocation)
  /// The secret admits other roles than the one that was asked for.
  case tokenRole(TokenID, asked: NodeRole, admits: [NodeRole])
  /// The id or a secret belongs to an invitation that still counts.
  case tokenTaken(TokenID)
  case tokenInvalid(String)

  // Records.
  case nameInvalid(String, NodeName.Invalid)
  case nameTaken(String, by: NodeID, since: UInt64)
  case addressTaken(Address, by: String, since: UInt64)
  case recordInvalid(node: String, why: String)
  /// The key belongs to a node that left or was removed.
  case keyDeparted(Departed)
  /// No Kubernetes certificate is signed for that node.
  case certificateRefused(String, why: String)
  /// Another node has this id or this key.
  case identityTaken(NodeID, by: String)

  // Departures.
  /// No such node; it may have gone before.
  case nodeUnknown(String, gone: Departed?)
  case nodeAmbiguous(String, matches: [String])
  /// Leaving is pointless: nobody else is in the cluster.
  case alone(String)
  /// It is there and well, and was to be removed without force.
  case alive(String)
  /// It is there and well, and another was to take its place.
  case replacesAlive(String)
  /// A node was asked to remove itself.
  case itself(String)
  case reasonMissing(String)
  /// The only control-plane node was to go while others depend on it.
  case lastControlPlane(String, dependents: Int)
  /// Too few voters would be left, or there are too few now.
  case quorumLoss(String, QuorumLoss)
  /// It cannot take up another role, since it does not answer.
  case unreachable(String)
  /// Nobody is fit to take over the last vote.
  case noSuccessor(String, candidates: [String])

  // Circumstances.
  /// Something else must end first; the same request may succeed shortly.
  case busy(String)
  case suspectedTooOften(String, since: Timestamp)
  case rolesInvalid(String)
  case notInMaintenance(String)
  /// Settings that no cluster can follow.
  case policyInvalid(String)
  case notFormed
  /// What the log would keep of the request is not fit for keeping.
  case requestInvalid(String)
  /// Recorded time is that many milliseconds ahead of the leader's clock.
  case clockBehind(Int64)
  case lowOnSpace

  // Exactly once.
  case commandReused(CommandID, first: UInt64)
  case commandForgotten(CommandID)
  case commandFromFuture(CommandID)

  /// The arithmetic of a quorum that would not hold.
  package struct QuorumLoss: Hashable, Sendable {
    package enum When: Hashable, Sendable {
      /// The voters of today, who must agree to the change.
      case now
      /// The voters that would be left.
      case after
    }
    package var when: When
    /// Names.
    package var voters: [String]
    /// Those of them within reach, by name.
    package var reachable: [String]
    package var needed: Int
    package init(when: When, voters: [String], reachable: [String], needed: Int) {
      self.when = when
      self.voters = voters
      self.reachable = reachable
      self.needed = needed
    }
  }

  /// Whether the same request may succeed a moment later without anything else being done.
  package var isTransient: Bool {
    if case .busy = self { true } else { false }
  }

  /// The exit code of a command that is refused so (contract §3).
  package var exitCode: Int {
    switch self {
    case .tokenUnknown, .tokenMissing, .tokenExpired, .tokenUsedUp, .tokenRevoked, .tokenRole,
      .tokenTaken,
      .nameInvalid, .nameTaken, .addressTaken, .recordInvalid, .keyDeparted, .identityTaken,
      .certificateRefused, .nodeUnknown, .nodeAmbiguous, .clockBehind, .lowOnSpace:
      6
    case .unreachable: 5
    case .alive, .replacesAlive, .itself, .lastControlPlane, .quorumLoss, .noSuccessor: 3
    case .reasonMissing, .tokenInvalid, .requestInvalid, .policyInvalid: 2
    case .busy: 7
    case .alone, .notInMaintenance, .suspectedTooOften, .rolesInvalid, .notFormed, .commandReused,
      .commandForgotten,
      .commandFromFuture:
      1
    }
  }

  /// A stable name for programs.
  package var code: String {
    switch self {
    case .tokenUnknown: "token-unknown"
    case .tokenMissing: "token-missing"
    case .tokenExpired: "token-expired"
    case .tokenUsedUp: "token-used"
    case .tokenRevoked: "token-revoked"
    case .tokenRole: "token-role"
    case .tokenTaken: "token-taken"
    case .tokenInvalid: "token-invalid"
    case .nameInvalid: "name-invalid"
    case .nameTaken: "name-taken"
    case .addressTaken: "address-taken"
    case .recordInvalid: "record-invalid"
    case .keyDeparted: "key-departed"
    case .identityTaken: "identity-taken"
    case .certificateRefused: "certificate-refused"
    case .nodeUnknown: "node-unknown"
    case .nodeAmbiguous: "node-ambiguous"
    case .alone: "alone"
    case .alive, .replacesAlive: "node-alive"
    case .itself: "node-itself"
    case .reasonMissing: "reason-missing"
    case .lastControlPlane: "last-control-plane"
    case .quorumLoss: "quorum-loss"
    case .noSuccessor: "no-successor"
    case .unreachable: "node-unreachable"
    case .busy: "busy"
    case .suspectedTooOften: "suspected-too-often"
    case .rolesInvalid: "roles-invalid"
    case .policyInvalid: "policy-invalid"
    case .notInMaintenance: "not-in-maintenance"
    case .notFormed: "not-formed"
    case .requestInvalid: "request-invalid"
    case .clockBehind: "clock-behind"
    case .lowOnSpace: "low-on-space"
    case .commandReused: "command-reused"
    case .commandForgotten: "command-forgotten"
    case .commandFromFuture: "command-from-future"
    }
  }
}
