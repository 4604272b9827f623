import LMDB
import Raft

extension EventLog {
  /// Makes a log in a directory that is missing or empty; its parent must exist. It is complete and
  /// durable when this returns, and if it does not return there is none. (Mode 0700, files 0600.)
  /// - Parameters:
  ///   - base: what stands before `identity.firstIndex`; committed.
  ///   - checkpoint: the state at `base.index`, if the log begins from one.
  ///   - promised: what the log whose place this one takes has promised; then opening finds that
  ///     this one is behind, until a write `settlesFindings`.
  /// - Throws: `Fault`: `.inUse` if there is something already, `.diskFull`, `.permission`.
  package static func create(
    directory: String, identity: LogIdentity, base: LogBase = .genesis,
    checkpoint: Checkpoint? = nil, promised: Witness? = nil
  ) throws(Fault) {
    precondition(
      identity.firstIndex == base.index + 1,
      "a log from index \(identity.firstIndex) does not follow index \(base.index)")
    precondition(
      checkpoint == nil || checkpoint?.index == base.index,
      "the first checkpoint is the state at index \(base.index)")
    let state = HardState(term: base.term, vote: 0, commit: base.index)
    let staging = directory + ".new"
    LogFiles.removeFlat(staging)
    do throws(Fault) {
      try LogFiles.makeDirectory(staging)
      let files = LogFiles(directory: staging)
      try files.prepareLockFile()
      try fill(files, identity, base, state, checkpoint)
      try LogFiles.create(files.witness, WitnessSlots.initial(promised ?? Witness(state, boot: 0)))
      try LogFiles.create(files.identity, Array(identity.description.utf8))
      files.restoreBallast()
      try LogFiles.publish(staging, as: directory)
    } catch {
      LogFiles.removeFlat(staging)
      throw error
    }
  }

  private static func fill(
    _ files: LogFiles, _ identity: LogIdentity, _ base: LogBase, _ state: HardState,
    _ checkpoint: Checkpoint?
  ) throws(Fault) {
    do {
      let environment = try Environment(directory: files.directory)
      defer { environment.close() }
      try environment.extend(by: 1 << 16, step: 1 << 20)
      _ = try environment.table("0/entries", create: true)
      let checkpoints = try environment.table("0/checkpoints", create: true)
      let meta = try environment.table("0/meta", create: true)
      try environment.write { transaction in
        try transaction.put(Array(identity.description.utf8), for: MetaKey.identity, in: meta)
        try transaction.put(MetaCoding.bytes(base), for: MetaKey.base, in: meta)
        try transaction.put(MetaCoding.bytes(state), for: MetaKey.hard, in: meta)
        try transaction.put([UInt8](bigEndian: 0), for: MetaKey.boot, in: meta)
        if let checkpoint {
          try transaction.put(
            checkpoint.bytes, for: [UInt8](bigEndian: checkpoint.index), in: checkpoints)
        }
      }
    } catch {
      throw Fault("create", files.directory, error)
    }
  }
}
