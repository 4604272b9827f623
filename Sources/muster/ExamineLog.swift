import Agent
import ArgumentParser

/// Looks at a log in a process of its own, which damage may end by a signal: `agent` and `repair`
/// start it and read what it prints.
struct ExamineLog: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "examine-log", abstract: "Look at a log that may be damaged.",
    shouldDisplay: false)

  @Argument var directory: String
  @Flag(help: "Compute every hash anew.") var whole = false
  @Flag(help: "Say of every entry that it is right.") var each = false

  func run() {
    if each { return LogExamination.performEach(directory: directory) }
    LogExamination.perform(directory: directory, isWhole: whole)
  }
}
