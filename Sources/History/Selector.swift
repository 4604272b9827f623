// How people name a moment of history, in the words that git taught them.

package import Membership

/// A place in history as it was typed.
package enum Selector: Hashable, Sendable {
  case index(UInt64)
  /// So many events before the last one.
  case head(back: UInt64)
  case time(Timestamp)
  /// So many seconds ago.
  case ago(seconds: Int64)
  /// The newest such time of a day, in milliseconds after midnight, that is not in the future.
  case clock(milliseconds: Int64)
  /// `id:` and the beginning of a command id.
  case command(String)
  /// `last:` and a type, or the first part of one.
  case newest(String)

  /// What to type.
  package static let forms =
    "an index (1042), HEAD, HEAD~5, a time (2026-10-24T03:12Z, or with an offset like +02:00), "
    + "a time of today or yesterday (03:12Z), how long ago (-15m), id:COMMAND or last:TYPE"

  /// Parses what was typed.
  /// - Parameter zone: how many minutes the clock that people read here is ahead of UTC. Where it
  ///   is not, a time of day without a zone is certain.
  /// - Throws: `Unanswerable` naming the accepted forms.
  package init(_ text: String, zone: Int = 0) throws(Unanswerable) {
    let upper = text.uppercased()
    if upper == "HEAD" || upper == "@" {
      self = .head(back: 0)
    } else if upper.hasPrefix("HEAD~"), let back = Self.number(text.dropFirst(5)) {
      self = .head(back: back)
    } else if let index = Self.number(text) {
      guard index > 0 else { throw Unanswerable("history begins at index 1") }
      self = .index(index)
    } else if text.hasPrefix("id:"), text.utf8.count > 5 {
      self = .command(text.dropFirst(3).lowercased())
    } else if text.hasPrefix("last:") {
      self = .newest(String(text.dropFirst(5)))
    } else if let time = Timestamp(rfc3339: text) {
      self = .time(time)
    } else if Timestamp.lacksZone(text) {
      throw Unanswerable(
        "\"\(text)\" is ambiguous: it does not say in which time zone. Write \(Self.zoned(text))Z "
          + "for UTC, or an offset like +02:00 instead of the Z")
    } else if let seconds = Self.ago(text) {
      self = .ago(seconds: seconds)
    } else if let time = Self.clock(text) {
      self = .clock(milliseconds: time)
    } else if Self.clock(text + "Z") != nil {
      guard zone == 0 else {
        throw Unanswerable(
          "\"\(text)\" is ambiguous: the clock here is not at UTC, which history is told in. Write "
            + "\(text)Z for UTC or \(text)\(Self.offset(zone)) for the clock here")
      }
      try self.init(text + "Z")
    } else {
      throw Self.unknown(text)
    }
  }

  /// As many as fit: whatever is beyond them is beyond every history too.
  private static func number(_ text: some StringProtocol) -> UInt64? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return UInt64(text) ?? .max
  }

  /// `03:12Z`, `3:12:05+02:00`: milliseconds after midnight in UTC.
  private static func clock(_ text: String) -> Int64? {
    let digits = text.dropFirst().first == ":" ? "0" + text : text
    return Timestamp(rfc3339: "1970-01-02T" + digits).map { $0.milliseconds % Timestamp.day }
  }

  /// `+02:00`.
  private static func offset(_ minutes: Int) -> String {
    func padded(_ number: Int) -> String { (number < 10 ? "0" : "") + "\(number)" }
    return (minutes < 0 ? "-" : "+") + padded(abs(minutes) / 60) + ":" + padded(abs(minutes) % 60)
  }

  private static func zoned(_ text: String) -> String {
    text.count <= 10 ? text + "T00:00" : text
  }

  private static func unknown(_ text: String) -> Unanswerable {
    Unanswerable("\(quoted(text)) names no moment; it can be \(forms)")
  }

  /// `-15m`, `15m`, `now-15m`, `1h30m`; what is too long ago to count is as long as counts.
  private static func ago(_ text: String) -> Int64? {
    var rest = text[...]
    if rest.hasPrefix("now") { rest = rest.dropFirst(3) }
    if rest.hasPrefix("-") { rest = rest.dropFirst() }
    let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
    var (sum, number, hasUnit) = (Int64(0), Int64?.none, false)
    for character in rest {
      if let digit = character.wholeNumberValue, character.isASCII {
        number = min((number ?? 0) * 10 + Int64(digit), Int64.max / 1_000_000)
      } else {
        guard let unit = units[character], let count = number else { return nil }
        let (total, isTooLong) = sum.addingReportingOverflow(count * unit)
        (sum, number, hasUnit) = (isTooLong ? .max : total, nil, true)
      }
    }
    return hasUnit && number == nil ? sum : nil
  }

  /// The time that is meant; nil for what is no time.
  package func moment(now: Timestamp) -> Timestamp? {
    switch self {
    case .index, .head, .command, .newest: return nil
    case .time(let time): return time
    case .ago(let seconds): return now.adding(seconds: -seconds)
    case .clock(let milliseconds):
      let midnight = now.milliseconds - now.milliseconds % Timestamp.day
      let today = Timestamp(milliseconds: midnight + milliseconds)
      return today <= now ? today : today.adding(seconds: -Timestamp.day / 1000)
    }
  }

  /// What is told beside the answer: which moment a time of day was taken for. Nil for the others.
  package func taken(now: Timestamp) -> String? {
    guard case .clock = self, let moment = moment(now: now) else { return nil }
    return "the time of day is taken as \(moment.rfc3339)"
  }

  /// Where an event lies that happened at a time: the last one not after it, or the first not
  /// before it.
  package enum Side: Sendable { case atOrBefore, atOrAfter }

  /// The index meant, from `history.first` through `history.head`. One more than `head` where
  /// nothing is `.atOrAfter` a time.
  /// - Parameter now: for how long ago.
  /// - Throws: `Unanswerable` if it lies outside of the history.
  package func index(
    in history: History, now: Timestamp, side: Side = .atOrBefore
  ) throws -> UInt64 {
    switch self {
    case .index(let index): return try inside(index, history)
    case .head(let back):
      guard back < history.head, history.head - back >= history.first else {
        throw try before(history, back == .max ? "a place that far back" : "HEAD~\(back)")
      }
      return history.head - back
    case .time, .ago, .clock:
      return try place(moment(now: now) ?? now, history, now: now, side)
    case .command(let prefix):
      guard
        let found = try history.first(where: {
          $0.envelope.command.description.hasPrefix(prefix)
        })
      else { throw Unanswerable("no event here has a command id that begins with \(prefix)") }
      return found.index
    case .newest(let type):
      let types = EventType.allCases.filter { $0.name == type || $0.name.hasPrefix(type + ".") }
      if types.isEmpty { _ = try EventFilter.type(type) }
      guard let found = try history.last(atOrBefore: history.head, types: Set(types))
      else { throw Unanswerable("no event here is of type \(quoted(type))") }
      return found.index
    }
  }

  private func inside(_ index: UInt64, _ history: History) throws -> UInt64 {
    guard index <= history.head else {
      throw Unanswerable(
        "\(index == .max ? "an index that large" : "index \(index)") is after HEAD, which is "
          + "\(history.head): \(history.source.name) holds the indexes \(history.first) to "
          + "\(history.head)")
    }
    guard index >= history.first else { throw try before(history, "index \(index)") }
    return index
  }

  private func before(_ history: History, _ what: String) throws -> Unanswerable {
    let begin = try history.event(at: history.first).envelope.time
    return Unanswerable(
      "\(what) is before history: \(history.source.name) holds the indexes \(history.first) "
        + "(\(begin.rfc3339)) to \(history.head)")
  }

  private func place(
    _ time: Timestamp, _ history: History, now: Timestamp, _ side: Side
  ) throws -> UInt64 {
    if time > max(now, try history.event(at: history.head).envelope.time) {
      throw Unanswerable("\(time.rfc3339) is in the future; the clock here says \(now.rfc3339)")
    }
    let after = try history.firstIndex(side == .atOrBefore ? time.next : time)
    if side == .atOrAfter { return after }
    guard after > history.first else {
      let begin = try history.event(at: history.first).envelope.time
      throw Unanswerable(
        "\(time.rfc3339) is before history, which begins here at \(begin.rfc3339) with index "
          + "\(history.first)")
    }
    return after - 1
  }
}

extension Timestamp {
  /// Milliseconds.
  fileprivate static let day: Int64 = 86_400_000

  fileprivate var next: Timestamp {
    Timestamp(milliseconds: milliseconds == .max ? .max : milliseconds + 1)
  }
}

extension History {
  /// The first index whose event is not before that time; one after `head` if all are. Recorded
  /// times never go back, so halving finds it.
  package func firstIndex(_ time: Timestamp) throws -> UInt64 {
    var (low, high) = (first, head + 1)
    while low < high {
      let middle = low + (high - low) / 2
      if try event(at: middle).envelope.time < time { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The first event that fits.
  package func first(where fits: (RecordedEvent) -> Bool) throws -> RecordedEvent? {
    var found: RecordedEvent?
    try forEachEvent(from: first, through: head) { recorded in
      if fits(recorded) { found = recorded }
      return found == nil
    }
    return found
  }
}

/// `A..B`, `A..`, `..B` or a single place.
package struct SelectorRange: Hashable, Sendable {
  package var from: Selector?
  package var to: Selector?
  /// Whether a single place was typed.
  package var isSingle = false
  /// What it is when it is turned around, as it is to be typed.
  private var reversed: String

  /// - Parameter zone: as `Selector` takes it.
  package init(_ text: String, zone: Int = 0) throws(Unanswerable) {
    guard let dots = text.firstRange(of: "..") else {
      self.init(from: try Selector(text, zone: zone), to: nil, reversed: "")
      (to, isSingle) = (from, true)
      return
    }
    let (left, right) = (String(text[..<dots.lowerBound]), String(text[dots.upperBound...]))
    self.init(
      from: left.isEmpty ? nil : try Selector(left, zone: zone),
      to: right.isEmpty ? nil : try Selector(right, zone: zone),
      reversed: "\(right)..\(left)")
  }

  /// Both ends, and what is to be typed where they are the wrong way round.
  package init(from: Selector?, to: Selector?, reversed: String) {
    (self.from, self.to, self.reversed) = (from, to, reversed)
  }

  /// Whether its end does not move as events are added.
  package var isBeforeHead: Bool {
    switch to {
    case nil, .head, .newest: false
    default: true
    }
  }

  /// The indexes meant, both included; empty (`lower` above `upper`) where no event lies between.
  /// - Throws: `Unanswerable` if an end lies outside of the history, or the ends are reversed.
  package func indexes(
    in history: History, now: Timestamp
  ) throws -> (lower: UInt64, upper: UInt64) {
    if isSingle, let from {
      let index = try from.index(in: history, now: now)
      return (index, index)
    }
    let times = (from?.moment(now: now), to?.moment(now: now))
    if let begin = times.0, let end = times.1, begin > end { throw isReversed }
    let lower = try from?.index(in: history, now: now, side: .atOrAfter) ?? history.first
    let upper = try to?.index(in: history, now: now) ?? history.head
    // Where a time is an end, no event may lie between, which is one index less.
    let slack: UInt64 = times.0 == nil && times.1 == nil ? 0 : 1
    if from != nil, to != nil, lower > upper + slack { throw isReversed }
    return (lower, upper)
  }

  private var isReversed: Unanswerable {
    Unanswerable("the range ends before it begins: did you mean \(reversed)?")
  }
}
