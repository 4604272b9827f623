import Agent
import ArgumentParser
import History

struct Bundle: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bundle",
    abstract: "Write a support archive that is safe to mail.",
    discussion: """
      It holds what the log says and what the tools find in it, and says first what that is. No \
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
    let past = try await origin.open()
    let bundle = try SupportBundle(
      past.history, log: past.log, isRedacted: redact, made: past.now, version: Version.program)
    Terminal.note(bundle.manifest)
    guard !dryRun else { return }
    let file = try NewFile(target)
    try bundle.write { try file.write($0) }
    try file.finish()
  }
}
