import Raft
import Synchronization

/// The log of one node of a recorded scenario, and the work that a host does on it.
///
/// The same files are played over one in memory and over the one on the disk: what the core does
/// may not depend on where its entries are kept.
protocol PeerLog: StableLog {
  /// The states that this node can send.
  var states: StateHistory { get }
  /// What is stored, in order.
  var allEntries: [Entry] { get }
  /// Makes a job durable, and returns once it is.
  func store(_ job: AppendJob)
  /// Drops everything up to `index`; false if that is gone already.
  func compact(to index: Index) -> Bool
}

extension PeerLog {
  func snapshot() -> Snapshot? { states.newest }
}

/// The state at the start, then one for every applied entry.
final class StateHistory: Sendable {
  private let states: Mutex<[Snapshot]>

  init(_ start: Snapshot?) {
    states = Mutex([start ?? Snapshot(index: 0, term: 0, configuration: Configuration())])
  }

  var newest: Snapshot? { states.withLock { $0.last } }

  /// An entry was applied: the state is everything applied so far, joined.
  func record(_ entry: Entry, _ configuration: Configuration?) {
    states.withLock { states in
      let last = states[states.count - 1]
      let data = last.data + (entry.change == nil ? entry.payload : [])
      states.append(
        Snapshot(
          index: entry.index, term: entry.term,
          configuration: configuration ?? last.configuration, data: data))
    }
  }
}
