// The laws, each a function from a file to what breaks it there.

/// One place where a law is broken.
struct Finding: CustomStringConvertible {
  let path: String
  let line: Int
  let rule: String

  init(_ file: SourceFile, _ line: Int, _ rule: String) {
    path = file.path
    self.line = line
    self.rule = rule
  }

  var description: String { "\(path):\(line): \(rule)" }
}

enum Laws {
  static func imports(_ file: SourceFile) -> [Finding] {
    let modules = file.lines.compactMap { line in
      importedModule(line.code).map { (line: line.number, module: $0) }
    }
    guard let target = file.target else {
      return modules.filter { $0.module == "CLMDB" }.map {
        Finding(file, $0.line, "only the target LMDB imports CLMDB")
      }
    }
    guard let allowed = Walls.allowed[target] else {
      return [Finding(file, 1, "the target \(target) is not in the table of walls")]
    }
    return modules.filter { !allowed.contains($0.module) }.map {
      Finding(file, $0.line, "\(target) may not import \($0.module)")
    }
  }

  private static func importedModule(_ code: String) -> String? {
    guard code.contains("import ") else { return nil }
    var words = code.split(separator: " ")[...]
    let modifiers: Set<Substring> = [
      "package", "public", "internal", "fileprivate", "private", "@preconcurrency",
    ]
    while let word = words.first, modifiers.contains(word) || word.hasPrefix("@") {
      words.removeFirst()
    }
    guard words.popFirst() == "import" else { return nil }
    let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "typealias"]
    if let kind = words.first, kinds.contains(kind) { words.removeFirst() }
    return words.first.map { String($0.prefix { $0 != "." }) }
  }

  static func worldlyThings(_ file: SourceFile) -> [Finding] {
    guard let target = file.target, !Walls.worldly.contains(target) else { return [] }
    let sources = [
      "Date()", "Date.now", "ContinuousClock", "SuspendingClock", "DispatchTime", "NIODeadline.now",
      "clock_gettime", "gettimeofday", "SystemRandomNumberGenerator", "UUID()", "getrandom",
      "arc4random",
    ]
    // Drawn from the system unless a generator is given.
    let draws = [".random(", ".randomElement(", ".shuffled(", ".shuffle("]
    return file.lines.flatMap { line in
      (sources.filter { line.code.contains($0) }
        + draws.filter { line.code.contains($0) && !line.code.contains("using:") })
        .map { Finding(file, line.number, "\($0): time and randomness are given to \(target)") }
    }
  }

  static func escapes(_ file: SourceFile) -> [Finding] {
    let escapes = [
      "@unchecked Sendable", "nonisolated(unsafe)", "try!", "as!", "fatalError(", "Task.detached",
    ]
    return file.lines.flatMap { line in
      escapes.filter { contains(line.code, word: $0) && line.comment.count < 8 }
        .map { Finding(file, line.number, "\($0) needs its reason in a comment on the line") }
    }
  }

  static func pointers(_ file: SourceFile) -> [Finding] {
    guard let target = file.target, target != "LMDB", Walls.pointers[file.path] == nil else {
      return []
    }
    return file.lines.filter {
      ["Unsafe", "unsafe", "OpaquePointer", "Unmanaged", "withExtendedLifetime"]
        .contains(where: $0.code.contains) && !$0.code.contains("nonisolated(unsafe)")
    }.map { Finding(file, $0.number, "memory by pointers belongs in LMDB (or Walls.pointers)") }
  }

  static func access(_ file: SourceFile) -> [Finding] {
    guard file.target != nil else { return [] }
    return file.lines.filter { line in
      let words = line.code.split(separator: " ")
      return words.contains("public") || words.starts(with: ["open", "class"])
    }.map { Finding(file, $0.number, "targets share by package access; nothing is public") }
  }

  static func lengths(_ file: SourceFile) -> [Finding] {
    var findings = file.lines.filter { $0.text.count > 100 }.map {
      Finding(file, $0.number, "\($0.text.count) columns, 100 is the limit")
    }
    let limit = Walls.long[file.path] == nil ? 400 : 500
    if file.lines.count > limit {
      findings.append(Finding(file, limit + 1, "\(file.lines.count) lines, \(limit) is the limit"))
    }
    findings += functions(in: file).filter { $0.count > 70 }.map {
      Finding(file, $0.lowerBound, "a function of \($0.count) lines, 70 is the limit")
    }
    return findings
  }

  /// First and last line of each function with a body.
  static func functions(in file: SourceFile) -> [ClosedRange<Int>] {
    file.lines.indices.compactMap { start in
      let words = file.lines[start].code.split { !$0.isLetter && $0 != "." && $0 != "?" }
      guard words.contains(where: { ["func", "init", "init?", "deinit"].contains($0) }) else {
        return nil
      }
      return end(of: start, in: file.lines).map { file.lines[start].number...$0 }
    }
  }

  /// The line that closes the body of the function declared at `start`; nil if it has none.
  private static func end(of start: Int, in lines: [SourceFile.Line]) -> Int? {
    var (parentheses, braces) = (0, 0)
    for line in lines[start...] {
      let code = line.code.drop { $0 == " " }
      if line.number > lines[start].number, parentheses == 0, braces == 0,
        !["->", "where", "throws", "async", "{"].contains(where: code.hasPrefix)
      {
        return nil  // A requirement: the next declaration begins.
      }
      for character in code {
        switch character {
        case "(" where braces == 0: parentheses += 1
        case ")" where braces == 0: parentheses -= 1
        case "{" where parentheses == 0: braces += 1
        case "}" where parentheses == 0:
          braces -= 1
          // Less than none: a requirement was the last thing in its protocol.
          if braces <= 0 { return braces == 0 ? line.number : nil }
        default: break
        }
      }
    }
    return nil
  }

  static func names(_ file: SourceFile) -> [Finding] {
    let kinds: Set<Substring> = ["struct", "class", "enum", "actor", "protocol", "typealias"]
    let empty = ["Manager", "Helper", "Helpers", "Util", "Utils", "Utility", "Utilities", "Impl"]
    return file.lines.flatMap { line in
      let words = line.code.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
      return zip(words, words.dropFirst())
        .filter { kinds.contains($0) && !Set(empty).isDisjoint(with: parts(of: $1)) }
        .map { Finding(file, line.number, "\($1): a name that says nothing") }
    }
  }

  static func leftovers(_ file: SourceFile) -> [Finding] {
    // Put together, so that the law does not break itself.
    let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
    return file.lines.flatMap { line in
      marks.filter { contains(line.text, word: $0) }
        .map { Finding(file, line.number, "\($0): finish it, or leave it out") }
    }
  }

  /// The parts of a name in camel case: `NodeManager` has `Node` and `Manager`.
  private static func parts(of name: Substring) -> [String] {
    name.reduce(into: [String]()) { parts, character in
      if character.isUppercase || parts.isEmpty { parts.append("") }
      parts[parts.count - 1].append(character)
    }
  }

  /// Whether `text` has `word`, not as a part of a longer word.
  private static func contains(_ text: String, word: String) -> Bool {
    guard text.contains(word) else { return false }
    return text.ranges(of: word).contains { range in
      let before = text[..<range.lowerBound].last
      let after = text[range.upperBound...].first
      return before?.isLetter != true && (word.last?.isLetter == false || after?.isLetter != true)
    }
  }
}
