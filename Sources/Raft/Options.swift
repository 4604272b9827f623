// What may be chosen about a node.

extension Machine {
  /// How reads are confirmed.
  package enum ReadMode: Sendable {
    /// By asking a majority; no clocks involved.
    case safe
    /// By the leader's lease: wrong if clocks run apart. Needs `checkQuorum`.
    case leaseBased
  }

  /// What may be chosen about a node. The defaults are for production.
  package struct Options: Sendable {
    package var id: PeerID
    /// In units of `Time.monotonic`; the real one is drawn from [T, 2T) for every election.
    package var electionTimeout: UInt64 = 1_000_000_000
    /// In units of `Time.monotonic`; well below the election timeout.
    package var heartbeatInterval: UInt64 = 100_000_000
    /// Ask before an election whether it could be won.
    package var preVote = true
    /// A leader that hears from no majority for an election timeout steps down, and nobody votes
    /// against a leader that was heard from within one.
    package var checkQuorum = true
    /// A leader that is no voter any more steps down when that change is applied.
    package var stepDownOnRemoval = true
    /// Size of the entries in one append message; at least one entry is always sent.
    package var maxMessageBytes = 1 << 20
    /// Append messages on their way to one follower.
    package var maxInflightMessages = 64
    /// Payload on its way to one follower.
    package var maxInflightBytes = 8 << 20
    /// Payload in a leader's log that is not yet applied; one proposal is always taken.
    package var maxUncommittedBytes = 16 << 20
    /// Size of the entries handed out to be applied and not yet applied; at least one always is.
    package var maxCommittedBytes = 4 << 20
    /// Who refuses a candidate with a shorter log tells it what is committed. A sole voter that
    /// crashed before it stored that it is one would else ask the voters of before for ever: their
    /// logs may be longer, and they know that they vote no more (as in tikv/raft-rs).
    package var tellsCommitToCandidates = true
    /// A candidate asks for votes only once its own vote, and the log that it names, are durable.
    /// Who asks before, and crashes, forgets the term: it may win it once more with another log, or
    /// win by grants for a log that it has no more. False for etcd's asynchronous mode.
    package var awaitsOwnVote = true
    /// Entries are applied only when they are durable here. False: the host stores and applies what
    /// it is given before it asks again.
    package var asynchronous = true
    package var readOnly = ReadMode.safe
    /// After its start a voter asks for votes after a random time of about so much, later still if
    /// others go first, and again and again until elections by timeout take over; nil: after the
    /// election timeout. Only with `preVote`: where there is a leader, nobody agrees.
    package var firstElectionDelay: UInt64?
    /// Refuse configuration changes that are not legal at this point.
    package var validatesChanges = true
    /// Send proposals on to the leader.
    package var forwardsProposals = false
    /// After its leader was forgotten a follower asks for votes after a random time up to this;
    /// nil: after the election timeout.
    package var forgottenLeaderDelay: UInt64? = 20_000_000
    /// Different on every node and for every start.
    package var seed: UInt64

    package init(id: PeerID, seed: UInt64) {
      self.id = id
      self.seed = seed
    }
  }
}
