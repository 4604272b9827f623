import Agent
import ArgumentParser
import Membership

struct PolicyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policy", abstract: "Show and change the settings of the whole cluster.",
    subcommands: [Show.self, Set.self], defaultSubcommand: Show.self)

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show how many nodes vote and stand by, and when a silence is a loss.")

    enum Format: String, ExpressibleByArgument, CaseIterable {
      case pretty, json, yaml
    }

    @OptionGroup var agent: LocalAgent
    @Option(name: formatNames(), help: "How to print it.")
    var format = Format.pretty

    func run() async throws {
      let bytes = try await agent.client.raw("GET", "/v1/policy?format=\(format.rawValue)")
      Terminal.out(String(decoding: bytes, as: UTF8.self))
    }
  }

  enum Setting: String, ExpressibleByArgument, CaseIterable {
    case voters, standbys, spread
    case suspectAfter = "suspect-after"
    case recoverAfter = "recover-after"
  }

  struct Set: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change a setting, for the whole cluster.",
      discussion: """
        voters 1, 3, 5 or 7 (3): how many nodes vote, if so many are there.
        standbys 0 to 7 (3): how many hold a copy besides, ready to vote.
        suspect-after 3s to 1h (10s): after how long a silence a voter is replaced.
        recover-after 3s to 1h (10s): after how long a contact it is trusted again.
        spread on or off (on): whether votes move to failure domains that have none.
        """)

    @OptionGroup var agent: LocalAgent
    @OptionGroup var patience: Patience
    @Argument(help: "Which one.")
    var setting: Setting
    @Argument(help: "Its value.")
    var value: String
    @Option(help: ArgumentHelp("Why, for the log.", valueName: "text"))
    var reason = ""

    func run() async throws {
      var change = PolicySettings(command: LocalClient.drawCommand(), reason: reason)
      switch setting {
      case .voters: change.voters = try number()
      case .standbys: change.standbys = try number()
      case .suspectAfter: change.suspectAfterMilliseconds = try milliseconds()
      case .recoverAfter: change.recoverAfterMilliseconds = try milliseconds()
      case .spread:
        guard value == "on" || value == "off" else {
          throw ValidationError("spread is on or off, not \(quoted(value))")
        }
        change.spread = value == "on"
      }
      let appended: Appended = try await agent.client.append(
        "/v1/policy", body: change, timeout: patience.duration)
      Terminal.out("\(setting.rawValue) is \(value) since index \(appended.last).\n")
    }

    private func number() throws -> UInt32 {
      guard value.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt32(value)
      else { throw ValidationError("\(setting.rawValue) is a number, not \(quoted(value))") }
      return number
    }

    private func milliseconds() throws -> UInt32 {
      UInt32(clamping: try DurationText.seconds(value) * 1000)
    }
  }
}
