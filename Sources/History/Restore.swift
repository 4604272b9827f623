// An exported history made a log again, to look at with every tool. The hashes come out as they
// were, since the bytes are; states are stored on the way, so that any moment is found quickly.

import EventLog
import Membership
import Raft
import Schema
import Synchronization

extension History {
  /// Makes a log in a folder that is not there yet.
  /// - Throws: `Fault`, also `.inUse` if the folder is there; `Unanswerable` if the log made has
  ///   another hash at its end.
  package func restore(to directory: String) throws {
    guard let hash = try source.chainHash(at: first - 1) else {
      throw Unanswerable("the hash before index \(first) is not held", exitCode: 65)
    }
    let base = LogBase(
      index: first - 1, term: source.baseTerm, chainHash: hash)
    try EventLog.create(
      directory: directory,
      identity: LogIdentity(
        cluster: source.cluster.rawValue, node: source.node.rawValue, firstIndex: first),
      base: base)
    let log = try EventLog.open(directory: directory, mode: .readWrite)
    defer { log.close() }
    let failure = Mutex<Fault?>(nil)
    var entries: [Entry] = []
    var term = base.term
    var state = try knowsState(at: first - 1) ? self.state(at: first - 1) : nil
    var plan = CheckpointPlan()
    func submit(through index: UInt64) {
      var checkpoint: Checkpoint?
      if let state, plan.isDue(at: index) {
        checkpoint = Checkpoint(index: index, bytes: state.packed())
      }
      let hard = HardState(term: term, vote: 0, commit: index)
      log.submit(
        LogWrite(
          entries: entries, hardState: hard, checkpoint: checkpoint,
          dropsCheckpoint: checkpoint.flatMap { plan.store($0) }
        ) { result in
          if case .failure(let fault) = result {
            failure.withLock { if $0 == nil { $0 = fault } }
          }
        })
      entries = []
    }
    try source.forEach(from: first, through: head) { entry in
      entries.append(entry)
      term = entry.term
      if state != nil { try Self.apply(Self.event(entry), to: &state!) }
      if UInt64(entries.count) >= CheckpointPlan.spacing { submit(through: entry.index) }
      return failure.withLock { $0 == nil }
    }
    submit(through: head)
    log.close()
    if let fault = failure.withLock({ $0 }) { throw fault }
    let made = try EventLog.open(directory: directory, mode: .readOnly)
    defer { made.close() }
    guard try made.chainHash(at: head) == source.chainHash(at: head) else {
      throw Unanswerable(
        "the log made in \(directory) has another hash at index \(head) than \(source.name)",
        exitCode: 65)
    }
  }
}
