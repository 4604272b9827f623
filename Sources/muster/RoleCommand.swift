import Agent
import ArgumentParser

struct RoleCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "role",
    abstract: "Make a worker a control-plane node, or a control-plane node a worker.",
    discussion: """
      Run it on a control-plane node. The node keeps its name, its key and its place in the \
      cluster. A worker that is promoted must be within reach; it fetches the log and gets a vote \
      where one is wanted. A demotion is refused (exit code 3) where the others could not stay \
      available; a node that is gone is taken out with muster remove-node.
      """)

  @OptionGroup var agent: LocalAgent
  @Argument(help: ArgumentHelp("The node's name or one of its addresses.", valueName: "node"))
  var node: String
  @Argument(help: ArgumentHelp("What it shall be.", valueName: "worker|control-plane"))
  var role: Role
  @Option(help: ArgumentHelp("Why, for the log.", valueName: "text"))
  var reason = ""
  @Option(
    help: ArgumentHelp("How long to try; then exit code 7. Like 90s or 5m.", valueName: "duration"),
    transform: { try DurationText.seconds($0) })
  var timeout: Int64 = 60

  enum Role: String, ExpressibleByArgument, CaseIterable {
    case worker
    case controlPlane = "control-plane"
  }

  func run() async throws {
    await WhatIfCommand.preview(role == .worker ? "demote" : "promote", node, agent)
    let body = LocalRoleChange(
      command: LocalClient.drawCommand(), target: node, role: role.rawValue, reason: reason,
      timeoutSeconds: Double(timeout))
    try await Progress.follow(
      "/v1/node/role", body, of: agent.client, timeout: timeout,
      lost:
        "the agent ended before the node served in its new role. If the change was recorded, it "
        + "goes on by itself (see muster status), and the same command again is safe",
      interrupted: "if the change was recorded, it goes on by itself (see muster status), and the "
        + "same command again is safe")
  }
}
