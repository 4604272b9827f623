import Testing

@testable import Raft

@Suite struct CoreWorldTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// The seed that the search begins with, and the last one.
    var from = 1
    var seeds: Int
    /// How what is broken is told, one way or another.
    var words: [String]
    var tamper: CoreWorld.Tamper
    /// What makes it likelier to hurt, and hurts nobody by itself.
    var clean = CoreWorld.Tamper()
  }

  /// A follower that knows less of its own log than it could: leaders find the place where the logs
  /// match from further back.
  @Sendable private static func forgetful(_ message: Message, _: inout Machine) -> Message? {
    guard case .appendResponse(var response) = message.body, response.rejected else {
      return message
    }
    var message = message
    response.hint -= min(response.hint, 3)
    response.hintTerm = 0
    message.body = .appendResponse(response)
    return message
  }

  static let cases = [
    // Replicas send no snapshots; the core can.
    Case(
      testDescription: "a stale snapshot at exactly the commit index is taken", from: 176,
      seeds: 400,
      words: ["disks have it", "nothing"],
      tamper: .init(
        after: { message, machine in
          guard case .snapshot(let snapshot) = message.body, message.term == machine.term,
            snapshot.index == machine.commitIndex, machine.log.pendingSnapshot == nil
          else { return }
          machine.log.restore(snapshot)
        })),
    Case(
      testDescription: "a follower commits beyond what the append verified", seeds: 2_000,
      words: ["applies another entry", "disks have it", "halts", "without"],
      tamper: .init(
        before: forgetful,
        after: { message, machine in
          guard case .append(let append) = message.body, message.term == machine.term,
            machine.role == .follower,
            machine.log.matches(append.previousIndex, append.previousTerm)
          else { return }
          _ = machine.log.commit(to: min(append.commit, machine.lastIndex))
        }), clean: .init(before: forgetful)),
    Case(
      testDescription: "low-term pre-votes are dropped silently", seeds: 400, words: ["is served"],
      tamper: .init(
        before: { message, machine in
          if case .vote(let vote) = message.body, vote.isPreVote, message.term < machine.term {
            return nil
          }
          return message
        })),
  ]

  @Test("Bare cores keep the laws, snapshots and all", arguments: 1...100)
  func clean(seed: UInt64) {
    let world = CoreWorld(seed: seed)
    #expect(world.run(actions: 6_000) == nil)
    #expect(world.history.count > 3)
  }

  @Test("A bug inside the bare core is found, and only where it is", arguments: cases)
  func found(_ planted: Case) {
    let search = Search(from: planted.from, to: planted.seeds)
    for seed in search.seeds {
      guard let broken = CoreWorld(seed: seed, tamper: planted.tamper).run(actions: 6_000) else {
        continue
      }
      search.tell(planted.testDescription, seed)
      #expect(planted.words.contains { broken.contains($0) }, "\(broken)")
      #expect(CoreWorld(seed: seed, tamper: planted.clean).run(actions: 6_000) == nil)
      return
    }
    Issue.record("not found in \(search.seeds.count) worlds")
  }
}
