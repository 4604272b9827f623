// All of history once more from its first event: the chain of hashes computed anew (no source hands
// out an event that its hash does not prove), every event decoded and folded, and what comes out
// compared with what others have: the states that the log stores by the way, and the views of the
// living node at the same index. There is no second, faster fold that could come to something else.

import EventLog
package import Membership
import Raft
import Schema

/// A history folded from its beginning.
package struct Rebuild: Sendable {
  package var first: UInt64
  package var last: UInt64
  package var state: Cluster
  package var digests: ProjectionDigests
  /// The chain hash at `last`.
  package var hash: String
  /// How many stored states were met, and all agreed with.
  package var storedStates: Int
  /// How many could not be read: damaged, or of another version. They only save time.
  package var unreadableStates: Int
  /// What is wrong, the first thing only; nil if all agrees.
  package var difference: String?

  package var events: UInt64 { last >= first ? last - first + 1 : 0 }

  /// Folds the events through an index (HEAD if nil).
  /// - Parameter look: is shown each event before it is applied.
  /// - Throws: `HistoryFault` at the first event that cannot be understood or does not fit.
  package init(
    _ history: History, through index: UInt64? = nil, _ look: (RecordedEvent) -> Void = { _ in }
  ) throws {
    let source = history.source
    let last = min(index ?? history.head, history.head)
    var state = history.first == 1 ? Cluster() : try history.state(at: history.first - 1)
    let newest = try source.newest()
    var stored = try source.storedStates().drop { $0 < history.first }
    var (met, unreadable, agreed) = (0, 0, history.first - 1)
    var difference: String?
    try history.forEachEvent(from: history.first, through: last) { recorded in
      look(recorded)
      try History.apply(recorded, to: &state)
      if recorded.index == stored.first {
        stored.removeFirst()
        // One that cannot be read is passed over by all who look.
        guard let agrees = try Self.agrees(state, source) else {
          unreadable += 1
          return true
        }
        let isNewest = newest?.lastIndex == recorded.index && state.remembersCommands
        if !agrees || isNewest && newest != state {
          difference =
            "the state stored at index \(recorded.index) is not what its events make; "
            + "they agreed at index \(agreed)"
        }
        met += 1
        agreed = recorded.index
      }
      return difference == nil
    }
    guard let hash = try source.chainHash(at: last) else {
      throw Unanswerable("the hash at index \(last) is not held", exitCode: 65)
    }
    self.hash = hash.description
    self.first = history.first
    self.last = last
    self.difference = difference
    storedStates = met
    unreadableStates = unreadable
    digests = ProjectionDigests(state)
    self.state = state
  }

  /// Whether the state is the one that is stored at its index; nil if that cannot be read.
  private static func agrees(_ state: Cluster, _ source: any HistorySource) throws -> Bool? {
    if try source.stores(state.packed()) { return true }
    guard let stored = try source.checkpoint(atOrBefore: state.lastIndex),
      stored.lastIndex == state.lastIndex
    else { return nil }
    return stored == state.withoutCommands
  }

  /// Of stored states that could not be read; nil if all could.
  package var unreadable: String? {
    unreadableStates == 0
      ? nil
      : counted(unreadableStates, "stored state", "stored states")
        + " cannot be read, damaged or of another version: only time is lost by that"
  }

  /// Compares with the views of a living node at the same index.
  package mutating func compare(with live: ProjectionDigests) {
    guard difference == nil, live.index == digests.index else { return }
    let names = digests.differences(from: live)
    guard !names.isEmpty else { return }
    difference =
      "the agent's views at index \(live.index) are not what its events make: "
      + names.joined(separator: ", ")
  }

  package var document: Document {
    .answer([
      ("first", .number(first)), ("last", .number(last)), ("events", .number(events)),
      ("hash", .text(hash)), ("storedStates", .number(storedStates)),
      ("unreadableStates", .number(unreadableStates)),
      ("digests", .object(digests.entries.map { ($0.name, .text($0.digest)) })),
      ("identical", .truth(difference == nil)), ("difference", .text(difference)),
    ])
  }
}
