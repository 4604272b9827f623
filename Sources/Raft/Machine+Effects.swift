// What the host is asked to do, and what it answers.

extension Machine {
  private var hardState: HardState { HardState(term: term, vote: vote, commit: log.committed) }

  /// Whether `takeEffects` would return anything.
  package var hasEffects: Bool {
    if haltReason != nil { return true }
    if !outbox.isEmpty || !afterAppend.isEmpty || !confirmedReads.isEmpty { return true }
    if hardState != storedState || log.hasUnstableToHandOut { return true }
    if log.snapshotToHandOut != nil { return true }
    if log.hasCommittedToHandOut(onlyStable: options.asynchronous) { return true }
    if case .leader(let leadership) = office { return leadership.reads.isUnannounced }
    return false
  }

  /// Everything to be done since the last time, merged: what several inputs appended is one job.
  package mutating func takeEffects() -> Effects {
    var effects = Effects()
    guard haltReason == nil else {
      effects.halt = haltReason
      return effects
    }
    announceReads()
    guard let committed = log.handOutCommitted(onlyStable: options.asynchronous) else {
      halt("committed entry \(log.applying + 1) can not be read")
      effects.halt = haltReason
      return effects
    }
    effects.committed = committed
    effects.append = takeAppendJob()
    swap(&effects.messages, &outbox)
    swap(&effects.reads, &confirmedReads)
    return effects
  }

  private mutating func takeAppendJob() -> AppendJob? {
    let state = hardState
    let changed = state != storedState
    let snapshot = log.snapshotToHandOut
    guard changed || snapshot != nil || log.hasUnstableToHandOut || !afterAppend.isEmpty else {
      return nil
    }
    // Attested even if no entry is in this job: the ack of an earlier one may have been dropped
    // because the term changed meanwhile, and this one says again that its entries are durable.
    let attested = log.hasUnstable ? log.lastIndex : 0
    let attestedTerm = log.hasUnstable ? log.lastTerm : 0
    let entries = log.handOutUnstable()
    var released: [Message] = []
    var toSelf: [Message] = []
    var positions: [Int] = []
    for (position, message) in afterAppend.enumerated() {
      if message.to == id {
        toSelf.append(message)
        positions.append(position)
      } else {
        released.append(message)
      }
    }
    let job = AppendJob(
      entries: entries, hardState: changed ? state : nil, snapshot: snapshot,
      mustSync: !entries.isEmpty || snapshot != nil || state.term != storedState.term
        || state.vote != storedState.vote,
      released: released,
      ack: AppendAck(
        term: term, lastIndex: attested, lastTerm: attestedTerm,
        snapshotIndex: snapshot?.index ?? 0, commit: state.commit, toSelf: toSelf,
        positions: positions))
    afterAppend.removeAll(keepingCapacity: true)
    storedState = state
    return job
  }

  /// An append job became durable.
  mutating func appended(_ ack: AppendAck) {
    durableCommit = max(durableCommit, ack.commit)
    for message in ack.toSelf { process(message) }
    // In a later term those entries may have been replaced, and replaced again by equal ones that
    // are not durable yet. A later job attests them again.
    if ack.term == term, ack.lastIndex > 0 {
      log.becameStable(index: ack.lastIndex, term: ack.lastTerm)
    }
    // A snapshot is of committed state, whatever the term.
    if ack.snapshotIndex > 0 {
      log.becameStable(snapshot: ack.snapshotIndex)
      applied(max(ack.snapshotIndex, log.applied))
    }
  }

  /// The host applied everything up to `index`.
  mutating func applied(_ index: Index) {
    guard let bytes = log.applied(to: index) else {
      return halt("applied \(index), and only \(log.committed) is committed")
    }
    leaveJointIfDue()
    if office.isLeader {
      leadership.uncommittedBytes = max(0, leadership.uncommittedBytes - bytes)
    }
  }

  // MARK: What a leader knows

  /// What this leader knows about all members, itself included, by id; empty if it does not lead.
  package var progress: [Progress] {
    if case .leader(let leadership) = office { leadership.members } else { [] }
  }

  /// What this leader knows about a member; nil if it does not lead, or not that one.
  package func progress(of peer: PeerID) -> Progress? {
    if case .leader(let leadership) = office { leadership.members.member(peer) } else { nil }
  }

  /// When a message of that member last arrived, in nanoseconds of `Time.monotonic`; nil if none
  /// did while this node led.
  package func lastContact(of peer: PeerID) -> UInt64? { progress(of: peer)?.lastContact }

  /// The highest index of which a quorum of the configuration in force knows that it is committed:
  /// a configuration change at or below it can not be forgotten with one node. Rises with confirmed
  /// reads (`Input.readIndex`); 0 if this node does not lead.
  package var commitKnownByQuorum: Index {
    guard case .leader(let leadership) = office else { return 0 }
    return Quorum.committed(configuration) { voter in
      guard voter != id else { return durableCommit }
      return leadership.members.member(voter).flatMap { $0.abstains ? nil : $0.knownCommit }
    }
  }

  /// To whom leadership is being handed over.
  package var transferTarget: PeerID? {
    if case .leader(let leadership) = office { leadership.transferee } else { nil }
  }

  /// No configuration change is taken before this index is applied; 0 if this node does not lead.
  package var pendingChangeIndex: Index {
    if case .leader(let leadership) = office { leadership.pendingChange } else { 0 }
  }

  /// Payload that was proposed in this term of office and is not yet applied, in bytes.
  package var uncommittedBytes: Int {
    if case .leader(let leadership) = office { leadership.uncommittedBytes } else { 0 }
  }
}
