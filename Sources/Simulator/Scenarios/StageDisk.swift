// The disk of one player: what a crash leaves of it, and nothing else.

import Raft
import Synchronization

/// A log with a hard state and an applied state, changed by whole append jobs only: between two
/// jobs there is no moment at which a crash could find half of one. Unlike `SimulatedDisk` it can
/// be trimmed, as the core allows and the agent does not do yet.
final class StageDisk: StableLog {
  /// What is on it at one moment.
  struct Image: Equatable, Sendable {
    /// Where the log begins: the last index that the state stands for instead of an entry.
    var base: Index = 0
    var baseTerm: Term = 0
    /// From `base` + 1 on, without a gap.
    var entries: [Entry] = []
    var hardState = HardState()
    var applied: Index = 0
    /// As of `applied`.
    var configuration = Configuration()

    var lastIndex: Index { base + Index(entries.count) }

    func term(at index: Index) -> Term? {
      if index == base { return baseTerm }
      return index > base && index <= lastIndex ? entries[Int(index - base) - 1].term : nil
    }

    /// The whole job; false if its entries would leave a gap.
    mutating func write(_ job: AppendJob) -> Bool {
      if let state = job.hardState { hardState = state }
      if let snapshot = job.snapshot {
        (base, baseTerm, entries) = (snapshot.index, snapshot.term, [])
        (applied, configuration) = (snapshot.index, snapshot.configuration)
      }
      guard let first = job.entries.first?.index else { return true }
      guard first > base, first <= lastIndex + 1 else { return false }
      entries.removeSubrange(Int(first - base - 1)...)
      entries += job.entries
      return true
    }
  }

  private let image: Mutex<Image>
  private let unreadable = Mutex(false)

  init(_ image: Image) { self.image = Mutex(image) }

  /// What a crash would leave.
  var now: Image { image.withLock { $0 } }

  func change<Result>(_ body: (inout Image) -> Result) -> Result {
    image.withLock { image in body(&image) }
  }

  /// From now on its entries can not be read.
  func spoil() { unreadable.withLock { $0 = true } }

  /// Forgets everything up to `index`, which must be applied.
  func trim(to index: Index) {
    change { image in
      guard index > image.base, index <= image.applied, let term = image.term(at: index) else {
        return
      }
      image.entries.removeFirst(Int(index - image.base))
      (image.base, image.baseTerm) = (index, term)
    }
  }

  // MARK: StableLog

  var firstIndex: Index { now.base + 1 }
  var lastIndex: Index { now.lastIndex }
  func term(at index: Index) -> Term? { now.term(at: index) }

  func entries(from index: Index, to end: Index, maxBytes: Int) -> [Entry]? {
    guard !unreadable.withLock({ $0 }) else { return nil }
    let image = now
    guard index > image.base, index <= image.lastIndex else { return nil }
    var result: [Entry] = []
    var bytes = 0
    for entry in image.entries[Int(index - image.base - 1)...] where entry.index < end {
      bytes += entry.payload.count
      if bytes > maxBytes, !result.isEmpty { break }
      result.append(entry)
    }
    return result
  }

  func snapshot() -> Snapshot? {
    let image = now
    guard image.applied > 0, let term = image.term(at: image.applied) else { return nil }
    return Snapshot(index: image.applied, term: term, configuration: image.configuration)
  }
}
