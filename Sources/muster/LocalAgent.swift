// Options that many commands share.

import Agent
import ArgumentParser

/// Which agent of this machine is meant.
struct LocalAgent: ParsableArguments {
  @Option(
    name: .customLong("data-dir"),
    help: ArgumentHelp(
      "The node's data directory, which says which agent is meant (MUSTER_DATA_DIR).",
      valueName: "dir"))
  var path = environment("MUSTER_DATA_DIR") ?? DataDirectory.standard

  var directory: DataDirectory { DataDirectory(path) }
  var client: LocalClient { LocalClient(directory) { Terminal.note($0) } }

  /// Whether there is something at that path.
  static func exists(_ path: String) -> Bool { DataDirectory(path).exists(path) }
}

/// How long a command that changes the cluster waits for a leader and for the commit.
struct Patience: ParsableArguments {
  @Option(
    help: ArgumentHelp("How long to try; then exit code 7. Like 90s or 5m.", valueName: "duration"),
    transform: { try DurationText.seconds($0) })
  var timeout: Int64 = 10

  var duration: Duration { .seconds(timeout) }
}

/// `--format` and `-o` are one option.
func formatNames() -> NameSpecification {
  [.customLong("format"), .customShort("o"), .customLong("output")]
}
