// History read from a log, live or stopped: each event with what it meant, which takes the states
// before and after it. The fold goes forward only and is kept, so that a reader who follows a log
// folds every event once. No read transaction is open between two batches.

package import EventLog
import Membership
import Projections
import Raft
import Schema

/// Why history cannot be read on: what the log holds is not history as this program knows it.
package struct HistoryFault: Error, Sendable, CustomStringConvertible {
  package var index: UInt64
  package var text: String
  package var description: String { "cannot read the event at index \(index): \(text)" }
}

/// Reads events of one log, which stays open as long as the reader is used.
package struct EventReader {
  private let log: EventLog
  /// The state after `folded`; nil if the log begins with a state instead of with its first event.
  private var state: Cluster?
  private var folded: UInt64

  package init(log: EventLog) {
    self.log = log
    state = log.firstIndex == 1 ? Cluster() : nil
    folded = log.firstIndex - 1
  }

  /// The events that a filter admits, up to and including `index`, which must be committed.
  /// - Parameters:
  ///   - limit: the most lines: the newest ones, or the first ones if the filter begins later than
  ///     at index 1 and `reversed` is not asked for.
  ///   - reversed: the newest first.
  /// - Throws: `HistoryFault` where an event cannot be understood or contradicts those before it;
  ///   `Fault` if the log cannot be read.
  package mutating func lines(
    _ filter: EventFilter, through index: UInt64, limit: Int = .max, reversed: Bool = false
  ) throws -> [EventLine] {
    guard limit > 0 else { return [] }
    if filter.from <= folded { self = EventReader(log: log) }
    let wantsNewest = reversed || filter.from <= 1
    var found: [EventLine] = []
    let last = min(index, filter.to)
    guard folded < last else { return [] }
    var (log, state, folded) = (log, state, folded)
    try log.forEach(from: folded + 1, through: last) { entry in
      let line = try Self.line(entry, &state, filter, log)
      folded = entry.index
      guard let line else { return true }
      found.append(line)
      if found.count > limit, wantsNewest, found.count >= 2 * min(limit, 1 << 20) {
        found.removeFirst(found.count - limit)
      }
      return wantsNewest || found.count < limit
    }
    self.state = state
    self.folded = folded
    if found.count > limit { found.removeFirst(found.count - limit) }
    return reversed ? found.reversed() : found
  }

  private static func line(
    _ entry: Entry, _ state: inout Cluster?, _ filter: EventFilter, _ log: EventLog
  ) throws -> EventLine? {
    let recorded: RecordedEvent
    do throws(Malformed) {
      recorded = try RecordedEvent(decoding: entry)
    } catch {
      throw HistoryFault(index: entry.index, text: "\(error)")
    }
    let before = state ?? Cluster()
    if let problem = state?.evolve(recorded) {
      throw HistoryFault(index: entry.index, text: problem.description)
    }
    guard filter.admits(recorded, before: before, after: state ?? before) else { return nil }
    let hash = try log.chainHash(at: entry.index)
    return EventLine(
      recorded, hash: hash?.description ?? "",
      effect: state.map { EventSummary(recorded, before: before, after: $0).effect },
      actorName: NodeID(recorded.envelope.actor).map { (state ?? before).name(of: $0) })
  }
}
