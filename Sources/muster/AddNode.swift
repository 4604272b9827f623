import Agent
import ArgumentParser

struct AddNode: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add-node",
    abstract: "Make an invitation and print what to type on the node that joins.",
    discussion: """
      One invitation holds two secrets: the first admits a control-plane node or a worker, the \
      second, in the line with --worker, a worker only. Secrets are shown here and never again.
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case pretty, short, token
    case tokenCheck = "token-check"
    case json, yaml
  }

  @OptionGroup var agent: LocalAgent
  @OptionGroup var patience: Patience
  @Option(
    name: [.customLong("token-ttl"), .customShort("l")],
    help: ArgumentHelp("How long it counts. Like 90s, 5m or 1h30m.", valueName: "duration"),
    transform: { try DurationText.seconds($0) })
  var lifetime: Int64 = 3600
  @Option(help: ArgumentHelp("How many nodes it admits; 0 for any number.", valueName: "n"))
  var uses: UInt32 = 1
  @Flag(help: "Admit a worker only.")
  var worker = false
  @Flag(help: "Admit a control-plane node only.")
  var controlPlane = false
  @Option(
    name: [.long, .customShort("t")],
    help: ArgumentHelp(
      "Take this secret instead of drawing one: 32 hex digits.", valueName: "hex32"),
    transform: { try JoinString.token($0) })
  var token: String?
  @Option(name: formatNames(), help: "How to print it.")
  var format = Format.pretty

  func validate() throws {
    if worker, controlPlane {
      throw ValidationError("--worker and --control-plane exclude each other")
    }
  }

  func run() async throws {
    let request = InvitationRequest(
      command: LocalClient.drawCommand(), uses: uses, ttlSeconds: lifetime,
      role: worker ? "worker" : controlPlane ? "control-plane" : nil, token: token)
    let invitation: Invitation = try await agent.client.append(
      "/v1/tokens", body: request, timeout: patience.duration)
    let text = InvitationText(invitation)
    switch format {
    case .pretty: Terminal.out(text.pretty)
    case .short: Terminal.out(text.short)
    case .token: Terminal.out(text.token + "\n")
    case .tokenCheck: Terminal.out("\(text.token)/\(invitation.check)\n")
    case .json: Terminal.out(text.json)
    case .yaml: Terminal.out(text.yaml)
    }
  }
}
