import Agent
import ArgumentParser

struct VersionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "version",
    abstract: "Print the version of the program, of its events and of what nodes speak.")

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case pretty, json
  }

  @OptionGroup var agent: LocalAgent
  @Option(name: formatNames(), help: "How to print it.")
  var format = Format.pretty

  func run() {
    switch format {
    case .pretty:
      Terminal.out(
        "muster \(Version.program)\nevent schema \(Version.eventFormat)\n"
          + "protocol \(Version.protocolNumber)\n")
    case .json:
      Terminal.out(
        "{\"eventSchema\":\(Version.eventFormat),\"protocol\":\(Version.protocolNumber),"
          + "\"schemaVersion\":1,\"version\":\"\(Version.program)\"}\n")
    }
  }
}
