// The file format of peers' recorded behaviour.

/// A directive: a command with arguments, `command key key=value key=(v1,v2)`.
struct Directive: Sendable {
  struct Argument: Sendable {
    var key: String
    var values: [String]
  }

  var command: String
  var arguments: [Argument]

  init?(_ line: String) {
    var words: [String] = []
    var word = ""
    var depth = 0
    for character in line {
      switch character {
      case "(": depth += 1
      case ")": depth -= 1
      case " ", "\t":
        if depth == 0 {
          if !word.isEmpty { words.append(word) }
          word = ""
        }
        // Inside of parentheses spaces only stand after a comma.
        continue
      default: break
      }
      word.append(character)
    }
    if !word.isEmpty { words.append(word) }
    guard let first = words.first else { return nil }
    command = first
    arguments = words.dropFirst().map(Self.argument)
  }

  private static func argument(_ word: String) -> Argument {
    guard let equals = word.firstIndex(of: "=") else { return Argument(key: word, values: []) }
    let key = String(word[..<equals])
    let value = word[word.index(after: equals)...]
    guard value.first == "(", value.last == ")" else {
      return Argument(key: key, values: [String(value)])
    }
    let inner = value.dropFirst().dropLast()
    return Argument(
      key: key, values: inner.isEmpty ? [] : inner.split(separator: ",").map(String.init))
  }

  /// Arguments that are plain numbers.
  var numbers: [UInt64] { arguments.filter { $0.values.isEmpty }.compactMap { UInt64($0.key) } }

  func values(_ key: String) -> [String] { arguments.first { $0.key == key }?.values ?? [] }
}

/// A file of recorded behaviour: directives with their input, and the output that they must have.
///
/// Lines that begin with `#` are comments. After the line of a directive comes its input up to
/// `----`, then the expected output up to a blank line; if the rule is doubled, up to the next
/// doubled rule.
struct DataDrivenFile: Sendable {
  struct Case: Sendable {
    /// Of the directive, from 1.
    var line: Int
    var directive: Directive
    var input: [String]
    var expected: [String]
  }

  var cases: [Case] = []

  init(_ text: String) {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)[...]
    while let line = lines.first {
      let number = lines.startIndex + 1
      lines.removeFirst()
      if line.hasPrefix("#") || line.allSatisfy(\.isWhitespace) { continue }
      var whole = line
      while whole.hasSuffix("\\"), let next = lines.popFirst() {
        whole.removeLast()
        whole += " " + next
      }
      guard let directive = Directive(whole) else { continue }
      var input: [String] = []
      while let next = lines.popFirst(), next != "----" { input.append(next) }
      while input.last?.allSatisfy(\.isWhitespace) == true { input.removeLast() }
      cases.append(
        Case(
          line: number, directive: directive, input: input, expected: Self.takeExpected(&lines)))
    }
  }

  private static func takeExpected(_ lines: inout ArraySlice<String>) -> [String] {
    var expected: [String] = []
    if lines.first == "----" {
      lines.removeFirst()
      while let line = lines.popFirst() {
        if line == "----", lines.first == "----" {
          lines.removeFirst()
          break
        }
        expected.append(line)
      }
    } else {
      while let line = lines.popFirst(), !line.isEmpty { expected.append(line) }
    }
    return expected
  }
}
