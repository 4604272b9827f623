import Agent
import ArgumentParser

struct RemoveNode: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove-node",
    abstract: "Remove a node that left, or that is gone.",
    discussion: """
      A node that left or has been unreachable for 30 s needs no force; one that is alive should \
      run muster leave itself. No force removes a node without which the quorum is lost.
      """)

  @OptionGroup var agent: LocalAgent
  @OptionGroup var patience: Patience
  @Argument(help: ArgumentHelp("The node's name or one of its addresses.", valueName: "node"))
  var node: String
  @Flag(help: "Remove it although it is alive; needs --reason.")
  var force = false
  @Option(help: ArgumentHelp("Why, for the log.", valueName: "text"))
  var reason = ""

  func run() async throws {
    // Without a reason a forced removal is refused, whatever it would lead to.
    if !force || !reason.isEmpty {
      await WhatIfCommand.preview("remove", node, force: force, agent)
    }
    let request = RemovalRequest(
      command: LocalClient.drawCommand(), target: node, force: force, reason: reason)
    let appended: Appended = try await agent.client.append(
      "/v1/nodes/remove", body: request, timeout: patience.duration)
    Terminal.out("\(node) was removed at index \(appended.last).\n")
    let notes = appended.notes ?? ["Workloads on \(node) run until the machine is stopped."]
    for note in notes { Terminal.out(note + "\n") }
  }
}
