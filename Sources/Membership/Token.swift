// An invitation and what became of it. Spent, expired and revoked ones are kept, so that a late
// joiner is told which of these it is, when it happened and by whom.

/// An invitation as the log has it.
package struct Token: Hashable, Sendable, Identifiable {
  /// One node that it admitted.
  package struct Redemption: Hashable, Sendable {
    package var node: NodeID
    package var name: String
    package var index: UInt64
    package var time: Timestamp
    package init(node: NodeID, name: String, index: UInt64, time: Timestamp) {
      self.node = node
      self.name = name
      self.index = index
      self.time = time
    }
  }
  package struct Revocation: Hashable, Sendable {
    package var index: UInt64
    package var time: Timestamp
    package var actor: String
    package init(index: UInt64, time: Timestamp, actor: String) {
      self.index = index
      self.time = time
      self.actor = actor
    }
  }
  /// What can be done with it at a moment. Revoked goes before used up, used up before expired.
  package enum State: UInt8, Hashable, Sendable {
    case active = 1
    case usedUp = 2
    case expired = 3
    case revoked = 4
  }

  package var issued: TokenIssued
  package var index: UInt64
  package var time: Timestamp
  package var actor: String
  /// In log order.
  package var redemptions: [Redemption]
  package var revocation: Revocation?

  package init(
    issued: TokenIssued, index: UInt64, time: Timestamp, actor: String,
    redemptions: [Redemption] = [], revocation: Revocation? = nil
  ) {
    self.issued = issued
    self.index = index
    self.time = time
    self.actor = actor
    self.redemptions = redemptions
    self.revocation = revocation
  }

  package var id: TokenID { issued.id }

  /// How many nodes it still admits; nil for any number.
  package var remaining: Int? {
    issued.uses == 0 ? nil : max(0, Int(issued.uses) - redemptions.count)
  }

  /// The roles it admits, whichever secret is shown; sorted.
  package var roles: [NodeRole] {
    Set(issued.secrets.flatMap(\.roles)).sorted { $0.rawValue < $1.rawValue }
  }

  /// It expires at `expires`, not a millisecond later.
  package func state(at now: Timestamp) -> State {
    if revocation != nil { return .revoked }
    if remaining == 0 { return .usedUp }
    if let expires = issued.expires, now >= expires { return .expired }
    return .active
  }
}
