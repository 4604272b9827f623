package import Raft

/// When a state is worth storing, and when one that was stored is not needed any more.
///
/// The newest checkpoint bounds how long a start takes; older ones let a reader of history begin
/// nearby. Each costs as many bytes as the state has, so they are taken further apart as it grows,
/// and one that stands too close to the one kept before it goes when the second after it is there
/// (the newest events are asked for most): what stays costs no more than some 32 bytes an event.
package struct CheckpointPlan: Sendable {
  /// At most so many events are folded at a start, while the state is small.
  package static let spacing: Index = 5000

  private typealias Stored = (index: Index, bytes: Int)
  private var newest: Stored?
  private var previous: Stored?
  private var kept: Index = 0

  /// - Parameter newest: the newest one of the log; nil if there is none.
  package init(after newest: Checkpoint? = nil) {
    self.newest = newest.map { ($0.index, $0.bytes.count) }
  }

  /// Whether the state at that index should be stored.
  package func isDue(at index: Index) -> Bool {
    guard let newest else { return index >= Self.spacing }
    return index >= newest.index + max(Self.spacing, Index(newest.bytes / 400))
  }

  /// One is stored. Returns the index of one that should go with the same write.
  package mutating func store(_ checkpoint: Checkpoint) -> Index? {
    defer { (previous, newest) = (newest, (checkpoint.index, checkpoint.bytes.count)) }
    guard let previous else { return nil }
    if previous.index - kept < Index(previous.bytes / 32) { return previous.index }
    kept = previous.index
    return nil
  }
}
