// Options that all tools of history share: whose history, and how to print what they find.

import Agent
import ArgumentParser
import History
import Membership

/// Where history is read from.
struct HistoryOrigin: ParsableArguments {
  @OptionGroup var agent: LocalAgent
  @Option(
    help: ArgumentHelp(
      "Read a file that muster export wrote, or a folder that holds a log, instead.",
      valueName: "file"))
  var file: String?

  /// What another command needs to read the same, with a space before it.
  var words: String { file.map { " --file \(shellQuoted($0))" } ?? agent.directory.option }

  func open(first look: Chronicle.Look = .none) async throws -> Chronicle {
    try await Chronicle.open(agent.directory, file: file, first: look)
  }
}

/// How to print what was found.
struct FindingFormat: ParsableArguments {
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case pretty, json, yaml
  }
  @Option(name: formatNames(), help: "How to print it.")
  var format = Format.pretty

  func print(_ text: @autoclosure () -> String, _ document: @autoclosure () -> Document) {
    switch format {
    case .pretty: Terminal.out(text())
    case .json: Terminal.out(document().json)
    case .yaml: Terminal.out(document().yaml)
    }
  }
}

/// `--at`.
struct AtOption: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "As of that moment, replayed from the log: \(Selector.forms).", valueName: "moment"),
    transform: { try Selector($0) })
  var at: Selector?

  /// The state at that moment, or at HEAD.
  /// - Parameter commands: whether something is to be decided on it.
  func state(_ past: Chronicle, commands: Bool = false) throws -> Cluster {
    let history = past.history
    let index = try at?.index(in: history, now: past.now) ?? history.head
    return try history.state(at: index, commands: commands)
  }
}
