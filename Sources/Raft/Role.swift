// What a node is at the moment, and what it must remember only for as long as it is that.

/// The part that a node plays.
package enum Role: Sendable, Equatable {
  case follower
  /// Asks whether it could win an election, without starting one (dissertation §9.6).
  case preCandidate
  case candidate
  case leader
}

/// A role with everything that exists only while it lasts: what a candidate counts and what a
/// leader knows cannot outlive the office, so nothing has to be reset and nothing can be stale.
enum Office: Sendable {
  case follower
  case candidate(Ballot)
  case leader(Leadership)

  var role: Role {
    switch self {
    case .follower: .follower
    case .candidate(let ballot): ballot.isPreVote ? .preCandidate : .candidate
    case .leader: .leader
    }
  }

  var isLeader: Bool {
    if case .leader = self { true } else { false }
  }
}

/// The votes of one election, or of one pre-election. A voter's first answer counts.
struct Ballot: Sendable {
  let isPreVote: Bool
  private var votes: [PeerID: Bool] = [:]

  init(isPreVote: Bool) { self.isPreVote = isPreVote }

  mutating func record(_ id: PeerID, _ vote: Bool) {
    if votes[id] == nil { votes[id] = vote }
  }

  func result(in configuration: Configuration) -> Quorum.Vote {
    Quorum.vote(configuration) { votes[$0] }
  }
}

/// What a leader knows, and nobody else needs.
struct Leadership: Sendable {
  /// One per member, sorted by id.
  var members: [Progress]
  /// To whom leadership is being handed over.
  var transferee: PeerID?
  /// No configuration change may be proposed before this index is applied.
  var pendingChange: Index
  /// Payload proposed in this term and not yet applied, in bytes.
  var uncommittedBytes = 0
  /// When heartbeats were sent last, in nanoseconds of `Time.monotonic`.
  var heartbeatStart: UInt64
  var reads = Reads()
}

/// The plan of a follower whose leader was forgotten: to ask for votes at `at`, and again later if
/// that leads to nothing.
struct Recovery: Sendable {
  var at: UInt64
  /// What `at` was drawn from, in nanoseconds: doubled with every attempt.
  var span: UInt64
}
