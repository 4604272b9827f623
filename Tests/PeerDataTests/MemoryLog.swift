import Raft
import Synchronization

/// A durable log in memory, with a history of states to send: what peers' recorded data run on.
final class MemoryLog: StableLog {
  private struct State {
    /// What stands before the first entry.
    var baseIndex: Index = 0
    var baseTerm: Term = 0
    var entries: [Entry] = []
    /// The state at the start, then one for every applied entry.
    var history: [Snapshot]
  }

  private let state: Mutex<State>

  init(_ initial: Snapshot?) {
    let start = initial ?? Snapshot(index: 0, term: 0, configuration: Configuration())
    state = Mutex(State(baseIndex: start.index, baseTerm: start.term, history: [start]))
  }

  var firstIndex: Index { state.withLock { $0.baseIndex + 1 } }
  var lastIndex: Index { state.withLock { $0.baseIndex + Index($0.entries.count) } }

  func term(at index: Index) -> Term? {
    state.withLock { state in
      if index == state.baseIndex { return state.baseTerm }
      guard index > state.baseIndex, index <= state.baseIndex + Index(state.entries.count) else {
        return nil
      }
      return state.entries[Int(index - state.baseIndex - 1)].term
    }
  }

  func entries(from index: Index, to end: Index, maxBytes: Int) -> [Entry]? {
    state.withLock { state in
      let last = state.baseIndex + Index(state.entries.count)
      guard index > state.baseIndex, index <= last else { return nil }
      var result: [Entry] = []
      var bytes = 0
      for entry in state.entries[Int(index - state.baseIndex - 1)...] where entry.index < end {
        bytes += entry.payload.count
        if bytes > maxBytes, !result.isEmpty { break }
        result.append(entry)
      }
      return result
    }
  }

  func snapshot() -> Snapshot? { state.withLock { $0.history.last } }

  var allEntries: [Entry] { state.withLock { $0.entries } }

  func append(_ entries: [Entry]) {
    state.withLock { state in
      // What is compacted already stays so.
      let base = state.baseIndex
      let new = entries.drop { $0.index <= base }
      guard let first = new.first?.index else { return }
      let kept = Int(first - base - 1)
      precondition(kept <= state.entries.count, "gap before \(first)")
      state.entries.removeLast(state.entries.count - kept)
      state.entries.append(contentsOf: new)
    }
  }

  func install(_ snapshot: Snapshot) {
    state.withLock { state in
      state.baseIndex = snapshot.index
      state.baseTerm = snapshot.term
      state.entries = []
    }
  }

  /// Drops everything up to `index`; false if that is gone already.
  func compact(to index: Index) -> Bool {
    state.withLock { state in
      guard index > state.baseIndex, index <= state.baseIndex + Index(state.entries.count) else {
        return false
      }
      let count = Int(index - state.baseIndex)
      state.baseTerm = state.entries[count - 1].term
      state.entries.removeFirst(count)
      state.baseIndex = index
      return true
    }
  }

  /// An entry was applied: the state is everything applied so far, joined.
  func record(_ entry: Entry, _ configuration: Configuration?) {
    state.withLock { state in
      let last = state.history[state.history.count - 1]
      let data = last.data + (entry.change == nil ? entry.payload : [])
      state.history.append(
        Snapshot(
          index: entry.index, term: entry.term,
          configuration: configuration ?? last.configuration, data: data))
    }
  }
}
