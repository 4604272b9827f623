import Foundation
import Raft
import Testing

/// The recorded behaviour of etcd-io/raft, as this core plays it.
///
/// Every file of the directory in `RAFT_TESTDATA` (else of `raft-testdata` in the directory
/// `shared` beside the package) is one case, whatever its name. The core has no log, so lines of
/// the recorded log are left out on both sides; everything else is compared byte for byte.
@Suite struct PeerDataTests {
  static let directory: URL = {
    if let path = ProcessInfo.processInfo.environment["RAFT_TESTDATA"], !path.isEmpty {
      return URL(fileURLWithPath: path).resolvingSymlinksInPath()
    }
    // Tests/PeerDataTests/PeerDataTests.swift
    let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    return root.deletingLastPathComponent().appendingPathComponent("shared/raft-testdata")
  }()

  /// Paths below the directory, sorted.
  static let files: [String] = {
    let all = FileManager.default.enumerator(atPath: directory.path) ?? .init()
    return all.compactMap { $0 as? String }.filter { $0.hasSuffix(".txt") }.sorted()
  }()

  @Test(
    "the core does what etcd-io/raft does, effect for effect",
    .enabled(if: !files.isEmpty, "no recorded data in \(directory.path)"),
    arguments: files)
  func agrees(file: String) throws {
    _ = try play(file) { start, _ in MemoryLog(start) }
  }

  @Test(
    "it does the same over the log on the disk, which is whole afterwards",
    .enabled(if: !files.isEmpty, "no recorded data in \(directory.path)"),
    arguments: files)
  func agreesOnDisk(file: String) throws {
    let environment = try play(file) { start, node in try DiskLog(start, node: node) }
    for node in environment.nodes {
      let problem = try (node.log as? DiskLog)?.problem()
      #expect(problem == nil, "\(file): the log of node \(node.machine.id)")
    }
  }

  /// Plays one file, to the first output that differs.
  private func play(
    _ file: String, makeLog: @escaping InteractionEnvironment.MakeLog
  ) throws -> InteractionEnvironment {
    let url = Self.directory.appendingPathComponent(file)
    let recorded = DataDrivenFile(try String(contentsOf: url, encoding: .utf8))
    #expect(!recorded.cases.isEmpty, "\(file) has no directives")
    var environment = InteractionEnvironment(makeLog: makeLog)
    for item in recorded.cases {
      let output = environment.run(item.directive, input: item.input)
      let actual = Self.withoutLog(Self.lines(output))
      let expected = Self.withoutLog(item.expected)
      guard actual == expected else {
        // What follows rests on this one.
        Issue.record(
          """
          \(url.path):\(item.line): \(item.directive.command)
          \(Difference.unified(expected: expected, actual: actual))
          """)
        break
      }
    }
    return environment
  }

  private static func lines(_ text: String) -> [String] {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.last == "" { lines.removeLast() }
    return lines
  }

  /// Leaves out what the recorded core wrote to its log.
  private static func withoutLog(_ lines: [String]) -> [String] {
    let levels: Set<Substring> = ["DEBUG", "INFO", "WARN", "ERROR", "FATAL"]
    let kept = lines.filter { line in
      guard let word = line.split(separator: " ", maxSplits: 1).first else { return true }
      return !levels.contains(word)
    }
    return kept.isEmpty ? ["ok"] : kept
  }
}
