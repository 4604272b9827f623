// A source file as the laws see it: lines, each split into code and comment. What stands inside
// string literals is no code: a law is not broken by quoting it.

import Foundation

struct SourceFile {
  struct Line {
    let number: Int
    let text: String
    /// Without comments and without what is inside string literals.
    let code: String
    /// What follows `//`, empty if nothing does.
    let comment: String
  }

  /// From the root of the package.
  let path: String
  let lines: [Line]

  init(path: String, text: String) {
    self.path = path
    var inLongLiteral = false
    var lines: [Line] = []
    for text in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let (code, comment) = Self.split(text, inLongLiteral: &inLongLiteral)
      lines.append(
        Line(number: lines.count + 1, text: String(text), code: code, comment: comment))
    }
    if lines.last?.text.isEmpty == true { lines.removeLast() }
    self.lines = lines
  }

  /// `Sources/Raft/Entry.swift` is of the target Raft; nil outside Sources.
  var target: String? {
    let parts = path.split(separator: "/")
    return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
  }

  var isGenerated: Bool { path.hasSuffix(".pb.swift") }
  var isSwift: Bool { path.hasSuffix(".swift") }

  private static func split(
    _ line: Substring, inLongLiteral: inout Bool
  ) -> (code: String, comment: String) {
    var code = ""
    var rest = line[...]
    // The marks that would end the literal that we are in.
    var end: String? = inLongLiteral ? "\"\"\"" : nil
    while let first = rest.first {
      if let mark = end {
        if rest.hasPrefix(mark) {
          rest = rest.dropFirst(mark.count)
          end = nil
          code += "\""
        } else {
          rest = rest.dropFirst(first == "\\" && !mark.hasSuffix("#") ? 2 : 1)
        }
      } else if rest.hasPrefix("//") {
        inLongLiteral = false
        return (code, String(rest.dropFirst(2)))
      } else if let (open, close) = literals.first(where: { rest.hasPrefix($0.open) }) {
        rest = rest.dropFirst(open.count)
        end = close
        code += "\""
      } else {
        code.append(first)
        rest = rest.dropFirst()
      }
    }
    inLongLiteral = end == "\"\"\""
    return (code, "")
  }

  private static let literals = [
    (open: "#\"", close: "\"#"), (open: "\"\"\"", close: "\"\"\""), (open: "\"", close: "\""),
  ]
}

/// The files of this package.
enum Tree {
  static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// Swift files below Sources and Tests, generated code left out.
  static let swift: [SourceFile] = files(below: ["Sources", "Tests"]).filter {
    $0.isSwift && !$0.isGenerated
  }

  /// All that people read: code, manifests, scripts and pages.
  static let words: [SourceFile] =
    files(below: ["Sources", "Tests", "tools", ".ci"])
    + ["Package.swift", "README.md"].compactMap(file)

  static func file(_ path: String) -> SourceFile? {
    guard let text = try? String(contentsOf: root.appending(path: path), encoding: .utf8) else {
      return nil
    }
    return SourceFile(path: path, text: text)
  }

  private static func files(below folders: [String]) -> [SourceFile] {
    folders.flatMap { folder in
      let base = root.appending(path: folder).resolvingSymlinksInPath()
      let paths = (try? FileManager.default.subpathsOfDirectory(atPath: base.path)) ?? []
      return paths.sorted().filter { !$0.contains(".build/") }.compactMap { path in
        file("\(folder)/\(path)")
      }
    }
  }
}
