// What happens because time passes.

extension Machine {
  /// Time since the leader was last heard from, or since the last election began.
  private var sinceElectionStart: UInt64 { now.monotonic - electionStart }

  /// Whether the leader was heard from so recently that nobody else may be elected.
  var isInLease: Bool {
    options.checkQuorum && leader != nil && sinceElectionStart < options.electionTimeout
  }

  /// Whether this node could lead: a voter that knows its own state.
  var isPromotable: Bool {
    configuration.isElector(id) && log.pendingSnapshot == nil && !abstains
  }

  mutating func tick() {
    if office.isLeader { tickLeader() } else { tickFollower() }
  }

  private mutating func tickFollower() {
    guard isPromotable else { return }
    if let recovery, now.monotonic >= recovery.at {
      restartElectionClock()
      self.recovery = nextRecovery(after: recovery)
    } else if sinceElectionStart >= electionWait {
      restartElectionClock()
    } else {
      return
    }
    startElection(options.preVote ? .preVote : .real)
  }

  private mutating func tickLeader() {
    if sinceElectionStart >= options.electionTimeout {
      restartElectionClock()
      if options.checkQuorum { checkQuorum() }
      // A handover that takes longer than an election has failed.
      abortTransfer()
    }
    guard office.isLeader else { return }
    let isDue = now.monotonic - leadership.heartbeatStart >= options.heartbeatInterval
    guard isDue else { return }
    leadership.heartbeatStart = now.monotonic
    broadcastHeartbeat()
  }

  mutating func restartElectionClock() {
    electionStart = now.monotonic
    recovery = nil
  }

  mutating func drawElectionWait() {
    let timeout = max(1, options.electionTimeout)
    electionWait = timeout.addingSaturated(UInt64.random(in: 0..<timeout, using: &random))
  }

  /// Fixes the time to the next election, which is otherwise drawn by chance, until the next change
  /// of role. For tests and peers' recorded scenarios.
  package mutating func setElectionWait(_ wait: UInt64) { electionWait = wait }

  /// The link to the leader closed. Others may be elected from now on, and soon.
  mutating func forgetLeader() {
    // A leader's lease would be broken by followers that forget it.
    guard case .follower = office, leader != nil, options.readOnly != .leaseBased else { return }
    let gone = leader
    leader = nil
    if let span = options.forgottenLeaderDelay { campaignInTurn(without: gone, span: span) }
  }

  /// All notice at the same moment, after a start or when a leader is gone, and two candidates of
  /// one term split the votes: so the voters take turns, in the order of their ids.
  mutating func campaignInTurn(without gone: PeerID?, span: UInt64) {
    guard options.preVote else { return }
    let rank = configuration.voters.filter { $0 != gone }.firstIndex(of: id) ?? 0
    let wait = UInt64(rank) * span + UInt64.random(in: 0...span / 4, using: &random)
    recovery = Recovery(at: now.monotonic.addingSaturated(wait), span: span)
  }

  /// Others may not have noticed yet and still hold to the leader, or this node asked before one
  /// with a longer log: it asks again, ever later, until elections by timeout take over.
  private mutating func nextRecovery(after recovery: Recovery) -> Recovery? {
    let span = max(1, recovery.span).addingSaturated(recovery.span)
    guard span < options.electionTimeout else { return nil }
    let wait = UInt64.random(in: recovery.span...span, using: &random)
    return Recovery(at: now.monotonic.addingSaturated(wait), span: span)
  }
}
