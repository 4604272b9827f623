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
  @OptionGroup var log: LogOptions
  @Option(
    help: ArgumentHelp(
      "How long one program in DATA_DIR/hooks.d may take (default: 60s).", valueName: "duration"))
  var hookTimeout: String?

  func run() async throws {
    var options = try node.options(agent)
    options.hookTimeout = hookTimeout ?? environment("MUSTER_HOOK_TIMEOUT")
    options.logLevel = log.level
    options.logFormat = log.format
    try await Daemon.run(options)
  }
}
