import Membership
import Testing

/// The policy against what counting by hand says: every set of lost nodes of every small cluster.
@Suite struct RolePolicyOracleTests {
  /// A control-plane node of a world.
  struct Place {
    var role: DatastoreRole
    var domain: Int
    var lost = false
    var maintained = false
  }

  struct World {
    var cluster: Cluster
    var leader: NodeID
    var observation: Observation

    /// Nil where no voter could lead.
    init?(_ places: [Place], policy: Policy) {
      let start = Timestamp(milliseconds: 1000)
      guard let lead = places.firstIndex(where: { $0.role == .voter && !$0.lost }) else {
        return nil
      }
      let members = places.indices.map { i in
        var member = Member(
          record: record(i + 1, domain: "\(places[i].domain)"), joined: start,
          joinIndex: UInt64(i + 1), datastoreRole: places[i].role,
          suspectedSince: places[i].lost ? start : nil, endpointIndex: UInt64(i + 1))
        if places[i].maintained { member.maintenance = .init(index: 1, since: start, until: nil) }
        return member
      }
      let up = Set(places.indices.filter { !places[$0].lost }.map { members[$0].id })
      leader = members[lead].id
      observation = Observation(reachable: up, caughtUp: up, alive: up)
      cluster = Cluster(
        id: ClusterID(1), incarnation: 1, formed: start, nodes: members, leader: leader, term: 1,
        policy: policy, lastIndex: 100, lastTime: start)
    }

    mutating func apply(_ event: Event) -> String? {
      cluster.evolve(
        RecordedEvent(
          index: cluster.lastIndex + 1, term: cluster.term,
          envelope: Envelope(
            time: cluster.lastTime, command: CommandID(high: 0, low: cluster.lastIndex),
            fingerprint: 0, actor: "policy", event: event)))?.description
    }

    func bears(_ voters: [NodeID]) -> Int {
      let up = voters.count(where: observation.reachable.contains)
      return RolePolicyOracleTests.losses[voters.count][up]
    }
  }

  /// How many more may be lost of so many voters, of whom so many are up, found by losing them: the
  /// greatest n such that a majority is up after any n losses; -1 without a majority now.
  private static let losses: [[Int]] = (0...7).map { voters in
    (0...voters).map { up in
      var bearable = -1
      for n in 0...up {
        let survives = (0..<(1 << up)).allSatisfy { lost in
          lost.nonzeroBitCount != n || (up - lost.nonzeroBitCount) * 2 > voters
        }
        if !survives { break }
        bearable = n
      }
      return bearable
    }
  }

  /// The most that any set of voters with this leader bears, at most so many and an odd number; who
  /// is in maintenance gets no vote.
  private func best(_ places: [Place], leader: Int, wanted: Int) -> Int {
    var most = -1
    for set in 0..<(1 << places.count) where set >> leader & 1 == 1 {
      let size = set.nonzeroBitCount
      if size > wanted || size.isMultiple(of: 2) { continue }
      var up = 0
      var allowed = true
      for i in places.indices where set >> i & 1 == 1 {
        if places[i].maintained, places[i].role != .voter { allowed = false }
        if !places[i].lost { up += 1 }
      }
      if allowed { most = max(most, Self.losses[size][up]) }
    }
    return most
  }

  private func domains(_ ids: some Sequence<NodeID>, _ cluster: Cluster) -> Int {
    Set(ids.compactMap { cluster.node($0)?.record.failureDomain }).count
  }

  /// Follows the policy to its rest; what is wrong on the way or there, if anything.
  private func run(_ places: [Place], policy: Policy) -> String? {
    guard var world = World(places, policy: policy) else { return nil }
    let committable = world.bears(world.cluster.voters) >= 0
    var steps = 0
    while let step = RolePolicy.next(
      world.cluster, leader: world.leader, observation: world.observation)
    {
      steps += 1
      if steps > 10 { return "it does not come to rest" }
      let before = world.cluster.voters
      if let why = world.apply(.roleAssigned(step)) { return why }
      if step.joint, let why = world.apply(.rolesSettled(RolesSettled())) { return why }
      let floor = before.count > policy.voters ? policy.voters / 2 : Int.max
      if world.bears(world.cluster.voters) < min(floor, world.bears(before)) {
        return "a step lowers what can be lost"
      }
    }
    guard committable else { return steps == 0 ? nil : "it moves votes without a quorum" }
    let voters = world.cluster.voters
    if !voters.contains(world.leader) { return "the leader has no vote" }
    let lead = Int(world.leader.rawValue) - 1
    let (reached, wanted) = (
      world.bears(voters), best(places, leader: lead, wanted: policy.voters)
    )
    if reached != wanted { return "\(reached) may be lost where \(wanted) could be" }
    let free = world.cluster.controlPlane.filter {
      !voters.contains($0.id) && world.observation.reachable.contains($0.id)
        && $0.maintenance == nil
    }
    let crowded = voters.count > domains(voters, world.cluster)
    if crowded, domains(voters + free.map(\.id), world.cluster) > domains(voters, world.cluster) {
      return "a failure domain without a vote"
    }
    let idle = voters.contains {
      $0 != world.leader && world.cluster.node($0)?.maintenance != nil
    }
    return idle && !free.isEmpty ? "a node in maintenance keeps its vote" : nil
  }

  /// Every way to put so many nodes into at most three domains, up to the domains' names.
  private func partitions(_ count: Int) -> [[Int]] {
    var found: [[Int]] = [[]]
    for _ in 0..<count {
      found = found.flatMap { known in
        (0...min(2, (known.max() ?? -1) + 1)).map { known + [$0] }
      }
    }
    return found
  }

  private func policies(_ count: Int) -> [Policy] {
    (count < 7 ? [1, 3, 5, 7] : [3, 5, 7]).filter { $0 <= count + 1 }.map { Policy(voters: $0) }
  }

  @Test(
    "Whoever is lost, the votes come to rest where most more can be lost, and widest",
    arguments: 1...7)
  func everyLoss(count: Int) async {
    for policy in policies(count) {
      for partition in partitions(count) {
        await Task.yield()  // other tests wait for the same two threads
        // As the cluster has grown, with all nodes there.
        let start = partition.indices.map {
          Place(role: $0 == 0 ? .voter : .standby, domain: partition[$0])
        }
        guard var world = World(start, policy: policy) else { continue }
        while let step = RolePolicy.next(
          world.cluster, leader: world.leader, observation: world.observation)
        {
          #expect(world.apply(.roleAssigned(step)) == nil)
          if step.joint { #expect(world.apply(.rolesSettled(RolesSettled())) == nil) }
        }
        let roles = world.cluster.controlPlane.map { $0.datastoreRole ?? .spare }
        for lost in 0..<(1 << count) {
          let places = partition.indices.map {
            Place(role: roles[$0], domain: partition[$0], lost: lost >> $0 & 1 == 1)
          }
          if let why = run(places, policy: policy) {
            Issue.record("\(why): \(policy.voters) wanted, \(places)")
            return
          }
        }
      }
    }
  }

  @Test("The same from every set of voters, with nodes in maintenance", arguments: 1...5)
  func everyStart(count: Int) async {
    for policy in policies(count) {
      for partition in [[0, 0, 0, 0, 0], [0, 1, 2, 0, 1], [0, 0, 1, 1, 2]] {
        for voting in 1..<(1 << count) {
          await Task.yield()
          for lost in 0..<(1 << count) {
            for maintained in Set([0, 1, 2, 5, 12].map { $0 & (1 << count - 1) }) {
              let places = (0..<count).map {
                Place(
                  role: voting >> $0 & 1 == 1 ? .voter : .standby, domain: partition[$0],
                  lost: lost >> $0 & 1 == 1, maintained: maintained >> $0 & 1 == 1)
              }
              if let why = run(places, policy: policy) {
                Issue.record("\(why): \(policy.voters) wanted, \(places)")
                return
              }
            }
          }
        }
      }
    }
  }
}
