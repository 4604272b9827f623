import Agent
import ArgumentParser

struct Import: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Make a log of an exported file: to look at, or to begin a new cluster with.",
    discussion: """
      With a folder: a scratch copy to read with --file FOLDER. No agent runs on it, and a folder \
      that is there already is not touched.

      With --seed: for a cluster of which no node is left. The new cluster has the whole history \
      of the old one and this node as its only member, under the name and address that the options \
      say (as for muster agent). Nodes and invitations of the old cluster count no more, and a \
      node of it that lives on somewhere can never mix with the new one; it joins like any other, \
      after muster leave --local. FILE may be a dead node's data directory too. The data directory \
      must be new, or of a node that never had another beside it. Then start the agent.
      """)

  @OptionGroup var agent: LocalAgent
  @Argument(help: ArgumentHelp("What muster export wrote.", valueName: "file"))
  var file: String
  @Argument(help: ArgumentHelp("The folder to make; none with --seed.", valueName: "folder"))
  var folder: String?
  @Flag(help: "Begin a new cluster in the data directory.")
  var seed = false
  @Option(help: ArgumentHelp("Why, for the event that records it.", valueName: "text"))
  var reason: String?
  @OptionGroup var node: NodeOptions

  func validate() throws {
    if seed == (folder != nil) {
      throw ValidationError("give a folder to make, or --seed to begin a new cluster")
    }
    if !seed, node.isGiven || reason != nil {
      throw ValidationError("what a node is called and where it is, and why, go with --seed")
    }
  }

  func run() async throws {
    if let folder {
      let count = try Chronicle.restore(file: file, to: folder)
      return Terminal.out(
        "imported \(count) events into \(folder); look at them with --file \(folder)\n")
    }
    let made = try await Seeding(node.options(agent)).begin(
      from: file, reason: reason ?? "", report: Terminal.note)
    if made.uncommitted > 0 {
      Terminal.note(
        "note: \(made.uncommitted) more events in that log are not known to be committed, and were "
          + "left out")
    }
    Terminal.out(
      """
      Cluster \(made.cluster) begins with \(made.node), and with the history of cluster \
      \(made.source) up to index \(made.index) (\(made.time)).
      Start it: muster agent --data-dir \(agent.path)

      """)
  }
}
