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

  @Test("A voter that lost what it had acknowledged does not count until it has it again")
  func lostReplica() {
    var stage = Scenery(controlPlane: 3)
    stage.append(.replicaLost(ReplicaLost(node: NodeID(2), acknowledged: 9, found: 5, boot: 2)))
    let lost = HighAvailability(stage.cluster)
    #expect(!lost.isHighlyAvailable && lost.canLose == 0 && lost.uncounted == ["n2"])
    #expect(!HighAvailability(stage.cluster, outlook: seen(nodes(1, 2, 3))).isHighlyAvailable)
    stage.append(.replicaRefetched(ReplicaRefetched(node: NodeID(2), index: 9)))
    #expect(HighAvailability(stage.cluster).isHighlyAvailable)
  }

  /// Every possible loss tried out, over voters given as bit masks.
  struct Model {
    let halves: [Int]
    /// By mask of those that count: so many may fail, whichever they are; -1 without a quorum.
    let bearable: [Int]

    init(halves: [Int]) {
      self.halves = halves
      let all = halves.reduce(0, |)
      var bearable = Array(repeating: -1, count: 128)
      for up in 0..<128 {
        let held = halves.allSatisfy { ($0 & up).nonzeroBitCount * 2 > $0.nonzeroBitCount }
        guard held else { continue }
        let losses = (0..<7).map { 1 << $0 }.filter { $0 & up & all != 0 }
        bearable[up] = 1 + (losses.map { bearable[up & ~$0] }.min() ?? -1)
      }
      self.bearable = bearable
    }

    func critical(_ up: Int) -> [String] {
      guard bearable[up] >= 0 else { return [] }
      return (0..<7).filter { up >> $0 & 1 == 1 && bearable[up & ~(1 << $0)] < 0 }
        .map { "n\($0 + 1)" }
    }
  }

  /// Seven control-plane nodes of which these vote; `outgoing` voted before, if it is not 0.
  private func cluster(voters: Int, outgoing: Int, suspected: Int) -> Cluster {
    let members = (0..<7).map { at in
      Member(
        record: record(at + 1, at: "10.0.0.\(at + 1)", .controlPlane),
        joined: Timestamp(milliseconds: 0), joinIndex: UInt64(at + 1),
        datastoreRole: voters >> at & 1 == 1 ? .voter : .standby,
        suspectedSince: suspected >> at & 1 == 1 ? Timestamp(milliseconds: 0) : nil,
        endpointIndex: UInt64(at + 1))
    }
    let joint = JointRoles(
      outgoing: ids(outgoing).sorted(),
      attribution: .init(
        command: CommandID(high: 0, low: 1), fingerprint: 0, actor: "", reason: ""), index: 8)
    return Cluster(
      id: ClusterID(1), incarnation: 1, formed: Timestamp(milliseconds: 0), nodes: members,
      leader: NodeID(1), term: 1, joint: outgoing == 0 ? nil : joint, lastIndex: 8)
  }

  private func ids(_ mask: Int) -> Set<NodeID> {
    Set((0..<7).filter { mask >> $0 & 1 == 1 }.map { NodeID(UInt64($0 + 1)) })
  }

  @Test(
    "What status says is what trying out every loss gives, for all subsets of up to seven voters",
    arguments: 1...7)
  func bruteForce(count: Int) {
    let voters = (1 << count) - 1
    // Names do not matter: what does is how many voted before of those that vote, and of the rest.
    let outgoings = (0...count).flatMap { staying in
      (0...7 - count).map { (1 << staying) - 1 | ((1 << $0) - 1) << count }
    }
    for outgoing in outgoings {
      let model = Model(halves: outgoing == 0 ? [voters] : [voters, outgoing])
      for up in 0..<128 {
        // Of those that do not count, the log suspects some, and the others are not seen.
        let cluster = cluster(
          voters: voters, outgoing: outgoing, suspected: ~up & 0b101_1010)
        let answer = HighAvailability(cluster, outlook: seen(ids(up | 0b101_1010)))
        guard answer.quorumHeld == (model.bearable[up] >= 0),
          answer.canLose == max(0, model.bearable[up]),
          answer.isHighlyAvailable == (count >= 3 && model.bearable[up] >= 1),
          answer.critical == model.critical(up)
        else {
          Issue.record("voters \(voters), outgoing \(outgoing), up \(up): \(answer)")
          return
        }
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
    // Of two domains with two votes each, the one whose loss would stop the cluster.
    var four = Scenery(controlPlane: 5, domains: ["a", "a", "b", "b", "c"])
    four.assign([4: .voter, 5: .voter], cause: .shortage, joint: true, settle: true)
    #expect(
      sentence(four, seen(nodes(2, 3, 4, 5))).hasSuffix(" · failure domain b holds 2 of 5 votes"))
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
