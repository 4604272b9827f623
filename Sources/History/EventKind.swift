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
    let ranked = nearest(text, in: all)
    let kind = text.lowercased().prefix { $0 != "." }
    let near =
      kinds.contains(String(kind))
      ? ranked.filter { $0.hasPrefix(kind + ".") }.prefix(8) : ranked.prefix(3)
    throw Unanswerable(
      "no event has the type \(quoted(text)). Nearest: \(words(Array(near), "or")); or all of"
        + " a kind: \(words(kinds, "or"))")
  }
}
