// Where history is read from: the log of a node, beside its living agent or without one, or a file
// that somebody mailed. All tools stand on this one interface, so that each works on all of them.

package import EventLog
package import Membership
package import Raft
package import Schema

/// Entries in order, from one place. What it hands out is committed.
package protocol HistorySource: Sendable {
  /// What people know it by: a path.
  var name: String { get }
  var cluster: ClusterID { get }
  /// The node whose log it is or was.
  var node: NodeID { get }
  /// The first index that it holds; above 1 if it begins in the middle of history.
  var firstIndex: UInt64 { get }
  /// The last committed index that it holds; `firstIndex - 1` if it holds none.
  var lastIndex: UInt64 { get }
  /// What was taken out of it before it was mailed; nil if it is as it was written.
  var redaction: String? { get }

  /// Hands out the entries from `first` through `last` with their chain hashes, until `body`
  /// returns false: one chain, each proven by its hash on that of the one before. No read
  /// transaction is open while `body` runs.
  /// - Throws: `Fault` if reading fails, else what `body` throws.
  func forEach(
    from first: UInt64, through last: UInt64, _ body: (Entry, ChainHash) throws -> Bool
  ) throws

  /// The chain hash at an index, also at `firstIndex - 1`; nil if it is not known.
  func chainHash(at index: UInt64) throws -> ChainHash?

  /// The term of the entry before `firstIndex`; 0 if there is none.
  var baseTerm: UInt64 { get }

  /// The newest index at that one or before at which a state is stored; nil if there is none.
  func storedState(atOrBefore index: UInt64) throws -> UInt64?

  /// The last stored state at that index or before, without commands; nil if there is none.
  func checkpoint(atOrBefore index: UInt64) throws -> Cluster?

  /// Whether exactly that is stored at its index; false also if it takes reading to say so.
  func stores(_ state: PackedState) throws -> Bool

  /// The state that a start goes on from, with its commands; nil if there is none.
  func newest() throws -> Cluster?
}

/// The log of a node, up to an index that is known to be committed.
package struct LogSource: HistorySource {
  package let log: EventLog
  package let lastIndex: UInt64
  package let name: String
  package var redaction: String? { nil }

  /// - Parameters:
  ///   - applied: what the running agent has applied; nil if nobody can be asked. The disk may know
  ///     of a commit some milliseconds later than the agent.
  ///   - name: what to call it; its directory if nil.
  package init(_ log: EventLog, applied: UInt64? = nil, name: String? = nil) {
    self.log = log
    self.name = name ?? log.directory
    let tip = log.tip
    lastIndex = min(max(tip.hardState.commit, applied ?? 0), tip.lastIndex)
  }

  package var cluster: ClusterID { ClusterID(log.identity.cluster) }
  package var node: NodeID { NodeID(log.identity.node) }
  package var firstIndex: UInt64 { log.firstIndex }

  package func forEach(
    from first: UInt64, through last: UInt64, _ body: (Entry, ChainHash) throws -> Bool
  ) throws {
    guard first <= min(last, lastIndex) else { return }
    var next = first
    try log.forEach(from: first, through: min(last, lastIndex), batch: 512) { entry, hash in
      next = entry.index + 1
      return try body(entry, hash)
    }
    if next == first {
      throw Fault(
        .damaged, operation: "read", subject: name, text: "the entry at index \(first) is missing")
    }
  }

  package func chainHash(at index: UInt64) throws -> ChainHash? {
    index <= lastIndex ? try log.chainHash(at: index) : nil
  }

  package var baseTerm: UInt64 { log.tip.base.term }

  package func storedState(atOrBefore index: UInt64) throws -> UInt64? {
    let limit = min(index, lastIndex)
    return [keptIndex(atOrBefore: limit), newestIndex(atOrBefore: limit)].compactMap(\.self).max()
  }

  private func keptIndex(atOrBefore limit: UInt64) -> UInt64? {
    (try? log.checkpointIndex(atOrBefore: limit)) ?? nil
  }

  private func newestIndex(atOrBefore limit: UInt64) -> UInt64? {
    ((try? log.newestCheckpointIndex()) ?? nil).flatMap { $0 <= limit ? $0 : nil }
  }

  /// One that cannot be read, damaged or written by another version, is passed over: it only saves
  /// time.
  package func checkpoint(atOrBefore index: UInt64) throws -> Cluster? {
    var next = min(index, lastIndex)
    // Of two that are equally near, the one that needs no other.
    if let newest = newestIndex(atOrBefore: next), newest >= keptIndex(atOrBefore: next) ?? 0,
      let state = read(newest: false)
    {
      return state
    }
    while let stored = kept(atOrBefore: next) {
      if let state = read(stored), state.lastIndex == stored.index { return state }
      guard stored.index > 0 else { break }
      next = stored.index - 1
    }
    return nil
  }

  private func kept(atOrBefore index: UInt64) -> Checkpoint? {
    (try? log.lastCheckpoint(atOrBefore: index)) ?? nil
  }

  package func stores(_ state: PackedState) throws -> Bool {
    guard let stored = kept(atOrBefore: state.index), stored.index == state.index,
      let bases = bases(of: stored)
    else { return false }
    return (try? StoredState.tells(state, stored.bytes, bases: bases)) ?? false
  }

  package func newest() -> Cluster? { read(newest: true) }

  private func read(newest commands: Bool) -> Cluster? {
    guard let stored = (try? log.newestCheckpoint()) ?? nil, stored.index <= lastIndex,
      let state = try? StoredState.read(stored.bytes, commands: commands),
      state.lastIndex == stored.index
    else { return nil }
    return state
  }

  private func read(_ stored: Checkpoint) -> Cluster? {
    bases(of: stored).flatMap { try? StoredState.read(stored.bytes, bases: $0) }
  }

  /// What it takes to read a stored state; nil if that is not there.
  private func bases(of stored: Checkpoint) -> [[UInt8]]? {
    var (bases, below): ([[UInt8]], Checkpoint) = ([], stored)
    while let index = (try? StoredState.base(of: below.bytes)) ?? nil {
      guard index < below.index, let base = kept(atOrBefore: index), base.index == index
      else { return nil }
      bases.append(base.bytes)
      below = base
    }
    return bases
  }
}

extension HistorySource {
  package func stores(_ state: PackedState) throws -> Bool { false }

  /// The same without the hashes.
  package func forEach(
    from first: UInt64, through last: UInt64, _ body: (Entry) throws -> Bool
  ) throws {
    try forEach(from: first, through: last) { entry, _ in try body(entry) }
  }

  /// Hex of the chain hash at an index; empty if it is not known.
  func hash(at index: UInt64) throws -> String { try chainHash(at: index)?.description ?? "" }

  /// The indexes at which states are stored, in order.
  package func storedStates() throws -> [UInt64] {
    var indexes: [UInt64] = []
    var next = lastIndex
    while let stored = try storedState(atOrBefore: next) {
      indexes.append(stored)
      guard stored > 0 else { break }
      next = stored - 1
    }
    return indexes.reversed()
  }
}
