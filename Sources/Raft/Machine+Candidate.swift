// How a leader is made.

extension Machine {
  enum Election {
    /// Asks first whether an election could be won, without disturbing anybody.
    case preVote
    case real
    /// The leader itself asked for it: no need to ask first, and no lease to respect.
    case transfer
  }

  mutating func startElection(_ kind: Election) {
    guard !office.isLeader, isPromotable, !hasUnappliedChange(), term < Message.limit - 1 else {
      return
    }
    campaign(kind)
  }

  /// Whether a committed configuration change waits to be applied. Who votes is not known then: an
  /// election by the configuration in force might meet no majority of the next one.
  private mutating func hasUnappliedChange() -> Bool {
    var index = log.applied + 1
    while index <= log.committed {
      guard let page = log.entries(from: index, to: log.committed + 1, maxSize: 1 << 20),
        let last = page.last?.index
      else {
        halt("committed entry \(index) can not be read")
        return true
      }
      if page.contains(where: { $0.kind == .change }) { return true }
      index = last + 1
    }
    return false
  }

  private mutating func campaign(_ kind: Election) {
    let electionTerm: Term
    if kind == .preVote {
      // The term stays, and so does the vote: nothing has happened yet.
      leader = nil
      electionTerm = term + 1
    } else {
      reset(to: term + 1)
      vote = id
      electionTerm = term
    }
    office = .candidate(Ballot(isPreVote: kind == .preVote))
    let request = Message.Vote(
      isPreVote: kind == .preVote, lastIndex: log.lastIndex, lastTerm: log.lastTerm,
      isTransfer: kind == .transfer)
    let own = Message.VoteResponse(isPreVote: kind == .preVote)
    for voter in configuration.electors {
      // Its own vote counts once it is durable, like any other.
      send(voter == id ? .voteResponse(own) : .vote(request), to: voter, term: electionTerm)
    }
  }

  mutating func stepCandidate(_ message: Message, _ ballot: Ballot) {
    switch message.body {
    case .append, .heartbeat, .snapshot:
      becomeFollower(term: message.term, leader: message.from)
      stepFollower(message)
    case .voteResponse(let response) where response.isPreVote == ballot.isPreVote:
      var ballot = ballot
      ballot.record(message.from, !response.rejected)
      office = .candidate(ballot)
      switch ballot.result(in: configuration) {
      case .pending:
        break
      case .lost:
        becomeFollower(term: term, leader: nil)
      case .won where ballot.isPreVote:
        campaign(.real)
      case .won:
        becomeLeader()
      }
    default:
      break
    }
  }

  private mutating func becomeLeader() {
    guard configuration.contains(id) else { return becomeFollower(term: term, leader: nil) }
    reset(to: term)
    leader = id
    let last = log.lastIndex
    let members = configuration.members.map { member in
      var progress = Progress(
        id: member, next: last + 1, isLearner: configuration.learners.contains(member),
        inflights: emptyInflights)
      if member == id {
        progress.match = last
        progress.becomeReplicate()
        progress.isActive = true
      }
      return progress
    }
    // A change may hide in the tail: to be safe, none is proposed before all of it is applied.
    office = .leader(
      Leadership(members: members, pendingChange: last, heartbeatStart: now.monotonic))
    appendOwn([makeEntry(.newTerm)])
    broadcastAppend()
  }

  /// An entry that the core makes by itself, for the end of the log.
  func makeEntry(_ kind: Entry.Kind) -> Entry {
    Entry(
      kind: kind, change: kind == .change ? ConfigurationChange() : nil,
      payload: payload(kind, term, log.lastIndex + 1, now))
  }

  var emptyInflights: Inflights {
    Inflights(maxMessages: options.maxInflightMessages, maxBytes: options.maxInflightBytes)
  }
}
