import Raft
import Testing

/// Random walks over configurations.
@Suite struct ChangerTests {
  private func steps(_ random: inout SplitMix64) -> [ConfigurationChange.Step] {
    (0..<Int.random(in: 0...3, using: &random)).map { _ in
      let id = PeerID.random(in: 1...5, using: &random)
      switch Int.random(in: 0..<8, using: &random) {
      case 0...2: return .addVoter(id)
      case 3, 4: return .addLearner(id)
      case 5, 6: return .remove(id)
      default: return .update(id)
      }
    }
  }

  private func majorities(_ voters: [PeerID]) -> [Set<PeerID>] {
    (0..<(1 << voters.count)).compactMap { mask in
      let chosen = voters.indices.filter { mask >> $0 & 1 == 1 }.map { voters[$0] }
      return chosen.count * 2 > voters.count ? Set(chosen) : nil
    }
  }

  /// Whether no two groups can decide without a common member, one by each configuration.
  private func overlap(_ old: Configuration, _ new: Configuration) -> Bool {
    let halves = { (c: Configuration) in c.isJoint ? [c.voters, c.outgoing] : [c.voters] }
    return halves(old).contains { left in
      halves(new).contains { right in
        majorities(left).allSatisfy { one in
          majorities(right).allSatisfy { !one.isDisjoint(with: $0) }
        }
      }
    }
  }

  @Test(
    "every change is refused, or leads to a legal configuration whose quorums meet the old ones",
    arguments: 0..<40 as Range<UInt64>)
  func walk(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var changer = Changer(Configuration(voters: [1]), lastIndex: 5)
    var taken = 0
    for _ in 0..<150 {
      let transitions: [ConfigurationChange.Transition] = [
        .automatic, .jointImplicit, .jointExplicit,
      ]
      let change = ConfigurationChange(
        transition: transitions.randomElement(using: &random) ?? .automatic,
        steps: steps(&random))
      guard let next = try? changer.applying(change) else { continue }
      taken += 1
      #expect(next.configuration.flaw == nil, "\(change) of \(changer.configuration)")
      #expect(next.members.map(\.id) == next.configuration.members)
      for member in next.members {
        #expect(member.isLearner == next.configuration.learners.contains(member.id))
      }
      #expect(
        overlap(changer.configuration, next.configuration),
        "\(changer.configuration) to \(next.configuration)")
      if changer.configuration.isJoint {
        #expect(!next.configuration.isJoint && change.leavesJoint)
      }
      changer = next
    }
    #expect(taken > 10)
  }

  @Test("a voter that becomes a learner votes until the joint configuration is left")
  func demotion() throws {
    let changer = Changer(Configuration(voters: [1, 2, 3]), lastIndex: 1)
    let joint = try changer.applying(
      ConfigurationChange(transition: .jointExplicit, steps: [.addLearner(3)]))
    #expect(
      joint.configuration
        == Configuration(voters: [1, 2], outgoing: [1, 2, 3], learnersNext: [3]))
    let left = try joint.applying(ConfigurationChange())
    #expect(left.configuration == Configuration(voters: [1, 2], learners: [3]))
  }

  @Test("the first voter may be added to nobody: so a log can begin with it")
  func genesis() throws {
    let changer = Changer(Configuration(), lastIndex: 0)
    let first = try changer.applying(ConfigurationChange(steps: [.addVoter(1)]))
    #expect(first.configuration == Configuration(voters: [1]))
  }
}
