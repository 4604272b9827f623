// What a node is called and where it is: told to an agent, and to the import that makes its node.

import Agent
import ArgumentParser

struct NodeOptions: ParsableArguments {
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
  @Option(
    help: ArgumentHelp(
      "Where a node is that moved while this one was down, repeatable; like n2=10.0.0.2.",
      valueName: "name=addr"))
  var peer: [String] = []
  @Flag(
    name: .customLong("accept-microk8s"),
    help: "Let MicroK8s's own workers join although no --apiserver-endpoint is known.")
  var acceptMicroK8s = false
  @Flag(help: "Forward nobody to the API servers from this node.")
  var noProxy = false

  /// With the environment, for what was not given.
  func options(_ agent: LocalAgent) throws -> AgentOptions {
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
    options.peers =
      peer.isEmpty ? environment("MUSTER_PEER")?.split(separator: ",").map(String.init) ?? [] : peer
    options.acceptsMicroK8s = try acceptMicroK8s ? true : truth("MUSTER_ACCEPT_MICROK8S")
    options.hasNoProxy = try noProxy ? true : truth("MUSTER_NO_PROXY")
    return options
  }

  /// Whether anything was given as a flag.
  var isGiven: Bool {
    let texts = [config, name, address, listen, apiserverEndpoint, failureDomain]
    return texts.contains { $0 != nil } || !extraAddress.isEmpty || !peer.isEmpty
      || acceptMicroK8s || noProxy
      || [clusterPort, datastorePort, apiserverPort].contains { $0 != nil }
  }

  private func truth(_ name: String) throws -> Bool? {
    switch environment(name) {
    case nil: return nil
    case "1", "true", "yes": return true
    case "0", "false", "no": return false
    case .some(let text):
      throw Failure("\(name) is \"\(text)\", true or false is expected", exitCode: 2)
    }
  }

  private func number(_ name: String) throws -> Int? {
    guard let text = environment(name) else { return nil }
    guard let number = Int(text) else {
      throw Failure("\(name) is \"\(text)\", a number is expected", exitCode: 2)
    }
    return number
  }
}
