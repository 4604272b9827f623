import Agent
import ArgumentParser

struct UI: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ui",
    abstract: "Print a link that opens the history, live, in a browser.",
    discussion: """
      The link is a secret, like the string of add-node: whoever opens it first reads this \
      cluster's history, and can change nothing. It works once. The same page as a file: muster \
      timeline.
      """)

  @OptionGroup var agent: LocalAgent

  func run() async throws {
    let link: PageLink = try await agent.client.call("POST", "/v1/ui/link")
    Terminal.out(link.url + "\n")
    Terminal.note(
      """

      This link is a secret: whoever opens it first reads this cluster's history. It works once, \
      within \(link.seconds / 60) minutes.
      The page it opens goes on for \(link.sessionSeconds / 3600) hours, or until the agent ends, \
      and can change nothing.
      The browser warns, since no authority has signed this node's certificate. Go on if its \
      SHA-256 is
      \(Self.columns(link.certificate))
      """)
  }

  /// As browsers print it.
  private static func columns(_ hex: String) -> String {
    let digits = Array(hex.uppercased())
    return stride(from: 0, to: digits.count, by: 2).map {
      String(digits[$0..<min($0 + 2, digits.count)])
    }.joined(separator: ":")
  }
}
