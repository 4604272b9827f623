import EventLog
import Foundation
import Raft
import Synchronization

/// The log that production keeps, in a directory of its own that is gone afterwards: every job goes
/// through the writer's queue and is synced, entries and hard state in one write.
final class DiskLog: PeerLog {
  let states: StateHistory
  private let folder: String
  private let log: EventLog
  private let identity: LogIdentity
  /// Why a write failed, if one did.
  private let trouble = Mutex<Fault?>(nil)

  init(_ start: Snapshot?, node: PeerID) throws(Fault) {
    states = StateHistory(start)
    folder = NSTemporaryDirectory() + "/peer-data-" + UUID().uuidString
    let base = LogBase(index: start?.index ?? 0, term: start?.term ?? 0, chainHash: .genesis)
    identity = LogIdentity(cluster: 1, node: node, firstIndex: base.index + 1)
    try EventLog.create(directory: folder, identity: identity, base: base)
    log = try EventLog.open(directory: folder, mode: .readWrite, expecting: identity)
  }

  deinit {
    log.close()
    try? FileManager.default.removeItem(atPath: folder)
  }

  var firstIndex: Index { log.firstIndex }
  var lastIndex: Index { log.lastIndex }
  func term(at index: Index) -> Term? { log.term(at: index) }
  func entries(from index: Index, to end: Index, maxBytes: Int) -> [Entry]? {
    log.entries(from: index, to: end, maxBytes: maxBytes)
  }
  var allEntries: [Entry] { entries(from: firstIndex, to: .max, maxBytes: .max) ?? [] }

  func store(_ job: AppendJob) {
    let base = job.snapshot.map {
      LogBase(index: $0.index, term: $0.term, chainHash: .genesis)
    }
    // What is compacted already stays so.
    let first = log.firstIndex
    let entries = base == nil ? job.entries.filter { $0.index >= first } : []
    write(LogWrite(base: base, entries: entries, hardState: job.hardState))
  }

  func compact(to index: Index) -> Bool {
    guard index >= firstIndex, let term = term(at: index),
      let hash = try? log.chainHash(at: index)
    else { return false }
    write(LogWrite(base: LogBase(index: index, term: term, chainHash: hash)))
    return true
  }

  private func write(_ write: LogWrite) {
    let done = DispatchSemaphore(value: 0)
    var write = write
    write.completion = { [self] result in
      if case .failure(let fault) = result { trouble.withLock { $0 = $0 ?? fault } }
      done.signal()
    }
    log.submit(write)
    done.wait()
  }

  /// What is wrong with it, by what it says and by what a reader of its files finds; nil if all
  /// is well.
  func problem() throws -> String? {
    if let fault = trouble.withLock({ $0 }) ?? log.failure { return fault.description }
    let (tip, entries) = (log.tip, allEntries)
    log.close()
    let again = try EventLog.open(directory: folder, mode: .readOnly, expecting: identity)
    defer { again.close() }
    if let damage = try again.verify().damage { return damage.description }
    if again.tip != tip { return "reopened, it ends at \(again.tip), not at \(tip)" }
    let found = again.entries(from: again.firstIndex, to: .max, maxBytes: .max) ?? []
    return found == entries ? nil : "reopened, it has other entries"
  }
}
