import Agent
import ArgumentParser

struct Join: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "join",
    abstract: "Join this node to the cluster that printed the connection string.",
    discussion: """
      Take the string from muster add-node on a node of that cluster. What this node's own \
      single-node cluster knew is archived. A join that was interrupted goes on by itself when the \
      agent runs again; the same command attaches to it.
      """)

  @OptionGroup var agent: LocalAgent
  @Argument(
    help: ArgumentHelp(
      "HOST:PORT/TOKEN/CHECK, or - to read it from standard input, where no other user sees it.",
      valueName: "connection"))
  var connection: String
  @Flag(help: "Join as a worker, which runs no control plane.")
  var worker = false
  @Option(
    help: ArgumentHelp(
      "Take the place of that member, which has left or is out of reach: this machine, rebuilt.",
      valueName: "node"))
  var replace: String?
  @Flag(help: "Only check whether it would be admitted.")
  var dryRun = false
  @Option(
    help: ArgumentHelp("How long to try; then exit code 7. Like 90s or 5m.", valueName: "duration"),
    transform: { try DurationText.seconds($0) })
  var timeout: Int64 = 60

  func run() async throws {
    var text = connection
    if text == "-" {
      guard let line = readLine() else {
        throw Failure("standard input has no connection string", exitCode: 2)
      }
      text = line
    }
    _ = try JoinString(parsing: text)
    let body = LocalJoin(
      connection: text, worker: worker, dryRun: dryRun, replaces: replace,
      timeoutSeconds: Double(timeout))
    try await Progress.follow(
      "/v1/node/join", body, of: agent.client, timeout: timeout,
      lost: "the agent ended while the node was joining. It goes on by itself when it runs again "
        + "(see muster status), and the same join attaches to it",
      interrupted: dryRun
        ? "nothing was changed"
        : "the agent goes on joining for up to \(timeout) s, and by itself when it is restarted. "
          + "The same join attaches to it, whatever came of it; muster status tells what this "
          + "node is")
  }
}
