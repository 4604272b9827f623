import Simulator
import Testing

@Suite struct PlantTests {
  /// A bug, the worlds it is looked for in, how many of them at most, and the laws it may break.
  struct Case: Sendable {
    var plant: Plant
    /// The seed that the search begins with, and the last one.
    var from = 1
    var seeds: Int
    var seconds: UInt64
    var laws: Set<Law>
  }

  static let cases = [
    Case(
      plant: .acknowledgesBeforeSync, seeds: 1, seconds: 2,
      laws: [.durableCommit, .durableWord, .appliedDurable]),
    Case(plant: .forgetsVote, from: 16, seeds: 46, seconds: 8, laws: [.oneVote, .electionSafety]),
    Case(plant: .tearsTransactions, seeds: 20, seconds: 20, laws: [.noHalt]),
    Case(
      plant: .dropsWhenFull, seeds: 20, seconds: 8,
      laws: [.durableWord, .logMatching, .durableCommit]),
    Case(plant: .releasesEarly, seeds: 5, seconds: 4, laws: [.durableWord]),
    Case(
      plant: .foldsUncommitted, seeds: 20, seconds: 5,
      laws: [.oneHistory, .durableCommit, .noHalt, .liveness]),
    Case(
      plant: .turnsVotes, seeds: 20, seconds: 8, laws: [.electionSafety, .leaderCompleteness]),
    Case(
      plant: .altersEntries, seeds: 10, seconds: 5, laws: [.logMatching, .oneHistory, .noHalt]),
    Case(plant: .answersReadsAtOnce, seeds: 10, seconds: 5, laws: [.linearizable]),
    Case(plant: .claimsSuccess, seeds: 5, seconds: 5, laws: [.rightAnswer]),
    Case(plant: .redrawsCommands, seeds: 3, seconds: 2, laws: [.exactlyOnce]),
    Case(plant: .losesRequests, seeds: 5, seconds: 5, laws: [.oneAnswer]),
  ]

  @Test("A planted bug is found, by the law it breaks", arguments: cases)
  func found(_ planted: Case) {
    let search = Search(from: planted.from, to: planted.seeds)
    for seed in search.seeds {
      var options = WorldOptions.violent(seed: seed, duration: planted.seconds * second)
      options.plant = planted.plant
      options.upkeep = false
      // How many seeds a bug takes was found out in worlds where elections are slow.
      options.electsAtStart = false
      guard let violation = World.run(options).violation else { continue }
      search.tell(planted.plant, seed)
      #expect(planted.laws.contains(violation.law), "\(violation)")
      return
    }
    Issue.record("\(planted.plant) was not found in \(search.seeds.count) worlds")
  }

  @Test("Every bug that can be planted is looked for")
  func complete() {
    #expect(Set(Self.cases.map(\.plant)) == Set(Plant.allCases))
  }
}
