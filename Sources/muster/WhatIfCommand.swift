import Agent
import ArgumentParser
import History
import Membership

struct WhatIfCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "what-if",
    abstract: "Say what would happen, without doing it.",
    discussion: """
      Suppose one of: remove NODE, leave NODE, promote NODE, demote NODE, fail NODE,NODE, \
      reboot NODE, join 2 voters, join 3 workers, lose-zone DOMAIN. The answer comes from the \
      rules that the cluster itself obeys. Exit code 3 if the quorum or the last copy of the log \
      is or would be lost.
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
    let state = try moment?.state(past) ?? past.history.state(at: past.history.head)
    if moment?.at == nil, let seen = await past.absences() {
      return try WhatIf(
        supposition, on: state, unreachable: seen.unreachable, uncounted: seen.uncounted,
        basis: "as \(seen.by) sees it at index \(state.lastIndex)")
    }
    return try WhatIf(supposition, on: state, basis: "as recorded at index \(state.lastIndex)")
  }

  /// What a command is about to do, on standard error; silent where nothing can be told.
  /// - Parameters:
  ///   - verb: as above.
  ///   - node: a name, an id or an address; nil for this node.
  ///   - force: of `remove-node`, whether it is forced.
  static func preview(
    _ verb: String, _ node: String?, force: Bool? = nil, _ agent: LocalAgent
  ) async {
    let target =
      (node.map { "&node=\(escaped($0))" } ?? "") + (force.map { "&force=\($0 ? 1 : 0)" } ?? "")
    let told = try? await agent.client.raw(
      "GET", "/v1/what-if?suppose=\(verb)\(target)", timeout: .seconds(5))
    for line in String(decoding: told ?? [], as: UTF8.self).split(separator: "\n") {
      Terminal.note(String(line))
    }
  }
}
