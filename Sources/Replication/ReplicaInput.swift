// What may happen to a control-plane node, and what it wants done: the whole face of a replica.

package import Membership
package import Raft
package import Schema

/// The time that comes in with every input.
package struct Clock: Sendable, Equatable {
  /// Nanoseconds of a clock that never goes back.
  package var monotonic: UInt64
  /// The wall clock, which may do anything.
  package var wall: Timestamp

  package init(monotonic: UInt64, wall: Timestamp) {
    self.monotonic = monotonic
    self.wall = wall
  }
}

/// Names a caller of this node until it has its answer; drawn by the host, never reused.
package typealias Caller = UInt64

/// Everything that can happen to a replica. Time comes with it (`Replica.step`).
package enum ReplicaInput: Sendable {
  /// Time passed. To be given at the latest at `Replica.deadline`.
  case tick
  /// A frame arrived over the link of a peer whose key was checked.
  case frame(from: NodeID, Frame)
  /// A wish of a local caller. It is answered exactly once, at the latest at `deadline`
  /// (monotonic nanoseconds) with `Outcome.unknown`.
  case request(Caller, Request, deadline: UInt64)
  /// Confirm that what is applied here is not older than this moment; answered in
  /// `ReplicaEffects.reads`.
  case read(Caller, deadline: UInt64)
  /// An append job became durable; in the order in which the jobs were handed out.
  case appended(AppendAck)
  /// The disk takes writes again, or takes none because it is full.
  case disk(full: Bool)
  /// The link to a peer closed.
  case linkClosed(NodeID)
  /// A link with a peer opened, and this is how it presented itself.
  case greeted(NodeID, Greeting)
  /// A worker was heard from.
  case seen(NodeID)
  /// Campaign if no leader is known: how a single node starts at once.
  case campaign
  /// Hand leadership to the best voter, if this node leads: the host is about to stop.
  case handOver
}

/// What a replica wants done, in this order: publish `events`, send `frames`, submit `appends`,
/// answer. Jobs go to the disk in order; none may be dropped.
package struct ReplicaEffects: Sendable {
  package struct Delivery: Sendable {
    package var to: NodeID
    package var frame: Frame
    package init(to: NodeID, frame: Frame) {
      self.to = to
      self.frame = frame
    }
  }
  package struct Answer: Sendable {
    package var caller: Caller
    package var outcome: Outcome
  }
  package struct ReadAnswer: Sendable {
    package var caller: Caller
    /// Whether leadership was confirmed after the read was asked for.
    package var confirmed: Bool
  }

  package var frames: [Delivery] = []
  /// To be made durable in this order, each as one transaction or merged into one.
  package var appends: [AppendJob] = []
  package var answers: [Answer] = []
  package var reads: [ReadAnswer] = []
  /// Committed and applied since the last time, in order.
  package var events: [RecordedEvent] = []
  /// What is remembered of peers: to be stored with the next write, if there is one; nil if nothing
  /// worth storing changed.
  package var memory: [Recollection]?
  /// Why this node has begun to abstain, in words for the operator; nil if it has not just begun.
  package var doubt: String?
  /// This node holds again what it had lost: what the disk found at its start is settled.
  package var isSettled = false
  /// With `isSettled`: the highest boot number by which a peer knows this node. The next start's
  /// must be higher, or it would be taken for an older one again.
  package var knownBoot: UInt64 = 0
  /// Whether leader, term or role changed.
  package var leadershipChanged = false
  /// An impossible state: stop, and why.
  package var halt: String?
}
