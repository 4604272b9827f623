import Agent
import ArgumentParser
import History

struct Export: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write history into one file that can be mailed and read anywhere.",
    discussion: """
      The file holds events as they were written, with their hashes: every changed byte is found \
      when it is read. There is no secret in it; with --redact no address and no reason either.
      """)

  @OptionGroup var origin: HistoryOrigin
  @Argument(help: ArgumentHelp("The file to make; - for standard output.", valueName: "target"))
  var target: String
  @Option(
    help: ArgumentHelp("Only these events, like 100..200.", valueName: "range"),
    transform: { try SelectorRange(typed: $0) })
  var range: SelectorRange?
  @Flag(help: "Replace addresses, and take out reasons.")
  var redact = false

  func run() async throws {
    let past = try await origin.open()
    let history = past.history
    let (low, high) = try past.indexes(range)
    guard low <= high else { throw Unanswerable("no event lies in that range") }
    let file = try NewFile(target)
    let header: ExportHeader
    do {
      header = try history.export(low...high, redaction: redact ? Redaction() : nil) {
        try file.write($0)
      }
    } catch {
      throw past.explained(error)
    }
    try file.finish()
    Terminal.note(
      "exported \(header.last - header.first + 1) events, \(header.first)..\(header.last), of "
        + "cluster \(header.cluster)" + (target == "-" ? "" : " to \(target)")
        + (header.redaction.map { "; taken out: \($0)" } ?? ""))
    if header.first > 1 {
      Terminal.note(
        "note: the state before index \(header.first) is not in it, so that events, show, diff and "
          + "verify can read it, and no command can tell from it what was so: status, nodes, why, "
          + "blame, timeline. For those: an export without --range")
    }
  }
}
