import Agent
import ArgumentParser
import History

struct Show: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show one event: what it changed, what caused it and what it caused.")

  @OptionGroup var origin: HistoryOrigin
  @OptionGroup var output: FindingFormat
  @Argument(
    help: ArgumentHelp("Which: \(Selector.forms).", valueName: "moment"),
    transform: { try Selector(typed: $0) })
  var selector = Selector.head(back: 0)

  func run() async throws {
    let past = try await origin.reading { past in
      let index = try past.index(selector)
      let showing = try Showing(past.history, index: index)
      output.print(showing.text, showing.document)
    }
    // What it caused may lie behind the damage.
    if let cut = past.cut { throw cut }
  }
}
