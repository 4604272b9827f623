// Reads a node's log for its hooks, by index: whatever waits is in the log and nowhere else.

import EventLog
import History
import Membership

/// The states around the last event that was read are kept, so that going on costs no fold.
struct HookReader {
  private var states: (before: Cluster, after: Cluster)?

  /// Reads on after `handled` to the first event that means something to hooks.
  /// - Returns: that event's index and occasions; `through` and none if there is no such event.
  /// - Throws: `HistoryFault`, `Fault`.
  mutating func next(
    after handled: UInt64, through: UInt64, of log: EventLog, _ place: HookPlace
  ) throws -> (index: UInt64, occasions: [HookOccasion]) {
    guard handled < through else { return (handled, []) }
    let history = History(LogSource(log, applied: through))
    if states?.before.lastIndex != handled {
      let state = try history.state(at: handled)
      states = (state, state)
    }
    var found: (index: UInt64, occasions: [HookOccasion])?
    try history.forEachEvent(from: handled + 1, through: through) { recorded in
      guard var (before, after) = states else { return false }
      states = nil
      try Self.apply(recorded, to: &after)
      let occasions = try place.occasions(recorded, before: before, after: after) {
        try history.source.chainHash(at: recorded.index)?.description ?? ""
      }
      if !occasions.isEmpty { found = (recorded.index, occasions) }
      try Self.apply(recorded, to: &before)
      states = (before, after)
      return found == nil
    }
    return found ?? (through, [])
  }

  private static func apply(
    _ recorded: RecordedEvent, to state: inout Cluster
  ) throws(HistoryFault) {
    if let problem = state.evolve(recorded) {
      throw HistoryFault(index: problem.index, text: problem.description)
    }
  }
}

extension HookLedger {
  /// Keeps the occasions of a log that is given up.
  /// - Throws: `HistoryFault`, `Fault`.
  mutating func keep(
    _ log: EventLog, after handled: UInt64, through: UInt64, _ place: HookPlace
  ) throws {
    var reader = HookReader()
    var last = handled
    while last < through {
      let (index, occasions) = try reader.next(after: last, through: through, of: log, place)
      for occasion in occasions { add(occasion) }
      last = index
    }
    self.handled = last
  }

  /// Keeps the difference of the lists that a worker's hooks know and that it was told.
  mutating func keep(_ known: EndpointsAnswer, _ told: EndpointsAnswer, _ place: HookPlace) {
    if let occasion = place.endpointsChanged(known, told) { add(occasion) }
    list = told
  }
}
