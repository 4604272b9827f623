import Agent
import ArgumentParser

struct Config: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print this node's kubeconfig.",
    discussion: """
      On a control-plane node it holds the administrator's certificate and key and can be used \
      anywhere: keep it as a secret. On a worker it leads through the worker's proxy and names the \
      node's own key, so that it is good on that machine alone.
      """)

  @OptionGroup var agent: LocalAgent

  func run() throws {
    let directory = agent.directory
    guard let bytes = try directory.read(directory.kubeconfig) else {
      throw try Self.missing(directory)
    }
    Terminal.out(String(decoding: bytes, as: UTF8.self))
  }

  /// Why there is no kubeconfig.
  static func missing(_ directory: DataDirectory) throws -> any Error {
    guard directory.exists(directory.socket) else { return NotRunning(directory: directory) }
    return Failure(
      "this node has no kubeconfig: \(directory.kubeconfig) is missing; the agent writes it when "
        + "it starts, on a worker if the control plane has a Kubernetes CA of muster's")
  }
}
