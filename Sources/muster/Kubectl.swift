import Agent
import ArgumentParser

#if canImport(Glibc)
  import Glibc
#endif

struct Kubectl: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kubectl",
    abstract: "Run kubectl with this node's kubeconfig.",
    discussion: """
      Which node is meant stands in MUSTER_DATA_DIR. Where kubectl is not installed, get nodes \
      answers all the same.
      """)

  @Argument(parsing: .captureForPassthrough, help: "What kubectl is given.")
  var arguments: [String] = []

  func run() async throws {
    let directory = DataDirectory(environment("MUSTER_DATA_DIR") ?? DataDirectory.standard)
    if let path = Self.find("kubectl") {
      guard directory.exists(directory.kubeconfig) else { throw NotRunning(directory: directory) }
      setenv("KUBECONFIG", directory.kubeconfig, 1)
      signal(SIGPIPE, SIG_DFL)
      execv(path, (["kubectl"] + arguments).map { strdup($0) } + [nil])
      throw Failure("cannot run \(path): \(String(cString: strerror(errno)))")
    }
    guard arguments.count == 2, arguments[0] == "get",
      ["no", "node", "nodes"].contains(arguments[1])
    else {
      throw Failure(
        "kubectl is not installed; without it only this is answered: muster kubectl get nodes")
    }
    let bytes = try await LocalClient(directory).raw("GET", "/v1/nodes?format=table")
    Terminal.out(String(decoding: bytes, as: UTF8.self))
  }

  private static func find(_ name: String) -> String? {
    (environment("PATH") ?? "/usr/bin:/bin").split(separator: ":").map { "\($0)/\(name)" }
      .first { access($0, X_OK) == 0 }
  }
}
