// The settings of the whole cluster: how many nodes vote, how many stand by, and how long a silence
// is a loss. They are part of the state, changed by an event, so that every leader keeps roles by
// the same rules and history tells which held when.

/// What `RolePolicy` and the damping of contacts go by.
package struct Policy: Hashable, Sendable {
  /// 1, 3, 5 or 7.
  package internal(set) var voters: Int
  /// 0 to 7.
  package internal(set) var standbys: Int
  /// Milliseconds of silence until a node is suspected, and of contact until it has recovered; nil:
  /// as long as the leader's program has it, which is 10 s.
  package internal(set) var suspectAfter: UInt32?
  package internal(set) var recoverAfter: UInt32?
  /// Whether voters move to failure domains that have none.
  package internal(set) var spread: Bool

  /// What holds in a new cluster: 3 voters and 3 standbys, as go-dqlite has it.
  package init(
    voters: Int = 3, standbys: Int = 3, suspectAfter: UInt32? = nil, recoverAfter: UInt32? = nil,
    spread: Bool = true
  ) {
    self.voters = voters
    self.standbys = standbys
    self.suspectAfter = suspectAfter
    self.recoverAfter = recoverAfter
    self.spread = spread
  }

  /// These settings after that change.
  package func changed(by change: PolicyChanged) -> Policy {
    Policy(
      voters: change.voters.map(Int.init) ?? voters,
      standbys: change.standbys.map(Int.init) ?? standbys,
      suspectAfter: change.suspectAfter ?? suspectAfter,
      recoverAfter: change.recoverAfter ?? recoverAfter, spread: change.spread ?? spread)
  }

  /// Shortest and longest time that may be set, in milliseconds: below, elections would be taken
  /// for losses.
  package static let damping: ClosedRange<UInt32> = 3_000...3_600_000

  /// Why no cluster can follow these settings; nil if one can.
  package var flaw: String? {
    if ![1, 3, 5, 7].contains(voters) {
      return "there cannot be \(voters) voters: an even number bears no more losses than one less,"
        + " and more than 7 make every event slow. Choose 1, 3, 5 or 7"
    }
    if !(0...7).contains(standbys) { return "there cannot be \(standbys) standbys. Choose 0 to 7" }
    for time in [suspectAfter, recoverAfter].compactMap({ $0 })
    where !Policy.damping.contains(time) {
      return "\(span(milliseconds: time)) is no time to judge a node by: a shorter silence than 3 s"
        + " may be an election, and after more than 1 h nobody waits. Choose 3s to 1h"
    }
    return nil
  }
}

/// Cluster-wide settings changed; nil: as before.
package struct PolicyChanged: Hashable, Sendable {
  package var voters: UInt32?
  package var standbys: UInt32?
  /// Milliseconds of silence until a node is suspected.
  package var suspectAfter: UInt32?
  /// Milliseconds of contact until it has recovered.
  package var recoverAfter: UInt32?
  package var spread: Bool?
  package init(
    voters: UInt32? = nil, standbys: UInt32? = nil, suspectAfter: UInt32? = nil,
    recoverAfter: UInt32? = nil, spread: Bool? = nil
  ) {
    self.voters = voters
    self.standbys = standbys
    self.suspectAfter = suspectAfter
    self.recoverAfter = recoverAfter
    self.spread = spread
  }
}
