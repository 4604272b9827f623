// The laws, held over this package, each first over a planted crime: a law that finds nothing there
// proves nothing here.

import Foundation
import Testing

@Suite struct TidyTests {
  struct Law: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let files: @Sendable () -> [SourceFile]
    let check: @Sendable (SourceFile) -> [Finding]
    /// A text that breaks it, once on each line that ends in `// crime`.
    let crime: String
  }

  static let laws = [
    Law(
      testDescription: "A target imports only what the map of the house allows",
      files: { Tree.swift }, check: Laws.imports,
      crime: """
        import Membership
        import Foundation  // crime
        package import struct Raft.Entry  // crime
        // import Raft
        let text = "import Raft"
        """),
    Law(
      testDescription: "Time and randomness are drawn in Agent and Simulator alone",
      files: { Tree.swift }, check: Laws.worldlyThings,
      crime: """
        let now = Date()  // crime
        let clock = ContinuousClock()  // crime
        let id = Int.random(in: 0...1)  // crime
        let fair = Int.random(in: 0...1, using: &generator)
        let text = "Date()"
        """),
    Law(
      testDescription: "An escape from the language's guards has its reason on the line",
      files: { Tree.swift }, check: Laws.escapes,
      crime: """
        final class Box: @unchecked Sendable {}  // crime
        final class Lock: @unchecked Sendable {}  // guarded by a mutex
        let value = try! parse()  // crime
        try!  // crime
        let name = value as! String  // crime
        let other = value as? String
        func has!(_ x: Int) {}
        """),
    Law(
      testDescription: "Memory by pointers belongs to LMDB",
      files: { Tree.swift }, check: Laws.pointers,
      crime: """
        bytes.withUnsafeBytes { $0.count }  // crime
        let pointer: OpaquePointer  // crime
        let text = "Unsafe"
        """),
    Law(
      testDescription: "Targets share by package access",
      files: { Tree.swift }, check: Laws.access,
      crime: """
        public struct Thing {}  // crime
        open class Base {}  // crime
        guard let open = value else { return }
        package struct Other {}
        let words = "public struct"
        """),
    Law(
      testDescription: "Lines end at 100 columns",
      files: { Tree.swift }, check: Laws.lengths,
      crime: """
        let short = 1
        \(String(repeating: "/", count: 120)) // crime
        """),
    Law(
      testDescription: "Names say something",
      files: { Tree.swift }, check: Laws.names,
      crime: """
        struct NodeManager {}  // crime
        final class IOUtils {}  // crime
        enum Implicit {}
        struct Utilization {}
        let manager = FileManager.default
        """),
    Law(
      testDescription: "Nothing is left for later",
      files: { Tree.words }, check: Laws.leftovers,
      crime: """
        let x = 1  // \("TO" + "DO") crime
        let host = "xxx"
        """),
  ]

  @Test("Law", arguments: laws)
  func isKept(_ law: Law) {
    let planted = SourceFile(path: "Sources/Projections/Planted.swift", text: law.crime)
    let expected = planted.lines.filter { $0.text.hasSuffix("crime") }.map(\.number)
    #expect(law.check(planted).map(\.line) == expected, "the law does not find its crime")

    let files = law.files()
    #expect(files.count > 20, "the files of the package were not found")
    for finding in files.flatMap(law.check) { Issue.record("\(finding)") }
  }

  @Test("Functions of more than 70 and files of more than 400 lines are found")
  func lengthsAreFound() {
    func body(_ count: Int) -> String { String(repeating: "    work()\n", count: count) }
    let text = """
      // A file.
      protocol Requirement {
        func none()
        init(value: Int)
      }
      struct Kept {
        func fits(
          _ value: Int = { 1 }()
        ) {
      \(body(66))  }
        init?(long: Int) throws -> Void
        where Int: Sendable {
      \(body(69))  }
      }
      """
    let file = SourceFile(path: "Sources/Projections/Planted.swift", text: text)
    #expect(Laws.functions(in: file).map(\.count) == [70, 72])
    #expect(Laws.lengths(file).count == 1)
    let long = SourceFile(
      path: "Sources/Projections/Planted.swift",
      text: String(repeating: "\n", count: 401))
    #expect(Laws.lengths(long).count == 1)
  }

  @Test("The manifest gives no target more than the map of the house allows")
  func manifestKeepsTheWalls() throws {
    let manifest = try String(
      contentsOf: Tree.root.appending(path: "Package.swift"), encoding: .utf8)
    var seen = 0
    for part in manifest.components(separatedBy: "arget(").dropFirst() {
      let words = part.replacing(/package: "[^"]*"/, with: "")
      let names = words.matches(of: /"([^"]+)"/).map { String($0.1) }
      guard let target = names.first, let allowed = Walls.allowed[target],
        let list = words.firstMatch(of: /dependencies: \[([\s\S]*?)\]/)
      else { continue }
      seen += 1
      for name in list.1.matches(of: /"([^"]+)"/).map({ String($0.1) }) {
        #expect(allowed.contains(name), "Package.swift: \(target) may not depend on \(name)")
      }
    }
    #expect(seen > 3, "the targets of the manifest were not found")
  }

  @Test("Every kind of event that has a case has golden bytes")
  func eventsHaveGoldenBytes() throws {
    let source = try #require(Tree.file("Sources/Membership/Event.swift")).lines.map(\.text)
    let start = try #require(source.firstIndex { $0.hasPrefix("package enum Event:") })
    let cases = source[start...].prefix { $0 != "}" }
      .compactMap { $0.firstMatch(of: /^  case (\w+)\(/).map { String($0.1) } }
    #expect(!cases.isEmpty)
    for name in cases {
      let text = source.lazy
        .compactMap { $0.firstMatch(of: /case \.(\w+): "(.+)"/) }
        .first { $0.1 == name }?.2
      let event = try #require(text, "Event.swift: no name for \(name)")
      let golden = Tree.root.appending(path: "Fixtures/events/\(event).hex").path
      #expect(
        FileManager.default.fileExists(atPath: golden),
        "Fixtures/events/\(event).hex: \(name) has no golden bytes (UPDATE_GOLDEN=1)")
    }
  }

  @Test("Generated code is in one place, and says that it is generated")
  func generatedCodeIsMarked() throws {
    let folder = "Sources/Schema/Generated/"
    let generated = Tree.words.filter(\.isGenerated)
    #expect(!generated.isEmpty)
    for file in generated {
      #expect(file.path.hasPrefix(folder), "\(file.path):1: generated code belongs in \(folder)")
      #expect(file.lines.prefix(2).map(\.text).contains("// swift-format-ignore-file"))
    }
  }
}
