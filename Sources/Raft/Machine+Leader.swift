// What a leader does with proposals, answers and requests.

extension Machine {
  // MARK: Proposals

  /// Takes proposals: appends them, or sends them on to who can.
  ///
  /// - Parameter origin: Who asked first, if another node did.
  mutating func take(_ entries: [Entry], from origin: PeerID? = nil) throws(Refused) -> Range<Index>
  {
    guard case .leader(let leadership) = office else {
      guard case .follower = office, let leader, options.forwardsProposals else {
        throw .notLeader(leader: leader)
      }
      forward(.propose(entries), from: origin ?? id, to: leader)
      return 0..<0
    }
    let first = log.lastIndex + 1
    guard configuration.contains(id) else { throw .notMember }
    if let target = leadership.transferee { throw .transferring(to: target) }
    let pending = try validate(entries, leadership)
    let bytes = entries.payloadBytes
    // One proposal is always taken, or a large one could never be.
    let sum = leadership.uncommittedBytes.addingSaturated(bytes)
    guard leadership.uncommittedBytes == 0 || bytes == 0 || sum <= options.maxUncommittedBytes
    else { throw .tailFull(limit: options.maxUncommittedBytes) }
    guard !entries.isEmpty else { return first..<first }
    self.leadership.pendingChange = pending
    self.leadership.uncommittedBytes = sum
    appendOwn(entries, counted: true)
    broadcastAppend()
    return first..<log.lastIndex + 1
  }

  /// Returns the index of the last change in flight once these entries are appended.
  private func validate(_ entries: [Entry], _ leadership: Leadership) throws(Refused) -> Index {
    var pending = leadership.pendingChange
    var index = log.lastIndex
    for entry in entries {
      index += 1
      switch (entry.kind, entry.change) {
      case (.normal, nil): break
      case (.change, let change?):
        try validate(change, pending: pending)
        pending = index
      default: throw .invalidChange("an entry of kind \(entry.kind) can not be proposed")
      }
    }
    return pending
  }

  /// Appends to the leader's log, and acknowledges that to itself once it is durable.
  mutating func appendOwn(_ entries: [Entry], counted: Bool = false) {
    if !counted {
      leadership.uncommittedBytes =
        leadership.uncommittedBytes.addingSaturated(entries.payloadBytes)
    }
    log.append(entries, term: term)
    send(.appendResponse(Message.AppendResponse(index: log.lastIndex)), to: id)
  }

  // MARK: Answers

  mutating func stepLeader(_ message: Message) {
    guard let position = position(of: message.from) else { return }
    switch message.body {
    case .appendResponse(let response):
      leadership.members[position].isActive = true
      if response.rejected {
        handleRejection(response, at: position)
      } else {
        handleAck(of: response.index, at: position)
      }
    case .heartbeatResponse(let response):
      leadership.members[position].isActive = true
      leadership.members[position].flowPaused = false
      leadership.members[position].learned(context: response.context)
      let progress = leadership.members[position]
      // Even to one whose window is full: if all of it was lost, this brings the flow back.
      if progress.match < log.lastIndex || progress.state == .probe {
        sendAppend(to: progress.id)
      }
      if response.context > 0, !message.abstains {
        handleReadAck(response.context, from: message.from)
      }
    default:
      break
    }
  }

  private mutating func handleRejection(_ response: Message.AppendResponse, at position: Int) {
    var hint = response.hint
    if response.hintTerm > 0 {
      // Entries here with a higher term than the follower's can not match: skip all of them.
      hint = log.lastMatch(notAfter: hint, term: response.hintTerm).index
    }
    guard leadership.members[position].stepBack(rejected: response.index, hint: hint) else {
      return
    }
    if leadership.members[position].state == .replicate {
      leadership.members[position].becomeProbe()
    }
    sendAppend(to: leadership.members[position].id)
  }

  private mutating func handleAck(of index: Index, at position: Int) {
    // Nobody can have more of this leader's log than the leader.
    guard index <= log.lastIndex else { return }
    let before = leadership.members[position]
    guard
      leadership.members[position].update(match: index)
        || (before.match == index && before.state == .probe)
    else { return }
    switch before.state {
    case .probe:
      leadership.members[position].becomeReplicate()
    case .snapshot:
      // Whatever snapshot it took, if the log reaches down to it the follower can go on.
      if index + 1 >= log.firstIndex {
        leadership.members[position].becomeProbe()
        leadership.members[position].becomeReplicate()
      }
    case .replicate:
      leadership.members[position].inflights.free(upTo: index)
    }
    let isSelf = before.id == id
    if advanceCommit() {
      broadcastAppend()
    } else if !isSelf, leadership.members[position].canRaiseCommit(to: log.committed) {
      sendAppend(to: before.id)
    }
    guard !isSelf else { return }
    // Room in the window: fill it.
    while sendAppend(to: before.id, evenIfEmpty: false) {}
    if leadership.transferee == before.id, leadership.members[position].match == log.lastIndex {
      send(.timeoutNow, to: before.id)
    }
  }

  /// Commits what a quorum has, if that is of this term: an earlier leader's entry is committed
  /// only together with an own one behind it (Raft paper, figure 8).
  mutating func advanceCommit() -> Bool {
    let members = leadership.members
    let index = Quorum.committed(configuration) { members.member($0)?.attested }
    guard index > log.committed, log.matches(index, term), log.commit(to: index) else {
      return false
    }
    let early = leadership.reads.early
    if !early.isEmpty {
      leadership.reads.early = []
      for request in early { take(request) }
    }
    return true
  }

  mutating func checkQuorum() {
    let members = leadership.members
    let result = Quorum.vote(configuration) { voter in
      members.member(voter).map { $0.isActive && !$0.abstains } ?? false
    }
    guard result == .won else { return becomeFollower(term: term, leader: nil) }
    for position in members.indices where members[position].id != id {
      leadership.members[position].isActive = false
    }
  }

  // MARK: Reports

  mutating func unreachable(_ peer: PeerID) throws(Refused) {
    guard configuration.contains(peer) else { throw .unknownPeer(peer) }
    guard let position = position(of: peer), leadership.members[position].state == .replicate
    else { return }
    // Appends that were sent ahead are probably lost.
    leadership.members[position].becomeProbe()
  }

  mutating func snapshotReported(_ peer: PeerID, failed: Bool) throws(Refused) {
    guard configuration.contains(peer) else { throw .unknownPeer(peer) }
    guard let position = position(of: peer), leadership.members[position].state == .snapshot
    else { return }
    if failed { leadership.members[position].pendingSnapshot = 0 }
    leadership.members[position].becomeProbe()
    // If it arrived, wait for its answer; if not, wait a heartbeat before the next attempt.
    leadership.members[position].flowPaused = true
  }

  // MARK: Transfer

  mutating func transferLeadership(to target: PeerID) throws(Refused) {
    guard case .leader(let leadership) = office else {
      guard case .follower = office, let leader else { throw .notLeader(leader: nil) }
      outbox.append(ownMessage(.transferLeader(target: target), to: leader, term: term))
      return
    }
    guard let progress = leadership.members.member(target), !progress.isLearner,
      !progress.abstains
    else {
      throw .unknownPeer(target)
    }
    if leadership.transferee == target { return }
    abortTransfer()
    if target == id { return }
    // It has one election timeout from now on.
    restartElectionClock()
    self.leadership.transferee = target
    if progress.match == log.lastIndex {
      send(.timeoutNow, to: target)
    } else {
      sendAppend(to: target)
    }
  }

  mutating func abortTransfer() {
    if office.isLeader { leadership.transferee = nil }
  }
}
