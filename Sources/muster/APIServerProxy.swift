import Agent
import ArgumentParser

struct APIServerProxy: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apiserver-proxy",
    abstract: "Run the worker's proxy alone, in front of the API servers of a file.",
    discussion: """
      Connections go to the servers in provider.yaml, each to one that answers; the bytes are \
      theirs, TLS included. The file is read again whenever it is edited, in place or by rename; \
      while it is wrong the servers known so far are used. It is written only with --kubeconfig: \
      then its list is what the API servers say. A worker's agent runs the same proxy by itself.
      """)

  @Option(help: ArgumentHelp("The file of API servers.", valueName: "file"))
  var provider: String?
  @Option(
    help: ArgumentHelp(
      "A traefik.yaml that names address and file, as MicroK8s has it.", valueName: "file"))
  var traefikConfig: String?
  @Option(
    help: ArgumentHelp("Where to listen (default: :16443, all addresses).", valueName: "addr:port"))
  var listen: String?
  @Option(
    help: ArgumentHelp(
      "How often the API servers are asked where they all are (default: 30s); 0: never.",
      valueName: "duration"),
    transform: { try DurationText.seconds($0, allowingZero: true) })
  var refreshInterval: Int64?
  @Option(
    help: ArgumentHelp(
      "What to ask them, and look at them, with: authority and user of its current context.",
      valueName: "file"))
  var kubeconfig: String?
  @Option(
    help: ArgumentHelp(
      "How servers are looked at: none, connect, tls or readyz (default).", valueName: "kind"))
  var check: String?
  @Option(
    help: ArgumentHelp("Seconds for a server to accept (default: 1).", valueName: "seconds"))
  var connectTimeout: Double?
  @Option(
    help: ArgumentHelp(
      "Seconds for a server's first byte, before another is tried (default: 1).",
      valueName: "seconds"))
  var firstByteTimeout: Double?
  @Option(
    help: ArgumentHelp(
      "How long connections to a server off the list go on (default: 10m).",
      valueName: "duration"),
    transform: { try DurationText.seconds($0, allowingZero: true) })
  var drain: Int64?
  @Option(
    help: ArgumentHelp("Clients at one time; further ones wait (default: 8192).", valueName: "n"))
  var maxConnections: Int?
  @OptionGroup var log: LogOptions

  func validate() throws {
    for (name, value) in [
      ("--connect-timeout", connectTimeout), ("--first-byte-timeout", firstByteTimeout),
    ] {
      guard let value else { continue }
      guard value >= 0.01, value <= 3600 else {
        throw ValidationError("\(name) \(value): it is from 0.01 to 3600 seconds")
      }
    }
    if let maxConnections, !(1...1_000_000).contains(maxConnections) {
      throw ValidationError("--max-connections \(maxConnections): it is from 1 to 1000000")
    }
  }

  func run() async throws {
    var proxy = StandaloneProxy()
    proxy.provider = provider
    proxy.traefikConfig = traefikConfig
    proxy.listen = listen
    proxy.kubeconfig = kubeconfig
    proxy.refreshInterval = refreshInterval
    proxy.check = check
    proxy.connectTimeout = connectTimeout
    proxy.firstByteTimeout = firstByteTimeout
    proxy.drainGrace = drain
    proxy.maxConnections = maxConnections
    proxy.logLevel = log.level
    proxy.logFormat = log.format
    try await proxy.run()
  }
}
