// Who should vote. Three voters where there are three fit nodes, else one, never two: an even
// number of voters bears no more losses than one less. Then three standbys, then spares. A pure
// function of the recorded state and the leader's observation, with every tie broken by the order
// of joining; what it proposes can be committed by the nodes within reach and never lowers the
// number of losses that the cluster bears. It never demotes the leader.
//
// The counts are go-dqlite's (3 and 3, research: app/roles.go); unlike it, a voter is demoted only
// once the log suspects it, and a lone newcomer never makes a second vote.

/// The rules by which datastore roles move.
package enum RolePolicy {
  package static let wantedVoters = 3
  package static let wantedStandbys = 3

  /// The next change of roles, or nil if there is none to make now.
  package static func next(
    _ cluster: Cluster, leader: NodeID, observation: Observation
  ) -> RoleAssigned? {
    guard cluster.joint == nil, cluster.departure == nil,
      cluster.node(leader)?.datastoreRole == .voter
    else { return nil }
    let plan = Plan(cluster, leader: leader, observation: observation, without: nil)
    guard plan.isCommittable(plan.current) else { return nil }

    if plan.candidates.contains(where: { $0.datastoreRole == nil }) {
      return plan.assignment(voters: plan.current, cause: .joined)
    }
    if let target = plan.target() ?? plan.spread(), plan.isCommittable(target.voters),
      plan.tolerance(target.voters) >= plan.tolerance(plan.current)
    {
      return plan.assignment(voters: target.voters, cause: target.cause)
    }
    let standbys = cluster.nodes(.standby).count
    return plan.assignment(
      voters: plan.current, cause: standbys > wantedStandbys ? .surplus : .shortage)
  }

  /// The roles without a control-plane node that has one and wants out, or must go. Its departure
  /// is refused where today's voters or those that would be left are out of reach.
  package static func departing(
    _ departing: RoleAssigned.Departing, _ cluster: Cluster, leader: NodeID,
    observation: Observation
  ) throws(Refusal) -> RoleAssigned {
    let name = cluster.name(of: departing.node)
    let plan = Plan(cluster, leader: leader, observation: observation, without: departing.node)
    guard !plan.candidates.isEmpty else {
      let others = cluster.nodes.count { $0.isActive && $0.id != departing.node }
      throw .lastControlPlane(name, dependents: others)
    }
    func loss(_ when: Refusal.QuorumLoss.When, _ voters: [NodeID]) -> Refusal {
      .quorumLoss(
        name,
        Refusal.QuorumLoss(
          when: when, voters: voters.map { cluster.name(of: $0) },
          reachable: voters.filter(plan.reachable.contains).map { cluster.name(of: $0) },
          needed: voters.count / 2 + 1))
    }
    let before = cluster.nodes(.voter).map(\.id)
    guard plan.isCommittable(before) else { throw loss(.now, before) }
    let votes = cluster.node(departing.node)?.datastoreRole == .voter
    let after = votes ? plan.target()?.voters ?? plan.current : plan.current
    guard after.contains(where: plan.fit.contains) else {
      throw .noSuccessor(name, candidates: plan.candidates.map(\.name))
    }
    guard plan.isCommittable(after) else { throw loss(.after, after) }
    guard let assigned = plan.assignment(voters: after, cause: .departure, departing: departing)
    else { throw .rolesInvalid("\(name) has no role to give up") }
    return assigned
  }
}

/// One look at the cluster from which a change of roles is worked out.
private struct Plan {
  let cluster: Cluster
  let leader: NodeID
  let reachable: Set<NodeID>
  /// Active control-plane nodes that stay, in the order of joining.
  let candidates: [Member]
  /// Those of them that could vote at once.
  let fit: Set<NodeID>
  let without: NodeID?

  init(_ cluster: Cluster, leader: NodeID, observation: Observation, without: NodeID?) {
    self.cluster = cluster
    self.leader = leader
    self.without = without
    let reachable = observation.reachable.union([leader])
    let caughtUp = observation.caughtUp.union([leader])
    candidates = cluster.controlPlane.filter { $0.id != without }
    fit = Set(
      candidates.filter {
        $0.datastoreRole != nil && reachable.contains($0.id) && caughtUp.contains($0.id)
          && (!$0.isSuspected || $0.id == leader)
      }.map(\.id))
    self.reachable = reachable
  }

  /// The voters of today that stay, in the order of joining.
  var current: [NodeID] { candidates.filter { $0.datastoreRole == .voter }.map(\.id) }

  /// Whether a majority of these voters is within reach.
  func isCommittable(_ voters: [NodeID]) -> Bool {
    Tolerance(voters: voters, healthy: reachable).quorumHeld
  }

  func tolerance(_ voters: [NodeID]) -> Int {
    Tolerance(voters: voters, healthy: fit).signed
  }

  /// The voters to have instead of today's, and why; nil if today's are right. None if nobody who
  /// could go on is left.
  func target() -> (voters: [NodeID], cause: RoleAssigned.Cause)? {
    var voters = current
    var cause: RoleAssigned.Cause?
    while voters.count < RolePolicy.wantedVoters, let next = best(besides: voters) {
      voters.append(next)
      cause = .shortage
    }
    while voters.count > RolePolicy.wantedVoters, let out = leastWanted(of: voters) {
      voters.removeAll { $0 == out }
      cause = .surplus
    }
    if voters.count < RolePolicy.wantedVoters {
      let one = voters.first { $0 == leader } ?? inOrder(voters).first(where: fit.contains)
      let target = one.map { [$0] } ?? []
      return target == current ? nil : (target, .surplus)
    }
    for gone in inOrder(voters) where isGone(gone) {
      guard let next = best(besides: voters, replacing: gone) else { break }
      voters = voters.filter { $0 != gone } + [next]
      cause = .replaced
    }
    return cause.map { (inOrder(voters), $0) }
  }

  /// Not coming back soon: the log suspects it and it cannot be reached.
  private func isGone(_ id: NodeID) -> Bool {
    id != leader && !reachable.contains(id) && cluster.node(id)?.isSuspected == true
  }

  private func inOrder(_ ids: [NodeID]) -> [NodeID] {
    candidates.map(\.id).filter(ids.contains)
  }

  private func domain(_ id: NodeID) -> String { cluster.node(id)?.record.failureDomain ?? "" }

  /// The fit node to vote next: from the domain with the fewest votes, standbys before spares, then
  /// by the order of joining.
  private func best(besides voters: [NodeID], replacing gone: NodeID? = nil) -> NodeID? {
    let staying = voters.filter { $0 != gone }
    return candidates.filter { fit.contains($0.id) && !voters.contains($0.id) }
      .min { rank($0, staying) < rank($1, staying) }?.id
  }

  private func rank(_ member: Member, _ voters: [NodeID]) -> (Int, UInt8, UInt64) {
    let sharing = voters.count { domain($0) == member.record.failureDomain }
    return (sharing, member.datastoreRole?.rawValue ?? .max, member.joinIndex)
  }

  /// The voter to give up: one that is gone, else not fit, else from the domain with the most
  /// votes, the last that joined; never the leader.
  private func leastWanted(of voters: [NodeID]) -> NodeID? {
    func rank(_ id: NodeID) -> (Int, Int, UInt64) {
      let sharing = voters.count { domain($0) == domain(id) }
      let health = isGone(id) ? 2 : fit.contains(id) ? 0 : 1
      return (health, sharing, cluster.node(id)?.joinIndex ?? 0)
    }
    return voters.filter { $0 != leader }.max { rank($0) < rank($1) }
  }

  /// Today's voters with one vote moved from a domain with several to a domain with none.
  func spread() -> (voters: [NodeID], cause: RoleAssigned.Cause)? {
    let voters = current
    let domains = Set(voters.map(domain))
    let newcomers = candidates.filter {
      fit.contains($0.id) && !voters.contains($0.id) && !domains.contains($0.record.failureDomain)
    }
    let crowded = voters.filter { id in voters.count { domain($0) == domain(id) } > 1 }
    guard let into = newcomers.min(by: { rank($0, voters) < rank($1, voters) }),
      let out = leastWanted(of: crowded)
    else { return nil }
    return (inOrder(voters.filter { $0 != out } + [into.id]), .spread)
  }

  /// The event that gives these nodes the vote and the others their places behind them; nil if
  /// that changes nothing.
  func assignment(
    voters: [NodeID], cause: RoleAssigned.Cause, departing: RoleAssigned.Departing? = nil
  ) -> RoleAssigned? {
    var roles: [NodeID: DatastoreRole] = [:]
    for id in voters { roles[id] = .voter }
    let others = candidates.filter { !voters.contains($0.id) }.sorted { place($0) < place($1) }
    for (i, member) in others.enumerated() {
      roles[member.id] = i < RolePolicy.wantedStandbys ? .standby : .spare
    }
    var assignments: [RoleAssigned.Assignment] = []
    for member in candidates where roles[member.id] != member.datastoreRole {
      assignments.append(RoleAssigned.Assignment(node: member.id, role: roles[member.id]))
    }
    if let without { assignments.append(RoleAssigned.Assignment(node: without, role: nil)) }
    guard !assignments.isEmpty else { return nil }
    assignments.sort { $0.node < $1.node }
    return RoleAssigned(
      assignments: assignments, cause: cause, departing: departing,
      joint: Set(voters) != Set(cluster.voters))
  }

  /// The order in which nodes without a vote become standbys.
  private func place(_ member: Member) -> (Int, Int, UInt64) {
    (member.isSuspected ? 1 : 0, member.datastoreRole == .standby ? 0 : 1, member.joinIndex)
  }
}
