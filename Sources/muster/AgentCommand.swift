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
  @Option(help: ArgumentHelp("Read options from here instead of agent.yaml.", valueName: "file"))
  var config: String?
  @Option(
    help: ArgumentHelp(
      "The node's name, unique in its cluster (default: the host name).", valueName: "name"))
  var name: String?
  @Option(
    help: ArgumentHelp(
      "The address that others use (default: the recorded one, else the default route's).",
      valueName: "addr"))
  var address: String?
  @Option(help: ArgumentHelp("Where to bind, if not at --address.", valueName: "addr"))
  var listen: String?
  @Option(
    help: ArgumentHelp(
      "A further address of this node, repeatable (default without --address: all global ones).",
      valueName: "addr"))
  var extraAddress: [String] = []
  @Option(help: ArgumentHelp("The cluster API (default: 25000).", valueName: "port"))
  var clusterPort: Int?
  @Option(help: ArgumentHelp("Raft (default: 19001).", valueName: "port"))
  var datastorePort: Int?
  @Option(help: ArgumentHelp("The Kubernetes API (default: 16443).", valueName: "port"))
  var apiserverPort: Int?
  @Option(
    help: ArgumentHelp(
      "A real kube-apiserver on this node; the embedded one is then not started.",
      valueName: "host:port"))
  var apiserverEndpoint: String?
  @Option(
    help: ArgumentHelp("Voters are spread over these (default: 1).", valueName: "text"))
  var failureDomain: String?
  @OptionGroup var log: LogOptions

  func run() async throws {
    var options = AgentOptions()
    options.dataDirectory = agent.path
    options.config = config ?? environment("MUSTER_CONFIG")
    options.name = name ?? environment("MUSTER_NAME")
    options.address = address ?? environment("MUSTER_ADDRESS")
    options.listen = listen ?? environment("MUSTER_LISTEN")
    options.extraAddresses =
      extraAddress.isEmpty
      ? environment("MUSTER_EXTRA_ADDRESS")?.split(separator: ",").map(String.init) ?? []
      : extraAddress
    options.clusterPort = try clusterPort ?? number("MUSTER_CLUSTER_PORT")
    options.datastorePort = try datastorePort ?? number("MUSTER_DATASTORE_PORT")
    options.apiserverPort = try apiserverPort ?? number("MUSTER_APISERVER_PORT")
    options.apiserverEndpoint = apiserverEndpoint ?? environment("MUSTER_APISERVER_ENDPOINT")
    options.failureDomain = failureDomain ?? environment("MUSTER_FAILURE_DOMAIN")
    options.logLevel = log.level
    options.logFormat = log.format
    try await Daemon.run(options)
  }

  private func number(_ name: String) throws -> Int? {
    guard let text = environment(name) else { return nil }
    guard let number = Int(text) else {
      throw Failure("\(name) is \"\(text)\", a number is expected", exitCode: 2)
    }
    return number
  }
}
