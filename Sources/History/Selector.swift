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
  /// `id:` and the beginning of a command id.
  case command(String)
  /// `last:` and a type, or the first part of one.
  case newest(String)

  /// What to type.
  package static let forms =
    "an index (1042), HEAD, HEAD~5, a time (2026-10-24T03:12Z, or with an offset like +02:00), "
    + "how long ago (-15m), id:COMMAND or last:TYPE"

  /// Parses what was typed.
  /// - Throws: `Unanswerable` naming the accepted forms.
  package init(_ text: String) throws(Unanswerable) {
    let upper = text.uppercased()
    if upper == "HEAD" || upper == "@" {
      self = .head(back: 0)
    } else if upper.hasPrefix("HEAD~"), let back = UInt64(text.dropFirst(5)) {
      self = .head(back: back)
    } else if !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) {
      guard let index = UInt64(text) else { throw Self.unknown(text) }
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
    } else {
      throw Self.unknown(text)
    }
  }

  private static func zoned(_ text: String) -> String {
    text.count <= 10 ? text + "T00:00" : text
  }

  private static func unknown(_ text: String) -> Unanswerable {
    Unanswerable("\(quoted(text)) names no moment; it can be \(forms)")
  }

  /// `-15m`, `15m`, `now-15m`, `1h30m`.
  private static func ago(_ text: String) -> Int64? {
    var rest = text[...]
    if rest.hasPrefix("now") { rest = rest.dropFirst(3) }
    if rest.hasPrefix("-") { rest = rest.dropFirst() }
    let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
    var (sum, number, hasUnit) = (Int64(0), Int64?.none, false)
    for character in rest {
      if let digit = character.wholeNumberValue, character.isASCII {
        let (product, high) = (number ?? 0).multipliedReportingOverflow(by: 10)
        guard !high, product < Int64.max / 100_000_000 else { return nil }
        number = product + Int64(digit)
      } else {
        guard let unit = units[character], let count = number else { return nil }
        let (product, high) = count.multipliedReportingOverflow(by: unit)
        let (total, carried) = sum.addingReportingOverflow(product)
        guard !high, !carried else { return nil }
        (sum, number, hasUnit) = (total, nil, true)
      }
    }
    return hasUnit && number == nil ? sum : nil
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
        throw before(history, "HEAD~\(back)")
      }
      return history.head - back
    case .time(let time): return try place(time, history, now: now, side)
    case .ago(let seconds):
      return try place(now.adding(seconds: -seconds), history, now: now, side)
    case .command(let prefix):
      guard
        let found = try history.first(where: {
          $0.envelope.command.description.hasPrefix(prefix)
        })
      else { throw Unanswerable("no event here has a command id that begins with \(prefix)") }
      return found.index
    case .newest(let type):
      let types = EventType.allCases.filter { $0.name == type || $0.name.hasPrefix(type + ".") }
      guard !types.isEmpty,
        let found = try history.last(atOrBefore: history.head, types: Set(types))
      else { throw Unanswerable("no event here is of type \(quoted(type))") }
      return found.index
    }
  }

  private func inside(_ index: UInt64, _ history: History) throws(Unanswerable) -> UInt64 {
    guard index <= history.head else {
      throw Unanswerable("index \(index) is after HEAD, which is \(history.head)")
    }
    guard index >= history.first else { throw before(history, "index \(index)") }
    return index
  }

  private func before(_ history: History, _ what: String) -> Unanswerable {
    Unanswerable(
      "\(what) is before history: \(history.source.name) holds the indexes \(history.first) to "
        + "\(history.head)")
  }

  private func place(
    _ time: Timestamp, _ history: History, now: Timestamp, _ side: Side
  ) throws -> UInt64 {
    if side == .atOrBefore, time > max(now, try history.event(at: history.head).envelope.time) {
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
  package var isSingle: Bool

  package init(_ text: String) throws(Unanswerable) {
    guard let dots = text.firstRange(of: "..") else {
      from = try Selector(text)
      to = from
      isSingle = true
      return
    }
    let (left, right) = (text[..<dots.lowerBound], text[dots.upperBound...])
    from = left.isEmpty ? nil : try Selector(String(left))
    to = right.isEmpty ? nil : try Selector(String(right))
    isSingle = false
  }

  /// Whether its end does not move as events are added.
  package var isBeforeHead: Bool {
    switch to {
    case nil, .head, .newest: false
    default: true
    }
  }

  /// The indexes meant, both included; empty (`lower` above `upper`) where no event lies between.
  package func indexes(
    in history: History, now: Timestamp
  ) throws -> (lower: UInt64, upper: UInt64) {
    if isSingle, let from {
      let index = try from.index(in: history, now: now)
      return (index, index)
    }
    let lower = try from?.index(in: history, now: now, side: .atOrAfter) ?? history.first
    let upper = try to?.index(in: history, now: now) ?? history.head
    return (lower, upper)
  }
}
