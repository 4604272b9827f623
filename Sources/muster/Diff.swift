import Agent
import ArgumentParser
import History

struct Diff: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Compare two moments, or two histories.",
    discussion: """
      Each side is a moment (\(Selector.forms)), or the path of another node's data directory or \
      of an exported file, as it is at its end. Two histories are compared by their hashes too: \
      where they fork is said, once every hash of both was computed anew. Moments are of this \
      node's history, or of --file.
      """)

  @OptionGroup var origin: HistoryOrigin
  @OptionGroup var output: FindingFormat
  @Argument(help: ArgumentHelp("The one side.", valueName: "a"))
  var one: String
  @Argument(help: ArgumentHelp("The other side (default: HEAD).", valueName: "b"))
  var other = "HEAD"
  @Flag(help: "Exit with 1 if they differ.")
  var exitCode = false

  func run() async throws {
    let difference: Difference
    switch (Self.isPath(one), Self.isPath(other)) {
    case (false, false):
      let past = try await origin.open()
      difference = try Difference(
        past.history, past.index(Selector(typed: one)), past.index(Selector(typed: other)),
        option: origin.words)
    case (true, true):
      let (a, b) = (try await whole(one), try await whole(other))
      difference = try Difference(
        a.history, a.history.head, b.history, b.history.head, options: (words(one), words(other)))
    case (false, true):
      let (a, b) = (try await whole(origin.file), try await whole(other))
      difference = try Difference(
        a.history, a.index(Selector(typed: one)), b.history, b.history.head,
        options: (origin.words, words(other)))
    case (true, false):
      let (a, b) = (try await whole(one), try await whole(origin.file))
      difference = try Difference(
        a.history, a.history.head, b.history, b.index(Selector(typed: other)),
        options: (words(one), origin.words))
    }
    output.print(difference.text, difference.document)
    if exitCode, !difference.isEmpty { throw ExitCode(1) }
  }

  /// What is no moment is a path.
  private static func isPath(_ text: String) -> Bool {
    text.contains("/") || ((try? Selector(text)) == nil && LocalAgent.exists(text))
  }

  /// What another command needs to read what lies at a path.
  private func words(_ path: String) -> String { " --file \(shellQuoted(path))" }

  /// A history of which every hash was computed anew: one that is only read off the disk says
  /// nothing about the events beside it.
  private func whole(_ path: String?) async throws -> Chronicle {
    let past = try await Chronicle.open(origin.agent.directory, file: path, first: .whole)
    if let cut = past.cut { throw cut }
    return past
  }
}
