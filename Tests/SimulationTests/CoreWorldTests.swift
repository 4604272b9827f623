import Testing

@testable import Raft

@Suite struct CoreWorldTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var seeds: Int
    /// How what is broken is told, one way or another.
    var words: [String]
    var tamper: CoreWorld.Tamper
  }

  static let cases = [
    // Replicas send no snapshots; the core can.
    Case(
      testDescription: "a stale snapshot at exactly the commit index is taken", seeds: 400,
      words: ["disks have it", "nothing"],
      tamper: .init(
        after: { message, machine in
          guard case .snapshot(let snapshot) = message.body, message.term == machine.term,
            snapshot.index == machine.commitIndex, machine.log.pendingSnapshot == nil
          else { return }
          machine.log.restore(snapshot)
        })),
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
    for seed in 1...UInt64(planted.seeds) {
      guard let broken = CoreWorld(seed: seed, tamper: planted.tamper).run(actions: 6_000) else {
        continue
      }
      #expect(planted.words.contains { broken.contains($0) }, "\(broken)")
      #expect(CoreWorld(seed: seed).run(actions: 6_000) == nil)
      return
    }
    Issue.record("not found in \(planted.seeds) worlds")
  }
}
