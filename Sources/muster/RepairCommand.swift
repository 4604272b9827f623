import Agent
import ArgumentParser

struct RepairCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repair",
    abstract: "Say what is wrong with a stopped node's log, and put it right.",
    discussion: """
      Without --yes nothing is changed. With it, a damaged log is set aside as log.damaged-TIME \
      and never deleted, and a new one begins with the events that can be proven. The agent then \
      has no vote until it has fetched the rest from the other control-plane nodes.
      """)

  @OptionGroup var agent: LocalAgent
  @Flag(help: "Do it.") var yes = false
  @Flag(
    help: """
      Where there is no other control-plane node: give up the events behind the damage, for good.
      """)
  var keepPrefix = false

  func run() throws {
    let repair = try Repair(of: agent.directory)
    Terminal.out(repair.text)
    guard yes else {
      Terminal.note(repair.advice)
      throw ExitCode(repair.exitCode)
    }
    if repair.isSound { return Terminal.note(repair.advice) }
    let aside = try repair.perform(keepsPrefix: keepPrefix)
    Terminal.note("the old log is in \(aside); start the agent")
  }
}
