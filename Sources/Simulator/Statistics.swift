// What a run has seen, so that nobody mistakes an empty run for a good one.

import Raft

/// Counts over one world or many.
package struct Statistics: Sendable, Equatable {
  /// Worlds.
  package var seeds = 0
  /// Occurrences.
  package var events = 0
  /// Simulated nanoseconds.
  package var simulated: UInt64 = 0
  /// Frames sent.
  package var frames = 0
  /// Entries applied for the first time.
  package var committed = 0
  /// Leaders made.
  package var elections = 0
  /// Requests answered with success.
  package var acknowledged = 0
  /// Reads confirmed.
  package var reads = 0
  /// Calls whose outcome was unknown at their deadline.
  package var unknown = 0
  /// Faults by `FaultKind.rawValue`.
  package var faults = [Int](repeating: 0, count: FaultKind.allCases.count)
  /// Frames that were damaged on their way, and refused.
  package var corrupted = 0
  /// Refusals by code.
  package var refusals: [String: Int] = [:]
  /// Frames received, by the receiver's role and the message's kind.
  package var coverage = [Int](repeating: 0, count: Self.roles.count * Self.kinds.count)
  /// Simulated nanoseconds from healing to recovery: sum and maximum.
  package var recovery: UInt64 = 0
  /// See `recovery`.
  package var longestRecovery: UInt64 = 0

  package init() {}

  /// The rows of `coverage`.
  package static let roles = ["follower", "pre-candidate", "candidate", "leader"]
  /// The columns of `coverage`.
  package static let kinds = [
    "append", "append-ack", "append-nack", "vote", "pre-vote", "vote-granted", "vote-denied",
    "pre-vote-granted", "pre-vote-denied", "heartbeat", "heartbeat-ack", "timeout-now",
    "read-index", "read-answer",
  ]

  mutating func count(_ message: Message, at role: Role) {
    let kind =
      switch message.body {
      case .append: 0
      case .appendResponse(let response): response.rejected ? 2 : 1
      case .vote(let vote): vote.isPreVote ? 4 : 3
      case .voteResponse(let response):
        (response.isPreVote ? 7 : 5) + (response.rejected ? 1 : 0)
      case .heartbeat: 9
      case .heartbeatResponse: 10
      case .timeoutNow: 11
      case .readIndex: 12
      case .readIndexResponse: 13
      // Snapshots are never sent here, proposals never forwarded, transfers never asked of others.
      case .snapshot, .transferLeader, .propose: -1
      }
    let row =
      switch role {
      case .follower: 0
      case .preCandidate: 1
      case .candidate: 2
      case .leader: 3
      }
    if kind >= 0 { coverage[row * Self.kinds.count + kind] += 1 }
  }

  package mutating func add(_ other: Statistics) {
    seeds += other.seeds
    events += other.events
    simulated += other.simulated
    frames += other.frames
    committed += other.committed
    elections += other.elections
    acknowledged += other.acknowledged
    reads += other.reads
    unknown += other.unknown
    for kind in faults.indices { faults[kind] += other.faults[kind] }
    corrupted += other.corrupted
    for (code, count) in other.refusals { refusals[code, default: 0] += count }
    for pair in coverage.indices { coverage[pair] += other.coverage[pair] }
    recovery += other.recovery
    longestRecovery = max(longestRecovery, other.longestRecovery)
  }

  /// Pairs of role and message kind that were never seen.
  package var uncovered: [String] {
    coverage.indices.filter { coverage[$0] == 0 }.map {
      "\(Self.roles[$0 / Self.kinds.count]) × \(Self.kinds[$0 % Self.kinds.count])"
    }
  }
}
