import Glibc
import LMDB
package import Raft
import Synchronization

/// A log that is damaged is never mended in place: what can be proven of it is copied into a new
/// one, which keeps what the old one has promised (term, vote, boot number, how far it reached).
extension EventLog {
  /// What the votes file of a log says, however damaged the log is; nil if it says nothing.
  /// Nothing is written. An answer covers every vote that was ever sent.
  package static func promises(of directory: String) throws(Fault) -> Witness? {
    try WitnessSlots.read(LogFiles(directory: directory).witness)?.witness
  }

  /// Whose log it is, by the file beside its pages.
  package static func identity(of directory: String) throws(Fault) -> LogIdentity {
    try LogFiles(directory: directory).readIdentity()
  }

  /// Bytes of the file that holds the entries; 0 if it is missing.
  package static func dataSize(of directory: String) throws(Fault) -> Int {
    try LogFiles.size(of: LogFiles(directory: directory).data) ?? 0
  }

  /// What a log says of itself before its entries are looked at.
  package struct Summary: Sendable {
    package let tip: LogTip
    package let bootNumber: UInt64
    /// Found at an opening before, and not settled since.
    package let finding: OpenFinding?
  }

  /// Looks at a log as a start has to, in a process that damage may end: run it in a child.
  /// - Parameters:
  ///   - began: told once the log could be opened.
  ///   - progress: told through which index all is right.
  /// - Throws: `Fault` if the log cannot be read at all.
  package static func examine(
    directory: String, _ scope: Scope, began: (Summary) -> Void, progress: (Index) -> Void
  ) throws(Fault) -> Verification {
    let files = LogFiles(directory: directory)
    // Without it a full disk would look like damage: LMDB ends by a signal then, too.
    do throws(Fault) {
      _ = try files.readIdentity()
      try files.checkData()
      try files.prepareLockFile()
    } catch  where error.kind == .permission {
      // Then there is nothing to prepare: whether it can be read shows below.
    }
    let log = try EventLog.open(directory: directory, mode: .readOnly)
    defer { log.close() }
    began(
      Summary(
        tip: try log.store.tip(), bootNumber: log.bootNumber,
        finding: try log.store.unsettledFinding()))
    let found = try log.verify(scope, progress: progress)
    try log.store.touchWhatAStartReads()
    return found
  }

  /// Makes a new log of the same identity with the entries that a damaged one holds through `last`,
  /// each proven again as it is read. It is complete when this returns.
  /// - Parameters:
  ///   - identity: whose log it is.
  ///   - last: 0 if none can be kept; then the old log is not even opened.
  ///   - committed: through which index it is known that the entries stay.
  ///   - promised: what the old log has promised, by the votes file and by what it held.
  ///   - isSettled: nothing is missing, or nobody has it: the new log may vote at once.
  package static func rebuild(
    _ old: String, as new: String, of identity: LogIdentity, through last: Index,
    committed: Index, promised: Witness, isSettled: Bool
  ) throws {
    let base = LogBase.genesis
    guard base.index + 1 == identity.firstIndex else {
      throw Fault.damaged(
        "rebuild", old, "it began from a state at index \(identity.firstIndex - 1), now lost")
    }
    try EventLog.create(directory: new, identity: identity, base: base, promised: promised)
    let target = try EventLog.open(directory: new, mode: .readWrite, expecting: identity)
    defer { target.close() }
    if last > 0 {
      try DamagedLog(directory: old).forEach(from: identity.firstIndex, through: last) { entry, _ in
        target.submit(LogWrite(entries: [entry]))
        return target.failure == nil
      }
    }
    var state = target.hardState
    state.commit = min(last, committed)
    try target.writeAndWait(LogWrite(hardState: state, settlesFindings: isSettled))
    guard target.lastIndex == max(last, base.index) else {
      throw Fault.damaged("rebuild", old, "it ends at \(target.lastIndex), not at \(last)")
    }
  }

  private func writeAndWait(_ write: LogWrite) throws(Fault) {
    let outcome = Mutex<Result<Void, Fault>?>(nil)
    var write = write
    write.completion = { result in outcome.withLock { $0 = result } }
    submit(write)
    // Closing writes what waits.
    close()
    try outcome.withLock { $0 }?.get()
  }
}

extension LogStore {
  /// The newest checkpoint and everything in `meta`: their sizes, too, are as the pages have them.
  fileprivate func touchWhatAStartReads() throws(Fault) {
    _ = try checkpoint(atOrBefore: .max) { _, bytes in bytes.bytes() }
    try read("read the facts of") { transaction in
      try transaction.withCursor(on: meta) { cursor in
        var isThere = try cursor.move(to: .first)
        while isThere {
          _ = cursor.value
          isThere = try cursor.move(to: .next)
        }
      }
    }
  }
}
