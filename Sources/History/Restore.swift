// A history made a log again: to look at with every tool, or to go on from. The hashes come out as
// they were, since the bytes are. States are stored on the way: any moment is found quickly.

package import EventLog
package import Membership
package import Raft
import Schema
import Synchronization

extension History {
  /// Makes a log in a folder that is not there yet.
  /// - Parameters:
  ///   - owner: whose log it becomes; whose it was if nil.
  ///   - end: makes one more entry, from the state after the last event and that one's term.
  ///   - progress: told, now and then, through which index events are read.
  /// - Throws: `Fault`, also `.inUse` if the folder is there; `HistoryFault` where an event cannot
  ///   be understood or contradicts those before it; `Unanswerable` if the log made has another
  ///   hash at its end; what `end` throws.
  package func restore(
    to directory: String, as owner: LogIdentity? = nil,
    adding end: ((_ state: Cluster, _ term: UInt64) throws -> Entry)? = nil,
    progress: (UInt64) -> Void = { _ in }
  ) throws {
    guard let hash = try source.chainHash(at: first - 1) else {
      throw Unanswerable("the hash before index \(first) is not held", exitCode: 65)
    }
    let base = LogBase(index: first - 1, term: source.baseTerm, chainHash: hash)
    try EventLog.create(
      directory: directory,
      identity: owner
        ?? LogIdentity(
          cluster: source.cluster.rawValue, node: source.node.rawValue, firstIndex: first),
      base: base)
    let log = try EventLog.open(directory: directory, mode: .readWrite)
    defer { log.close() }
    var copy = LogCopy(
      log: log, after: base,
      state: first == 1 ? Cluster() : try knowsState(at: first - 1) ? state(at: first - 1) : nil)
    try source.forEach(from: first, through: head) { entry in
      if try copy.append(entry) { progress(entry.index) }
      return !copy.hasFailed
    }
    if let end {
      guard let state = copy.state else {
        throw Unanswerable("the state at index \(head) is not known", exitCode: 65)
      }
      guard copy.term < 1 << 62 else {
        throw Unanswerable("no term can follow \(copy.term), at index \(head)", exitCode: 65)
      }
      _ = try copy.append(end(state, copy.term))
    }
    try copy.finish()
    let made = try EventLog.open(directory: directory, mode: .readOnly)
    defer { made.close() }
    guard try made.chainHash(at: head) == source.chainHash(at: head) else {
      throw Unanswerable(
        "the log made in \(directory) has another hash at index \(head) than \(source.name)",
        exitCode: 65)
    }
  }
}

/// A log being written from its first entry on, all of it committed.
private struct LogCopy {
  private let log: EventLog
  /// The state after the last entry; nil where it is not known.
  private(set) var state: Cluster?
  /// Of the last entry.
  private(set) var term: UInt64
  private var index: UInt64
  private var states = StoredStates()
  private var entries: [Entry] = []
  private let failure = FirstFault()

  private final class FirstFault: Sendable {
    let fault = Mutex<Fault?>(nil)
  }

  init(log: EventLog, after base: LogBase, state: Cluster?) {
    self.log = log
    self.state = state
    term = base.term
    index = base.index
  }

  var hasFailed: Bool { failure.fault.withLock { $0 != nil } }

  /// - Returns: whether what was taken is on its way to the disk.
  mutating func append(_ entry: Entry) throws -> Bool {
    entries.append(entry)
    (term, index) = (entry.term, entry.index)
    if state != nil { try History.apply(History.event(entry), to: &state!) }
    guard UInt64(entries.count) >= StoredStates.spacing else { return false }
    submit()
    return true
  }

  private mutating func submit() {
    var writes = StoredStates.Writes()
    if let state, states.isDue(at: index) { writes = states.store(state) }
    let hard = HardState(term: term, vote: 0, commit: index)
    log.submit(
      LogWrite(
        entries: entries, hardState: hard, checkpoint: writes.kept, newest: writes.newest
      ) { [failure] result in
        if case .failure(let fault) = result {
          failure.fault.withLock { if $0 == nil { $0 = fault } }
        }
      })
    entries = []
  }

  /// Writes what waits, and closes the log.
  mutating func finish() throws {
    submit()
    log.close()
    if let fault = failure.fault.withLock({ $0 }) { throw fault }
  }
}
