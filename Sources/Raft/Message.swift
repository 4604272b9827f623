// What nodes say to one another. One case per kind, each with just the fields that it uses.

/// A message between two members of the group.
package struct Message: Equatable, Sendable {
  package var from: PeerID
  package var to: PeerID
  /// The sender's term; 0 in messages that carry none (`propose`, `readIndex`).
  package var term: Term
  /// The sender may have forgotten what it promised: this must not count for any majority.
  package var abstains = false
  /// How often the sender has begun or ceased to abstain in its present start: what it said before
  /// is void to whoever has heard it since.
  package var standing: UInt32 = 0
  package var body: Body

  package enum Body: Equatable, Sendable {
    case append(Append)
    case appendResponse(AppendResponse)
    case vote(Vote)
    case voteResponse(VoteResponse)
    case heartbeat(Heartbeat)
    case heartbeatResponse(HeartbeatResponse)
    case snapshot(Snapshot)
    /// Campaign at once: the leader has chosen you as its successor (dissertation §3.10).
    case timeoutNow
    /// Asks the leader to hand over to `target`.
    case transferLeader(target: PeerID)
    /// Proposals of a follower on their way to the leader.
    case propose([Entry])
    case readIndex(context: UInt64)
    case readIndexResponse(index: Index, context: UInt64)
  }

  /// Entries that follow (`previousIndex`, `previousTerm`).
  package struct Append: Equatable, Sendable {
    package var previousIndex: Index
    package var previousTerm: Term
    package var commit: Index
    package var entries: [Entry]

    package init(
      previousIndex: Index, previousTerm: Term, commit: Index, entries: [Entry] = []
    ) {
      self.previousIndex = previousIndex
      self.previousTerm = previousTerm
      self.commit = commit
      self.entries = entries
    }
  }

  /// Accepted: the log matches up to `index`. Rejected: it does not match at `index`, and
  /// (`hint`, `hintTerm`) is the best guess where it might.
  package struct AppendResponse: Equatable, Sendable {
    package var index: Index
    package var rejected: Bool
    package var hint: Index
    package var hintTerm: Term

    package init(index: Index, rejected: Bool = false, hint: Index = 0, hintTerm: Term = 0) {
      self.index = index
      self.rejected = rejected
      self.hint = hint
      self.hintTerm = hintTerm
    }
  }

  package struct Vote: Equatable, Sendable {
    /// A pre-vote asks whether an election could be won (dissertation §9.6).
    package var isPreVote: Bool
    package var lastIndex: Index
    package var lastTerm: Term
    /// The leader itself asked for this election: stickiness does not apply.
    package var isTransfer: Bool

    package init(isPreVote: Bool, lastIndex: Index, lastTerm: Term, isTransfer: Bool = false) {
      self.isPreVote = isPreVote
      self.lastIndex = lastIndex
      self.lastTerm = lastTerm
      self.isTransfer = isTransfer
    }
  }

  package struct VoteResponse: Equatable, Sendable {
    package var isPreVote: Bool
    package var rejected: Bool
    /// An entry that the refusing node knows to be committed, and its term; 0 if it says nothing.
    package var commit: Index
    package var commitTerm: Term

    package init(
      isPreVote: Bool, rejected: Bool = false, commit: Index = 0, commitTerm: Term = 0
    ) {
      self.isPreVote = isPreVote
      self.rejected = rejected
      self.commit = commit
      self.commitTerm = commitTerm
    }
  }

  package struct Heartbeat: Equatable, Sendable {
    /// Never beyond what the receiver has acknowledged.
    package var commit: Index
    /// The latest read that this beat may confirm; 0 for none.
    package var context: UInt64

    package init(commit: Index, context: UInt64 = 0) {
      self.commit = commit
      self.context = context
    }
  }

  package struct HeartbeatResponse: Equatable, Sendable {
    package var context: UInt64

    package init(context: UInt64 = 0) { self.context = context }
  }

  package init(from: PeerID, to: PeerID, term: Term = 0, _ body: Body) {
    self.from = from
    self.to = to
    self.term = term
    self.body = body
  }
}
