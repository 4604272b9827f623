// Doing what the leader says, as far as it can be true.

extension Machine {
  mutating func stepFollower(_ message: Message) {
    switch message.body {
    case .append(let append):
      hear(from: message.from)
      handle(append, from: message.from)
    case .heartbeat(let heartbeat):
      hear(from: message.from)
      // A commit beyond the log can not have been acknowledged here: it is not believed.
      _ = log.commit(to: heartbeat.commit)
      let response = Message.HeartbeatResponse(context: heartbeat.context)
      send(.heartbeatResponse(response), to: message.from)
    case .snapshot(let snapshot):
      hear(from: message.from)
      let restored = restore(snapshot)
      // What was not needed is answered with what is there, so that the leader goes on from that.
      let index = restored ? log.lastIndex : log.committed
      send(.appendResponse(Message.AppendResponse(index: index)), to: message.from)
    case .timeoutNow:
      startElection(.transfer)
    case .readIndexResponse(let index, let context):
      confirmedReads.append(ReadState(index: index, context: context))
    default:
      break
    }
  }

  private mutating func hear(from peer: PeerID) {
    restartElectionClock()
    leader = peer
  }

  private mutating func handle(_ append: Message.Append, from peer: PeerID) {
    if append.previousIndex < log.committed {
      send(.appendResponse(Message.AppendResponse(index: log.committed)), to: peer)
      return
    }
    guard log.matches(append.previousIndex, append.previousTerm) else {
      return reject(append, from: peer)
    }
    let lastNew = append.previousIndex + Index(append.entries.count)
    // Only from the first conflict on: a late, shorter append must not cut off what came after it.
    if let conflict = log.firstNew(in: append.entries) {
      guard conflict > log.committed else {
        return halt("entry \(conflict) of \(peer) in term \(term) contradicts a committed one")
      }
      log.replace(from: append.entries[Int(conflict - append.previousIndex - 1)...])
    }
    // Not beyond what this append has verified: the tail behind it may be another leader's.
    if !log.commit(to: min(append.commit, lastNew)) {
      halt("commit index \(append.commit) lies beyond the log's end \(log.lastIndex)")
    }
    send(.appendResponse(Message.AppendResponse(index: lastNew)), to: peer)
  }

  /// The logs differ at that point. The best guess where they do not: the last entry here whose
  /// term is not above the one asked for, which skips whole terms of a diverging tail.
  private mutating func reject(_ append: Message.Append, from peer: PeerID) {
    let hint = log.lastMatch(
      notAfter: min(append.previousIndex, log.lastIndex), term: append.previousTerm)
    send(
      .appendResponse(
        Message.AppendResponse(
          index: append.previousIndex, rejected: true, hint: hint.index, hintTerm: hint.term)),
      to: peer)
  }

  /// Takes a snapshot in place of the log; false if there is nothing in it that this log lacks.
  private mutating func restore(_ snapshot: Snapshot) -> Bool {
    guard snapshot.index > log.committed, snapshot.configuration.contains(id) else { return false }
    if log.matches(snapshot.index, snapshot.term) {
      // All of it is here, and perhaps more behind it: keep that.
      _ = log.commit(to: snapshot.index)
      return false
    }
    log.restore(snapshot)
    switchConfiguration(
      to: Changer(
        snapshot.configuration, members: [], lastIndex: log.lastIndex, inflights: emptyInflights))
    return true
  }
}
