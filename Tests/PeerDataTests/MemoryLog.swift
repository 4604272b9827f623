import Raft
import Synchronization

/// A log in memory, where whatever is stored counts as durable.
final class MemoryLog: PeerLog {
  private struct State {
    /// What stands before the first entry.
    var baseIndex: Index = 0
    var baseTerm: Term = 0
    var entries: [Entry] = []
  }

  private let state: Mutex<State>
  let states: StateHistory

  init(_ start: Snapshot?) {
    states = StateHistory(start)
    state = Mutex(State(baseIndex: start?.index ?? 0, baseTerm: start?.term ?? 0))
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

  var allEntries: [Entry] { state.withLock { $0.entries } }

  func store(_ job: AppendJob) {
    if let snapshot = job.snapshot { install(snapshot) } else { append(job.entries) }
  }

  private func append(_ entries: [Entry]) {
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

  private func install(_ snapshot: Snapshot) {
    state.withLock { state in
      state.baseIndex = snapshot.index
      state.baseTerm = snapshot.term
      state.entries = []
    }
  }

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
}
