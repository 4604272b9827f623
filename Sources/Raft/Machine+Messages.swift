// Messages in and out: terms first, then the role decides.

extension Machine {
  // MARK: Out

  /// Puts a message into the box it belongs to: what promises durability waits for it.
  mutating func send(_ body: Message.Body, to peer: PeerID, term messageTerm: Term? = nil) {
    let message = ownMessage(body, to: peer, term: messageTerm ?? term)
    switch body {
    case .appendResponse, .voteResponse: afterAppend.append(message)
    case .vote(let vote) where !vote.isPreVote && options.awaitsOwnVote: afterAppend.append(message)
    default: outbox.append(message)
    }
  }

  /// Sends a follower's request on to its leader, in the name of who asked first.
  mutating func forward(_ body: Message.Body, from origin: PeerID, to leader: PeerID) {
    var message = ownMessage(body, to: leader, term: 0)
    message.from = origin
    outbox.append(message)
  }

  /// Whatever this node says tells whether it can be counted on.
  func ownMessage(_ body: Message.Body, to peer: PeerID, term: Term) -> Message {
    var message = Message(from: id, to: peer, term: term, body)
    message.abstains = abstains
    message.standing = standing
    return message
  }

  // MARK: In

  /// A message arrived from another node.
  mutating func receive(_ message: Message) throws(Refused) {
    guard message.from != 0, message.from != id else { throw .unknownPeer(message.from) }
    // An answer of a node that is no member could only disturb: it may carry a higher term.
    if message.body.isResponse, !configuration.contains(message.from) {
      throw .unknownPeer(message.from)
    }
    if let flaw = message.flaw { throw .impossible(flaw) }
    if let position = position(of: message.from) {
      leadership.members[position].heard(abstaining: message.abstains, at: now.monotonic)
    }
    switch message.body {
    case .propose(let entries):
      _ = try take(entries, from: message.from)
    case .readIndex(let context):
      try read(Reads.Request(from: message.from, context: context), own: false)
    case .transferLeader(let target):
      guard message.term >= term else { return }
      if message.term > term { becomeFollower(term: message.term, leader: nil) }
      try transferLeadership(to: target)
    default:
      process(message)
    }
  }

  /// A message that carries a term, of another node or of this one.
  mutating func process(_ message: Message) {
    if case .voteResponse(let response) = message.body { learnCommit(from: response) }
    if message.term < term { return answerStale(message) }
    if message.term > term {
      switch message.body {
      case .vote(let vote) where !vote.isTransfer && isInLease:
        // Heard from a leader just now: whoever asks has lost sight of it, or was removed.
        return
      case .vote(let vote) where vote.isPreVote:
        // A pre-vote asks about a future term without entering it ...
        break
      case .voteResponse(let response) where response.isPreVote && !response.rejected:
        // ... and so does its grant. A rejection carries the term of who rejected.
        break
      case .append, .heartbeat, .snapshot:
        becomeFollower(term: message.term, leader: message.from)
      default:
        becomeFollower(term: message.term, leader: nil)
      }
    }
    if case .vote(let vote) = message.body { return answer(vote, message) }
    switch office {
    case .leader: stepLeader(message)
    case .candidate(let ballot): stepCandidate(message, ballot)
    case .follower: stepFollower(message)
    }
  }

  /// Something from an earlier term. Mostly it is just late, but two cases need an answer, or its
  /// sender could be stuck in that term.
  private mutating func answerStale(_ message: Message) {
    switch message.body {
    case .append, .heartbeat:
      // With pre-vote or stickiness this node could not tell that leader by asking for votes.
      guard options.checkQuorum || options.preVote else { return }
      send(.appendResponse(Message.AppendResponse(index: 0)), to: message.from)
    case .vote(let vote) where vote.isPreVote:
      let response = Message.VoteResponse(isPreVote: true, rejected: true)
      send(.voteResponse(response), to: message.from)
    default:
      break
    }
  }

  private mutating func answer(_ request: Message.Vote, _ message: Message) {
    let isFree =
      vote == message.from
      || (vote == 0 && leader == nil)
      || (request.isPreVote && message.term > term)
    // A learner answers as well: it may have been made a voter without knowing yet.
    let isUpToDate = log.isUpToDate(index: request.lastIndex, term: request.lastTerm)
    let grants = isFree && isUpToDate && !abstains
    var response = Message.VoteResponse(isPreVote: request.isPreVote, rejected: !grants)
    if options.tellsCommitToCandidates, !isUpToDate, let term = log.term(at: log.committed) {
      response.commit = log.committed
      response.commitTerm = term
    }
    // A grant is for the term that was asked about, a rejection tells one's own.
    send(.voteResponse(response), to: message.from, term: grants ? message.term : term)
    if grants && !request.isPreVote {
      restartElectionClock()
      vote = message.from
    }
  }

  /// What is committed is committed, whoever says so, and so is everything before it.
  private mutating func learnCommit(from response: Message.VoteResponse) {
    guard options.tellsCommitToCandidates, !office.isLeader, response.commit > log.committed,
      log.matches(response.commit, response.commitTerm)
    else { return }
    _ = log.commit(to: response.commit)
  }

  /// The host found that this node may have forgotten promises, or that it holds them all again.
  mutating func abstain(_ abstains: Bool) {
    if abstains != self.abstains { standing += 1 }
    self.abstains = abstains
    if abstains, office.role != .follower { becomeFollower(term: term, leader: nil) }
  }

  // MARK: Roles

  mutating func becomeFollower(term newTerm: Term, leader newLeader: PeerID?) {
    reset(to: newTerm)
    leader = newLeader
    office = .follower
  }

  /// What every change of role begins with, except that to a pre-candidate.
  mutating func reset(to newTerm: Term) {
    if term != newTerm {
      term = newTerm
      vote = 0
    }
    leader = nil
    restartElectionClock()
    drawElectionWait()
  }

  /// Where a leader keeps what it knows about a member; nil if this node does not lead.
  func position(of peer: PeerID) -> Int? {
    if case .leader(let leadership) = office { leadership.members.position(of: peer) } else { nil }
  }

  /// The leader's state, changed in place.
  var leadership: Leadership {
    get {
      guard case .leader(let leadership) = office else {
        preconditionFailure("\(id) is \(role), not leader, in term \(term)")
      }
      return leadership
    }
    _modify {
      guard case .leader(var leadership) = office else {
        preconditionFailure("\(id) is \(role), not leader, in term \(term)")
      }
      // Let go of the only other reference, so that nothing is copied.
      office = .follower
      defer { office = .leader(leadership) }
      yield &leadership
    }
  }
}

extension Message.Body {
  /// Whether this answers something that only a member is asked.
  package var isResponse: Bool {
    switch self {
    case .appendResponse, .voteResponse, .heartbeatResponse, .readIndexResponse: true
    default: false
    }
  }
}
