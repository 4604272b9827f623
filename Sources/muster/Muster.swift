// The command line: words in, words out. Every command asks the local agent over its admin socket;
// here is only how that is said. Results go to standard output, everything else to standard error.
//
// Every command says its name: the parser would find out those of all by reflection, at each start.

import Agent
import ArgumentParser
import History

@main
struct Muster: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "muster",
    abstract: "Cluster membership: who is in, who votes, and what happened.",
    discussion: """
      A node starts as a cluster of its own: muster agent. On it, muster add-node prints what to \
      type on another node: muster join. Three control-plane nodes make it highly available.
      """,
    version: Version.program,
    groupedSubcommands: [
      CommandGroup(
        name: "A node", subcommands: [AgentCommand.self, Join.self, Leave.self, Config.self]),
      CommandGroup(
        name: "The cluster",
        subcommands: [
          Status.self, HealthCommand.self, Nodes.self, AddNode.self, RemoveNode.self,
          RoleCommand.self, TokenCommand.self, Maintenance.self, PolicyCommand.self,
        ]),
      CommandGroup(
        name: "What happened",
        subcommands: [
          Events.self, Show.self, Diff.self, BlameCommand.self, WhyCommand.self, Bisect.self,
          Timeline.self, UI.self, ProviderCommand.self,
        ]),
      CommandGroup(
        name: "What if, and is it right",
        subcommands: [
          WhatIfCommand.self, Replay.self, Verify.self, Export.self, Import.self, Bundle.self,
        ]),
      CommandGroup(
        name: "Trouble", subcommands: [DoctorCommand.self, RepairCommand.self, ExamineLog.self]),
      CommandGroup(
        name: "Other", subcommands: [Kubectl.self, APIServerProxy.self, VersionCommand.self]),
    ])

  /// `-15m`, and the range `-15m..-5m`, is how long ago, not an option: a space before it says so.
  private static func unsigned(_ argument: String) -> String {
    let isAgo =
      argument.hasPrefix("-") && argument.dropFirst().first?.isNumber == true
      && (argument.contains("..") || "smhd".contains(argument.last ?? " "))
    return isAgo ? " " + argument : argument
  }

  /// A moment as it was typed.
  static func typed(_ argument: String) -> String {
    argument.hasPrefix(" -") ? String(argument.dropFirst()) : argument
  }

  /// What others call a command.
  private static let synonyms = ["log": "events", "logs": "events", "history": "events"]

  /// - Throws: `ValidationError` that names the nearest command, if the first word is none.
  private static func checkName(_ word: String?) throws {
    let names = configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
    guard let word, !word.hasPrefix("-"), !names.contains(word) else { return }
    let near = synonyms[word] ?? nearest(word, in: names).first ?? "help"
    throw ValidationError("there is no command \(shellQuoted(word)); did you mean \(near)?")
  }

  static func main() async {
    Terminal.prepare()
    var warns = false
    do {
      try checkName(CommandLine.arguments.dropFirst().first)
      var command = try parseAsRoot(CommandLine.arguments.dropFirst().map(Self.unsigned))
      warns = !(type(of: command) is any TellsTolerance.Type)
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
      if warns { Terminal.warn() }
    } catch {
      Terminal.exit(with: error, warns: warns)
    }
  }
}

/// A command that says by itself how many nodes can be lost; all others end with a line while that
/// is none.
protocol TellsTolerance {}
