import Agent
import ArgumentParser

struct Import: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Make a log of an exported file, to look at with every tool.",
    discussion: """
      The folder is a scratch copy: read it with --file FOLDER. No agent runs on it, and a folder \
      that is there already is not touched.
      """)

  @Argument(help: ArgumentHelp("What muster export wrote.", valueName: "file"))
  var file: String
  @Argument(help: ArgumentHelp("The folder to make.", valueName: "folder"))
  var folder: String

  func run() async throws {
    let count = try Chronicle.restore(file: file, to: folder)
    Terminal.out("imported \(count) events into \(folder); look at them with --file \(folder)\n")
  }
}
