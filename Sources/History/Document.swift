// What a tool found, as a tree that is printed as JSON or as YAML: one shape for both, its keys in
// the order in which they are told. Text is quoted as JSON quotes it, which YAML reads too.

package indirect enum Document: Equatable, Sendable {
  case object([(String, Document)])
  case list([Document])
  case text(String)
  case number(Int64)
  case truth(Bool)
  case null

  /// An answer of a command: with the version of its schema.
  package static func answer(_ fields: [(String, Document)]) -> Document {
    .object([("schemaVersion", .number(1))] + fields)
  }

  package static func number(_ value: some BinaryInteger) -> Document {
    .number(Int64(clamping: value))
  }
  package static func text(_ value: String?) -> Document {
    if let value { Document.text(value) } else { .null }
  }
  package static func texts(_ values: [String]) -> Document { .list(values.map { .text($0) }) }

  package static func == (a: Document, b: Document) -> Bool { a.json == b.json }

  /// Indented by two spaces, ended by a newline.
  package var json: String {
    var text = ""
    writeJSON(to: &text, depth: 0)
    return text + "\n"
  }

  /// On one line, without spaces, ended by a newline.
  package var line: String {
    var text = ""
    writeLine(to: &text)
    return text + "\n"
  }

  private func writeLine(to text: inout String) {
    switch self {
    case .object(let fields):
      text += "{"
      for (i, field) in fields.enumerated() {
        text += (i == 0 ? "" : ",") + Document.quote(field.0) + ":"
        field.1.writeLine(to: &text)
      }
      text += "}"
    case .list(let values):
      text += "["
      for (i, value) in values.enumerated() {
        if i > 0 { text += "," }
        value.writeLine(to: &text)
      }
      text += "]"
    default: text += scalar
    }
  }

  /// In block style.
  package var yaml: String {
    var text = ""
    writeYAML(to: &text, depth: 0)
    return text
  }

  private func writeJSON(to text: inout String, depth: Int) {
    func items(_ count: Int, _ ends: (String, String), _ write: (Int) -> Void) {
      guard count > 0 else {
        text += ends.0 + ends.1
        return
      }
      text += ends.0 + "\n"
      for i in 0..<count {
        text += String(repeating: "  ", count: depth + 1)
        write(i)
        text += i == count - 1 ? "\n" : ",\n"
      }
      text += String(repeating: "  ", count: depth) + ends.1
    }
    switch self {
    case .object(let fields):
      items(fields.count, ("{", "}")) { i in
        text += Document.quote(fields[i].0) + ": "
        fields[i].1.writeJSON(to: &text, depth: depth + 1)
      }
    case .list(let values):
      items(values.count, ("[", "]")) { values[$0].writeJSON(to: &text, depth: depth + 1) }
    default: text += scalar
    }
  }

  private func writeYAML(to text: inout String, depth: Int) {
    let indent = String(repeating: "  ", count: depth)
    switch self {
    case .object(let fields):
      for (name, value) in fields {
        text += indent + name + ":"
        value.writeYAMLValue(to: &text, depth: depth)
      }
    case .list(let values):
      for value in values {
        var item = ""
        value.writeYAML(to: &item, depth: depth + 1)
        text += indent + "- " + (value.isScalar ? item : String(item.dropFirst(2 * (depth + 1))))
      }
    default: text += scalar + "\n"
    }
  }

  private func writeYAMLValue(to text: inout String, depth: Int) {
    switch self {
    case .object(let fields) where fields.isEmpty: text += " {}\n"
    case .list(let values) where values.isEmpty: text += " []\n"
    case .object, .list:
      text += "\n"
      writeYAML(to: &text, depth: depth + 1)
    default: text += " " + scalar + "\n"
    }
  }

  private var isScalar: Bool {
    switch self {
    case .object, .list: false
    default: true
    }
  }

  private var scalar: String {
    switch self {
    case .text(let value): Document.quote(value)
    case .number(let value): "\(value)"
    case .truth(let value): value ? "true" : "false"
    case .null, .object, .list: "null"
    }
  }

  /// As JSON has it.
  package static func quote(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      default:
        if scalar.value < 32 || (0x7f...0x9f).contains(scalar.value) {
          let digits = String(scalar.value, radix: 16)
          out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        } else {
          out.unicodeScalars.append(scalar)
        }
      }
    }
    return out + "\""
  }
}
