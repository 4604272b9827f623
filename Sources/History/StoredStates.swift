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
/// Others are kept for good, without commands: most as the difference from one kept before, that is
/// whole or a difference itself. Such a base gives way to a new one once the differences from it
/// have together taken what it took: so the bytes of each kind stay in balance, however large the
/// state is and whatever changes in it.
package struct StoredStates: Sendable {
  /// At least so many events lie between two; so many are folded at a start while the state is
  /// small.
  package static let spacing: UInt64 = 2000
  /// Bytes an event that states kept for good may take, all together.
  private static let share: UInt64 = 10
  /// Bytes an event that are packed, and that are written for the newest state.
  private static let (packed, written): (UInt64, UInt64) = (1000, 400)
  /// A state is read from so many others at most.
  private static let depth = 2

  private var newest: (index: UInt64, bytes: Int)?
  /// The last one that was packed.
  private var last: (index: UInt64, bytes: Int)?
  /// Bytes of all that are kept for good.
  private var spent: UInt64
  /// The whole one first, each other told by its difference from the one before it.
  private var bases: [Base] = []

  private struct Base {
    let state: BaseState
    /// The bytes that it takes.
    let bytes: Int
    /// Those of the differences from it.
    var told = 0
  }

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
    last = self.newest ?? (kept > 0 ? (kept, 0) : nil)
    spent = min(kept, .max / Self.share) * Self.share
  }

  /// Whether the state at that index should be stored.
  package func isDue(at index: UInt64) -> Bool {
    guard let last else { return index >= Self.spacing }
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
    if let bytes = kept(state) {
      writes.kept = Checkpoint(index: state.index, bytes: bytes)
      spent += UInt64(bytes.count)
    }
    return writes
  }

  /// What is kept of a state; nil if not enough events came for it.
  private mutating func kept(_ state: PackedState) -> [UInt8]? {
    let room = state.index * Self.share - min(spent, state.index * Self.share)
    // Where there is no room for a new base yet, the old one serves on.
    for bases in [Array(bases.prefix { $0.told < $0.bytes }), bases] {
      let bytes =
        bases.last.map { StoredState.difference(of: state, from: $0.state) }
        ?? StoredState.whole(state)
      guard bytes.count <= room else { continue }
      self.bases = bases
      if !bases.isEmpty { self.bases[bases.count - 1].told += bytes.count }
      if bases.count < Self.depth {
        self.bases.append(Base(state: BaseState(state), bytes: bytes.count))
      }
      return bytes
    }
    return nil
  }
}
