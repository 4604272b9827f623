import Membership
import Testing

@Suite struct DepartureTests {
  private func types(_ stage: Stage, last count: Int) -> [String] {
    stage.log.suffix(count).map(\.envelope.event.type.name)
  }

  @Test("A voter departs by role.assigned, roles.settled and node.left, all under one command id")
  func leave() throws {
    var stage = try Stage.controlPlane(4)
    let id = stage.freshID()
    let first = try stage.ask(.leave(NodeID(2)), id: id, actor: "root@n2", reason: "disk")
    guard case .append(_, let finishes) = first else {
      Issue.record("\(first)")
      return
    }
    #expect(!finishes)
    stage.elect(NodeID(3))
    #expect(stage.cluster.node(NodeID(2))?.datastoreRole == nil)
    #expect(stage.cluster.outgoingVoters == [1, 2, 3].map { NodeID($0) })
    stage.keepRoles()
    #expect(
      types(stage, last: 4) == ["role.assigned", "leader.elected", "roles.settled", "node.left"])
    let events = [stage.log.suffix(4).first, stage.log.dropLast().last, stage.log.last]
    #expect(events.allSatisfy { $0?.envelope.command == id && $0?.envelope.actor == "root@n2" })
    #expect(stage.log.last?.envelope.reason == "disk")
    #expect(stage.roles() == ["n1 voter", "n2 -", "n3 voter", "n4 voter"])
    #expect(stage.cluster.departure == nil)
    #expect(stage.cluster.departed(key: key(2))?.how == .left)
    let again = try stage.ask(.leave(NodeID(2)), id: id)
    let last = stage.cluster.lastIndex
    #expect(again == .already(Already(first: last - 3, latest: last, finished: true)))
  }

  @Test("Of three voters that become two nodes, the leader votes and the other stands by")
  func toTwo() throws {
    var stage = try Stage.controlPlane(3)
    try stage.ask(.leave(NodeID(3)))
    stage.keepRoles()
    #expect(stage.roles() == ["n1 voter", "n2 standby", "n3 -"])
  }

  @Test("The leader may leave: a caught-up node gets the vote in its place")
  func leaderLeaves() throws {
    var stage = try Stage.controlPlane(2)
    #expect(stage.roles() == ["n1 voter", "n2 standby"])
    stage.caughtUp = [NodeID(1)]
    #expect(throws: Refusal.noSuccessor("n1", candidates: ["n2"])) {
      try stage.ask(.leave(NodeID(1)))
    }
    stage.caughtUp = nil
    try stage.ask(.leave(NodeID(1)))
    #expect(stage.cluster.voters == [NodeID(2)])
    #expect(stage.cluster.outgoingVoters == [NodeID(1)])
  }

  @Test("A worker, a newcomer without a role and a learner go without a joint configuration")
  func withoutVote() throws {
    var stage = try Stage.controlPlane(4)
    try stage.join(5, .worker)
    try stage.join(6)
    try stage.ask(.leave(NodeID(5)))
    #expect(types(stage, last: 1) == ["node.left"])
    try stage.ask(.leave(NodeID(6)))
    #expect(types(stage, last: 1) == ["node.left"])
    try stage.ask(.leave(NodeID(4)))
    #expect(stage.cluster.joint == nil)
    #expect(stage.cluster.departure?.settled == true)
    try stage.ask(.settle)
    #expect(types(stage, last: 2) == ["role.assigned", "node.left"])
    #expect(stage.cluster.nodes.filter { !$0.isActive }.count == 3)
  }

  @Test("A node that is alone stays, and the last control-plane node does not leave its workers")
  func alone() throws {
    var stage = Stage.formed()
    let refusal = Refusal.alone("n1")
    #expect(throws: refusal) { try stage.ask(.leave(NodeID(1))) }
    #expect(refusal.exitCode == 1)
    try stage.join(2, .worker)
    let last = Refusal.lastControlPlane("n1", dependents: 1)
    #expect(throws: last) { try stage.ask(.leave(NodeID(1))) }
    #expect(last.exitCode == 3)
    try stage.ask(.leave(NodeID(2)))
    #expect(throws: refusal) { try stage.ask(.leave(NodeID(1))) }
  }

  @Test("Nothing makes a departure happen that today's voters cannot agree to, not even force")
  func quorum() throws {
    var stage = try Stage.controlPlane(3)
    stage.up = [NodeID(1)]
    stage.alive = [NodeID(1)]
    let loss = Refusal.quorumLoss(
      "n3",
      Refusal.QuorumLoss(when: .now, voters: ["n1", "n2", "n3"], reachable: ["n1"], needed: 2))
    #expect(throws: loss) {
      try stage.ask(.removeNode(.init(target: "n3", force: true)), reason: "gone")
    }
    #expect(loss.exitCode == 3)
    #expect(
      loss.message.contains("needs 2 of today's 3 voters (n1 n2 n3), and n1 alone is reachable"))
  }

  @Test("Removing asks for force where the node is alive, and for a reason where it is forced")
  func removal() throws {
    var stage = try Stage.controlPlane(3)
    func remove(_ target: String, force: Bool = false, reason: String = "", origin: NodeID? = nil)
      -> Refusal?
    {
      do {
        try stage.ask(
          .removeNode(.init(target: target, force: force)), reason: reason,
          origin: origin)
        return nil
      } catch { return error }
    }
    #expect(remove("n2") == .alive("n2"))
    #expect(remove("n2", force: true) == .reasonMissing("n2"))
    #expect(remove("n1", force: true, reason: "x", origin: NodeID(1)) == .itself("n1"))
    #expect(remove("n7") == .nodeUnknown("n7", gone: nil))
    stage.alive = [NodeID(1), NodeID(3)]
    stage.up = [NodeID(1), NodeID(3)]
    #expect(remove("127.0.0.2") == nil, "it is dead: no force is needed")
    stage.keepRoles()
    #expect(stage.roles() == ["n1 voter", "n3 standby"])
    #expect(stage.cluster.departed(NodeID(2))?.how == .removed(forced: false))
    let gone = stage.cluster.departed(NodeID(2))
    #expect(remove("n2") == .nodeUnknown("n2", gone: gone))
    #expect(remove("n3", force: true, reason: "sold") == nil)
    stage.keepRoles()
    #expect(stage.cluster.departed(NodeID(3))?.how == .removed(forced: true))
  }

  @Test("A node is found by name, by id and by address; an address of several is ambiguous")
  func targets() throws {
    var stage = try Stage.controlPlane(1)
    for n in [2, 3, 4, 5] { try stage.join(n, .worker) }
    let shared = [8, 9]
    for n in shared {
      var node = record(n, .worker)
      node.endpoints.cluster = address("127.0.0.77:\(n)")
      try stage.invite(n)
      try stage.ask(.join(Command.Join(node: node, secret: secret(n + 1000))))
    }
    stage.alive = []
    for target in ["n2", "0000000000000003", "127.0.0.4", "127.0.0.5:25000"] {
      #expect(throws: Never.self) {
        try stage.ask(.removeNode(.init(target: target, force: false)))
      }
    }
    #expect(throws: Refusal.nodeAmbiguous("127.0.0.77", matches: ["n8", "n9"])) {
      try stage.ask(.removeNode(.init(target: "127.0.0.77", force: false)))
    }
    try stage.ask(.removeNode(.init(target: "127.0.0.77:8", force: false)))
    #expect(stage.cluster.nodes.map(\.name) == ["n1", "n9"])
  }

  @Test("Removing a node that left closes its record, also while another departs")
  func closing() throws {
    var stage = try Stage.controlPlane(4)
    try stage.ask(.leave(NodeID(4)))
    stage.keepRoles()
    #expect(stage.cluster.node(NodeID(4))?.isActive == false)
    try stage.ask(.leave(NodeID(3)))
    try stage.ask(.removeNode(.init(target: "n4", force: false)))
    #expect(stage.cluster.node(NodeID(4)) == nil)
    #expect(stage.cluster.departed(NodeID(4))?.how == .left)
    #expect(stage.cluster.departure?.node == NodeID(3))
  }

  @Test("One departure at a time: others wait, the same one is answered as pending")
  func busy() throws {
    var stage = try Stage.controlPlane(5)
    let id = stage.freshID()
    try stage.ask(.leave(NodeID(2)), id: id)
    let index = stage.cluster.lastIndex
    let pending = Decision.already(Already(first: index, latest: index, finished: false))
    #expect(try stage.ask(.leave(NodeID(2)), id: id) == pending)
    #expect(try stage.ask(.leave(NodeID(2))) == pending)
    for command in [
      Command.leave(NodeID(3)), .removeNode(.init(target: "n2", force: true)),
    ] {
      do {
        try stage.ask(command, reason: "r")
        Issue.record("\(command) was not refused")
      } catch {
        #expect(error.code == "busy")
        #expect(error.isTransient)
        #expect(error.exitCode == 7)
      }
    }
    #expect(throws: Refusal.commandReused(id, first: index)) {
      try stage.ask(.leave(NodeID(3)), id: id, fingerprint: 2)
    }
  }
}
