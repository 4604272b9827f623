// Label and field selectors, as k8s.io/apimachinery reads them (labels.Parse, fields.ParseSelector).

/// What of a kind is meant: by labels, fields and namespace. A value, so that a watch can ask it of
/// an object as it was and as it is.
struct KubernetesSelection: Equatable, Sendable {
  var labels: [LabelRequirement] = []
  var fields: [FieldRequirement] = []
  /// Nil for all.
  var namespace: String?

  func admits(_ object: KubernetesObject) -> Bool {
    guard namespace == nil || namespace == object.namespace else { return false }
    guard fields.allSatisfy({ $0.admits(object.field($0.field) ?? "") }) else { return false }
    if labels.isEmpty { return true }
    let own = Dictionary(object.labels) { first, _ in first }
    return labels.allSatisfy { $0.admits(own[$0.key]) }
  }

  /// Whether everything is meant.
  var isOpen: Bool { labels.isEmpty && fields.isEmpty && namespace == nil }
}

/// One condition on a label.
struct LabelRequirement: Equatable, Sendable {
  enum Test: Equatable, Sendable {
    case exists
    case absent
    case oneOf(Set<String>)
    case noneOf(Set<String>)
    case above(Int64)
    case below(Int64)
  }
  var key: String
  var test: Test

  func admits(_ value: String?) -> Bool {
    switch test {
    case .exists: value != nil
    case .absent: value == nil
    case .oneOf(let values): value.map(values.contains) ?? false
    case .noneOf(let values): value.map { !values.contains($0) } ?? true
    case .above(let bound): value.flatMap { Int64($0) }.map { $0 > bound } ?? false
    case .below(let bound): value.flatMap { Int64($0) }.map { $0 < bound } ?? false
    }
  }

  /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`.
  /// - Throws: `KubernetesError` 400 with the place of the mistake.
  static func parse(_ text: String) throws(KubernetesError) -> [LabelRequirement] {
    var reader = SelectorReader(text)
    var requirements: [LabelRequirement] = []
    guard !reader.isAtEnd else { return [] }
    while true {
      requirements.append(try reader.requirement())
      if reader.isAtEnd { return requirements }
      guard reader.take(",") else { throw reader.mistake("a comma is expected") }
    }
  }
}

/// One condition on a field: `metadata.name=n1` or `metadata.name!=n1`.
struct FieldRequirement: Equatable, Sendable {
  var field: String
  var value: String
  var isEqual: Bool

  func admits(_ value: String) -> Bool { (value == self.value) == isEqual }

  /// Reads a selector; `\,`, `\=` and `\\` stand for themselves.
  /// - Throws: `KubernetesError` 400: no operator, or a field that the kind does not have.
  static func parse(
    _ text: String, for kind: KubernetesKind
  ) throws(KubernetesError) -> [FieldRequirement] {
    var requirements: [FieldRequirement] = []
    for term in split(text) where !term.isEmpty {
      guard let found = requirement(term) else {
        throw .badRequest("invalid selector: '\(text)'; can't understand '\(term)'")
      }
      guard KubernetesObject.hasField(found.field, kind) else {
        throw .badRequest("field label not supported: \(found.field)")
      }
      requirements.append(found)
    }
    return requirements
  }

  private static func split(_ text: String) -> [String] {
    var terms = [""]
    var isEscaped = false
    for scalar in text.unicodeScalars {
      if !isEscaped, scalar == "," {
        terms.append("")
      } else {
        terms[terms.count - 1].unicodeScalars.append(scalar)
      }
      isEscaped = !isEscaped && scalar == "\\"
    }
    return terms
  }

  private static func requirement(_ term: String) -> FieldRequirement? {
    let scalars = Array(term.unicodeScalars)
    for (i, scalar) in scalars.enumerated() {
      let next = i + 1 < scalars.count ? scalars[i + 1] : nil
      let length: Int
      switch scalar {
      case "!" where next == "=": length = 2
      case "=": length = next == "=" ? 2 : 1
      default: continue
      }
      guard let value = unescaped(scalars[(i + length)...]) else { return nil }
      return FieldRequirement(
        field: text(scalars[..<i]), value: value, isEqual: scalar == "=")
    }
    return nil
  }

  private static func unescaped(_ scalars: ArraySlice<Unicode.Scalar>) -> String? {
    var out: [Unicode.Scalar] = []
    var rest = scalars
    while let scalar = rest.popFirst() {
      switch scalar {
      case "\\":
        guard let next = rest.popFirst(), ["\\", ",", "="].contains(next) else { return nil }
        out.append(next)
      case ",", "=": return nil
      default: out.append(scalar)
      }
    }
    return text(out[...])
  }

  private static func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    var text = ""
    text.unicodeScalars.append(contentsOf: scalars)
    return text
  }
}

/// The words of a label selector, one after another.
private struct SelectorReader {
  private let text: String
  private let bytes: [UInt8]
  private var place = 0

  init(_ text: String) {
    self.text = text
    bytes = Array(text.utf8)
    skip()
  }

  var isAtEnd: Bool { place == bytes.count }

  private mutating func skip() {
    while place < bytes.count, bytes[place] == 32 || bytes[place] == 9 { place += 1 }
  }

  mutating func take(_ word: String) -> Bool {
    let wanted = Array(word.utf8)
    guard bytes[place...].starts(with: wanted) else { return false }
    place += wanted.count
    skip()
    return true
  }

  func mistake(_ why: String) -> KubernetesError {
    .badRequest(
      "unable to parse requirement: \(why), in \"\(text)\" at "
        + (isAtEnd ? "its end" : "character \(place + 1)"))
  }

  mutating func requirement() throws(KubernetesError) -> LabelRequirement {
    if take("!") { return LabelRequirement(key: try key(), test: .absent) }
    let key = try key()
    if take("!=") { return LabelRequirement(key: key, test: .noneOf([try value()])) }
    if take("==") || take("=") { return LabelRequirement(key: key, test: .oneOf([try value()])) }
    if take(">") { return LabelRequirement(key: key, test: .above(try number())) }
    if take("<") { return LabelRequirement(key: key, test: .below(try number())) }
    let before = place
    switch word() {
    case "in": return LabelRequirement(key: key, test: .oneOf(try values()))
    case "notin": return LabelRequirement(key: key, test: .noneOf(try values()))
    case "": return LabelRequirement(key: key, test: .exists)
    default:
      place = before
      throw mistake("an operator is expected")
    }
  }

  private mutating func word() -> String {
    let start = place
    while place < bytes.count, Self.isWord(bytes[place]) { place += 1 }
    defer { skip() }
    return String(decoding: bytes[start..<place], as: UTF8.self)
  }

  private mutating func key() throws(KubernetesError) -> String {
    let before = place
    let word = word()
    guard LabelSyntax.isKey(word) else {
      place = before
      throw mistake("a label's name is expected")
    }
    return word
  }

  private mutating func value() throws(KubernetesError) -> String {
    let before = place
    let word = word()
    guard LabelSyntax.isValue(word) else {
      place = before
      throw mistake("a label's value has at most 63 letters, digits, '-', '_' and '.'")
    }
    return word
  }

  private mutating func number() throws(KubernetesError) -> Int64 {
    let before = place
    guard let number = Int64(word()) else {
      place = before
      throw mistake("a whole number is expected")
    }
    return number
  }

  private mutating func values() throws(KubernetesError) -> Set<String> {
    guard take("(") else { throw mistake("\"(\" is expected") }
    var values: Set<String> = []
    repeat { values.insert(try value()) } while take(",")
    guard take(")") else { throw mistake("\")\" is expected") }
    return values
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    LabelSyntax.isAlphanumeric(byte) || "-_./".utf8.contains(byte)
  }
}

/// What may stand in labels (k8s.io/apimachinery, util/validation).
enum LabelSyntax {
  static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }

  /// Empty, or at most 63 characters that begin and end with a letter or a digit.
  static func isValue(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard let first = bytes.first, let last = bytes.last else { return true }
    return bytes.count <= 63 && isAlphanumeric(first) && isAlphanumeric(last)
      && bytes.allSatisfy { isAlphanumeric($0) || "-_.".utf8.contains($0) }
  }

  /// `name` or `prefix/name`.
  static func isKey(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let name = parts.last, !name.isEmpty, isValue(String(name)) else {
      return false
    }
    return parts.count == 1 || (!parts[0].isEmpty && parts[0].utf8.count <= 253)
  }
}
