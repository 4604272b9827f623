import Agent
import ArgumentParser
import History

struct WhyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "why",
    abstract: "Say why: the events that led to how things are, by index.",
    discussion: """
      Ask for ha, for leader, for endpoints, for policy, for a node by name, also for one that is \
      gone, or for an invitation by its id, as token list has it: who issued it, and who joined \
      with it.
      """)

  @OptionGroup var origin: HistoryOrigin
  @OptionGroup var moment: AtOption
  @OptionGroup var output: FindingFormat
  @Argument(
    help: ArgumentHelp(
      "ha, leader, endpoints, policy, a node's name, or an invitation's id.",
      valueName: "question"))
  var question: String

  func run() async throws {
    let past = try await origin.open()
    let history = past.history
    let index = try moment.index(past)
    var why = try Why(
      history, question, at: index, now: moment.at == nil && origin.file == nil ? past.now : nil,
      option: origin.words)
    if moment.at == nil, Why.isAboutAvailability(question),
      let seen = await past.availability()
    {
      why.add(isHigh: seen.isHigh, isQuorumHeld: seen.isQuorumHeld, by: seen.by)
    }
    output.print(why.text, why.document)
  }
}
