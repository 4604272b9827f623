// How a leader's log reaches the others, and how its reads are confirmed.

extension Machine {
  /// All members but this one, in order.
  var others: [PeerID] { leadership.members.compactMap { $0.id == id ? nil : $0.id } }

  mutating func broadcastAppend() {
    for peer in others { sendAppend(to: peer) }
  }

  /// Sends what a member needs next, if it can take anything.
  ///
  /// - Parameter evenIfEmpty: Send also if there is no entry to send: it tells the commit index.
  /// - Returns: Whether anything was sent.
  @discardableResult
  mutating func sendAppend(to peer: PeerID, evenIfEmpty: Bool = true) -> Bool {
    guard let position = position(of: peer) else { return false }
    let progress = leadership.members[position]
    if progress.isPaused { return false }
    let previous = progress.next - 1
    guard let previousTerm = log.term(at: previous) else {
      return sendSnapshot(to: peer, at: position)
    }
    var entries: [Entry] = []
    // With a full window only an empty append: it finds out what became of the others.
    if progress.state != .replicate || !progress.inflightIsFull {
      guard let next = log.entries(from: progress.next, maxSize: options.maxMessageBytes) else {
        return sendSnapshot(to: peer, at: position)
      }
      entries = next
    }
    if entries.isEmpty && !evenIfEmpty { return false }
    let commit = log.committed
    leadership.members[position].sent(entries: entries.count, bytes: entries.payloadBytes)
    leadership.members[position].sentCommit = commit
    send(
      .append(
        Message.Append(
          previousIndex: previous, previousTerm: previousTerm, commit: commit, entries: entries)),
      to: peer)
    return true
  }

  /// The entries that it needs are gone.
  private mutating func sendSnapshot(to peer: PeerID, at position: Int) -> Bool {
    // Not to one that may be dead: it would be sent for nothing.
    guard leadership.members[position].isActive, let snapshot = log.snapshot(), snapshot.index > 0
    else { return false }
    leadership.members[position].becomeSnapshot(at: snapshot.index)
    send(.snapshot(snapshot), to: peer)
    return true
  }

  mutating func broadcastHeartbeat() {
    leadership.reads.announce()
    let context = leadership.reads.context
    for position in leadership.members.indices where leadership.members[position].id != id {
      let progress = leadership.members[position]
      // Never beyond what that member is known to have.
      let commit = min(progress.match, log.committed)
      leadership.members[position].told(commit: commit, context: context)
      send(.heartbeat(Message.Heartbeat(commit: commit, context: context)), to: progress.id)
    }
  }

  // MARK: Reads

  /// A read of this node, or of a follower.
  mutating func read(_ request: Reads.Request, own: Bool) throws(Refused) {
    guard office.isLeader else {
      guard case .follower = office, let leader else { throw .notLeader(leader: nil) }
      forward(.readIndex(context: request.context), from: request.from, to: leader)
      return
    }
    guard log.matches(log.committed, term) else {
      // What the leaders before have committed is certain only once an own entry is.
      leadership.reads.early.append(request)
      return
    }
    take(request)
  }

  mutating func take(_ request: Reads.Request) {
    let isAlone = configuration.voters == [id] && !configuration.isJoint
    let hasLease = options.readOnly == .leaseBased && leadership.transferee == nil
    if isAlone || hasLease {
      return answer(Reads.Confirmed(request: request, index: log.committed))
    }
    leadership.reads.add(request, at: log.committed)
    leadership.reads.ack(from: id, context: leadership.reads.context)
  }

  /// Tells the others about reads that no heartbeat carries yet: once for all that came together.
  mutating func announceReads() {
    guard office.isLeader, leadership.reads.isUnannounced else { return }
    broadcastHeartbeat()
  }

  mutating func handleReadAck(_ context: UInt64, from peer: PeerID) {
    leadership.reads.ack(from: peer, context: context)
    for confirmed in leadership.reads.takeConfirmed(by: configuration) { answer(confirmed) }
  }

  private mutating func answer(_ confirmed: Reads.Confirmed) {
    let context = confirmed.request.context
    if confirmed.request.from == id {
      confirmedReads.append(ReadState(index: confirmed.index, context: context))
    } else {
      send(
        .readIndexResponse(index: confirmed.index, context: context), to: confirmed.request.from)
    }
  }
}
