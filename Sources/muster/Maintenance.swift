import Agent
import ArgumentParser

struct Maintenance: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "maintenance",
    abstract: "Say that a node may be away for a while, or that it is back.",
    discussion: """
      In maintenance a node does not lead, and lends its vote to a control-plane node that is in \
      contact and caught up, where there is one. Afterwards it has the vote back.
      """,
    subcommands: [Enter.self, Exit.self])

  struct Enter: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "enter",
      abstract: "Take leadership and vote from a node, before it is switched off.")

    @OptionGroup var agent: LocalAgent
    @OptionGroup var patience: Patience
    @Argument(help: ArgumentHelp("The node's name or one of its addresses.", valueName: "node"))
    var node: String
    @Option(
      name: .customLong("for"),
      help: ArgumentHelp("When it ends by itself, like 30m.", valueName: "duration"),
      transform: { try DurationText.seconds($0) })
    var seconds: Int64?
    @Option(help: ArgumentHelp("Why, for the log.", valueName: "text"))
    var reason = ""

    func run() async throws {
      try await tell(
        MaintenanceRequest(
          command: LocalClient.drawCommand(), target: node, enter: true, seconds: seconds,
          reason: reason), agent, patience)
    }
  }

  struct Exit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "exit",
      abstract: "Give a node back what it lent.")

    @OptionGroup var agent: LocalAgent
    @OptionGroup var patience: Patience
    @Argument(help: ArgumentHelp("The node's name or one of its addresses.", valueName: "node"))
    var node: String
    @Option(help: ArgumentHelp("Why, for the log.", valueName: "text"))
    var reason = ""

    func run() async throws {
      try await tell(
        MaintenanceRequest(
          command: LocalClient.drawCommand(), target: node, enter: false, seconds: nil,
          reason: reason), agent, patience)
    }
  }

  private static func tell(
    _ request: MaintenanceRequest, _ agent: LocalAgent, _ patience: Patience
  ) async throws {
    let telling = Task {
      try await Task.sleep(for: .milliseconds(500))
      Terminal.note(
        request.enter
          ? "waiting a few seconds for another node to lead and to vote in its place"
          : "waiting a few seconds until it has its vote back")
    }
    defer { telling.cancel() }
    let appended: Appended = try await agent.client.append(
      "/v1/nodes/maintenance", body: request, timeout: patience.duration)
    Terminal.out(
      "\(request.target) is \(request.enter ? "" : "not ")in maintenance"
        + "\(request.enter ? "" : " any more") (index \(appended.last)).\n")
    for note in appended.notes ?? [] { Terminal.out(note + "\n") }
  }
}
