// The log as a value that can be asked about any moment of it. The state at an index is the nearest
// stored state before it and the events from there on, by the one `evolve` that live nodes use; a
// fold of its own would one day say something else. Memory is flat in the length of the log: events
// are handed out as they are read and nothing is kept but two states.

import Dispatch
import EventLog
package import Membership
package import Raft
import Schema
import Synchronization

/// Why history cannot be read on: what the log holds is not history as this program knows it.
package struct HistoryFault: Error, Sendable, CustomStringConvertible {
  package var index: UInt64
  package var text: String
  /// It was read, and contradicts the ones before it.
  package var isContradiction: Bool
  package init(index: UInt64, text: String, isContradiction: Bool = false) {
    self.index = index
    self.text = text
    self.isContradiction = isContradiction
  }
  package var description: String {
    isContradiction
      ? "the event at index \(index) does not fit the ones before it: \(text). Its hash is right: "
        + "another version wrote it, or a program was wrong; see muster version where it came from"
      : "cannot read the event at index \(index): \(text)"
  }
}

/// A question that has no answer here, and why; `exitCode` as in the table of exit codes.
package struct Unanswerable: Error, Sendable, CustomStringConvertible {
  package var description: String
  package var exitCode: Int32
  package init(_ description: String, exitCode: Int32 = 2) {
    self.description = description
    self.exitCode = exitCode
  }
}

/// One history, from its first event to a last one that does not move while questions are asked.
package struct History: Sendable {
  package let source: any HistorySource
  /// The last index.
  package let head: UInt64

  package init(_ source: any HistorySource) {
    self.source = source
    head = source.lastIndex
  }

  package var first: UInt64 { source.firstIndex }

  // MARK: Events

  /// What an entry says.
  /// - Throws: `HistoryFault` with the version that is needed if a newer one wrote it.
  package static func event(_ entry: Entry) throws(HistoryFault) -> RecordedEvent {
    do throws(Malformed) {
      return try RecordedEvent(decoding: entry)
    } catch {
      throw HistoryFault(index: entry.index, text: explanation(of: error))
    }
  }

  private static func explanation(of malformed: Malformed) -> String {
    guard case .unknownEvent(let number) = malformed else { return "\(malformed)" }
    let name = EventType(rawValue: number).map { " (\($0.name))" } ?? ""
    return "it is of kind \(number)\(name), which event schema 1 of this program does not hold; "
      + "read it with a version of muster whose `muster version` shows a higher event schema"
  }

  /// Hands out events from `from` through `through`, until `body` returns false.
  package func forEachEvent(
    from: UInt64, through: UInt64, _ body: (RecordedEvent) throws -> Bool
  ) throws {
    try forEachEvent(from: from, through: through) { recorded, _ in try body(recorded) }
  }

  /// The same with their chain hashes.
  func forEachEvent(
    from: UInt64, through: UInt64, _ body: (RecordedEvent, ChainHash) throws -> Bool
  ) throws {
    let last = min(through, head)
    if last >= from, last - from >= 4096 {
      return try ReadAhead.forEach(of: self, from: from, through: last, body)
    }
    try source.forEach(from: from, through: last) { entry, hash in
      try body(Self.event(entry), hash)
    }
  }

  package func event(at index: UInt64) throws -> RecordedEvent {
    var found: RecordedEvent?
    try forEachEvent(from: index, through: index) {
      found = $0
      return false
    }
    guard let found else { throw missing(index) }
    return found
  }

  /// The newest event at `index` or before that fits.
  /// - Parameter types: only these are decoded; all if empty.
  package func last(
    atOrBefore index: UInt64, types: Set<EventType> = [],
    where fits: (RecordedEvent) throws -> Bool = { _ in true }
  ) throws -> RecordedEvent? {
    var found: RecordedEvent?
    try backwards(from: index, types: types) { events in
      found = try events.last(where: fits)
      return found == nil
    }
    return found
  }

  /// Hands out the events at `index` or before in blocks, the newest block first and growing, each
  /// in order, until `body` returns false.
  /// - Parameters:
  ///   - oldest: none before it are handed out.
  ///   - types: only these are decoded and handed out; all if empty.
  func backwards(
    from index: UInt64, downTo oldest: UInt64 = 1, types: Set<EventType>,
    _ body: ([RecordedEvent]) throws -> Bool
  ) throws {
    let oldest = max(first, oldest)
    var end = min(index, head)
    var size: UInt64 = 64
    while end >= oldest, end > 0 {
      let start = max(oldest, end >= size ? end - size + 1 : 1)
      guard try body(block(start...end, types)) else { return }
      end = start - 1
      size = min(size * 2, 16_384)
    }
  }

  /// Reads a block; the parts of a large one beside one another.
  private func block(
    _ range: ClosedRange<UInt64>, _ types: Set<EventType>
  ) throws -> [RecordedEvent] {
    let parts = range.count < 8192 ? 1 : 4
    let length = UInt64((range.count + parts - 1) / parts)
    let found = Mutex([Result<[RecordedEvent], any Error>?](repeating: nil, count: parts))
    DispatchQueue.concurrentPerform(iterations: parts) { part in
      let start = range.lowerBound + UInt64(part) * length
      let result = Result {
        try events(from: start, through: min(start + length - 1, range.upperBound), types)
      }
      found.withLock { $0[part] = result }
    }
    return try found.withLock { $0 }.flatMap { try $0?.get() ?? [] }
  }

  private func events(
    from start: UInt64, through end: UInt64, _ types: Set<EventType>
  ) throws -> [RecordedEvent] {
    var events: [RecordedEvent] = []
    guard start <= end else { return events }
    try source.forEach(from: start, through: end) { entry in
      if !types.isEmpty, let type = Envelope.type(encoded: entry.payload), !types.contains(type) {
        return true
      }
      let recorded = try Self.event(entry)
      if types.isEmpty || types.contains(recorded.envelope.event.type) { events.append(recorded) }
      return true
    }
    return events
  }

  // MARK: States

  /// Whether the state at an index can be known: what lies before `first` may be missing.
  package func knowsState(at index: UInt64) throws -> Bool {
    try first == 1
      || source.checkpoint(atOrBefore: index).map { $0.lastIndex + 1 >= first }
        ?? false
  }

  /// Why no state is known.
  package var beginsLate: String {
    "\(source.name) begins at index \(first) and holds no state before it; ask for an export "
      + "without --range"
  }

  /// The state after the event at that index; 0 is the state before the first. It does not remember
  /// which commands were carried out: no view shows them, and they would be most of it.
  /// - Throws: `Unanswerable` if the source begins later or ends before.
  package func state(at index: UInt64) throws -> Cluster {
    guard index <= head else { throw missing(index) }
    var state = Cluster(commands: false)
    if index > 0, let stored = try source.checkpoint(atOrBefore: index), stored.lastIndex <= index {
      state = stored
    }
    guard state.lastIndex + 1 >= first else {
      throw Unanswerable(
        "the state at index \(index) is not known: \(beginsLate)", exitCode: 65)
    }
    guard state.lastIndex < index else { return state }
    try fold(&state, through: index)
    return state
  }

  /// Applies the events after `state` through `index`.
  package func fold(_ state: inout Cluster, through index: UInt64) throws {
    var folded = state
    state = Cluster()
    try forEachEvent(from: folded.lastIndex + 1, through: index) { recorded in
      try Self.apply(recorded, to: &folded)
      return true
    }
    state = folded
  }

  static func apply(_ recorded: RecordedEvent, to state: inout Cluster) throws(HistoryFault) {
    if let problem = state.evolve(recorded) {
      throw HistoryFault(
        index: problem.index, text: problem.description, isContradiction: true)
    }
  }

  /// Hands out each event with the states before and after it, until `body` returns false.
  ///
  /// The two states are folded side by side: to copy one at every event would cost more than to
  /// apply every event twice.
  package func walk(
    from: UInt64, through: UInt64,
    _ body: (_ event: RecordedEvent, _ before: Cluster, _ after: Cluster) throws -> Bool
  ) throws {
    guard from <= min(through, head) else { return }
    var before = try state(at: from - 1)
    var after = before
    try forEachEvent(from: from, through: through) { recorded in
      try Self.apply(recorded, to: &after)
      guard try body(recorded, before, after) else { return false }
      try Self.apply(recorded, to: &before)
      return true
    }
  }

  private func missing(_ index: UInt64) -> Unanswerable {
    if index > head { return Unanswerable("index \(index) is after HEAD, which is \(head)") }
    return Unanswerable(
      "index \(index) is before history, which begins here at index \(first)", exitCode: 65)
  }
}
