import Raft
import Synchronization

/// What survives a crash of a node: the log, the hard state, and how far it has applied.
final class Store: StableLog {
  struct Content {
    var baseIndex: Index = 0
    var baseTerm: Term = 0
    var entries: [Entry] = []
    var hardState = HardState()
    var applied: Index = 0
    var configuration: Configuration
    /// How often entries were read, and not only their terms.
    var reads = 0
  }

  private let content: Mutex<Content>

  init(_ configuration: Configuration, entries: [Entry] = [], hardState: HardState = HardState()) {
    content = Mutex(
      Content(entries: entries, hardState: hardState, configuration: configuration))
  }

  var now: Content { content.withLock { $0 } }

  func change(_ body: (inout Content) -> Void) { content.withLock { body(&$0) } }

  var firstIndex: Index { content.withLock { $0.baseIndex + 1 } }
  var lastIndex: Index { content.withLock { $0.baseIndex + Index($0.entries.count) } }

  func term(at index: Index) -> Term? {
    content.withLock { content in
      if index == content.baseIndex { return content.baseTerm }
      guard index > content.baseIndex, index <= content.baseIndex + Index(content.entries.count)
      else { return nil }
      return content.entries[Int(index - content.baseIndex) - 1].term
    }
  }

  func entries(from index: Index, to end: Index, maxBytes: Int) -> [Entry]? {
    content.withLock { content in
      content.reads += 1
      guard index > content.baseIndex, index <= content.baseIndex + Index(content.entries.count)
      else { return nil }
      var result: [Entry] = []
      var bytes = 0
      for entry in content.entries[(Int(index - content.baseIndex) - 1)...] where entry.index < end
      {
        bytes += entry.payload.count
        if bytes > maxBytes, !result.isEmpty { break }
        result.append(entry)
      }
      return result
    }
  }

  func snapshot() -> Snapshot? {
    content.withLock { content in
      guard content.applied > 0 else { return nil }
      let term =
        content.applied == content.baseIndex
        ? content.baseTerm : content.entries[Int(content.applied - content.baseIndex) - 1].term
      return Snapshot(index: content.applied, term: term, configuration: content.configuration)
    }
  }

  /// Makes a job durable, all of it or nothing.
  func write(_ job: AppendJob) {
    content.withLock { content in
      if let state = job.hardState { content.hardState = state }
      if let snapshot = job.snapshot {
        content.baseIndex = snapshot.index
        content.baseTerm = snapshot.term
        content.entries = []
        content.applied = snapshot.index
        content.configuration = snapshot.configuration
      }
      guard let first = job.entries.first?.index else { return }
      let kept = Int(first - content.baseIndex) - 1
      precondition(kept >= 0 && kept <= content.entries.count, "gap before \(first)")
      content.entries.removeLast(content.entries.count - kept)
      content.entries += job.entries
    }
  }
}
