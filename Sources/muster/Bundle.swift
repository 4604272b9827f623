import Agent
import ArgumentParser
import History

struct Bundle: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bundle",
    abstract: "Write a support archive that is safe to mail.",
    discussion: """
      It holds what the log says, what the tools find in it and, where an agent runs, how it is \
      now, and says first what that is. No \
      secret and no key is in it; with --redact no address and no reason either.
      """)

  @OptionGroup var origin: HistoryOrigin
  @Argument(
    help: ArgumentHelp(
      "The archive to make, like support.tar; - for standard output.",
      valueName: "target"))
  var target: String
  @Flag(help: "Replace addresses, and take out reasons.")
  var redact = false
  @Flag(help: "Only say what it would hold.")
  var dryRun = false

  func run() async throws {
    let file = dryRun ? nil : try NewFile(target)
    let past = try await origin.open(first: .whole)
    let bundle = try SupportBundle(
      past.history, log: past.log, damage: past.damage,
      live: await past.live(redacted: redact), isRedacted: redact, made: past.now,
      version: Version.program)
    Terminal.note(bundle.manifest)
    if let file {
      try bundle.write { try file.write($0) }
      try file.finish()
    }
    if let problem = bundle.problem {
      throw Failure(
        "the history is damaged: \(problem). The archive holds what could be read of it; see "
          + "muster verify\(origin.words)", exitCode: 65)
    }
  }
}
