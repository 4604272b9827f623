import Membership
import Projections
import Testing

@Suite struct HighAvailabilityTests {
  private func seen(_ healthy: Set<NodeID>, hasLeader: Bool = true) -> Outlook {
    Outlook(by: NodeID(1), hasLeader: hasLeader, healthyVoters: healthy)
  }

  @Test("Yes needs three voters of which one more may fail, in the log and in what is observed")
  func both() {
    var stage = Scenery(controlPlane: 3)
    func answer(_ outlook: Outlook?) -> Bool {
      HighAvailability(stage.cluster, outlook: outlook).isHighlyAvailable
    }
    #expect(answer(nil))
    #expect(answer(seen(nodes(1, 2, 3))))
    #expect(!answer(seen(nodes(1, 2))))
    #expect(!answer(seen(nodes(1, 2, 3), hasLeader: false)))
    stage.suspect(2)
    #expect(!answer(nil))
    #expect(!answer(seen(nodes(1, 2, 3))))
    for count in 1...2 {
      let small = Scenery(controlPlane: count).cluster
      #expect(!HighAvailability(small).isHighlyAvailable)
      #expect(!HighAvailability(small, outlook: seen(nodes(1, 2))).isHighlyAvailable)
    }
  }

  @Test("Yes is said only if the loss of any one voter leaves both halves a quorum")
  func bruteForce() {
    var joint = Scenery(controlPlane: 5)
    joint.assign([3: .standby, 4: .voter], cause: .replaced, joint: true, settle: false)
    for stage in [Scenery(controlPlane: 3), Scenery(controlPlane: 5), joint] {
      let cluster = stage.cluster
      for mask in 0..<32 {
        let healthy = Set((0..<5).filter { mask >> $0 & 1 == 1 }.map { NodeID(UInt64($0 + 1)) })
        func held(_ up: Set<NodeID>) -> Bool {
          [cluster.voters, cluster.outgoingVoters].allSatisfy {
            $0.isEmpty || up.intersection($0).count * 2 > $0.count
          }
        }
        let survives = held(healthy) && healthy.allSatisfy { held(healthy.subtracting([$0])) }
        let answer = HighAvailability(cluster, outlook: seen(healthy))
        #expect(answer.isHighlyAvailable == survives)
        #expect(answer.quorumHeld == held(healthy))
        #expect((answer.canLose > 0) == survives)
      }
    }
  }

  @Test("The sentence names the losses that count")
  func sentences() {
    func sentence(_ stage: Scenery, _ outlook: Outlook? = nil) -> String {
      HighAvailability(stage.cluster, outlook: outlook).sentence
    }
    let three = Scenery(controlPlane: 3)
    #expect(
      sentence(three)
        == "can lose: 1 more node (any of n1 n2 n3) · losing 2 of them stops the cluster")
    #expect(
      sentence(three, seen(nodes(1, 3)))
        == "can lose: 0 more nodes · losing n1 or n3 stops the cluster · n2 does not count now")
    #expect(
      sentence(three, seen(nodes(1)))
        == "can lose: nothing, the quorum is lost: 1 of 3 voters counts, 2 needed")
    #expect(
      sentence(three, seen([], hasLeader: false)) == "can lose: unknown, no contact to a leader")
    #expect(
      sentence(Scenery(controlPlane: 1))
        == "can lose: 0 more nodes · losing n1, the only control-plane node, stops the cluster")
    #expect(
      sentence(Scenery(controlPlane: 2))
        == "can lose: 0 more nodes · losing n1, the only voter, stops the cluster; its standby n2"
        + " may lack what was in flight")
    let crowded = Scenery(controlPlane: 3, domains: ["1", "1", "2"])
    #expect(sentence(crowded).hasSuffix(" · failure domain 1 holds 2 of 3 votes"))
    let spread = Scenery(controlPlane: 3, domains: ["1", "2", "3"])
    #expect(!sentence(spread).contains("domain"))
    var joint = Scenery(controlPlane: 4)
    joint.assign([3: .standby, 4: .voter], cause: .replaced, joint: true, settle: false)
    #expect(
      sentence(joint)
        == "can lose: 1 more node (any of n1 n2 n3 n4) · losing 2 of them may stop the cluster"
        + " · the voters are changing")
  }

  @Test("Recorded and observed stand side by side")
  func sides() {
    var stage = Scenery(controlPlane: 3)
    stage.suspect(3)
    let answer = HighAvailability(
      stage.cluster,
      outlook: Outlook(by: NodeID(2), hasLeader: true, healthyVoters: nodes(1, 2, 3), age: 7))
    #expect(!answer.recorded.isHighlyAvailable && answer.recorded.healthy == ["n1", "n2"])
    #expect(answer.observed?.verdict.isHighlyAvailable == true)
    #expect(answer.observed?.by == "n2" && answer.observed?.age == 7)
    #expect(!answer.isHighlyAvailable && answer.critical == ["n1", "n2"])
  }
}
