import Agent
import ArgumentParser
import History

struct Timeline: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "timeline",
    abstract: "Draw history as a page for any browser, which loads nothing from the network.")

  @OptionGroup var origin: HistoryOrigin
  @Argument(
    help: ArgumentHelp("The file to make; - for standard output.", valueName: "target"))
  var target = "-"
  @Option(
    help: ArgumentHelp("Only these events, like 100..200 (at most 5,000).", valueName: "range"),
    transform: { try SelectorRange(typed: $0) })
  var range: SelectorRange?

  func run() async throws {
    let past = try await origin.open()
    let history = past.history
    let (low, high) = try past.indexes(range)
    guard low <= high else { throw Unanswerable("no event lies in that range") }
    let file = try NewFile(target)
    let page = try TimelinePage(history, low...high, option: origin.words)
    try file.write(Array(page.html.utf8))
    try file.finish()
  }
}
