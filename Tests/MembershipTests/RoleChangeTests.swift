// Promotion and demotion: the same member with the same key, and another role.

import Membership
import Testing

@Suite struct RoleChangeTests {
  private func types(_ stage: Stage, last count: Int) -> [String] {
    stage.log.suffix(count).map(\.envelope.event.type.name)
  }

  private func demote(_ n: Int) -> Command { .changeRole(.init(target: "n\(n)", role: .worker)) }

  private func promote(_ n: Int, at place: Endpoints? = nil) -> Command {
    .changeRole(.init(target: "n\(n)", role: .controlPlane, endpoints: place ?? endpoints(n)))
  }

  @Test("A worker that is promoted gets a role as a newcomer does, and counts like one")
  func promotion() throws {
    var stage = try Stage.controlPlane(2)
    try stage.join(3, .worker)
    #expect(stage.cluster.voters == [NodeID(1)])
    let id = stage.freshID()
    try stage.ask(promote(3), id: id, reason: "growth")
    #expect(types(stage, last: 1) == ["node.promoted"])
    let member = try #require(stage.cluster.node(NodeID(3)))
    #expect(member.isControlPlane && member.record.endpoints == endpoints(3))
    #expect(member.record.key == key(3) && !member.apiserverReady && member.datastoreRole == nil)
    #expect(member.roleIndex == stage.cluster.lastIndex && member.joinIndex < member.roleIndex)
    #expect(stage.cluster.endpointIndex == stage.cluster.lastIndex)
    #expect(stage.log.last?.envelope.reason == "growth")
    stage.keepRoles()
    #expect(stage.roles() == ["n1 voter", "n2 voter", "n3 voter"])
    let index = member.roleIndex
    #expect(
      try stage.ask(promote(3)) == .already(Already(first: index, latest: index, finished: true)))
    #expect(
      try stage.ask(promote(3), id: id)
        == .already(Already(first: index, latest: index, finished: true)))
  }

  @Test("The control plane stands in the order of joining, whoever was promoted when")
  func order() throws {
    var stage = Stage.formed()
    try stage.join(2, .worker)
    try stage.join(3)
    try stage.ask(promote(2))
    #expect(stage.cluster.controlPlane.map(\.name) == ["n1", "n2", "n3"])
  }

  @Test("A promotion says where the node will be, and not where another one is")
  func endpointsOfPromoted() throws {
    var stage = try Stage.controlPlane(2)
    try stage.join(3, .worker)
    var taken = endpoints(3)
    taken.datastore = endpoints(2).datastore
    #expect(
      throws: Refusal.addressTaken(address("127.0.0.2:19001"), by: "n2", since: stage.since(2))
    ) {
      try stage.ask(promote(3, at: taken))
    }
    for place in [endpoints(3, .worker), nil] {
      do {
        try stage.ask(
          .changeRole(.init(target: "n3", role: .controlPlane, endpoints: place)))
        Issue.record("\(String(describing: place)) was taken")
      } catch {
        #expect(["record-invalid", "request-invalid"].contains(error.code))
      }
    }
  }

  @Test(
    "A demotion is role.assigned, roles.settled and node.demoted under one id, whoever leads"
  )
  func demotion() throws {
    var stage = try Stage.controlPlane(4)
    try stage.ask(
      .refreshEndpoints(
        EndpointRefreshed(
          node: NodeID(2), endpoints: endpoints(2), apiserverReady: true, version: "0.1.0")))
    let id = stage.freshID()
    let first = try stage.ask(demote(2), id: id, actor: "root@n2", reason: "small")
    guard case .append(_, let finishes) = first else {
      Issue.record("\(first)")
      return
    }
    #expect(!finishes)
    #expect(stage.cluster.departure?.kind == .demote)
    stage.elect(NodeID(3))
    try stage.ask(.settle)
    #expect(stage.cluster.node(NodeID(2))?.isControlPlane == true, "it is not over yet")
    stage.elect(NodeID(4))
    try stage.ask(.settle)
    #expect(
      types(stage, last: 5) == [
        "role.assigned", "leader.elected", "roles.settled", "leader.elected", "node.demoted",
      ])
    #expect(stage.log.last?.envelope.command == id)
    #expect(stage.log.last?.envelope.reason == "small")
    let member = try #require(stage.cluster.node(NodeID(2)))
    #expect(member.isActive && !member.isControlPlane && !member.apiserverReady)
    #expect(member.record.endpoints == endpoints(2, .worker) && member.record.key == key(2))
    #expect(stage.cluster.departed.isEmpty && stage.cluster.departure == nil)
    #expect(stage.cluster.controlPlane.map(\.name) == ["n1", "n3", "n4"])
    #expect(stage.cluster.servingAPI.allSatisfy { $0.name != "n2" })
    #expect(stage.cluster.endpointIndex == stage.cluster.lastIndex)
    stage.keepRoles()
    #expect(stage.roles() == ["n1 voter", "n2 -", "n3 voter", "n4 voter"])
    let index = stage.cluster.lastIndex
    #expect(
      try stage.ask(demote(2)) == .already(Already(first: index, latest: index, finished: true)))
  }

  @Test("A standby and a newcomer without a role are demoted without a joint configuration")
  func withoutVote() throws {
    var stage = try Stage.controlPlane(4)
    try stage.ask(demote(4))
    #expect(stage.cluster.joint == nil)
    stage.keepRoles()
    #expect(types(stage, last: 2) == ["role.assigned", "node.demoted"])
    try stage.join(5)
    try stage.ask(demote(5))
    #expect(types(stage, last: 1) == ["node.demoted"])
  }

  @Test("Demoted and promoted again, a node is what it was")
  func thereAndBack() throws {
    var stage = try Stage.controlPlane(3)
    try stage.ask(demote(1))
    stage.elect(NodeID(2))
    stage.keepRoles()
    #expect(stage.roles() == ["n1 -", "n2 voter", "n3 standby"])
    try stage.ask(promote(1))
    stage.keepRoles()
    #expect(stage.roles() == ["n1 voter", "n2 voter", "n3 voter"])
  }

  @Test("What a node acknowledged before it was a worker is nothing that it lost")
  func lostBeforeDemotion() throws {
    var stage = try Stage.controlPlane(3)
    let before = stage.cluster.lastIndex
    try stage.ask(demote(3))
    stage.keepRoles()
    try stage.ask(promote(3))
    let index = stage.cluster.lastIndex
    func lose(_ acknowledged: UInt64) throws -> Decision {
      try stage.ask(
        .loseReplica(ReplicaLost(node: NodeID(3), acknowledged: acknowledged, found: 0, boot: 1)))
    }
    #expect(
      try lose(before) == .already(Already(first: index, latest: index, finished: true)))
    #expect(stage.cluster.node(NodeID(3))?.lostSince == nil)
    // What it acknowledged since then it should have, and one that was never a worker all.
    _ = try lose(index + 1)
    #expect(stage.cluster.node(NodeID(3))?.lostSince != nil)
    try stage.ask(
      .loseReplica(ReplicaLost(node: NodeID(2), acknowledged: 1, found: 0, boot: 1)))
    #expect(stage.cluster.node(NodeID(2))?.lostSince != nil)
  }

  @Test("The last control-plane node stays one; a node that is gone is not demoted")
  func refusals() throws {
    var stage = Stage.formed()
    #expect(throws: Refusal.lastControlPlane("n1", dependents: 0)) { try stage.ask(demote(1)) }
    try stage.join(2, .worker)
    #expect(throws: Refusal.lastControlPlane("n1", dependents: 1)) { try stage.ask(demote(1)) }
    #expect(throws: Refusal.nodeUnknown("n9", gone: nil)) { try stage.ask(demote(9)) }
    try stage.ask(.leave(NodeID(2)))
    let gone = stage.cluster.departed(NodeID(2))
    #expect(throws: Refusal.nodeUnknown("n2", gone: gone)) { try stage.ask(promote(2)) }
    stage = try Stage.controlPlane(3)
    stage.up = [NodeID(1), NodeID(2)]
    stage.alive = [NodeID(1), NodeID(2)]
    #expect(throws: Refusal.unreachable("n3")) { try stage.ask(demote(3)) }
  }

  @Test("Where too few voters would be left or are there, nobody is demoted")
  func quorum() throws {
    var stage = try Stage.controlPlane(3)
    stage.up = [NodeID(1)]
    let loss = Refusal.quorumLoss(
      "n1",
      Refusal.QuorumLoss(when: .now, voters: ["n1", "n2", "n3"], reachable: ["n1"], needed: 2))
    #expect(throws: loss) { try stage.ask(demote(1)) }
    stage = try Stage.controlPlane(2)
    stage.caughtUp = [NodeID(1)]
    #expect(throws: Refusal.noSuccessor("n1", candidates: ["n2"])) { try stage.ask(demote(1)) }
  }

  @Test("While a node is being demoted, it neither leaves nor is promoted")
  func busy() throws {
    var stage = try Stage.controlPlane(4)
    let id = stage.freshID()
    try stage.ask(demote(2), id: id)
    let index = stage.cluster.lastIndex
    let pending = Decision.already(Already(first: index, latest: index, finished: false))
    #expect(try stage.ask(demote(2), id: id) == pending)
    #expect(try stage.ask(demote(2)) == pending)
    for command in [promote(2), .leave(NodeID(2)), demote(3), .leave(NodeID(3))] {
      do {
        try stage.ask(command)
        Issue.record("\(command) was not refused")
      } catch {
        #expect(error.isTransient && error.message.contains("the demotion of n2"))
      }
    }
  }
}
