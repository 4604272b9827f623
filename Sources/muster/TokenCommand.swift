import Agent
import ArgumentParser
import History

struct TokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token", abstract: "List and revoke invitations.",
    subcommands: [List.self, Revoke.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List invitations, without their secrets.")

    enum Format: String, ExpressibleByArgument, CaseIterable {
      case pretty, json, yaml
    }

    @OptionGroup var origin: HistoryOrigin
    @OptionGroup var moment: AtOption
    @Option(name: formatNames(), help: "How to print them.")
    var format = Format.pretty

    func run() async throws {
      if moment.at != nil || origin.file != nil {
        let past = try await origin.open()
        return Terminal.out(try past.tokens(moment.state(past), format: format.rawValue))
      }
      let bytes = try await origin.agent.client.raw("GET", "/v1/tokens?format=\(format.rawValue)")
      Terminal.out(String(decoding: bytes, as: UTF8.self))
    }
  }

  struct Revoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "revoke", abstract: "Revoke an invitation: it admits nobody any more.")

    @OptionGroup var agent: LocalAgent
    @OptionGroup var patience: Patience
    @Argument(help: ArgumentHelp("The invitation's id, as token list has it.", valueName: "id"))
    var id: String

    func run() async throws {
      let appended: Appended = try await agent.client.append(
        "/v1/tokens/\(escaped(id))/revoke", query: "&command=\(LocalClient.drawCommand())",
        timeout: patience.duration)
      Terminal.out("token \(id) was revoked at index \(appended.last).\n")
    }
  }
}
