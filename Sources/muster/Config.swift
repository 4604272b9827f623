import Agent
import ArgumentParser

struct Config: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config",
    abstract: "Print this node's kubeconfig.")

  @OptionGroup var agent: LocalAgent

  func run() throws {
    let directory = agent.directory
    guard let bytes = try directory.read(directory.kubeconfig) else {
      guard directory.exists(directory.socket) else { throw NotRunning(directory: directory) }
      throw Failure("this node has no kubeconfig yet: \(directory.kubeconfig) is missing")
    }
    Terminal.out(String(decoding: bytes, as: UTF8.self))
  }
}
