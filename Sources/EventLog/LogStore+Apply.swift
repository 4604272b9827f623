import LMDB
import Raft

/// What a write does to the tables, and what it may not ask.
extension LogStore {
  /// Whether a write changes more than the commit index, so that its answer must wait for the disk.
  func mustCommit(_ write: LogWrite, _ durable: HardState) -> Bool {
    if !write.entries.isEmpty || write.base != nil || write.checkpoint != nil
      || write.newest != nil
      || !write.facts.isEmpty || write.settlesFindings || write.boot != nil
    {
      return true
    }
    guard let state = write.hardState else { return false }
    return (state.term, state.vote) != (durable.term, durable.vote)
  }

  /// - Parameter hash: the chain hash at the end of the log, before and after.
  func apply(
    _ write: LogWrite, to tip: inout LogTip, _ hash: inout ChainHash,
    in transaction: borrowing WriteTransaction
  ) throws {
    if let base = write.base { try rebase(&tip, &hash, to: base, transaction) }
    if let first = write.entries.first, first.index <= tip.lastIndex {
      try truncate(before: first.index, &tip, &hash, transaction)
    }
    for entry in write.entries {
      guard entry.index == tip.lastIndex + 1, entry.index < .max, entry.term >= tip.lastTerm
      else {
        throw refused(
          "entry \(entry.index) of term \(entry.term) does not follow entry \(tip.lastIndex) "
            + "of term \(tip.lastTerm)")
      }
      let (value, next) = layout.encode(entry, after: hash)
      try transaction.append(value, for: [UInt8](bigEndian: entry.index), to: entries)
      tip.lastIndex = entry.index
      tip.lastTerm = entry.term
      hash = next
    }
    if let state = write.hardState { try advance(&tip, to: state) }
    for checkpoint in [write.checkpoint, write.newest].compactMap(\.self) {
      guard checkpoint.index >= tip.base.index, checkpoint.index <= tip.hardState.commit else {
        throw refused(
          "a checkpoint at \(checkpoint.index), committed is \(tip.hardState.commit)")
      }
    }
    if let kept = write.checkpoint {
      try transaction.put(kept.bytes, for: [UInt8](bigEndian: kept.index), in: checkpoints)
    }
    if let newest = write.newest {
      let value = [UInt8](bigEndian: newest.index) + newest.bytes
      try transaction.put(value, for: MetaKey.newest, in: meta)
    }
    for (name, bytes) in write.facts {
      try transaction.put(bytes, for: MetaKey.fact(name), in: meta)
    }
    if write.settlesFindings { try transaction.delete(MetaKey.behind, from: meta) }
  }

  func put(boot: UInt64, in transaction: borrowing WriteTransaction) throws(LMDBError) {
    try transaction.put([UInt8](bigEndian: boot), for: MetaKey.boot, in: meta)
  }

  func put(_ state: HardState, in transaction: borrowing WriteTransaction) throws(LMDBError) {
    try transaction.put(MetaCoding.bytes(state), for: MetaKey.hard, in: meta)
  }

  /// Takes a hard state that goes back on nothing.
  func advance(_ tip: inout LogTip, to state: HardState) throws(Fault) {
    let now = tip.hardState
    let keepsVote = state.term > now.term || now.vote == 0 || state.vote == now.vote
    guard state.term >= now.term, keepsVote, state.commit >= now.commit,
      state.commit <= tip.lastIndex
    else {
      throw refused("\(state) after \(now) with last index \(tip.lastIndex)")
    }
    tip.hardState = state
  }

  private func truncate(
    before index: Index, _ tip: inout LogTip, _ hash: inout ChainHash,
    _ transaction: borrowing WriteTransaction
  ) throws {
    guard index > tip.hardState.commit, index > tip.base.index else {
      throw refused(
        "replacing entries from index \(index) on, committed is \(tip.hardState.commit)")
    }
    let previous = index - 1
    let value = try transaction.get([UInt8](bigEndian: previous), in: entries)
    let term =
      previous == tip.base.index
      ? tip.base.term : value.flatMap { layout.term(in: $0.span, at: previous) }
    let found = try self.hash(at: previous, after: tip.base) {
      try transaction.get($0, in: entries)
    }
    guard let term, let found else { throw unsound(previous) }
    (tip.lastTerm, hash) = (term, found)
    tip.lastIndex = previous
    try transaction.deleteAll(from: [UInt8](bigEndian: index), in: entries)
  }

  /// Moves the beginning of the log.
  private func rebase(
    _ tip: inout LogTip, _ hash: inout ChainHash, to base: LogBase,
    _ transaction: borrowing WriteTransaction
  ) throws {
    let stored = try transaction.get([UInt8](bigEndian: base.index), in: entries)
    let found = try self.hash(at: base.index, after: tip.base) {
      try transaction.get($0, in: entries)
    }
    let isInLog =
      found == base.chainHash
      && stored.flatMap { layout.term(in: $0.span, at: base.index) } == base.term
    guard base.index > tip.base.index, base.index < .max,
      isInLog || base.index > tip.hardState.commit
    else {
      throw refused(
        "beginning after index \(base.index), committed is \(tip.hardState.commit) and the log "
          + "begins after \(tip.base.index)")
    }
    let first = [UInt8](bigEndian: 0)
    if isInLog {
      let last = [UInt8](bigEndian: base.index)
      try transaction.deleteRange(from: first, through: last, in: entries)
    } else {
      try transaction.deleteAll(from: first, in: entries)
    }
    let older = [UInt8](bigEndian: base.index - 1)
    try transaction.deleteRange(from: first, through: older, in: checkpoints)
    try transaction.delete(MetaKey.newest, from: meta)
    try transaction.put(MetaCoding.bytes(base), for: MetaKey.base, in: meta)
    tip.base = base
    if !isInLog || tip.lastIndex == base.index {
      (tip.lastIndex, tip.lastTerm, hash) = (base.index, base.term, base.chainHash)
    }
    tip.hardState.commit = max(tip.hardState.commit, base.index)
    if tip.hardState.term < base.term { (tip.hardState.term, tip.hardState.vote) = (base.term, 0) }
  }

  /// The caller asked for something that no log may do: a bug, and final, since what was to be
  /// written is now unknown.
  private func refused(_ text: String) -> Fault {
    Fault(.other, operation: "write to", subject: directory, text: text)
  }
}
