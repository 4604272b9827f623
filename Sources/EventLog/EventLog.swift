import LMDB
package import Raft
import Synchronization

/// The one durable place of a node: entries, hard state, chain hashes, checkpoints and the boot
/// number, in one LMDB environment, so that one commit makes them agree.
///
/// Writes go through one thread, which puts all that waits into one transaction; what is not
/// durable is never answered with success. Reads are short read transactions on any thread, and
/// another process may open the same directory `.readOnly` at any time. An entry's payload is
/// opaque. Only a tail that was not committed can be replaced, and only `LogWrite.base` moves the
/// beginning (no one does in this version but tests: history is kept whole).
///
/// No entry leaves that does not hash to what stands beside it, on the hash of the one before: a
/// flipped bit is a fault at its index, never an event.
///
/// Two witnesses stand outside LMDB, which has no checksums: the identity file, and the slots of
/// `Witness`. What opening finds in them is in `findings`.
package final class EventLog: StableLog, Sendable {
  package enum Mode: Sendable {
    /// The node itself: one process at a time (its own lock is the caller's matter).
    case readWrite
    /// Anybody else, beside a living node or without one. Nothing is written but reader slots.
    case readOnly
  }

  package let directory: String
  package let mode: Mode
  package let identity: LogIdentity
  /// How often this log was opened `.readWrite`, this time included: a log that was rolled back or
  /// cloned shows a number that its peers have seen already.
  package let bootNumber: UInt64
  /// What the witness outside LMDB said at opening; empty if both agreed, or if `.readOnly`.
  package let findings: [OpenFinding]
  let store: LogStore
  let shared: SharedTip
  private let writer: LogWriter?

  private init(
    mode: Mode, identity: LogIdentity, store: LogStore, shared: SharedTip,
    start: (boot: UInt64, findings: [OpenFinding]), writer: LogWriter?
  ) {
    directory = store.directory
    self.mode = mode
    self.identity = identity
    self.store = store
    self.shared = shared
    bootNumber = start.boot
    findings = start.findings
    self.writer = writer
  }

  deinit { close() }

  /// The most bytes a file may have unless told otherwise.
  package static let defaultMapSize = 16 << 30

  /// Opens a log, after looking at everything that can be looked at before its pages are trusted.
  /// `.readWrite` raises the boot number, durably.
  /// - Parameters:
  ///   - directory: what `create` was given.
  ///   - identity: whose log the caller expects; nil if any will do.
  ///   - mapSize: the most bytes the file may ever have.
  /// - Throws: `Fault`: `.damaged`, `.foreign`, `.permission`, `.inUse` (open in this process),
  ///   `.diskFull` or `.syncFailed` (raising the boot number).
  package static func open(
    directory: String, mode: Mode, expecting identity: LogIdentity? = nil,
    mapSize: Int = defaultMapSize
  ) throws(Fault) -> EventLog {
    let files = LogFiles(directory: directory)
    let found = try files.readIdentity()
    if let identity, !found.isSameLog(as: identity) {
      throw Fault(
        .foreign, operation: "open", subject: directory,
        text: "it is the log of node \(hex(found.node)) of cluster \(hex(found.cluster)) from "
          + "index \(found.firstIndex), not of node \(hex(identity.node)) of cluster "
          + "\(hex(identity.cluster)) from index \(identity.firstIndex)")
    }
    try files.checkData()
    if mode == .readWrite { try files.prepareLockFile() }
    let store = try LogStore(files: files, mode: mode, identity: found, mapSize: mapSize)
    let tip = try store.tip()
    let shared = SharedTip(tip)
    guard mode == .readWrite else {
      let boot = try store.bootNumber()
      return EventLog(
        mode: mode, identity: found, store: store, shared: shared, start: (boot, []), writer: nil)
    }
    let slots = try WitnessSlots(path: files.witness)
    let start = try store.start(slots: slots, shared: shared)
    files.restoreBallast()
    let writer = try LogWriter(store: store, slots: slots, shared: shared)
    return EventLog(
      mode: mode, identity: found, store: store, shared: shared, start: start, writer: writer)
  }

  /// Writes what still waits, ends the writer and closes the files; later writes are answered with
  /// a fault, later reads find nothing.
  package func close() {
    writer?.finish()
    store.environment.close()
  }

  // MARK: Writing

  /// Queues a write; the answer comes to its `completion`. Waits if a thousand, or 32 MiB,
  /// are queued already.
  ///
  /// After an answer `.diskFull` every later write is answered the same, whether it would fit or
  /// not, because writes build on one another: call `resume()`, then submit again all that failed,
  /// in their order. Any other fault is final.
  package func submit(_ write: LogWrite) {
    guard let writer else {
      write.completion(
        .failure(
          Fault(.permission, operation: "write", subject: directory, text: "it is open read-only")))
      return
    }
    writer.submit(write)
  }

  /// Lets the writer try again after `.diskFull`: what is submitted from now on is written.
  package func resume() { writer?.resume() }

  /// The fault that ended writing for good; nil as long as the log works. A read that meets damage
  /// where the core cannot be told counts too.
  package var failure: Fault? { shared.failure }

  // MARK: Reading (StableLog)

  package var firstIndex: Index { tip.base.index + 1 }
  package var lastIndex: Index { tip.lastIndex }
  package var lastTerm: Term { tip.lastTerm }
  /// Term, vote and commit index; in the process that writes, as of the last write answered.
  package var hardState: HardState { tip.hardState }

  /// The ends of the log: in the process that writes from memory, else as of now on the disk.
  package var tip: LogTip {
    if mode == .readWrite { return shared.tip }
    return noting { () throws(Fault) in try store.tip() } ?? shared.tip
  }

  package func term(at index: Index) -> Term? {
    noting { () throws(Fault) in try store.term(at: index) } ?? nil
  }

  package func entries(from index: Index, to end: Index, maxBytes: Int) -> [Entry]? {
    noting { () throws(Fault) in
      try store.entries(from: index, to: end, maxBytes: maxBytes)
    } ?? nil
  }

  /// Always nil: the log is kept whole, so every member can be sent entries.
  package func snapshot() -> Snapshot? { nil }

  // MARK: Reading more

  /// The chain hash at an index, also at `firstIndex - 1`; nil if there is no entry.
  package func chainHash(at index: Index) throws(Fault) -> ChainHash? {
    try store.chainHash(at: index)
  }

  /// What was written last as `LogWrite.newest`; nil if nothing was.
  package func newestCheckpoint() throws(Fault) -> Checkpoint? {
    try store.newest { Checkpoint(index: $0, bytes: $1.bytes()) }
  }

  /// Its index, without its bytes.
  package func newestCheckpointIndex() throws(Fault) -> Index? {
    try store.newest { index, _ in index }
  }

  /// The last of the checkpoints kept for good at `index` or before; nil if there is none.
  package func lastCheckpoint(atOrBefore index: Index) throws(Fault) -> Checkpoint? {
    try store.checkpoint(atOrBefore: index) { Checkpoint(index: $0, bytes: $1.bytes()) }
  }

  /// The index of that checkpoint, without its bytes.
  package func checkpointIndex(atOrBefore index: Index) throws(Fault) -> Index? {
    try store.checkpoint(atOrBefore: index) { index, _ in index }
  }

  /// What was written under that name in `LogWrite.facts`.
  package func fact(_ name: String) throws(Fault) -> [UInt8]? { try store.fact(name) }

  /// Hands out the entries in order, one index after another, from `first` through `last` or to the
  /// end of the log, whichever is less. They are one chain: each hashes to what stands beside it,
  /// on the hash of the one handed out before, the first on what stands beside the entry before.
  ///
  /// `body` runs outside of any transaction, so it may take its time; entries above the commit
  /// index may be replaced meanwhile, and are then a fault. It returns whether to go on.
  /// - Parameter batch: how many entries to read at a time.
  /// - Throws: `Fault` if reading fails, else what `body` throws.
  package func forEach(
    from first: Index, through last: Index = .max, batch: Int = 256,
    _ body: (Entry) throws -> Bool
  ) throws {
    try forEach(from: first, through: last, batch: batch) { entry, _ in try body(entry) }
  }

  /// The same, each with its chain hash.
  package func forEach(
    from first: Index, through last: Index = .max, batch: Int = 256,
    _ body: (Entry, ChainHash) throws -> Bool
  ) throws {
    var next = max(first, firstIndex)
    var hash: ChainHash?
    var found: [(entry: Entry, hash: ChainHash)] = []
    while next <= last {
      let end = next.addingReportingOverflow(Index(batch))
      let limit = min(end.overflow ? .max : end.partialValue, last == .max ? .max : last + 1)
      found.removeAll(keepingCapacity: true)
      var damage: Fault?
      do throws(Fault) {
        _ = try store.run(from: next, to: limit, maxBytes: 1 << 20, after: hash) {
          found.append(($0, $1))
        }
      } catch {
        damage = error
      }
      // Those before the damage are handed out.
      for (entry, hash) in found where try !body(entry, hash) { return }
      if let damage { throw damage }
      guard let newest = found.last else { return }
      (next, hash) = (newest.entry.index + 1, newest.hash)
    }
  }

  /// A read whose failure the caller cannot be told: it ends the log instead.
  private func noting<R>(_ body: () throws(Fault) -> R) -> R? {
    do throws(Fault) {
      return try body()
    } catch {
      shared.fail(error)
      return nil
    }
  }
}

func hex(_ number: UInt64) -> String { String(number, radix: 16) }

/// What the writer's thread publishes: the end of the log as it is durable, and the final fault.
final class SharedTip: Sendable {
  private struct State {
    var tip: LogTip
    var failure: Fault?
  }
  private let state: Mutex<State>

  init(_ tip: LogTip) { state = Mutex(State(tip: tip)) }

  var tip: LogTip { state.withLock { $0.tip } }
  var failure: Fault? { state.withLock { $0.failure } }
  func publish(_ tip: LogTip) { state.withLock { $0.tip = tip } }
  /// The first one stays.
  func fail(_ fault: Fault) {
    state.withLock { if $0.failure == nil { $0.failure = fault } }
  }
}
