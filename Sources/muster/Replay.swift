import Agent
import ArgumentParser
import History

struct Replay: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Build everything anew from the log and compare it with what is.",
    discussion: """
      Every hash is computed anew, every event decoded and folded. Beside a running agent its \
      views at the same index are compared; states that the log stores are compared too.
      """)

  @OptionGroup var origin: HistoryOrigin
  @OptionGroup var output: FindingFormat

  func run() async throws {
    let past = try await origin.open()
    let live = await digests(past)
    let clock = ContinuousClock()
    let begin = clock.now
    // The agent may have gone on since the log was opened.
    let history = past.refreshed(applied: max(past.history.head, live?.index ?? 0))
    var rebuilt = try Rebuild(history, through: live?.index)
    let seconds = max(clock.now - begin, .nanoseconds(1)) / .seconds(1)
    if let live { rebuilt.compare(with: live.digests) }
    let rate = Int(Double(rebuilt.events) / seconds)
    var text = "replayed \(rebuilt.events) events (\(rebuilt.first)..\(rebuilt.last)) in "
    text += "\(Int(seconds * 1000)) ms, \(rate) a second\n"
    text += "hash \(rebuilt.hash)\n"
    text += rebuilt.digests.entries.map { "digest \($0.digest.prefix(16))  \($0.name)\n" }.joined()
    if rebuilt.storedStates > 0 {
      text += "stored states met: \(rebuilt.storedStates)\n"
    }
    if let words = rebuilt.unreadable { text += words + "\n" }
    if let difference = rebuilt.difference {
      text += "DIFFERENT: \(difference)\n"
    } else if live != nil {
      text += "identical with the agent's views at index \(rebuilt.last)\n"
    } else {
      text += "no agent of this version to compare with\n"
    }
    output.print(text, rebuilt.document)
    if rebuilt.difference != nil { throw ExitCode(65) }
  }

  private func digests(_ past: Chronicle) async -> DigestsAnswer? {
    guard past.position != nil else { return nil }
    let live: DigestsAnswer? = try? await origin.agent.client.call(
      "GET", "/v1/log/digests", timeout: .seconds(10))
    return live?.isComparable == true ? live : nil
  }
}
