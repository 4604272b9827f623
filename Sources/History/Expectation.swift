// A condition on a state, as people type it: `ha.canLose>=1`, `nodes.n2.datastoreRole=voter`,
// `leader.name!=n1`. A path without an operator asks whether there is such a fact.

package import Membership

/// One comparison of a fact.
package struct Expectation: Hashable, Sendable, CustomStringConvertible {
  enum Comparison: String, CaseIterable, Sendable {
    case atLeast = ">="
    case atMost = "<="
    case unequal = "!="
    case equal2 = "=="
    case equal = "="
    case more = ">"
    case less = "<"

    var isOrder: Bool { [.atLeast, .atMost, .more, .less].contains(self) }
  }

  let path: String
  let comparison: Comparison?
  let value: String
  package let description: String

  package init(_ text: String) throws(Unanswerable) {
    description = text
    let found = Comparison.allCases.compactMap { comparison in
      text.firstRange(of: comparison.rawValue).map { (comparison, $0) }
    }.min { ($0.1.lowerBound, -$0.0.rawValue.count) < ($1.1.lowerBound, -$1.0.rawValue.count) }
    func trimmed(_ part: Substring) -> String {
      String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
    path = trimmed(found.map { text[..<$0.1.lowerBound] } ?? text[...])
    comparison = found?.0
    value = found.map { trimmed(text[$0.1.upperBound...]) } ?? ""
    guard !path.isEmpty, !path.contains(" "), comparison == nil || !value.isEmpty else {
      throw Unanswerable(
        "\(quoted(text)) is not a condition like ha.canLose>=1 or nodes.n2.datastoreRole=voter; "
          + "muster blame lists the paths")
    }
    let rest = value.drop { "<>=! ".contains($0) }
    if let comparison, let first = value.first, "<>=!".contains(first) {
      let signs = (comparison.rawValue + value.dropLast(rest.count)).filter { $0 != " " }
      let meant = Self.meant[Set(signs)].map { ": did you mean \(path)\($0.rawValue)\(rest)?" }
      throw Unanswerable(
        "\(quoted(text)) is not a condition like ha.canLose>=1\(meant ?? "")")
    }
    if let comparison, comparison.isOrder, Int(value) == nil {
      throw Unanswerable(
        "\(quoted(text)): \(comparison.rawValue) compares numbers, and \(quoted(value)) is none; "
          + "\(Self.forms(path))")
    }
  }

  /// What can be written of a fact that is no number, or of a value.
  private static func forms(_ path: String) -> String {
    "write \(path)=VALUE or \(path)!=VALUE, or a fact that is a number, like ha.canLose>=1"
  }

  /// What is meant with these signs, in whatever order they were typed.
  private static let meant: [Set<Character>: Comparison] = [
    [">", "="]: .atLeast, ["<", "="]: .atMost, ["!", "="]: .unequal, ["<", ">"]: .unequal,
    ["="]: .equal2, [">"]: .more, ["<"]: .less,
  ]

  /// Whether it holds; numbers are compared as numbers. A fact that is not there is unequal to all,
  /// and what is no number is neither more nor less.
  package func holds(_ cluster: Cluster) -> Bool {
    let facts = Facts(cluster)
    guard let comparison else { return facts[path] != nil || !facts.under(path).isEmpty }
    guard let fact = facts[path] else { return comparison == .unequal }
    guard let a = Int(fact), let b = Int(value) else {
      return !comparison.isOrder && (fact == value) == (comparison != .unequal)
    }
    let order = a < b ? -1 : a > b ? 1 : 0
    return switch comparison {
    case .atLeast: order >= 0
    case .atMost: order <= 0
    case .unequal: order != 0
    case .equal, .equal2: order == 0
    case .more: order > 0
    case .less: order < 0
    }
  }
}

extension Facts {
  /// The three paths that are most like one that there is not, in words.
  /// - Parameter parts: whether to name what facts lie below, too.
  func near(_ path: String, parts: Bool = false) -> String {
    var paths = Set(all.map(\.path) + Facts.shapes.filter { !$0.contains("*") })
    for path in parts ? paths : [] {
      for dot in path.indices where path[dot] == "." { paths.insert(String(path[..<dot])) }
    }
    return words(Array(nearest(path, in: Array(paths)).prefix(3)), "or")
  }
}

extension Expectation {
  /// Refuses what can be no fact of a history, at whatever index, and an order of what has none.
  /// - Throws: `Unanswerable` with the nearest paths that there are.
  package func check(_ history: History) throws {
    let last = try history.state(at: history.head)
    let facts = Facts(last)
    if let comparison, comparison.isOrder, let fact = facts[path], Int(fact) == nil {
      throw Unanswerable(
        "\(quoted(description)): \(comparison.rawValue) compares numbers, and \(path) is "
          + "\(quoted(fact)) at index \(history.head); \(Self.forms(path))")
    }
    let isThere = comparison == nil ? !facts.under(path).isEmpty : facts[path] != nil
    if isThere || Facts.shapes.contains(path) || names(last) { return }
    throw Unanswerable(
      "there is no fact \(quoted(path)) in this history. Nearest: "
        + "\(facts.near(path)); muster blame lists all that there are")
  }

  /// Whether a fact of a node, a token or one that went has that path, at whatever index.
  private func names(_ last: Cluster) -> Bool {
    let kinds = Facts.shapes.compactMap { shape in
      shape.firstRange(of: "*").map { (shape[..<$0.lowerBound], shape[$0.upperBound...]) }
    }
    return kinds.contains { kind, field in
      guard path.hasPrefix(kind) else { return false }
      let name = path.dropFirst(kind.count)
      let isKnown: (Substring) -> Bool =
        switch kind {
        case "nodes.": { last.knows(String($0)) }
        case "tokens.": { TokenID(String($0)) != nil }
        default: { NodeID(String($0)) != nil }
        }
      return comparison == nil && isKnown(name)
        || name.hasSuffix(field) && isKnown(name.dropLast(field.count))
    }
  }
}
