import Agent
import ArgumentParser

#if canImport(Glibc)
  import Glibc
#endif

struct HealthCommand: AsyncParsableCommand, TellsTolerance {
  static let configuration = CommandConfiguration(
    commandName: "health", abstract: "Check, one assertion after another, that all is well.",
    discussion: """
      Asserts, in this order, that the agent answers, a leader is known, all voters are in \
      contact, every control-plane node is up to date, all have one history, roles are at their \
      target, clocks agree, there is space, nobody is suspected, and workers have the present \
      endpoints. Exits 0 if all holds, else 1; with --wait it waits for each, and exits 7 when \
      --timeout is over.
      """)

  @OptionGroup var agent: LocalAgent
  @OptionGroup var output: FindingFormat
  @Flag(name: [.long, .customShort("w")], help: "Wait until all of it holds.")
  var wait = false
  @Option(
    name: [.long, .customShort("t")],
    help: ArgumentHelp("How long --wait may take; then exit code 7.", valueName: "duration"),
    transform: { try DurationText.seconds($0) })
  var timeout: Int64 = 60

  func run() async throws {
    let clock = ContinuousClock()
    let end = clock.now.advanced(by: .seconds(timeout))
    var report = Report(isSpoken: output.format == .pretty)
    while true {
      let answer = try await look()
      let isOver = !wait || answer.healthy || clock.now >= end
      report.show(answer, isLast: isOver)
      guard isOver else {
        try await clock.sleep(for: .milliseconds(300))
        continue
      }
      if output.format != .pretty {
        Terminal.out(try answer.rendered(yaml: output.format == .yaml))
      }
      if answer.healthy { return }
      guard wait else { throw ExitCode.failure }
      let pending = answer.lines.filter { !$0.holds }.map(\.what)
      throw Failure("timed out waiting for \(pending.joined(separator: "; for "))", exitCode: 7)
    }
  }

  /// What holds now. An agent that does not run, or is starting, is an answer too.
  private func look() async throws -> HealthAnswer {
    do {
      return try await agent.client.call("GET", "/v1/health", timeout: .seconds(15))
    } catch let error as NotRunning {
      return .noAgent("\(error)")
    } catch let error as APIError where wait && (error.exitCode == 7 || error.exitCode == 5) {
      return .noAgent(error.error)
    }
  }

  /// Each line is printed once, when it holds; on a terminal the one that is waited for is shown as
  /// it changes.
  private struct Report {
    let isSpoken: Bool
    private let isTerminal = isatty(STDOUT_FILENO) == 1
    private var printed = 0
    private var isOpen = false

    init(isSpoken: Bool) { self.isSpoken = isSpoken }

    mutating func show(_ answer: HealthAnswer, isLast: Bool) {
      guard isSpoken else { return }
      let lines = answer.lines
      erase()
      while printed < lines.count, isLast || lines[printed].holds {
        Terminal.out(lines[printed].text + "\n")
        printed += 1
      }
      if isLast { return }
      // What held before may have ceased to.
      if let open = lines.first(where: { !$0.holds }), isTerminal {
        Terminal.out(open.text)
        isOpen = true
      }
    }

    private mutating func erase() {
      if isOpen { Terminal.out("\r\u{1b}[2K") }
      isOpen = false
    }
  }
}
