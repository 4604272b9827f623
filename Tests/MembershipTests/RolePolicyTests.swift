import Membership
import Testing

@Suite struct RolePolicyTests {
  /// How a node is at the moment.
  enum Health: Int, CaseIterable {
    case fit, lagging, gone, unseen, flapping
    var reachable: Bool { self == .fit || self == .lagging || self == .flapping }
    var caughtUp: Bool { self == .fit || self == .flapping }
    var suspected: Bool { self == .gone || self == .flapping }
  }
  struct Piece {
    var role: DatastoreRole?
    var health: Health
    var domain: String
  }

  /// A cluster of these control-plane nodes. The first fit voter leads, or the last where the first
  /// node's domain is 2. Nil if there is none.
  private func world(_ pieces: [Piece]) -> (Cluster, NodeID, Observation)? {
    let able = pieces.indices.filter { pieces[$0].role == .voter && pieces[$0].health == .fit }
    guard let lead = pieces.first?.domain == "2" ? able.last : able.first else { return nil }
    let start = Timestamp(milliseconds: 1000)
    var members: [Member] = []
    var observation = Observation(reachable: [], caughtUp: [], alive: [])
    for (i, piece) in pieces.enumerated() {
      // Ids fall while join indexes rise, so that neither can stand in for the other.
      let n = 20 - i
      let id = NodeID(UInt64(n))
      members.append(
        Member(
          record: record(n, domain: piece.domain), joined: start, joinIndex: UInt64(i + 1),
          datastoreRole: piece.role, suspectedSince: piece.health.suspected ? start : nil,
          endpointIndex: UInt64(i + 1)))
      if piece.health.reachable { observation.reachable.insert(id) }
      if piece.health.caughtUp { observation.caughtUp.insert(id) }
    }
    let leader = members[lead].id
    let cluster = Cluster(
      id: ClusterID(1), incarnation: 1, formed: start, nodes: members, leader: leader, term: 1,
      lastIndex: 100, lastTime: start)
    return (cluster, leader, observation)
  }

  /// Every combination of roles and healths of `count` nodes.
  private func enumerate(
    _ count: Int, roles: [DatastoreRole?], healths: [Health], domains: [String],
    _ body: ([Piece]) -> Bool
  ) {
    let base = roles.count * healths.count
    var total = 1
    for _ in 0..<count { total *= base }
    for number in 0..<total {
      var rest = number
      let pieces = (0..<count).map { i in
        let digit = rest % base
        rest /= base
        return Piece(
          role: roles[digit % roles.count], health: healths[digit / roles.count],
          domain: domains[i])
      }
      if !body(pieces) { return }
    }
  }

  private func evolve(_ cluster: inout Cluster, _ event: Event) -> String? {
    cluster.evolve(
      RecordedEvent(
        index: cluster.lastIndex + 1, term: cluster.term,
        envelope: Envelope(
          time: cluster.lastTime, command: CommandID(high: 0, low: cluster.lastIndex),
          fingerprint: 0, actor: "policy", event: event)))?.description
  }

  private func fit(_ cluster: Cluster, _ observation: Observation) -> Set<NodeID> {
    observation.caughtUp.intersection(
      cluster.controlPlane.filter { !$0.isSuspected && $0.datastoreRole != nil }.map(\.id))
  }

  /// The first law that a step of the policy breaks.
  private func violation(
    _ before: Cluster, _ step: RoleAssigned, _ after: Cluster, leader: NodeID,
    _ observation: Observation
  ) -> String? {
    let healthy = fit(before, observation)
    let old = Tolerance(voters: before.voters, healthy: healthy)
    let new = Tolerance(voters: after.voters, healthy: healthy)
    let both = Tolerance(
      voters: after.voters, outgoing: before.voters, healthy: observation.reachable)
    let promoted = Set(after.voters).subtracting(before.voters)
    let demoted = Set(before.voters).subtracting(after.voters)
    if !after.voters.contains(leader) { return "the leader loses its vote" }
    if !both.quorumHeld { return "it cannot be committed" }
    // Where an operator wants fewer voters, no less than those fewer can bear.
    let wanted = before.policy.voters
    let bar = before.voters.count > wanted ? min(old.signed, wanted / 2) : old.signed
    if new.signed < bar { return "it lowers tolerance" }
    if !promoted.isSubset(of: healthy) { return "an unfit node gets a vote" }
    if after.voters != before.voters,
      after.voters.count.isMultiple(of: 2) || after.voters.count > max(wanted, before.voters.count)
    {
      return "\(after.voters.count) voters"
    }
    if step.cause == .replaced, new.signed <= old.signed { return "a replacement without gain" }
    if step.joint != (promoted.union(demoted) != []) { return "joint is wrong" }
    if before.voters.count <= wanted, ![.surplus, .spread, .maintenance].contains(step.cause),
      !demoted.allSatisfy({ before.node($0)?.isSuspected == true })
    {
      return "a voter is demoted that nobody suspects"
    }
    if step.cause == .spread, domains(after) <= domains(before) { return "no wider than before" }
    return nil
  }

  private func domains(_ cluster: Cluster) -> Int {
    Set(cluster.nodes(.voter).map(\.record.failureDomain)).count
  }

  /// Follows the policy to its rest, checking each step; what is wrong at rest, if anything.
  private func run(_ pieces: [Piece]) -> String? {
    guard let (start, leader, observation) = world(pieces) else { return nil }
    var cluster = start
    for _ in 0..<8 {
      guard let step = RolePolicy.next(cluster, leader: leader, observation: observation) else {
        return unrest(cluster, leader, observation)
      }
      let before = cluster
      if let why = evolve(&cluster, .roleAssigned(step)) { return why }
      if let why = violation(before, step, cluster, leader: leader, observation) { return why }
      if step.joint, let why = evolve(&cluster, .rolesSettled(RolesSettled())) { return why }
    }
    return "it does not come to rest"
  }

  private func unrest(
    _ cluster: Cluster, _ leader: NodeID, _ observation: Observation
  ) -> String? {
    let voters = cluster.voters
    guard Tolerance(voters: voters, healthy: observation.reachable).quorumHeld else { return nil }
    let healthy = fit(cluster, observation)
    let idle = healthy.subtracting(voters)
    if cluster.controlPlane.contains(where: { $0.datastoreRole == nil }) { return "no role" }
    if voters.count < 3, voters.count + idle.count >= 3 { return "a third vote is possible" }
    if voters.count == 2, healthy.isSuperset(of: voters) { return "two voters" }
    let gone = voters.filter {
      $0 != leader && !observation.reachable.contains($0) && cluster.node($0)?.isSuspected == true
    }
    if voters.count == 3, !gone.isEmpty, !idle.isEmpty { return "a lost voter keeps its vote" }
    let standbys = cluster.nodes(.standby).count
    let rest = cluster.controlPlane.count - voters.count
    if standbys != min(3, rest) { return "\(standbys) standbys of \(rest)" }
    return nil
  }

  private let learners: [DatastoreRole?] = [.voter, .standby, .spare, nil]

  @Test(
    "Every step can be committed, gains or keeps tolerance, and spares the leader", arguments: 1...4
  )
  func exhaustive(count: Int) {
    let healths = count < 4 ? Health.allCases : [.fit, .lagging, .gone, .unseen]
    let roles: [DatastoreRole?] = count < 4 ? learners : [.voter, .standby, nil]
    for domains in [["1", "1", "1", "1"], ["1", "1", "2", "3"], ["2", "1", "1", "2"]] {
      enumerate(count, roles: roles, healths: healths, domains: domains) { pieces in
        guard let why = run(pieces) else { return true }
        Issue.record("\(why): \(pieces)")
        return false
      }
    }
  }

  @Test("The same holds for five nodes")
  func five() {
    enumerate(
      5, roles: [.voter, .standby], healths: [.fit, .lagging, .gone, .unseen],
      domains: ["1", "2", "2", "1", "3"]
    ) { pieces in
      guard let why = run(pieces) else { return true }
      Issue.record("\(why): \(pieces)")
      return false
    }
  }

  /// The first law that a node's departure breaks.
  private func departure(_ pieces: [Piece], of leaving: Int) -> String? {
    guard let (cluster, leader, observation) = world(pieces) else { return nil }
    let node = cluster.nodes[leaving].id
    guard cluster.nodes[leaving].datastoreRole != nil else { return nil }
    let departing = RoleAssigned.Departing(node: node, kind: .remove, forced: true)
    let healthy = fit(cluster, observation).subtracting([node])
    let held = Tolerance(voters: cluster.voters, healthy: observation.reachable).quorumHeld
    let step: RoleAssigned
    do {
      step = try RolePolicy.departing(departing, cluster, leader: leader, observation: observation)
    } catch {
      // Refused only if nobody else is there, today's voters are out of reach, or no one is fit.
      let justified =
        cluster.nodes.count == 1 || !held || healthy.isEmpty
        || healthy.isDisjoint(with: cluster.voters) && cluster.voters.count > 3
      return justified ? nil : "refused without need: \(error.code)"
    }
    var after = cluster
    if let why = evolve(&after, .roleAssigned(step)) { return why }
    if !held { return "it cannot be committed" }
    if after.node(node)?.datastoreRole != nil { return "it keeps its role" }
    if cluster.node(node)?.datastoreRole != .voter {
      return step.joint ? "a learner's departure is joint" : nil
    }
    if ![1, 3].contains(after.voters.count) { return "\(after.voters.count) voters" }
    if !Tolerance(voters: after.voters, healthy: observation.reachable).quorumHeld {
      return "the rest is not available"
    }
    if Set(after.voters).isDisjoint(with: healthy) { return "nobody could lead" }
    if node != leader, !after.voters.contains(leader) { return "the leader loses its vote" }
    let wanted = healthy.count >= 3 && cluster.voters.count == 3 ? 3 : after.voters.count
    return after.voters.count == wanted ? nil : "a replacement was not named"
  }

  @Test(
    "A departure leaves a cluster that is available, and is refused only where none can be",
    arguments: 1...4)
  func departures(count: Int) {
    let healths = count < 4 ? Health.allCases : [.fit, .lagging, .gone, .unseen]
    let roles: [DatastoreRole?] = count < 4 ? learners : [.voter, .standby, nil]
    enumerate(count, roles: roles, healths: healths, domains: ["1", "1", "2", "3"]) { pieces in
      for leaving in 0..<count {
        if let why = departure(pieces, of: leaving) {
          Issue.record("\(why): node \(leaving) of \(pieces)")
          return false
        }
      }
      return true
    }
  }

  private func roles(_ domains: [String], up: Set<NodeID>? = nil) throws -> Stage {
    var stage = Stage.formed()
    for n in 2...domains.count { try stage.join(n, domain: domains[n - 1]) }
    stage.up = up
    stage.keepRoles()
    return stage
  }

  @Test("Clusters grow as go-dqlite's do: V, V S, V V V, then three standbys, then spares")
  func growth() throws {
    let expected = [
      "voter", "voter standby", "voter voter voter", "voter voter voter standby",
      "voter voter voter standby standby", "voter voter voter standby standby standby",
      "voter voter voter standby standby standby spare",
    ]
    for count in 1...7 {
      let stage = try Stage.controlPlane(count)
      let roles = stage.cluster.nodes.map { $0.datastoreRole?.name ?? "-" }
      #expect(roles.joined(separator: " ") == expected[count - 1])
    }
  }

  @Test("From one voter to three in one joint change, and not before two others are caught up")
  func oneToThree() throws {
    var stage = Stage.formed()
    try stage.join(2)
    try stage.join(3)
    stage.caughtUp = [NodeID(2)]
    stage.keepRoles()
    #expect(stage.roles() == ["n1 voter", "n2 standby", "n3 standby"])
    stage.caughtUp = nil
    let step = RolePolicy.next(
      stage.cluster, leader: NodeID(1), observation: stage.observation)
    #expect(
      step
        == RoleAssigned(
          assignments: [
            .init(node: NodeID(2), role: .voter), .init(node: NodeID(3), role: .voter),
          ], cause: .shortage, joint: true))
  }

  @Test(
    "A suspected voter's vote goes to a standby, and it gets it back only as a node like others")
  func replaced() throws {
    var stage = try Stage.controlPlane(4)
    stage.up = [1, 3, 4].map { NodeID($0) }.reduce(into: []) { $0.insert($1) }
    stage.keepRoles()
    #expect(stage.cluster.voters == [1, 2, 3].map { NodeID($0) }, "not before it is suspected")
    try stage.ask(.suspect(NodeID(2)))
    stage.keepRoles()
    #expect(stage.roles() == ["n1 voter", "n2 standby", "n3 voter", "n4 voter"])
    let causes = stage.log.compactMap { recorded -> RoleAssigned.Cause? in
      if case .roleAssigned(let assigned) = recorded.envelope.event { assigned.cause } else { nil }
    }
    #expect(causes.last == .replaced)
    stage.up = nil
    try stage.ask(.recover(NodeID(2)))
    stage.keepRoles()
    #expect(stage.roles() == ["n1 voter", "n2 standby", "n3 voter", "n4 voter"])
  }

  @Test("Voters spread over failure domains")
  func spread() throws {
    let stage = try roles(["1", "1", "1", "2", "3"])
    #expect(Set(stage.cluster.nodes(.voter).map(\.record.failureDomain)) == ["1", "2", "3"])
    #expect(stage.cluster.voters.contains(NodeID(1)))
    var late = try Stage.controlPlane(3)
    try late.join(4, domain: "2")
    late.keepRoles()
    #expect(late.roles() == ["n1 voter", "n2 voter", "n3 standby", "n4 voter"])
  }

  @Test(
    "Nothing moves while roles are joint, a departure is pending, or the quorum is out of reach")
  func still() throws {
    var stage = try Stage.controlPlane(4)
    try stage.join(5)
    func next() -> RoleAssigned? {
      RolePolicy.next(stage.cluster, leader: NodeID(1), observation: stage.observation)
    }
    #expect(next()?.cause == .joined)
    stage.up = [NodeID(1)]
    #expect(next() == nil)
    stage.up = nil
    try stage.ask(.leave(NodeID(4)))
    #expect(stage.cluster.departure?.settled == true)
    #expect(next() == nil)
  }

  @Test("Roles from elsewhere are checked as if nobody had made them")
  func assign() throws {
    var stage = try Stage.controlPlane(3)
    let swap = RoleAssigned(
      assignments: [
        .init(node: NodeID(2), role: .standby), .init(node: NodeID(3), role: .standby),
      ],
      cause: .surplus, joint: true)
    stage.up = [NodeID(1)]
    #expect(throws: Refusal.self) { try stage.ask(.assignRoles(swap)) }
    stage.up = nil
    var wrong = swap
    wrong.joint = false
    #expect(throws: Refusal.self) { try stage.ask(.assignRoles(wrong)) }
    try stage.ask(.assignRoles(swap))
    do { try stage.ask(.assignRoles(swap)) } catch { #expect(error.code == "busy") }
    #expect(stage.cluster.voters == [NodeID(1)])
  }
}
