import Raft
import Testing

/// The quorum functions against their definitions.
@Suite struct QuorumTests {
  /// All majorities of a set.
  private func majorities(_ voters: [PeerID]) -> [[PeerID]] {
    (0..<(1 << voters.count)).compactMap { mask in
      let chosen = voters.indices.filter { mask >> $0 & 1 == 1 }.map { voters[$0] }
      return chosen.count * 2 > voters.count ? chosen : nil
    }
  }

  @Test("committed is the highest index that all of some majority have", arguments: 0...7)
  func committed(count: Int) {
    var random = SplitMix64(seed: UInt64(count))
    let voters = (0..<count).map { PeerID($0 + 1) }
    for _ in 0..<300 {
      var acked: [PeerID: Index] = [:]
      for voter in voters where Int.random(in: 0..<5, using: &random) > 0 {
        acked[voter] = Index.random(in: 0...9, using: &random)
      }
      let naive = majorities(voters).map { $0.map { acked[$0] ?? 0 }.min() ?? .max }.max() ?? .max
      #expect(Quorum.committed(voters) { acked[$0] } == naive)
    }
  }

  @Test("a vote is won when a majority said yes, lost when none can any more", arguments: 0...6)
  func vote(count: Int) {
    let voters = (0..<count).map { PeerID($0 + 1) }
    var votes: [PeerID: Bool] = [:]
    var combinations = 1
    for _ in voters { combinations *= 3 }
    for number in 0..<combinations {
      var rest = number
      for voter in voters {
        votes[voter] = [nil, false, true][rest % 3]
        rest /= 3
      }
      let all = majorities(voters)
      let isWon = voters.isEmpty || all.contains { $0.allSatisfy { votes[$0] == true } }
      let isOpen = all.contains { $0.allSatisfy { votes[$0] != false } }
      let expected: Quorum.Vote = isWon ? .won : isOpen ? .pending : .lost
      #expect(Quorum.vote(voters) { votes[$0] } == expected)
    }
  }

  @Test("in a joint configuration both halves decide")
  func joint() {
    var random = SplitMix64(seed: 1)
    for _ in 0..<500 {
      let pick = { (random: inout SplitMix64) in
        (1...6 as ClosedRange<PeerID>).filter { _ in Bool.random(using: &random) }
      }
      let both = Configuration(voters: pick(&random), outgoing: pick(&random))
      var acked: [PeerID: Index] = [:]
      var votes: [PeerID: Bool] = [:]
      for id in both.electors where Bool.random(using: &random) {
        acked[id] = Index.random(in: 0...9, using: &random)
        votes[id] = Bool.random(using: &random)
      }
      let index = Quorum.committed(both) { acked[$0] }
      #expect(
        index
          == min(
            Quorum.committed(both.voters) { acked[$0] },
            Quorum.committed(both.outgoing) { acked[$0] }))
      let halves = [both.voters, both.outgoing].map { Quorum.vote($0) { votes[$0] } }
      let vote = Quorum.vote(both) { votes[$0] }
      #expect((vote == .won) == halves.allSatisfy { $0 == .won })
      #expect((vote == .lost) == halves.contains(.lost))
    }
  }
}
