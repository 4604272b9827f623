import Agent
import ArgumentParser

struct DoctorCommand: AsyncParsableCommand, TellsTolerance {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Look for what is wrong with this node, and say what helps.",
    discussion: """
      Works with and without a running agent, takes five seconds at most, and changes nothing. \
      Each check has an id that stays, a finding with values, and a line that fixes it. Exits 0 \
      where nothing fails (warnings do not count), else 1.
      """)

  @OptionGroup var agent: LocalAgent
  @OptionGroup var output: FindingFormat
  @Option(help: ArgumentHelp("Only this check, like MU-NET-03.", valueName: "id"))
  var check: String?
  @Flag(help: "List the checks, and do none.")
  var list = false

  func validate() throws {
    if let check, !Diagnosis.knows(check) {
      throw ValidationError("there is no check \(check); muster doctor --list has all")
    }
  }

  func run() async throws {
    if list { return Terminal.out(Diagnosis.list) }
    let diagnosis = await Diagnosis.examine(agent.directory, only: check)
    switch output.format {
    case .pretty: Terminal.out(diagnosis.text)
    case .json: Terminal.out(try diagnosis.rendered(yaml: false))
    case .yaml: Terminal.out(try diagnosis.rendered(yaml: true))
    }
    if !diagnosis.isGood { throw ExitCode.failure }
  }
}
