// Two states compared by fact, and two histories compared by hash. Chain hashes tell in a few steps
// where two logs part: equal hashes at an index mean equal logs up to there.

import EventLog
import Membership

/// What differs between two moments.
package struct Difference: Sendable {
  package var from: (name: String, index: UInt64)
  package var to: (name: String, index: UInt64)
  /// Nil if a state is not known, and `unknown` says why.
  package var changes: [FactChange]?
  package var unknown: String?
  /// One of the two is wrong, whatever the facts say.
  package var contradiction: String?
  /// The events between the two, of one history or of two that are one.
  package var events: [EventLine] = []
  package var moreEvents: UInt64 = 0
  /// Of two histories: where they part.
  package var fork: Fork?
  /// What lists the events that are not told.
  private var list = ""

  /// How many events between are told.
  private static let listed: UInt64 = 50

  /// Two moments of one history.
  /// - Parameter option: what a command needs to read it, with a space before it.
  package init(_ history: History, _ a: UInt64, _ b: UInt64, option: String = "") throws {
    from = (history.source.name, a)
    to = (history.source.name, b)
    try tell(history, after: min(a, b), through: max(a, b), option)
    try compare(Self.facts(history, a), Self.facts(history, b), history)
  }

  /// A moment of one history and one of another.
  /// - Parameter options: what a command needs to read either, with a space before it.
  package init(
    _ one: History, _ a: UInt64, _ other: History, _ b: UInt64,
    options: (String, String) = ("", "")
  ) throws {
    from = (one.source.name, a)
    to = (other.source.name, b)
    let fork = try Fork(one, other, options: options)
    self.fork = fork
    if fork.since == nil {
      try a > b
        ? tell(one, after: b, through: a, options.0)
        : tell(other, after: a, through: b, options.1)
    }
    let isSame = a == b && fork.common.map { a <= $0 } ?? false
    guard try !isSame || one.knowsState(at: a) && other.knowsState(at: b) else {
      changes = []
      return
    }
    try compare(
      Self.facts(one, a, or: other, through: fork.common),
      Self.facts(other, b, or: one, through: fork.common),
      one.knowsState(at: a) ? other : one)
    // Of the same events only a stored state can make something else.
    if isSame, try one.state(at: a) != other.state(at: b) {
      contradiction =
        "WRONG: these are the same events, so a state that one of the two logs stores is not what "
        + "its events make: muster verify\(options.0), muster verify\(options.1)"
    }
  }

  /// Lists events, as far back as they are held.
  private mutating func tell(
    _ history: History, after low: UInt64, through high: UInt64, _ option: String
  ) throws {
    let start = max(low + 1, history.first)
    guard start <= high else { return }
    let last = min(high, start + Self.listed - 1)
    events = try history.lines(from: start, through: last)
    moreEvents = high - last
    list = "muster events \(last + 1)..\(high)\(option)"
  }

  /// What is so at an index; nil if it is not known. Where another history is the same up to there
  /// it may know what this one does not.
  private static func facts(
    _ history: History, _ index: UInt64, or other: History? = nil, through common: UInt64? = nil
  ) throws -> Facts? {
    if try history.knowsState(at: index) { return try history.facts(at: index) }
    guard let other, let common, index <= common, try other.knowsState(at: index) else {
      return nil
    }
    return try other.facts(at: index)
  }

  private mutating func compare(_ a: Facts?, _ b: Facts?, _ history: History) {
    if let a, let b {
      changes = FactChange.between(a, b)
    } else {
      unknown =
        "which facts differ is not known: \(history.source.name) begins at index \(history.first) "
        + "and holds no state before it"
    }
  }

  /// Whether nothing differs, as far as is known.
  package var isEmpty: Bool {
    changes?.isEmpty == true && contradiction == nil && (fork.map { $0.since == nil } ?? true)
  }

  package var text: String {
    var text = "--- \(from.name) at \(from.index)\n+++ \(to.name) at \(to.index)\n"
    if let fork { text += fork.text }
    if let unknown { text += unknown + "\n" }
    if let contradiction { text += contradiction + "\n" }
    if let changes {
      text += changes.isEmpty ? "no fact differs\n" : ""
      text += changes.map { EventText.printable($0.text) + "\n" }.joined()
    }
    if !events.isEmpty {
      let words = EventText(isJSON: false)
      text += "events between\n" + events.map { words.line($0) }.joined()
      if moreEvents > 0 { text += "and \(moreEvents) more: \(list)\n" }
    }
    return text
  }

  package var document: Document {
    .answer([
      ("from", .object([("source", .text(from.name)), ("index", .number(from.index))])),
      ("to", .object([("source", .text(to.name)), ("index", .number(to.index))])),
      ("same", changes == nil ? .null : .truth(isEmpty)),
      ("changes", changes.map { .list($0.map(\.document)) } ?? .null), ("unknown", .text(unknown)),
      ("contradiction", .text(contradiction)),
      ("events", .list(events.map(\.document))), ("moreEvents", .number(moreEvents)),
      ("fork", fork?.document ?? .null),
    ])
  }
}

/// Whether two histories are one, and where they part if not.
package struct Fork: Sendable {
  /// The last index at which both hold the same, by hash; nil if they share no index.
  package var common: UInt64?
  /// What each has after it; nil if one history goes on where the other ends.
  package var since: (a: Branch, b: Branch)?
  package var heads: (a: UInt64, b: UInt64)
  /// The first index that both hold.
  package var first: UInt64
  package var names: (a: String, b: String)

  /// The events of one side.
  package struct Branch: Sendable {
    /// The first of them, one at least.
    package var events: [EventLine]
    package var more: UInt64
    /// What lists the others.
    fileprivate var list: String

    /// How many events of a side are told.
    private static let listed: UInt64 = 5

    fileprivate init(_ history: History, after common: UInt64, _ option: String) throws {
      let last = min(history.head, common + Self.listed)
      events = try history.lines(from: common + 1, through: last)
      more = history.head - last
      list = "muster events \(last + 1)..\(history.head)\(option)"
    }

    fileprivate var document: Document {
      .object([("events", .list(events.map(\.document))), ("moreEvents", .number(more))])
    }

    fileprivate func text(_ sign: String) -> String {
      let words = EventText(isJSON: false)
      return events.map { "\(sign) \(words.line($0))" }.joined()
        + (more > 0 ? "\(sign) and \(more) more: \(list)\n" : "")
    }
  }

  /// The first event that differs, as each has it.
  package var forks: (a: EventLine, b: EventLine)? {
    since.flatMap { since in
      since.a.events.first.flatMap { a in since.b.events.first.map { (a, $0) } }
    }
  }

  /// - Parameter options: what a command needs to read either, with a space before it.
  /// - Throws: `Unanswerable` (65) if they are of different clusters, share no index, or one was
  ///   redacted (its hashes are its own).
  package init(
    _ a: History, _ b: History, options: (String, String) = ("", "")
  ) throws {
    names = (a.source.name, b.source.name)
    heads = (a.head, b.head)
    first = max(a.first, b.first)
    // A cluster that was imported has the history of another one.
    let isRelated =
      try a.source.chainHash(at: max(a.first, b.first))
      .map { try $0 == b.source.chainHash(at: max(a.first, b.first)) } ?? false
    guard a.source.cluster == b.source.cluster || isRelated else {
      throw Unanswerable(
        "\(names.a) is of cluster \(a.source.cluster), \(names.b) of cluster \(b.source.cluster): "
          + "their histories have nothing in common", exitCode: 65)
    }
    guard a.source.redaction == b.source.redaction else {
      throw Unanswerable(
        "one of \(names.a) and \(names.b) is redacted, so their hashes cannot be compared")
    }
    func same(_ index: UInt64) throws -> Bool {
      try a.source.chainHash(at: index) == b.source.chainHash(at: index)
    }
    var (low, high) = (max(a.first, b.first) - 1, min(a.head, b.head))
    guard low <= high else {
      throw Unanswerable("\(names.a) and \(names.b) hold no index in common", exitCode: 65)
    }
    if try same(high) {
      common = high
      return
    }
    // The hash before the first entry that both hold tells about what neither can show.
    guard try same(low) else {
      throw Unanswerable(
        "\(names.a) and \(names.b) part before index \(low + 1), where one of them begins",
        exitCode: 65)
    }
    while low + 1 < high {
      let middle = low + (high - low) / 2
      if try same(middle) { low = middle } else { high = middle }
    }
    common = low
    since = (
      try Branch(a, after: low, options.0), try Branch(b, after: low, options.1)
    )
  }

  package var text: String {
    if let since {
      return "the histories FORK after index \(common ?? 0)\n" + since.a.text("-")
        + since.b.text("+")
    }
    let ends =
      heads.a == heads.b
      ? "both end there" : "\(heads.a < heads.b ? names.a : names.b) ends there"
    let before = first > 1 ? ", what lies before index \(first) included" : ""
    return "one history, equal by hash through index \(common ?? 0)\(before); \(ends)\n"
  }

  package var document: Document {
    .object([
      ("commonIndex", common.map { .number($0) } ?? .null), ("forks", .truth(since != nil)),
      ("heads", .list([.number(heads.a), .number(heads.b)])),
      ("events", .list(forks.map { [$0.a.document, $0.b.document] } ?? [])),
      ("since", since.map { .list([$0.a.document, $0.b.document]) } ?? .null),
    ])
  }
}

extension History {
  fileprivate func lines(from first: UInt64, through last: UInt64) throws -> [EventLine] {
    var lines: [EventLine] = []
    var reader = EventReader()
    try reader.lines(EventFilter(from: first, to: last), of: self) { lines.append($0) }
    return lines
  }
}
