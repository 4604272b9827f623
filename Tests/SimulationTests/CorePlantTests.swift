import Simulator
import Testing

@Suite struct CorePlantTests {
  /// A bug, the worlds in which it is looked for, how many of them at most, and the laws it breaks.
  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var tamper: Tamper
    /// The seed that the search begins with, and the last one.
    var from = 1
    var seeds: Int
    var seconds: UInt64
    var laws: Set<Law>
    var shape: @Sendable (inout WorldOptions) -> Void = { _ in }

    func options(_ seed: UInt64) -> WorldOptions {
      var options = WorldOptions.violent(seed: seed, duration: seconds * second)
      options.maxMessageBytes = 1 << 20
      options.maxInflightMessages = 64
      options.maxUncommittedBytes = 16 << 20
      options.upkeep = false
      shape(&options)
      // How many seeds a bug takes was found out in worlds where elections are slow.
      options.electsAtStart = false
      return options
    }
  }

  @Sendable static func small(_ options: inout WorldOptions) { options.maxMessageBytes = 1 }
  @Sendable static func slow(_ options: inout WorldOptions) {
    options.delay = millisecond...600 * millisecond
  }
  /// A quiet world, but for its network.
  @Sendable static func split(_ options: inout WorldOptions) {
    let duration = options.duration
    options = WorldOptions(seed: options.seed)
    options.duration = duration
    options.requestInterval = 100 * millisecond
    options.damping = 2 * second
    options.faultIntervals[FaultKind.partition.rawValue] = 2 * second
  }
  @Sendable static func reading(_ options: inout WorldOptions) {
    options.readShare = 70
    options.requestInterval = 10 * millisecond
  }

  static let cases = [
    Case(
      testDescription: "commits an older term's entry by counting (figure 8)",
      tamper: CorePlants.countsOlderTerms, seeds: 40, seconds: 10, laws: [.ownTerm], shape: small),
    Case(
      testDescription: "heartbeats carry a commit beyond the match",
      tamper: CorePlants.beatsCommitUnverified, seeds: 40, seconds: 6, laws: [.oneHistory],
      shape: small),
    Case(
      testDescription: "a stale rejection lowers next below match",
      tamper: CorePlants.stepsBackBelowMatch, seeds: 40, seconds: 10, laws: [.progress]),
    Case(
      testDescription: "match falls with a late acknowledgement",
      tamper: CorePlants.matchFalls, seeds: 40, seconds: 10, laws: [.progress]),
    Case(
      testDescription: "a read index is taken before the term's first commit",
      tamper: CorePlants.readsBeforeFirstCommit, seeds: 40, seconds: 10, laws: [.linearizable],
      shape: reading),
    Case(
      testDescription: "the uncommitted tail has no end",
      tamper: CorePlants.tailHasNoEnd, seeds: 40, seconds: 10, laws: [.boundedTail],
      shape: {
        $0.maxUncommittedBytes = 1024
        $0.requestInterval = 20 * millisecond
      }),
    Case(
      testDescription: "a second vote in one term",
      tamper: CorePlants.votesTwice, seeds: 40, seconds: 10, laws: [.oneVote, .electionSafety]),
    Case(
      testDescription: "votes do not look at logs",
      tamper: CorePlants.ignoresLogs, from: 29, seeds: 69, seconds: 10,
      laws: [.leaderCompleteness, .oneHistory, .noHalt]),
    Case(
      testDescription: "late grants of pre-votes count as votes",
      tamper: CorePlants.countsPreVotes, seeds: 120, seconds: 10, laws: [.electionSafety],
      shape: slow),
    Case(
      testDescription: "a late, shorter append truncates",
      tamper: CorePlants.duplicatesTruncate, seeds: 40, seconds: 10,
      laws: [.durableCommit, .leaderCompleteness, .durableWord, .noHalt, .logMatching]),
    Case(
      testDescription: "the previous entry is not checked",
      tamper: CorePlants.ignoresPrevious, seeds: 40, seconds: 10,
      laws: [.logMatching, .oneHistory],
      shape: small),
    Case(
      testDescription: "learners count in the quorum",
      tamper: CorePlants.learnersCommit, seeds: 40, seconds: 10, laws: [.durableCommit]),
    Case(
      testDescription: "one half of a joint configuration commits",
      tamper: CorePlants.halfOfJointCommits, seeds: 40, seconds: 10, laws: [.durableCommit]),
    Case(
      testDescription: "two configuration changes are in flight",
      tamper: CorePlants.twoChanges, seeds: 40, seconds: 10, laws: [.oneChange, .noHalt]),
    Case(
      testDescription: "a campaign with an unapplied configuration change",
      tamper: CorePlants.campaignsUnapplied, seeds: 40, seconds: 20, laws: [.readyCandidate],
      shape: { $0.faultIntervals[FaultKind.slowDisk.rawValue] = second }),
    Case(
      testDescription: "events are applied before they are durable",
      tamper: CorePlants.appliesEarly, seeds: 10, seconds: 5, laws: [.appliedDurable]),
    Case(
      testDescription: "refusals are told before leadership is confirmed",
      tamper: CorePlants.refusesAtOnce, seeds: 40, seconds: 20, laws: [.linearizable]),
    Case(
      testDescription: "success is told before the commit",
      tamper: CorePlants.answersBeforeCommit, seeds: 5, seconds: 5, laws: [.rightAnswer]),
    Case(
      testDescription: "a token is redeemed more often than it says",
      tamper: CorePlants.tokensWithoutCount, seeds: 20, seconds: 10, laws: [.noHalt]),
    Case(
      testDescription: "commands are forgotten, and happen twice",
      tamper: CorePlants.forgetsCommands, seeds: 20, seconds: 10,
      laws: [.exactlyOnce, .rightAnswer, .linearizable]),
    Case(
      testDescription: "the fold looks at the node's own clock",
      tamper: CorePlants.foldsByOwnClock, seeds: 5, seconds: 5, laws: [.equalStates, .noHalt]),
  ]

  /// In quiet worlds with a broken network.
  static let splitCases = [
    Case(
      testDescription: "learners' activity counts in the check of the quorum",
      tamper: CorePlants.learnersKeepLeader, seeds: 40, seconds: 20, laws: [.heardLeader],
      shape: split),
    Case(
      testDescription: "reads are not confirmed by a quorum",
      tamper: CorePlants.readsUnconfirmed, seeds: 40, seconds: 10, laws: [.linearizable],
      shape: {
        split(&$0)
        $0.readShare = 60
        $0.requestInterval = 20 * millisecond
      }),
  ]

  @Test("A bug that a broken network brings out is found", arguments: splitCases)
  func foundWhereSplit(_ planted: Case) { found(planted) }

  @Test("A bug inside the core is found, and only where it is", arguments: cases)
  func found(_ planted: Case) {
    let search = Search(from: planted.from, to: planted.seeds)
    for seed in search.seeds {
      let clean = planted.options(seed)
      var options = clean
      options.tamper = planted.tamper
      guard let violation = World.run(options).violation else { continue }
      search.tell(planted.testDescription, seed)
      #expect(planted.laws.contains(violation.law), "\(violation)")
      #expect(World.run(clean).violation == nil)
      return
    }
    Issue.record("not found in \(search.seeds.count) worlds")
  }
}
