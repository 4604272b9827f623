// Lines of history for people and programs: each event with what it meant, which takes the states
// before and after it. A reader who follows a log folds every event once.

import EventLog
import Membership
import Raft

/// Reads the events of one history that a filter admits.
package struct EventReader {
  /// The states before and after the last event that was read; nil where none is known.
  private var states: (before: Cluster, after: Cluster)?
  /// The last index that was read.
  private var folded: UInt64 = 0

  package init() {}

  /// Hands out the lines that a filter admits, up to and including `index`, in order.
  ///
  /// - Parameters:
  ///   - limit: how many at most: the newest or, unless `newest`, the first. Without one nothing is
  ///     kept in memory.
  ///   - reversed: the newest first.
  /// - Throws: `HistoryFault` where an event cannot be understood or contradicts those before it;
  ///   `Fault` if the log cannot be read; what `body` throws.
  package mutating func lines(
    _ filter: EventFilter, of history: History, through index: UInt64? = nil,
    limit: Int = .max, newest: Bool = true, reversed: Bool = false,
    _ body: (EventLine) throws -> Void
  ) throws {
    let last = min(index ?? history.head, filter.to)
    let from = max(filter.from, history.first)
    guard limit > 0, from <= last else { return }
    if !reversed, limit == .max || !newest {
      var count = 0
      return try read(filter, history, from: from, through: last) { line in
        try body(line)
        count += 1
        return count < limit
      }
    }
    try backwards(filter, history, from...last, limit, reversed, body)
  }

  /// Reads backwards in pieces, so that the newest few are found without folding all of a long log.
  private mutating func backwards(
    _ filter: EventFilter, _ history: History, _ range: ClosedRange<UInt64>, _ limit: Int,
    _ reversed: Bool, _ body: (EventLine) throws -> Void
  ) throws {
    var pieces: [[EventLine]] = []
    var count = 0
    var end = range.upperBound
    var size = UInt64(filter.isOpen ? max(1, min(limit, 4096)) : 4096)
    while true {
      let start = end - range.lowerBound < size ? range.lowerBound : end - size + 1
      var piece: [EventLine] = []
      let room = limit - count
      try read(filter, history, from: start, through: end) { line in
        piece.append(line)
        if piece.count >= 2 * min(room, 1 << 20) { piece.removeFirst(piece.count - room) }
        return true
      }
      if piece.count > room { piece.removeFirst(piece.count - room) }
      count += piece.count
      if reversed { for line in piece.reversed() { try body(line) } } else { pieces.append(piece) }
      guard count < limit, start > range.lowerBound else { break }
      end = start - 1
      // Where no state is stored, or none can be read, each piece folds all that is before it.
      size = max(4096, min(size * 2, 1 << 17))
    }
    for piece in pieces.reversed() { for line in piece { try body(line) } }
  }

  private mutating func read(
    _ filter: EventFilter, _ history: History, from: UInt64, through last: UInt64,
    _ body: (EventLine) throws -> Bool
  ) throws {
    var states = self.states
    self.states = nil
    if folded != from - 1 || states == nil {
      states = nil
      if try history.knowsState(at: from - 1) {
        let state = try history.state(at: from - 1)
        states = (state, state)
      }
    }
    let nothing = Cluster(commands: false)
    var done = from - 1
    defer {
      self.states = states
      folded = done
    }
    try history.forEachEvent(from: from, through: last) { recorded, hash in
      guard states != nil else {
        done = recorded.index
        guard filter.admits(recorded, before: nothing, after: nothing) else { return true }
        return try body(EventLine(recorded, hash: hash.description))
      }
      var goesOn = true
      try History.apply(recorded, to: &states!.after)
      if filter.admits(recorded, before: states!.before, after: states!.after) {
        goesOn = try body(
          EventLine(
            recorded, hash: hash.description, before: states!.before,
            after: states!.after))
      }
      try History.apply(recorded, to: &states!.before)
      done = recorded.index
      return goesOn
    }
  }
}
