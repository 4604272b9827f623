import Membership
import Testing

@Suite struct UpkeepTests {
  private func enter(_ stage: inout Stage, _ name: String, seconds: Int64? = nil) throws {
    try stage.ask(.enterMaintenance(.init(target: name, seconds: seconds)))
  }

  @Test("A voter in maintenance lends its vote in one joint change, and has it back afterwards")
  func lends() throws {
    var stage = try Stage.controlPlane(4)
    try enter(&stage, "n2")
    let before = stage.log.count
    stage.keepRoles()
    #expect(stage.roles() == ["n1 voter", "n2 standby", "n3 voter", "n4 voter"])
    #expect(stage.log.count == before + 2, "role.assigned and roles.settled")
    // While it is away, and when somebody else could take its place, nothing moves.
    stage.up = [NodeID(1), NodeID(3), NodeID(4)]
    try stage.ask(.suspect(NodeID(2)))
    stage.keepRoles()
    #expect(stage.log.count == before + 3)
    stage.up = nil
    try stage.ask(.recover(NodeID(2)))
    try stage.ask(.exitMaintenance("n2"))
    stage.keepRoles()
    #expect(stage.roles() == ["n1 voter", "n2 voter", "n3 voter", "n4 standby"])
    #expect(stage.cluster.nodes.allSatisfy { $0.lentTo == nil })
  }

  @Test("Without a live, caught-up node to lend it to, the vote stays")
  func stays() throws {
    var stage = try Stage.controlPlane(3)
    try enter(&stage, "n2")
    stage.keepRoles()
    #expect(stage.roles() == ["n1 voter", "n2 voter", "n3 voter"])
    try stage.join(4)
    stage.caughtUp = Set([1, 2, 3].map { NodeID($0) })
    stage.keepRoles()
    #expect(stage.cluster.voters.contains(NodeID(2)))
    stage.caughtUp = nil
    stage.keepRoles()
    #expect(!stage.cluster.voters.contains(NodeID(2)))
  }

  @Test("Nobody in maintenance is given a vote, also where one is missing")
  func notChosen() throws {
    var stage = try Stage.controlPlane(4)
    try enter(&stage, "n4")
    stage.up = [NodeID(1), NodeID(3), NodeID(4)]
    try stage.ask(.suspect(NodeID(2)))
    stage.keepRoles()
    #expect(stage.cluster.voters == [1, 2, 3].map { NodeID($0) })
  }

  @Test("Where a vote too many is given up, it is that of a node in maintenance")
  func givenUp() throws {
    for away in [1, 3] as [UInt64] {
      var stage = try Stage.controlPlane(3)
      stage.elect(NodeID(2))
      try enter(&stage, "n\(away)")
      stage.keepRoles()
      #expect(stage.cluster.voters.count == 3, "nobody is there to take it")
      try stage.ask(.leave(NodeID(2)))
      stage.keepRoles()
      #expect(stage.cluster.voters.filter { $0 != NodeID(2) } == [NodeID(4 - away)])
    }
  }

  @Test("A leader in maintenance yields before its vote moves; one that borrowed a vote, too")
  func yields() throws {
    var stage = try Stage.controlPlane(4)
    func yields(_ node: UInt64) -> Bool {
      RolePolicy.shouldYield(stage.cluster, leader: NodeID(node), observation: stage.observation)
    }
    #expect(!yields(1))
    try enter(&stage, "n1")
    #expect(yields(1) && !yields(2))
    stage.keepRoles()
    #expect(stage.cluster.voters.contains(NodeID(1)), "it leads")
    stage.elect(NodeID(2))
    stage.keepRoles()
    #expect(stage.cluster.voters == [2, 3, 4].map { NodeID($0) })
    stage.elect(NodeID(4))
    #expect(!yields(4))
    try stage.ask(.exitMaintenance("n1"))
    #expect(yields(4))
    stage.keepRoles()
    #expect(!stage.cluster.voters.contains(NodeID(1)))
    stage.elect(NodeID(3))
    stage.keepRoles()
    #expect(stage.cluster.voters == [1, 2, 3].map { NodeID($0) })
  }

  @Test("A lent vote is forgotten once its holder loses it")
  func forgotten() throws {
    var stage = try Stage.controlPlane(5)
    try enter(&stage, "n2")
    stage.keepRoles()
    #expect(stage.cluster.node(NodeID(2))?.lentTo == NodeID(4))
    try stage.ask(.leave(NodeID(4)))
    stage.keepRoles()
    #expect(stage.cluster.node(NodeID(2))?.lentTo == nil)
    #expect(stage.cluster.voters == [1, 3, 5].map { NodeID($0) })
  }

  @Test("Maintenance ends when its time is over, may be prolonged, and ends with the membership")
  func until() throws {
    var stage = try Stage.controlPlane(3)
    try enter(&stage, "n2", seconds: 60)
    let since = stage.now
    #expect(stage.cluster.maintenanceOver(at: since.adding(seconds: 59)) == nil)
    #expect(stage.cluster.maintenanceOver(at: since.adding(seconds: 60))?.name == "n2")
    stage.now = since.adding(seconds: 30)
    try enter(&stage, "n2", seconds: 60)
    #expect(stage.cluster.node(NodeID(2))?.maintenance?.since == since)
    #expect(stage.cluster.maintenanceOver(at: since.adding(seconds: 60)) == nil)
    let events = stage.log.count
    try enter(&stage, "n2", seconds: 60)
    #expect(stage.log.count == events, "the same again is no news")
    #expect(throws: Refusal.self) { try enter(&stage, "n2", seconds: 0) }
    #expect(throws: Refusal.self) { try enter(&stage, "n2", seconds: .max) }
    #expect(throws: Refusal.self) { try enter(&stage, "n9") }
    #expect(throws: Refusal.notInMaintenance("n3")) { try stage.ask(.exitMaintenance("n3")) }
    try stage.join(4)
    stage.keepRoles()
    try stage.ask(.leave(NodeID(2)))
    stage.keepRoles()
    #expect(stage.cluster.maintenanceOver(at: since.adding(seconds: 9999)) == nil)
    #expect(throws: Refusal.self) { try enter(&stage, "n2") }
  }

  @Test("Settings are taken one by one, roles follow them, and nonsense is refused")
  func policy() throws {
    var stage = try Stage.controlPlane(7)
    try stage.ask(.changePolicy(PolicyChanged(voters: 5)))
    stage.keepRoles()
    #expect(stage.cluster.voters.count == 5 && stage.cluster.nodes(.standby).count == 2)
    try stage.ask(.changePolicy(PolicyChanged(standbys: 1)))
    stage.keepRoles()
    #expect(stage.cluster.nodes(.spare).count == 1)
    #expect(stage.cluster.policy == Policy(voters: 5, standbys: 1))
    try stage.ask(.changePolicy(PolicyChanged(voters: 1)))
    stage.keepRoles()
    #expect(stage.cluster.voters == [NodeID(1)])
    let events = stage.log.count
    try stage.ask(.changePolicy(PolicyChanged(voters: 1)))
    #expect(stage.log.count == events)
    for wrong in [
      PolicyChanged(voters: 0), PolicyChanged(voters: 2), PolicyChanged(voters: 9),
      PolicyChanged(standbys: 8), PolicyChanged(suspectAfter: 1),
      PolicyChanged(recoverAfter: .max),
    ] {
      #expect(throws: Refusal.self) { try stage.ask(.changePolicy(wrong)) }
    }
  }

  @Test("Of five voters with two lost for good the three that live go on alone, and bear one more")
  func shrinks() throws {
    var stage = try Stage.controlPlane(5)
    try stage.ask(.changePolicy(PolicyChanged(voters: 5)))
    stage.keepRoles()
    stage.up = Set([1, 2, 3].map { NodeID($0) })
    stage.keepRoles()
    #expect(stage.cluster.voters.count == 5, "not before they are suspected")
    try stage.ask(.suspect(NodeID(4)))
    stage.keepRoles()
    #expect(stage.cluster.voters.count == 5, "five with one lost bear as much as three")
    try stage.ask(.suspect(NodeID(5)))
    stage.keepRoles()
    #expect(stage.cluster.voters == [1, 2, 3].map { NodeID($0) })
    stage.up = nil
    try stage.ask(.recover(NodeID(4)))
    try stage.ask(.recover(NodeID(5)))
    stage.keepRoles()
    #expect(stage.cluster.voters.count == 5)
  }
}
