import Agent
import ArgumentParser

struct ProviderCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "provider",
    abstract: "Print the provider.yaml that workers are given.")

  @OptionGroup var origin: HistoryOrigin
  @OptionGroup var moment: AtOption

  func run() async throws {
    let past = try await origin.open()
    Terminal.out(try past.provider(try moment.state(past)))
  }
}
