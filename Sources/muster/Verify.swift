import Agent
import ArgumentParser
import History
import Membership

struct Verify: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check that no byte of history changed and that all of it fits together.",
    discussion: """
      With --cluster the running agent asks all control-plane nodes to compute every hash of their \
      own log anew, and for their hash at the lowest index that all have; whose log is damaged and \
      who differs is named. Exit code 65 if something is wrong.
      """)

  @OptionGroup var origin: HistoryOrigin
  @OptionGroup var output: FindingFormat
  @Flag(help: "Compare all replicas too.")
  var cluster = false

  func validate() throws {
    if cluster, origin.file != nil {
      throw ValidationError("--cluster asks living nodes, and a file has none: leave one out")
    }
  }

  func run() async throws {
    let past = try await origin.open(first: .quick)
    var examination = Examination(
      past.history, log: past.log, damage: past.damage, option: origin.words)
    if let stranger = past.stranger {
      examination.add(Examination.Check(name: "whose", isGood: false, words: stranger))
    }
    if past.position != nil {
      let live: DigestsAnswer? = try? await origin.agent.client.call(
        "GET", "/v1/log/digests", timeout: .seconds(10))
      if let live { examination.add(try agreement(past, live, examination.state)) }
    }
    if cluster {
      let answer: ReplicasAnswer = try await origin.agent.client.call(
        "GET", "/v1/log/replicas?verify=true", timeout: .seconds(140))
      examination.add(answer.comparison.check)
      if let check = answer.comparison.viewsCheck { examination.add(check) }
      if let check = answer.comparison.proof { examination.add(check) }
    }
    output.print(examination.text, examination.document)
    if !examination.isGood { throw ExitCode(65) }
  }

  /// - Parameter folded: what was folded from the first event on: a state that was stored on the
  ///   way may be as wrong as the agent's.
  private func agreement(
    _ past: Chronicle, _ live: DigestsAnswer, _ folded: Cluster?
  ) throws -> Examination.Check {
    guard live.isComparable else {
      return Examination.Check(
        name: "views", isGood: nil,
        words: "not compared: the agent is of another version; restart it, or use its program")
    }
    let history = past.refreshed(applied: max(past.history.head, live.index))
    var state: Cluster
    if let folded, folded.lastIndex <= live.index {
      state = folded
      try history.fold(&state, through: live.index)
    } else {
      state = try history.state(at: live.index)
    }
    let names = ProjectionDigests(state).differences(from: live.digests)
    return Examination.Check(
      name: "views", isGood: names.isEmpty,
      words: names.isEmpty
        ? "the agent's views at index \(live.index) are what its events make"
        : "the agent's views at index \(live.index) differ: \(names.joined(separator: ", "))")
  }
}
