import Agent
import ArgumentParser
import History

struct Status: AsyncParsableCommand, TellsTolerance {
  static let configuration = CommandConfiguration(
    abstract: "Show whether the cluster is highly available, and what it can lose.",
    discussion: """
      Answers without a leader too and says how old the answer is. high-availability is yes if \
      there are at least three voters and one more of them may fail now. Exits 0 whenever the \
      agent answers.
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case pretty, yaml, json, short
  }

  @OptionGroup var origin: HistoryOrigin
  @OptionGroup var moment: AtOption
  @Option(name: formatNames(), help: "How to print it.")
  var format = Format.pretty
  @Flag(name: [.long, .customShort("w")], help: "Wait until a leader confirms the state.")
  var waitReady = false
  @Option(
    name: [.long, .customShort("t")],
    help: ArgumentHelp(
      "How long --wait-ready (0, the default: for ever) or --consistent (10s) may take.",
      valueName: "duration"),
    transform: { try DurationText.seconds($0, allowingZero: true) })
  var timeout: Int64?
  @Flag(help: "Fail rather than answer without the leader's confirmation.")
  var consistent = false

  private var agent: LocalAgent { origin.agent }

  func validate() throws {
    if isPast, waitReady || consistent {
      throw ValidationError("--at and --file exclude --wait-ready and --consistent")
    }
  }

  private var isPast: Bool { moment.at != nil || origin.file != nil }

  func run() async throws {
    if isPast {
      let past = try await origin.open()
      return Terminal.out(try past.status(moment.state(past), format: format.rawValue))
    }
    do {
      Terminal.out(waitReady ? try await waited() : try await answer("", timeout: .seconds(30)))
    } catch let error as NotRunning {
      Terminal.out(notRunning(error))
      throw ExitCode.failure
    }
  }

  private func answer(_ more: String, timeout: Duration) async throws -> String {
    let limit = self.timeout.flatMap { $0 == 0 ? nil : $0 } ?? 10
    let path =
      "/v1/status?format=\(format.rawValue)\(consistent ? "&consistent=1&timeout=\(limit)" : "")"
    let bytes = try await agent.client.raw(
      "GET", path + more, timeout: timeout + .seconds(consistent ? limit : 0))
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Asks again while there is no agent, or none that is ready, until the time is over.
  private func waited() async throws -> String {
    let clock = ContinuousClock()
    let end = timeout.flatMap { $0 == 0 ? nil : clock.now.advanced(by: .seconds($0)) }
    while true {
      let left = end.map { max(clock.now.duration(to: $0), .seconds(1)) } ?? .seconds(60)
      do {
        let wait = left.components.seconds
        return try await answer("&wait=\(wait)", timeout: .seconds(wait + 10))
      } catch {
        let mayPass = error is NotRunning || (error as? APIError)?.exitCode == 7
        guard mayPass, end.map({ clock.now < $0 }) ?? true else {
          guard error is NotRunning, end != nil else { throw error }
          throw Failure("timed out: \(error)", exitCode: 7)
        }
      }
      try await clock.sleep(for: .milliseconds(100))
    }
  }

  private func notRunning(_ error: NotRunning) -> String {
    switch format {
    case .pretty, .short: "\(error)\n"
    case .yaml: "schemaVersion: 1\nmuster:\n  running: False\n"
    case .json: "{\n  \"running\" : false,\n  \"schemaVersion\" : 1\n}\n"
    }
  }
}
