// Tables as kubectl prints them: columns as wide as their widest cell, three spaces between,
// nothing after the last cell of a line.

/// A table of text.
package struct TextTable: Hashable, Sendable {
  package var header: [String]
  package var rows: [[String]]

  package init(header: [String], rows: [[String]] = []) {
    self.header = header
    self.rows = rows
  }

  /// One line a row, each ending in a newline; `indent` spaces before each.
  package func render(indent: Int = 0) -> String {
    let lines = [header] + rows
    var widths = Array(repeating: 0, count: lines.map(\.count).max() ?? 0)
    for line in lines {
      for (i, cell) in line.enumerated() { widths[i] = max(widths[i], cell.count) }
    }
    return lines.map { line in
      var text = String(repeating: " ", count: indent)
      for (i, cell) in line.enumerated() {
        text += cell
        if i < line.count - 1 {
          text += String(repeating: " ", count: widths[i] - cell.count + 3)
        }
      }
      while text.hasSuffix(" ") { text.removeLast() }
      return text + "\n"
    }.joined()
  }
}
