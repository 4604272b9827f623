import Agent
import ArgumentParser

#if canImport(Glibc)
  import Glibc
#endif

struct Kubectl: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run kubectl with this node's kubeconfig.",
    discussion: """
      All words go to the kubectl that is found in PATH, but --data-dir, which says which local \
      agent is meant. Where kubectl is not installed, get nodes answers all the same.
      """)

  @Argument(parsing: .captureForPassthrough, help: "What kubectl is given.")
  var arguments: [String] = []

  func run() async throws {
    let (folder, words) = try Self.split(arguments)
    let directory = DataDirectory(
      folder ?? environment("MUSTER_DATA_DIR") ?? DataDirectory.standard)
    if let path = Self.find("kubectl") {
      try Self.become(path, words, directory)
    }
    guard let format = Self.format(words) else {
      throw Failure(
        "kubectl is not installed (it is not in PATH); without it only this is answered: "
          + "muster kubectl get nodes [-o wide]")
    }
    let bytes = try await LocalClient(directory).raw("GET", "/v1/nodes?format=\(format)")
    Terminal.out(String(decoding: bytes, as: UTF8.self))
  }

  /// This process goes on as kubectl; returns only by throwing.
  private static func become(
    _ path: String, _ words: [String], _ directory: DataDirectory
  ) throws -> Never {
    guard try directory.read(directory.kubeconfig) != nil else {
      throw try Config.missing(directory)
    }
    setenv("KUBECONFIG", directory.kubeconfig, 1)
    signal(SIGPIPE, SIG_DFL)
    execv(path, (["kubectl"] + words).map { strdup($0) } + [nil])
    throw Failure("cannot run \(path): \(String(cString: strerror(errno)))")
  }

  /// Takes `--data-dir` out of what kubectl is given; behind `--` everything is for somebody else.
  private static func split(_ all: [String]) throws -> (folder: String?, words: [String]) {
    var folder: String?
    var words: [String] = []
    var rest = all[...]
    while let word = rest.popFirst() {
      if word == "--" { return (folder, words + [word] + rest) }
      if word == "--data-dir" {
        guard let value = rest.popFirst() else {
          throw ValidationError("Missing value for '--data-dir <dir>'")
        }
        folder = value
      } else if word.hasPrefix("--data-dir=") {
        folder = String(word.dropFirst("--data-dir=".count))
      } else {
        words.append(word)
      }
    }
    return (folder, words)
  }

  /// The format of the node table that these words ask for; nil if they ask for something else.
  private static func format(_ words: [String]) -> String? {
    guard words.count >= 2, words[0] == "get", ["no", "node", "nodes"].contains(words[1]) else {
      return nil
    }
    switch words.dropFirst(2).joined(separator: " ") {
    case "": return "table"
    case "-o wide", "-owide", "-o=wide", "--output wide", "--output=wide": return "wide"
    default: return nil
    }
  }

  private static func find(_ name: String) -> String? {
    (environment("PATH") ?? "/usr/bin:/bin").split(separator: ":").map { "\($0)/\(name)" }
      .first { access($0, X_OK) == 0 }
  }
}
