import Agent
import ArgumentParser

struct Leave: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "leave",
    abstract: "Take this node out of its cluster; it goes on as a fresh cluster of its own.",
    discussion: """
      Refused (exit code 3) where the other nodes could not stay available. A node that was \
      removed by others runs this to become a fresh cluster. The old cluster's log is archived.
      """)

  @OptionGroup var agent: LocalAgent
  @Flag(
    help: "Give the cluster up here without asking it, when it cannot be reached or has no quorum.")
  var local = false
  @Option(
    help: ArgumentHelp("How long to try; then exit code 7. Like 90s or 5m.", valueName: "duration"),
    transform: { try DurationText.seconds($0) })
  var timeout: Int64 = 60

  @Flag(help: "Take back a leave that timed out and would be asked for again.")
  var cancel = false

  func validate() throws {
    if local, cancel { throw ValidationError("--local and --cancel exclude one another") }
  }

  func run() async throws {
    if !local, !cancel { await WhatIfCommand.preview("leave", nil, agent) }
    try await Progress.follow(
      "/v1/node/leave", LocalLeave(local: local, cancel: cancel, timeoutSeconds: Double(timeout)),
      of: agent.client, timeout: timeout,
      lost: "the agent ended while the node was leaving. It goes on by itself when it runs again "
        + "(see muster status), and the same leave attaches to it",
      interrupted: "the agent goes on leaving, and by itself when it is restarted. The same leave "
        + "finishes it; muster status tells what this node is")
  }
}
