// What a reader may ask for with `--type`: a type of events, or all of a kind.

import Membership

extension EventFilter {
  /// A type (`node.joined`) or a kind (`node`) that events can have.
  /// - Throws: `Unanswerable` (exit code 2) that names the nearest ones.
  package static func type(_ text: String) throws(Unanswerable) -> String {
    let types = EventType.allCases.map(\.name)
    let kinds = Set(types.map { String($0.prefix { $0 != "." }) }).sorted()
    let all = types + kinds
    if all.contains(text) { return text }
    // A word may be longer than any type: how far it is off is of no interest then.
    let asked = String(text.lowercased().prefix(64))
    let ranked = all.map { (name: $0, distance: distance(asked, $0)) }
      .sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }
    let kind = asked.prefix { $0 != "." }
    let near =
      kinds.contains(String(kind))
      ? ranked.filter { $0.name.hasPrefix(kind + ".") }.prefix(8) : ranked.prefix(3)
    throw Unanswerable(
      "no event has the type \(quoted(text)). Nearest: \(words(near.map(\.name), "or")); or all of"
        + " a kind: \(words(kinds, "or"))")
  }

  /// How many letters must be added, taken away or changed to get from one text to the other.
  private static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.utf8), Array(b.utf8))
    var row = Array(0...b.count)
    for (i, letter) in a.enumerated() {
      var corner = row[0]
      row[0] = i + 1
      for (j, other) in b.enumerated() {
        let change = corner + (letter == other ? 0 : 1)
        corner = row[j + 1]
        row[j + 1] = min(change, corner + 1, row[j] + 1)
      }
    }
    return row[b.count]
  }
}
