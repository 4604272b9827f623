import Agent
import ArgumentParser
import History

struct BlameCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "blame",
    abstract: "Show for each fact which event made it so, when and who.",
    discussion: "A path is like nodes.n2, nodes.n2.datastoreRole, tokens or ha.canLose.")

  @OptionGroup var origin: HistoryOrigin
  @OptionGroup var moment: AtOption
  @OptionGroup var output: FindingFormat
  @Argument(help: ArgumentHelp("Only facts at or below this path.", valueName: "path"))
  var path = ""

  func run() async throws {
    let past = try await origin.open()
    let history = past.history
    let index = try moment.index(past)
    let lines = try Blame.lines(
      history, at: index, path: path, effects: output.format != .pretty)
    output.print(Blame.text(lines), Blame.document(lines))
  }
}
