import Agent
import ArgumentParser
import History
import Membership

struct WhatIfCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "what-if",
    abstract: "Say what would happen, without doing it.",
    discussion: """
      Suppose one of: remove NODE, leave NODE, promote NODE, demote NODE, fail NODE,NODE, join 2 \
      voters, join 3 workers, lose-zone DOMAIN. The answer comes from the rules that the cluster \
      itself obeys. Exit code 3 if the quorum or the last copy of the log would be lost.
      """)

  @OptionGroup var origin: HistoryOrigin
  @OptionGroup var moment: AtOption
  @OptionGroup var output: FindingFormat
  @Argument(help: ArgumentHelp("What to suppose.", valueName: "supposition"))
  var words: [String]

  func run() async throws {
    let past = try await origin.open()
    let finding = try await Self.suppose(try Supposition(words), past, at: moment)
    output.print(finding.text, finding.document)
    if finding.exitCode != 0 { throw ExitCode(finding.exitCode) }
  }

  /// From what the running agent sees, or for a chosen moment from what is recorded.
  static func suppose(
    _ supposition: Supposition, _ past: Chronicle, at moment: AtOption?
  ) async throws -> WhatIf {
    let state = try moment?.state(past, commands: true) ?? past.history.state(at: past.history.head)
    if moment?.at == nil, let seen = await past.unreachable() {
      return try WhatIf(
        supposition, on: state, unreachable: seen.names,
        basis: "as \(seen.by) sees it at index \(state.lastIndex)")
    }
    return try WhatIf(supposition, on: state, basis: "as recorded at index \(state.lastIndex)")
  }

  /// What this node's leaving would do.
  static func previewLeave(_ agent: LocalAgent) async {
    guard let past = try? await Chronicle.open(agent.directory), past.position != nil else {
      return
    }
    await preview(.leave(past.history.source.node.description), agent)
  }

  /// What a command is about to do, on standard error; silent where nothing can be told.
  static func preview(_ supposition: Supposition, _ agent: LocalAgent) async {
    guard let past = try? await Chronicle.open(agent.directory),
      let finding = try? await suppose(supposition, past, at: nil)
    else { return }
    for line in finding.text.split(separator: "\n") { Terminal.note(String(line)) }
  }
}
