// The first event after which something is so that was not so before. By halving, which is right
// only if it changed once in between; a scan looks at every index.

package import Membership

/// Where a condition changed.
package struct Bisection: Sendable {
  /// How many changes are told with their events.
  private static let told = 20

  package enum Verdict: Sendable { case holds, fails, skip }

  /// The first index at which it is otherwise, and how it is there.
  package var event: EventLine
  package var holdsAfter: Bool
  /// How many states were looked at.
  package var looked: Int
  /// All changes in the range; nil if only one was looked for.
  package var changes: [UInt64]?
  /// The events of the first of them.
  package var events: [EventLine] = []
  package var condition: String

  /// - Parameters:
  ///   - range: of indexes: the condition must be one way after the first and another after the
  ///     last.
  ///   - scan: look at every index.
  /// - Throws: `Unanswerable` if it is the same at both ends.
  package init(
    _ history: History, _ range: ClosedRange<UInt64>, condition: String, scan: Bool,
    _ judge: (Cluster) throws -> Verdict
  ) throws {
    self.condition = condition
    var looked = 0
    func verdict(_ index: UInt64) throws -> Verdict {
      looked += 1
      return try judge(history.state(at: index))
    }
    let ends = "index \(range.lowerBound) and index \(range.upperBound)"
    if scan {
      var changes: [UInt64] = []
      var last = try judge(history.state(at: range.lowerBound))
      let start = last
      try history.walk(from: range.lowerBound + 1, through: range.upperBound) { event, _, after in
        looked += 1
        let now = try judge(after)
        if now != .skip, now != last {
          changes.append(event.index)
          last = now
        }
        return true
      }
      guard let first = changes.first else {
        throw Unanswerable(
          "nothing to find: \(condition) "
            + (start == .holds ? "holds at every index" : "does not hold at any index")
            + " from \(range.lowerBound) to \(range.upperBound)", exitCode: 1)
      }
      let lines = try history.lines(at: Set(changes.prefix(Self.told)))
      events = changes.compactMap { lines[$0] }
      event = try events.first ?? history.line(at: first)
      holdsAfter = start == .fails
      self.changes = changes
      self.looked = looked + 1
      return
    }
    var (low, high) = (range.lowerBound, range.upperBound)
    let (a, b) = (try verdict(low), try verdict(high))
    guard a != .skip, b != .skip else {
      throw Unanswerable(
        "nothing can be found by halving: whether \(condition) holds cannot be told at "
          + (a == b ? "\(ends)" : "index \(a == .skip ? range.lowerBound : range.upperBound)")
          + "; begin and end where it can", exitCode: 1)
    }
    guard a != b else {
      throw Unanswerable(
        "nothing to find by halving: \(condition) holds at "
          + "\(a == .holds ? "both ends" : "neither end"), \(ends). If it was otherwise in "
          + "between, --scan, which looks at every index, finds it", exitCode: 1)
    }
    while low + 1 < high {
      let middle = low + (high - low) / 2
      var probe = middle
      var found = try verdict(probe)
      while found == .skip, probe > low + 1 {
        probe -= 1
        found = try verdict(probe)
      }
      // What cannot be judged counts to the side before.
      if found == .skip || found == a { low = middle } else { high = probe }
    }
    event = try history.line(at: high)
    holdsAfter = b == .holds
    self.looked = looked
  }

  package var text: String {
    let index = event.recorded.index
    let words = EventText(isJSON: false)
    var text =
      "\(condition) \(holdsAfter ? "begins" : "ceases") to hold at index \(index)"
      + " (\(counted(looked, "state")) looked at)\n" + words.line(event)
    guard let changes else {
      return text + "found by halving: if it changed more than once, --scan finds all\n"
    }
    guard changes.count > 1 else { return text + "it changed once in that range\n" }
    text += "it changed \(changes.count) times in that range; after that one\n"
    for (k, line) in events.enumerated().dropFirst() {
      text += (holdsAfter == k.isMultiple(of: 2) ? "begins " : "ceases ") + words.line(line)
    }
    if changes.count > events.count {
      text += "and \(changes.count - events.count) more: -o json has the indexes of all\n"
    }
    text +=
      "at the end it "
      + (holdsAfter == !changes.count.isMultiple(of: 2) ? "holds" : "does not hold") + "\n"
    return text
  }

  package var document: Document {
    .answer([
      ("condition", .text(condition)), ("index", .number(event.recorded.index)),
      ("holdsAfter", .truth(holdsAfter)), ("looked", .number(looked)), ("event", event.document),
      ("changes", changes.map { .list($0.map { .number($0) }) } ?? .null),
      ("events", .list(events.map(\.document))),
    ])
  }
}
