// The words of the log: who, when, where, what.

/// A member of the Raft group: never 0 (0 means nobody), never reused.
package typealias PeerID = UInt64
/// A term of office; 0 before the first election.
package typealias Term = UInt64
/// A position in the log; the first entry ever has index 1, 0 means "before the log".
package typealias Index = UInt64

/// The time that comes in with every input: the core has no clock of its own.
package struct Time: Equatable, Sendable {
  /// Nanoseconds of a clock that never goes back; elections and heartbeats use this one.
  package var monotonic: UInt64
  /// What the host wants stamped on entries the core makes by itself, milliseconds since 1970 UTC.
  package var stamp: Int64

  package init(monotonic: UInt64, stamp: Int64) {
    self.monotonic = monotonic
    self.stamp = stamp
  }
}

/// One entry of the replicated log. The core never looks into `payload`.
package struct Entry: Equatable, Sendable {
  package enum Kind: UInt8, Sendable {
    /// What the host proposed.
    case normal = 0
    /// The first entry of a term; commits what earlier terms left behind.
    case newTerm = 1
    /// A change of the configuration (`change` says which); an empty change leaves a joint one.
    case change = 2
  }

  package var index: Index
  package var term: Term
  package var kind: Kind
  /// Not nil exactly when `kind` is `.change`.
  package var change: ConfigurationChange?
  package var payload: [UInt8]

  package init(
    index: Index = 0, term: Term = 0, kind: Kind = .normal, change: ConfigurationChange? = nil,
    payload: [UInt8] = []
  ) {
    self.index = index
    self.term = term
    self.kind = kind
    self.change = change
    self.payload = payload
  }
}

/// A change of the configuration, in one step or by way of a joint configuration
/// (dissertation §4.3; etcd's ConfChangeV2). No steps at all means: leave the joint configuration.
package struct ConfigurationChange: Equatable, Sendable {
  package enum Transition: UInt8, Sendable {
    /// One step if it changes at most one voter, else joint and left automatically.
    case automatic = 0
    /// Joint, and the leader leaves it by itself once it is applied.
    case jointImplicit = 1
    /// Joint, until the host proposes an empty change.
    case jointExplicit = 2
  }
  package enum Step: Equatable, Sendable {
    case addVoter(PeerID)
    case addLearner(PeerID)
    case remove(PeerID)
    /// Changes nothing here: the host's own business about that node.
    case update(PeerID)
  }

  package var transition: Transition
  package var steps: [Step]

  package init(transition: Transition = .automatic, steps: [Step] = []) {
    self.transition = transition
    self.steps = steps
  }

  /// Whether this is the change that leaves a joint configuration.
  package var leavesJoint: Bool { transition == .automatic && steps.isEmpty }
}

/// Who votes and who learns: the part of the state that every entry is counted with.
/// `outgoing` is empty unless the configuration is joint. All lists are sorted, without duplicates.
package struct Configuration: Equatable, Sendable {
  package var voters: [PeerID]
  package var outgoing: [PeerID]
  package var learners: [PeerID]
  /// Voters of the outgoing half that become learners when the joint configuration is left.
  package var learnersNext: [PeerID]
  /// The leader leaves the joint configuration by itself.
  package var autoLeave: Bool

  package init(
    voters: [PeerID] = [], outgoing: [PeerID] = [], learners: [PeerID] = [],
    learnersNext: [PeerID] = [], autoLeave: Bool = false
  ) {
    self.voters = voters
    self.outgoing = outgoing
    self.learners = learners
    self.learnersNext = learnersNext
    self.autoLeave = autoLeave
  }

  package var isJoint: Bool { !outgoing.isEmpty }
}

/// What must be durable before a message that rests on it may leave (Raft paper, figure 2).
package struct HardState: Equatable, Sendable {
  package var term: Term
  /// Whom this node voted for in `term`; 0 for nobody.
  package var vote: PeerID
  package var commit: Index

  package init(term: Term = 0, vote: PeerID = 0, commit: Index = 0) {
    self.term = term
    self.vote = vote
    self.commit = commit
  }
}

/// A state that stands for the log up to `index`.
package struct Snapshot: Equatable, Sendable {
  package var index: Index
  package var term: Term
  package var configuration: Configuration
  package var data: [UInt8]

  package init(index: Index, term: Term, configuration: Configuration, data: [UInt8] = []) {
    self.index = index
    self.term = term
    self.configuration = configuration
    self.data = data
  }
}
