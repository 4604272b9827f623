import Membership
import Projections
import Testing

@Suite struct HealthTests {
  /// Three voters and a worker, all of them well.
  private func well() -> HealthFacts {
    var stage = Scenery(controlPlane: 3)
    stage.join(4, .worker)
    var sightings: [NodeID: Outlook.Sighting] = [:]
    for n in 2...4 { sightings[NodeID(UInt64(n))] = .init(ready: true, contactAge: 5) }
    let replicas = (1...3).map { n in
      var replica = HealthFacts.Replica(name: "n\(n)", applied: stage.cluster.lastIndex)
      (replica.clockAhead, replica.clockError) = (Int64(n) * 100, 2)
      (replica.fill, replica.diskFree) = (0.1, 1 << 33)
      return replica
    }
    return HealthFacts(
      cluster: stage.cluster,
      outlook: Outlook(
        by: NodeID(1), hasLeader: true, healthyVoters: nodes(1, 2, 3), sightings: sightings),
      isConfirmed: true, replicas: replicas, comparedAt: stage.cluster.lastIndex, odd: [],
      endpointIndexes: [NodeID(4): stage.cluster.endpointIndex])
  }

  private func failing(_ facts: HealthFacts) -> [String] {
    Health(facts).assertions.filter { !$0.holds }.map(\.id)
  }

  @Test("Where all is well every assertion holds, in the order of the catalogue")
  func allHold() {
    let health = Health(well())
    #expect(health.isGood, "\(health.text)")
    #expect(health.assertions.map(\.id) == Health.catalogue.map(\.id))
    #expect(health.text.hasPrefix("waiting for the agent to answer: OK (n1)\n"))
    #expect(health.assertions.allSatisfy { $0.line.hasPrefix("waiting for \($0.what): OK") })
  }

  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// What fails, no more and no less, and what is said of the first.
    var fails: [String]
    var says: String
    var change: @Sendable (inout HealthFacts) -> Void
  }

  static let cases: [Case] = [
    Case(
      testDescription: "no leader", fails: ["leader", "voters", "roles"], says: "none is known"
    ) { $0.outlook.hasLeader = false },
    Case(
      testDescription: "a leader that does not confirm", fails: ["leader"],
      says: "n1 did not confirm in time"
    ) { $0.isConfirmed = false },
    Case(testDescription: "a voter that does not count", fails: ["voters"], says: "not n3: 2 of 3")
    {
      $0.outlook.healthyVoters = nodes(1, 2)
    },
    Case(
      testDescription: "a voter that nobody had time to look at", fails: ["voters", "roles"],
      says: "n3 was not heard from yet"
    ) {
      $0.outlook.healthyVoters = nodes(1, 2)
      $0.outlook.sightings[NodeID(3)] = nil
      $0.outlook.unseen = nodes(3)
    },
    Case(
      testDescription: "a node that is behind", fails: ["applied"], says: "n1 is 257 entries behind"
    ) {
      for i in 1...2 { $0.replicas[i].applied = ($0.replicas[i].applied ?? 0) + 257 }
    },
    Case(
      testDescription: "a node that does not answer",
      fails: ["applied", "history", "clocks", "space"], says: "n2: refused"
    ) { $0.replicas[1] = .init(name: "n2", problem: "refused") },
    Case(
      testDescription: "another history", fails: ["history"],
      says: "n3 differs from the others at index"
    ) { $0.odd = ["n3"] },
    Case(testDescription: "clocks apart", fails: ["clocks"], says: "n3 is 1005 ms ahead of n1") {
      ($0.replicas[0].clockAhead, $0.replicas[2].clockAhead) = (0, 1005)
    },
    Case(testDescription: "a full disk", fails: ["space"], says: "n2 has 63 MiB left") {
      $0.replicas[1].diskFree = 63 << 20
    },
    Case(testDescription: "a full map", fails: ["space"], says: "n2's log fills 90 %") {
      $0.replicas[1].fill = 0.9
    },
    Case(
      testDescription: "a worker out of contact", fails: ["workers"], says: "n4 is not in contact"
    ) { $0.outlook.sightings[NodeID(4)]?.ready = false },
    Case(
      testDescription: "a worker with old endpoints", fails: ["workers"],
      says: "n4 has the endpoints of index 1, not"
    ) { $0.endpointIndexes[NodeID(4)] = 1 },
    Case(
      testDescription: "a worker that did not ask", fails: ["workers"],
      says: "n4 has not asked for endpoints yet"
    ) { $0.endpointIndexes = [:] },
    Case(testDescription: "suspicion", fails: ["suspicion", "workers"], says: "n2 is suspected") {
      var stage = Scenery(controlPlane: 3)
      stage.join(4, .worker)
      stage.suspect(2)
      $0.cluster = stage.cluster
    },
    Case(
      testDescription: "voters that change", fails: ["roles"], says: "the voters are changing since"
    ) {
      var stage = Scenery(controlPlane: 4)
      stage.assign([3: .standby, 4: .voter], cause: .replaced, joint: true, settle: false)
      $0.cluster = stage.cluster
      $0.outlook.healthyVoters = nodes(1, 2, 3, 4)
    },
    Case(testDescription: "roles to come", fails: ["roles"], says: "to come: n4 standby") {
      var stage = Scenery(controlPlane: 3)
      stage.join(4)
      $0.cluster = stage.cluster
      $0.outlook.healthyVoters = nodes(1, 2, 3, 4)
    },
  ]

  @Test("Each assertion fails for its own reason alone, and says it", arguments: cases)
  func table(_ example: Case) throws {
    var facts = well()
    example.change(&facts)
    #expect(failing(facts) == example.fails, "\(Health(facts).text)")
    let first = try #require(Health(facts).assertions.first { !$0.holds })
    #expect(first.detail.hasPrefix(example.says), "\(first.detail)")
  }

  @Test("Without an agent nothing holds, and only its silence is told as known")
  func noAgent() {
    let health = Health(noAgent: "muster is not running")
    #expect(health.assertions.count { $0.holds } == 0)
    #expect(health.assertions[0].line == "waiting for the agent to answer: muster is not running")
    #expect(health.assertions.dropFirst().allSatisfy { $0.detail.hasPrefix("unknown") })
  }

  @Test("The warning comes while no node can be lost, in clusters that could bear a loss")
  func warning() {
    func warning(_ count: Int, healthy: Set<NodeID>, hasLeader: Bool = true) -> String? {
      HighAvailability(
        Scenery(controlPlane: count).cluster,
        outlook: Outlook(by: NodeID(1), hasLeader: hasLeader, healthyVoters: healthy)
      ).warning
    }
    #expect(warning(1, healthy: nodes(1)) == nil)
    #expect(warning(2, healthy: nodes(1, 2)) == nil)
    #expect(warning(3, healthy: nodes(1, 2, 3)) == nil)
    #expect(
      warning(3, healthy: nodes(1, 2))
        == "not one more node can be lost: losing n1 or n2 stops the cluster (see: muster status)")
    #expect(
      warning(3, healthy: [], hasLeader: false)
        == "no contact to a leader: nothing can be changed (see: muster status)")
    var single = Scenery(controlPlane: 3)
    single.append(.policyChanged(PolicyChanged(voters: 1)))
    single.assign([2: .standby, 3: .standby], cause: .surplus, joint: true, settle: true)
    #expect(HighAvailability(single.cluster).canLose == 0)
    #expect(HighAvailability(single.cluster).warning == nil, "an operator wants it so")
    #expect(warning(3, healthy: nodes(1))?.hasPrefix("the quorum is lost") == true)
  }
}
