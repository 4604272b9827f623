// One node's part in agreeing on a log.

/// The consensus core: a value. Inputs go in with the time at which they happened (`step`), effects
/// come out when the host asks (`takeEffects`). It has no clock, no thread, no disk and no chance
/// of its own (its dice are seeded), so the same inputs always give the same effects.
///
/// The protocol is etcd-io/raft's: Raft (Ongaro and Ousterhout, 2014) with pre-vote, check-quorum
/// and leader stickiness, joint configurations that take effect when applied, reads by read index,
/// leadership transfer, pipelined replication and asynchronous storage writes.
///
/// There are two boxes for messages. What rests on something that is not durable yet (a vote, an
/// acknowledgement, a candidate's asking for votes) leaves with the append job that makes it
/// durable (`AppendJob.released`); everything else may leave at once. A leader's own disk is no
/// special case: it acknowledges its own entries through the second box.
///
/// A host: stores append jobs in order, all of one job in one transaction; then sends `released`;
/// then hands the job's ack back (`Input.appended`). `messages` may leave before, after or between.
/// It applies `committed` in order, calls `apply` for every change among them, and says how far it
/// came (`Input.applied`). It looks at `deadline` after every step.
///
/// It delivers nothing that an earlier start of a peer said after something that a later one did,
/// and nothing from before a peer began or ceased to abstain after something from since then
/// (`Message.standing`): an acknowledgement by a disk that was put back would count.
///
/// It says what became of every snapshot that it sent (`Input.snapshotReported`), for nothing else
/// is sent to that member before. It hands leadership over before the leader is removed or demoted:
/// a leader that leaves with the only knowledge that it may leave makes the others wait for it.
package struct Machine: Sendable {
  package let id: PeerID
  let options: Options
  let payload: @Sendable (Entry.Kind, Term, Index, Time) -> [UInt8]

  var log: LogView
  /// The current term of office.
  package internal(set) var term: Term
  /// Whom this node voted for in `term`; 0 for nobody.
  package internal(set) var vote: PeerID
  /// Who leads, as far as this node knows.
  package internal(set) var leader: PeerID?
  /// The configuration in force: that of the last applied change.
  package internal(set) var configuration: Configuration
  var office: Office = .follower

  var now: Time
  /// When the leader was last heard from, or the last election began.
  var electionStart: UInt64
  /// How long after `electionStart` the next election begins: random in [T, 2T).
  var electionWait: UInt64
  /// When to ask for votes because the leader was forgotten, or because this node started.
  var recovery: Recovery?
  var random: SplitMix64
  /// Whether this node may have forgotten what it promised: it neither votes nor campaigns, and its
  /// acknowledgements say so.
  package internal(set) var abstains = false
  /// How often that changed.
  var standing: UInt32 = 0

  /// May leave now.
  var outbox: [Message] = []
  /// Must wait until everything up to now is durable; also what this node says to itself.
  var afterAppend: [Message] = []
  var confirmedReads: [ReadState] = []
  /// The hard state as it was last handed out.
  var storedState: HardState
  /// The commit index that this node would still know after a crash.
  var durableCommit: Index
  var haltReason: String?

  /// - Parameters:
  ///   - configuration: The configuration as of `applied`.
  ///   - hardState: As last stored; all zero for a node that never ran.
  ///   - applied: The last index that the host has applied for good.
  ///   - log: The durable log.
  ///   - payload: A pure function that gives the payload of the entries that the core makes by
  ///     itself: the first entry of a term (`.newTerm`) and the change that leaves a joint
  ///     configuration (`.change`), for that kind, term, index and time.
  ///   - time: The present: the first election is due one timeout later.
  package init(
    options: Options, configuration: Configuration, hardState: HardState, applied: Index,
    log stable: any StableLog,
    payload: @escaping @Sendable (Entry.Kind, Term, Index, Time) -> [UInt8],
    at time: Time
  ) {
    id = options.id
    self.options = options
    self.payload = payload
    self.configuration = configuration
    term = hardState.term
    vote = hardState.vote
    log = LogView(
      stable: stable, commit: hardState.commit, applied: applied,
      maxApplyingSize: options.maxCommittedBytes)
    now = time
    electionStart = time.monotonic
    electionWait = options.electionTimeout
    random = SplitMix64(seed: options.seed)
    storedState = HardState(term: term, vote: vote, commit: log.committed)
    durableCommit = hardState.commit
    drawElectionWait()
    if let span = options.firstElectionDelay { campaignInTurn(without: nil, span: span) }
    if log.committed > log.lastIndex {
      halt("log ends at \(log.lastIndex), before what was committed at \(log.committed)")
    } else if let flaw = configuration.flaw {
      halt("illegal configuration \(configuration): \(flaw)")
    }
  }

  // MARK: Input

  /// Something happened.
  ///
  /// - Parameter time: When; never before the time of an earlier input.
  /// - Throws: Why a request was not taken; nothing has changed then, except that an election may
  ///   have been lost to a message with a higher term.
  package mutating func step(_ input: Input, at time: Time) throws(Refused) {
    guard haltReason == nil else { return }
    advance(to: time)
    switch input {
    case .tick: tick()
    case .receive(let message): try receive(message)
    case .propose(let entries): _ = try take(entries)
    case .appended(let ack): appended(ack)
    case .applied(let index): applied(index)
    case .campaign: startElection(options.preVote ? .preVote : .real)
    case .transferLeader(let target): try transferLeadership(to: target)
    case .forgetLeader: forgetLeader()
    case .unreachable(let peer): try unreachable(peer)
    case .snapshotReported(let peer, let failed): try snapshotReported(peer, failed: failed)
    case .abstain(let abstains): abstain(abstains)
    case .readIndex(let context):
      try read(Reads.Request(from: id, context: context), own: true)
    }
  }

  /// Appends entries to the leader's log: all of them or none.
  ///
  /// - Parameter entries: Of kind `.normal` or `.change`; index and term are filled in.
  /// - Returns: The indexes they got; empty if they were forwarded to the leader instead.
  /// - Throws: Why not. After a `Refused` nothing was appended here.
  @discardableResult
  package mutating func propose(_ entries: [Entry], at time: Time) throws(Refused) -> Range<Index> {
    guard haltReason == nil else { throw .notLeader(leader: nil) }
    advance(to: time)
    return try take(entries)
  }

  /// Switches to the configuration that a committed change leads to. To be called while that entry
  /// is applied, before `Input.applied`.
  ///
  /// - Returns: The configuration in force from now on. While a snapshot waits to be stored that is
  ///   the snapshot's: a change from before it is void.
  /// - Throws: `Refused.invalidChange` if it leads to none; the configuration stays. With
  ///   `Options.validatesChanges` no leader proposes such a change.
  package mutating func apply(_ change: ConfigurationChange) throws(Refused) -> Configuration {
    guard log.pendingSnapshot == nil else { return configuration }
    let next = try changer.applying(change)
    switchConfiguration(to: next)
    return configuration
  }

  mutating func advance(to time: Time) {
    now.monotonic = max(now.monotonic, time.monotonic)
    now.stamp = time.stamp
  }

  /// Stops this node for good: what was found can not be, so nothing it says may be believed.
  mutating func halt(_ reason: String) {
    if haltReason == nil { haltReason = reason }
  }

  // MARK: State to read

  package var role: Role { office.role }
  package var commitIndex: Index { log.committed }
  package var appliedIndex: Index { log.applied }
  package var firstIndex: Index { log.firstIndex }
  package var lastIndex: Index { log.lastIndex }
  /// The first index that is not known to be durable here; `lastIndex + 1` if all is.
  package var firstUnstableIndex: Index { log.unstableFrom }

  /// The term of the entry at `index`; nil if it is not in the log.
  package func term(at index: Index) -> Term? { log.term(at: index) }

  /// Entries from `start` on, below `end`, durable or not: as many as fit into `maxBytes`, at least
  /// one. Nil if the first one is not in the log any more.
  package func entries(from start: Index, to end: Index = .max, maxBytes: Int = .max) -> [Entry]? {
    log.entries(from: start, to: end, maxSize: maxBytes)
  }

  /// Why this node must stop; nil while it may go on.
  package var halted: String? { haltReason }

  /// When `Input.tick` must be given at the latest, in nanoseconds of `Time.monotonic`;
  /// `UInt64.max` if nothing is due.
  package var deadline: UInt64 {
    if haltReason != nil { return .max }
    if case .leader(let leadership) = office {
      return min(
        leadership.heartbeatStart.addingSaturated(options.heartbeatInterval),
        electionStart.addingSaturated(options.electionTimeout))
    }
    guard isPromotable else { return .max }
    let due = electionStart.addingSaturated(electionWait)
    return min(due, recovery?.at ?? .max)
  }
}

extension UInt64 {
  /// The sum, or the largest number there is.
  func addingSaturated(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
