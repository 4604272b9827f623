import Membership
import Testing

@Suite struct ToleranceTests {
  /// What brute force says of voters given as bit masks.
  struct Brute {
    let halves: [Int]

    func held(_ healthy: Int) -> Bool {
      halves.allSatisfy { ($0 & healthy).nonzeroBitCount * 2 > $0.nonzeroBitCount }
    }

    /// The greatest k such that after any k of the healthy voters failed the quorum holds.
    func canLose(_ healthy: Int) -> Int {
      let voters = halves.reduce(0, |) & healthy
      var fatal = voters.nonzeroBitCount + 1
      var failing = voters
      while true {
        if !held(healthy & ~failing) { fatal = min(fatal, failing.nonzeroBitCount) }
        if failing == 0 { break }
        failing = (failing - 1) & voters
      }
      return max(0, fatal - 1)
    }
  }

  private func ids(_ mask: Int) -> [NodeID] {
    (0..<7).filter { mask >> $0 & 1 == 1 }.map { NodeID(UInt64($0 + 1)) }
  }

  @Test("Tolerance is what trying out every loss gives, joint or not", arguments: 1...7)
  func bruteForce(count: Int) {
    let voters = (1 << count) - 1
    for outgoing in 0..<128 {
      let brute = Brute(halves: outgoing == 0 ? [voters] : [voters, outgoing])
      for healthy in 0..<128 {
        let tolerance = Tolerance(
          voters: ids(voters), outgoing: ids(outgoing), healthy: Set(ids(healthy)))
        let critical = (0..<7).reduce(0) { mask, bit in
          let one = 1 << bit & healthy
          let costs = one != 0 && brute.held(healthy) && !brute.held(healthy & ~one)
          return costs ? mask | one : mask
        }
        guard
          tolerance.quorumHeld == brute.held(healthy),
          tolerance.canLose == brute.canLose(healthy), tolerance.critical == ids(critical)
        else {
          Issue.record("voters \(voters), outgoing \(outgoing), healthy \(healthy): \(tolerance)")
          return
        }
      }
    }
  }

  @Test("A failure domain is safe to lose exactly when the quorum holds without its voters")
  func domains() {
    var random = SeededGenerator(seed: 2)
    for _ in 0..<3000 {
      let voters = Int.random(in: 1..<128, using: &random)
      let outgoing = Bool.random(using: &random) ? 0 : Int.random(in: 1..<128, using: &random)
      let healthy =
        Int.random(in: 0..<128, using: &random) | Int.random(in: 0..<128, using: &random)
      let domain = (0..<7).map { _ in Int.random(in: 0..<3, using: &random) }
      let brute = Brute(halves: outgoing == 0 ? [voters] : [voters, outgoing])
      let safe =
        brute.held(healthy)
        && (0..<3).allSatisfy { zone in
          brute.held(healthy & ~(0..<7).reduce(0) { domain[$1] == zone ? $0 | 1 << $1 : $0 })
        }
      let tolerance = Tolerance(
        voters: ids(voters), outgoing: ids(outgoing), healthy: Set(ids(healthy)))
      #expect(tolerance.failureDomainSafe { "\(domain[Int($0.rawValue) - 1])" } == safe)
      let fatal = (0..<3).filter { zone in
        brute.held(healthy)
          && !brute.held(healthy & ~(0..<7).reduce(0) { domain[$1] == zone ? $0 | 1 << $1 : $0 })
      }
      #expect(
        tolerance.fatalDomains { "\(domain[Int($0.rawValue) - 1])" } == fatal.map(String.init))
    }
  }

  @Test("Without voters there is no quorum")
  func nobody() {
    let tolerance = Tolerance(voters: [], healthy: [NodeID(1)])
    #expect(!tolerance.quorumHeld)
    #expect(tolerance.canLose == 0)
    #expect(tolerance.critical == [])
  }
}
