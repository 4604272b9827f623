import Agent
import ArgumentParser

struct AgentCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "agent", abstract: "Run a node in the foreground.",
    discussion: """
      On its first start a node forms a cluster of its own and can be used at once. A service \
      manager starts it; it says when it serves (NOTIFY_SOCKET) and ends on SIGTERM. Each option \
      can also be given as MUSTER_ and its name in upper case (MUSTER_CLUSTER_PORT), or in \
      DATA_DIR/agent.yaml under its name (cluster-port: 25000). A flag comes before the \
      environment, which comes before the file.
      """)

  @OptionGroup var agent: LocalAgent
  @OptionGroup var node: NodeOptions
  @Option(
    help: ArgumentHelp(
      "trace, debug, info, notice, warning, error or critical (default: info).",
      valueName: "level"))
  var logLevel: String?
  @Option(
    help: ArgumentHelp("text or json, on standard error (default: text).", valueName: "format"))
  var logFormat: String?

  func run() async throws {
    var options = try node.options(agent)
    options.logLevel = logLevel ?? environment("MUSTER_LOG_LEVEL")
    options.logFormat = logFormat ?? environment("MUSTER_LOG_FORMAT")
    try await Daemon.run(options)
  }
}
