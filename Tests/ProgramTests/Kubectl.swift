// The real kubectl, as a user types it, and curl for what kubectl would not ask.

import Foundation
import Testing

struct Kubectl {
  /// Every kubectl of this machine: what KUBECTL names, what is in PATH (and its siblings of other
  /// versions, as Google's package has them), and what tools/test unpacked from Debian's package.
  static let programs: [String] = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let environment = ProcessInfo.processInfo.environment
    let folders = (environment["PATH"] ?? "/usr/bin").split(separator: ":")
    var places = [environment["KUBECTL"]].compactMap { $0 }
    if let found = folders.map({ "\($0)/kubectl" }).first(where: isProgram) {
      let real = URL(fileURLWithPath: found).resolvingSymlinksInPath().path
      let siblings = (27...40).map { "\(real).1.\($0)" }.filter(isProgram)
      // The oldest and the newest: between them nothing is asked that neither asks.
      places +=
        siblings.isEmpty ? [found] : Set([siblings[0], siblings[siblings.count - 1]]).sorted()
    }
    places.append(root.appendingPathComponent(".build/tools/kubectl").path)
    return places.filter(isProgram)
  }()

  private static func isProgram(_ path: String) -> Bool {
    FileManager.default.isExecutableFile(atPath: path)
  }

  let program: String
  let kubeconfig: String
  let folder: URL

  init(_ program: String, _ node: Node) {
    self.program = program
    kubeconfig = node.data + "/kubeconfig"
    folder = node.folder
  }

  private func words(_ arguments: [String]) -> [String] {
    // Discovery is cached for hours: each test begins without.
    ["--kubeconfig", kubeconfig, "--cache-dir", folder.path + "/kube-cache"] + arguments
  }

  /// Starts it.
  func begin(_ arguments: String...) throws -> Tool { try Tool(program, words(arguments), folder) }

  /// Runs it to its end.
  func run(_ arguments: String...) async throws -> Program.Outcome {
    try await Tool(program, words(arguments), folder).ended()
  }

  /// What it printed; it must succeed.
  @discardableResult
  func succeed(
    _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> String {
    let outcome = try await Tool(program, words(arguments), folder).ended()
    try #require(
      outcome.code == 0, "\(program) \(arguments): \(outcome)", sourceLocation: sourceLocation)
    return outcome.out
  }
}

/// Another's program as a process, with what it prints in files.
final class Tool {
  let process = Process()
  private let out: URL
  private let err: URL
  private let input: Pipe?

  /// - Parameter holdsInput: its standard input stays open for as long as this lives.
  init(
    _ program: String, _ arguments: [String], _ folder: URL, holdsInput: Bool = false
  ) throws {
    let name = UUID().uuidString
    out = folder.appendingPathComponent(name + ".out")
    err = folder.appendingPathComponent(name + ".err")
    for file in [out, err] { try Data().write(to: file) }
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    process.environment = ["PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "HOME": folder.path]
    input = holdsInput ? Pipe() : nil
    process.standardInput = input ?? FileHandle.nullDevice
    let files = [try FileHandle(forWritingTo: out), try FileHandle(forWritingTo: err)]
    // As in `Program.Running`.
    defer { for file in files { try? file.close() } }
    process.standardOutput = files[0]
    process.standardError = files[1]
    try process.run()
  }

  deinit { end() }

  func end() {
    guard process.isRunning else { return }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// What it printed so far.
  var lines: [String] { text(out).split(separator: "\n").map(String.init) }

  private func text(_ file: URL) -> String {
    (try? String(contentsOf: file, encoding: .utf8)) ?? ""
  }

  func ended(within limit: Duration = .seconds(60)) async throws -> Program.Outcome {
    let end = ContinuousClock.now + limit
    while process.isRunning {
      guard ContinuousClock.now < end else {
        self.end()
        throw Program.TimedOut(
          description: "\(process.arguments ?? []) did not end in \(limit): "
            + text(out) + text(err))
      }
      try await Task.sleep(for: .milliseconds(5))
    }
    return Program.Outcome(code: process.terminationStatus, out: text(out), err: text(err))
  }
}

/// Requests to one node's Kubernetes API by curl.
struct KubernetesClient {
  struct Answer {
    var code: Int
    var body: String
    var lines: [Substring] { body.split(separator: "\n") }
    /// Of a Status.
    var reason: String? { Self.field("reason", body) }

    static func field(_ name: String, _ text: some StringProtocol) -> String? {
      let value = text.components(separatedBy: "\"\(name)\":\"").dropFirst().first
      return value.map { String($0.prefix { $0 != "\"" }) }
    }
  }

  let node: Node
  /// What curl is told of credentials.
  let credentials: [String]

  /// As the administrator, with what the node's kubeconfig holds.
  init(_ node: Node) throws {
    self.node = node
    let text = try String(contentsOfFile: node.data + "/kubeconfig", encoding: .utf8)
    let names = [
      "certificate-authority-data", "client-certificate-data", "client-key-data",
    ]
    let files = try names.map { name -> String in
      let line = try #require(text.split(separator: "\n").first { $0.contains(name + ": ") })
      let data = try #require(Data(base64Encoded: String(line.split(separator: " ")[1])))
      let file = node.folder.appendingPathComponent("\(node.name).\(name)")
      try data.write(to: file)
      return file.path
    }
    credentials = ["--cacert", files[0], "--cert", files[1], "--key", files[2]]
  }

  init(_ node: Node, credentials: [String]) {
    self.node = node
    self.credentials = credentials
  }

  func begin(_ path: String, _ more: String...) throws -> Tool {
    try begin(path, more)
  }

  private func begin(_ path: String, _ more: [String]) throws -> Tool {
    try Tool(
      "curl",
      ["-sN", "-m", "50", "-w", "\n%{http_code}"] + credentials + more
        + ["https://\(node.address):16443\(path)"], node.folder)
  }

  func get(_ path: String, _ more: String...) async throws -> Answer {
    let outcome = try await begin(path, more).ended()
    let code = outcome.lines.last.flatMap { Int($0) }
    return Answer(
      code: try #require(code, "\(path): \(outcome)"),
      body: outcome.lines.dropLast().joined(separator: "\n"))
  }
}
