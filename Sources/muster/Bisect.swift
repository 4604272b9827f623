import Agent
import ArgumentParser
import History
import Membership

struct Bisect: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bisect",
    abstract: "Find the first event after which something is otherwise.",
    discussion: """
      The condition is one of facts, like ha.canLose>=1 or nodes.n2.datastoreRole=voter (muster \
      blame lists them), or a program that gets the facts as JSON on its standard input, with the \
      index in MUSTER_INDEX, and exits 0 if it holds, 1 if not, 125 if that cannot be told.
      """)

  @OptionGroup var origin: HistoryOrigin
  @OptionGroup var output: FindingFormat
  @Option(help: ArgumentHelp("A condition of facts.", valueName: "condition"))
  var expect: String?
  @Option(help: ArgumentHelp("A program that judges.", valueName: "script"))
  var run: String?
  @Flag(help: "Look at every index instead of halving: finds every change.")
  var scan = false
  @Argument(
    help: ArgumentHelp("Only between these (default: all).", valueName: "range"),
    transform: { try SelectorRange(typed: $0) })
  var range: SelectorRange?

  func validate() throws {
    guard (expect == nil) != (run == nil) else {
      throw ValidationError("give either --expect CONDITION or --run SCRIPT")
    }
  }

  func run() async throws {
    let past = try await origin.open()
    let history = past.history
    let (low, high) = try past.indexes(range)
    guard low <= high else { throw Unanswerable("no event lies in that range") }
    let expectation = try expect.map { try Expectation($0) }
    try expectation?.check(history)
    let found = try Bisection(
      history, low...high, condition: expect ?? run ?? "", scan: scan
    ) { cluster in
      if let expectation { return expectation.holds(cluster) ? .holds : .fails }
      switch try Script.run(
        run ?? "", at: cluster.lastIndex, input: Facts(cluster).document.json)
      {
      case 0: return .holds
      case 125: return .skip
      case 1...124: return .fails
      case let code:
        throw Failure("\(run ?? "the script") ended with \(code): bisecting stops", exitCode: 1)
      }
    }
    output.print(found.text, found.document)
  }
}
