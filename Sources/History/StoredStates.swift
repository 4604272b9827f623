// Which states a log stores, and how: any moment of history is to be found from one nearby, a start
// is not to fold a long log, and neither may cost much. A value: the agent asks it, and so does
// whoever makes a log from a file.

package import EventLog
package import Membership
import Raft
import Schema

/// What of the states of one log is stored, and what should be next.
///
/// The newest state, with its commands, is what a start goes on from; the next one takes its place.
/// Others are kept for good, without commands: whole, or while that is much less, as the difference
/// from the last whole one. One is kept only where enough events lie between it and the one before,
/// so that all together take no more than some bytes an event.
package struct StoredStates: Sendable {
  /// At least so many events lie between two; so many are folded at a start while the state is
  /// small.
  package static let spacing: UInt64 = 2000
  /// Bytes an event that states kept for good may take.
  private static let share: UInt64 = 10
  /// Bytes an event that are packed, and that are written for the newest state.
  private static let (packed, written): (UInt64, UInt64) = (1000, 400)

  private var newest: (index: UInt64, bytes: Int)?
  /// The last one that was packed.
  private var last: (index: UInt64, bytes: Int)?
  /// Index of the last one kept for good.
  private var kept: UInt64 = 0
  /// The last one kept whole.
  private var whole: WholeState?

  /// What a log is to be given.
  package struct Writes: Sendable {
    package var kept: Checkpoint?
    /// Nil if the state does not remember its commands, or the last one is near enough.
    package var newest: Checkpoint?
  }

  /// - Parameters:
  ///   - newest: of the log that is opened; nil if it has none.
  ///   - kept: index of the last one kept there; 0 if there is none.
  package init(after newest: Checkpoint? = nil, kept: UInt64 = 0) {
    self.newest = newest.map { ($0.index, $0.bytes.count) }
    last = self.newest
    self.kept = kept
  }

  /// Whether the state at that index should be stored.
  package func isDue(at index: UInt64) -> Bool {
    guard let last else { return index >= kept + Self.spacing }
    return index >= last.index + max(Self.spacing, UInt64(last.bytes) / Self.packed)
  }

  /// Packs a state that is due.
  package mutating func store(_ cluster: Cluster) -> Writes {
    let state = cluster.packed()
    var writes = Writes()
    last = (state.index, state.size)
    let isNext = newest.map {
      state.index >= $0.index + max(Self.spacing, UInt64($0.bytes) / Self.written)
    }
    if cluster.remembersCommands, isNext ?? true {
      let bytes = StoredState.newest(state, commands: cluster.packedCommands())
      writes.newest = Checkpoint(index: state.index, bytes: bytes)
      newest = (state.index, bytes.count)
    }
    if let bytes = toKeep(state) {
      writes.kept = Checkpoint(index: state.index, bytes: bytes)
      kept = state.index
    }
    return writes
  }

  private mutating func toKeep(_ state: PackedState) -> [UInt8]? {
    let room = (state.index - kept) * Self.share
    if let whole {
      let difference = StoredState.difference(of: state, from: whole)
      if difference.count < state.size / 8 { return difference.count <= room ? difference : nil }
    }
    guard state.size <= room else { return nil }
    whole = WholeState(state)
    return StoredState.whole(state)
  }
}
