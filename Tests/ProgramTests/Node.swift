// A node of a stage: its agent as a process, and the command line as its user.

import Foundation
import Testing

final class Node {
  let name: String
  /// Another one counts from the next start on.
  var address: String
  let folder: URL
  let data: String
  /// Beside the name, the address and the data directory.
  var flags: [String] = []
  /// Beside PATH.
  var environment: [String: String] = [:]
  /// The words that run its agent, where it needs a place of its own.
  var launcher: [String] = []
  private(set) var agent: Program.Running?
  private var logs: [String] = []

  init(_ name: String, _ address: String, in folder: URL) {
    self.name = name
    self.address = address
    self.folder = folder
    data = folder.appendingPathComponent(name).path
  }

  // MARK: The agent

  var arguments: [String] {
    ["agent", "--name", name, "--address", address, "--data-dir", data] + flags
  }

  /// Starts the agent without waiting for anything.
  func launch() throws {
    if let agent { logs.append(agent.err) }
    agent = try Program.Running(
      arguments, in: folder, environment: environment, launcher: launcher)
  }

  /// Starts the agent and waits until it answers.
  func start() async throws {
    try launch()
    try await eventually("\(name) answers") {
      guard agent?.process.isRunning == true else {
        throw Program.TimedOut(description: "the agent of \(name) ended: \(log)")
      }
      return try await run("status", "--wait-ready", "--timeout", "1s").code == 0
    }
  }

  /// Ends the agent with SIGTERM.
  func stop() async throws -> Int32 {
    guard let agent else { return 0 }
    _ = Foundation.kill(agent.id, SIGTERM)
    let code = try await agent.ended(within: .seconds(30)).code
    if code != 0 { print("--- \(name) ended with \(code):\n\(log.suffix(4000))") }
    return code
  }

  /// Ends the agent with SIGKILL.
  func kill() {
    guard let agent, agent.process.isRunning else { return }
    _ = Foundation.kill(agent.id, SIGKILL)
    agent.process.waitUntilExit()
  }

  /// Everything that its agents wrote to standard error.
  var log: String { logs.joined() + (agent?.err ?? "") }

  // MARK: Commands

  /// A command on this node, started.
  func begin(_ arguments: String..., input: String? = nil) throws -> Program.Running {
    try Program.Running(arguments + ["--data-dir", data], in: folder, input: input)
  }

  /// A command on this node, to its end.
  func run(_ arguments: String..., input: String? = nil) async throws -> Program.Outcome {
    try await Program.Running(arguments + ["--data-dir", data], in: folder, input: input).ended()
  }

  func run(_ arguments: [String]) async throws -> Program.Outcome {
    try await Program.Running(arguments + ["--data-dir", data], in: folder).ended()
  }

  /// A command that must succeed; what it printed.
  @discardableResult
  func succeed(
    _ arguments: String..., input: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> String {
    let outcome = try await Program.Running(
      arguments + ["--data-dir", data], in: folder, input: input
    ).ended()
    try #require(
      outcome.code == 0, "muster \(arguments) on \(name): \(outcome)",
      sourceLocation: sourceLocation)
    return outcome.out
  }

  func status() async throws -> StatusAnswer {
    try JSONDecoder().decode(
      StatusAnswer.self, from: Data(try await succeed("status", "--format", "json").utf8))
  }

  func events() async throws -> [EventAnswer] {
    try await succeed("events", "-o", "json").split(separator: "\n").map {
      try JSONDecoder().decode(EventAnswer.self, from: Data($0.utf8))
    }
  }

  /// The answer of that node's cluster port to a request that proves this one's key, by curl.
  func post(_ body: String, to host: Node, _ path: String) async throws -> String {
    try await Tool(
      "curl",
      [
        "--silent", "--insecure", "--cert", data + "/identity/node.crt", "--key",
        data + "/identity/node.key", "--data", body, "https://\(host.address):25000\(path)",
      ], folder
    ).ended().out
  }

  /// A connection string for one more node.
  func invitation(_ flags: String...) async throws -> String {
    let outcome = try await Program.Running(
      ["add-node", "--format", "short", "--data-dir", data] + flags, in: folder
    ).ended()
    let words = outcome.out.split(whereSeparator: \.isWhitespace)
    return String(try #require(words.dropFirst(2).first, "\(outcome)"))
  }

  /// Joins that node to this one's cluster.
  func admit(_ node: Node, worker: Bool = false) async throws {
    let string = try await invitation()
    if worker {
      try await node.succeed("join", string, "--worker")
    } else {
      try await node.succeed("join", string)
    }
  }
}
