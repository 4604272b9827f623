// Who should vote. As many as the cluster's policy wants (three, unless an operator says otherwise)
// where there are so many nodes that could, else the odd number below; where some are lost for
// good and nobody is there to replace them, fewer voters bear more losses than many dead ones.
// Then the standbys, then spares. A pure function of the recorded state and the leader's
// observation, with every tie broken by the order of joining; what it proposes can be committed by
// the nodes within reach and never lowers the number of losses that the cluster bears, unless an
// operator wants fewer voters. It never demotes the leader.
//
// The counts are go-dqlite's (3 and 3, research: app/roles.go); unlike it, a voter is demoted only
// once the log suspects it or an operator took it into maintenance, and a lone newcomer never makes
// a second vote.

/// The rules by which datastore roles move.
package enum RolePolicy {
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
    let wished = (plan.current.count - 1) / 2 > cluster.policy.voters / 2
    let bar = wished ? cluster.policy.voters / 2 : Int.max
    if let target = plan.target() ?? plan.lending() ?? plan.spread(),
      plan.isCommittable(target.voters),
      plan.tolerance(target.voters) >= min(bar, plan.tolerance(plan.current))
    {
      return plan.assignment(voters: target.voters, cause: target.cause)
    }
    let standbys = cluster.nodes(.standby).count
    return plan.assignment(
      voters: plan.current,
      cause: standbys > cluster.policy.standbys ? .surplus : .shortage)
  }

  /// Whether a leader should let another lead, so that it can lend its vote or give back one.
  package static func shouldYield(
    _ cluster: Cluster, leader: NodeID, observation: Observation
  ) -> Bool {
    if cluster.node(leader)?.maintenance != nil { return true }
    return Plan(cluster, leader: leader, observation: observation, without: nil).returning(leader)
      != nil
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
    for gone in inOrder(voters) where isGone(gone) {
      guard let next = best(besides: voters, replacing: gone) else { break }
      voters = voters.filter { $0 != gone } + [next]
      cause = .replaced
    }
    if voters.allSatisfy({ !fit.contains($0) }), let heir = best(besides: voters) {
      voters.append(heir)
      cause = cause ?? .shortage
    }
    let size = self.size
    while voters.count > size, let out = leastWanted(of: voters) {
      voters.removeAll { $0 == out }
      cause = cause ?? .surplus
    }
    while voters.count < size, let next = best(besides: voters) {
      voters.append(next)
      cause = cause ?? .shortage
    }
    return cause.map { (inOrder(voters), $0) }
  }

  /// How many should vote: an odd number, as many as are wanted and there.
  private var size: Int {
    let wanted = cluster.policy.voters
    let there = current.count { !isGone($0) } + newcomers(besides: current).count
    func odd(_ count: Int) -> Int { max(1, count - (count + 1) % 2) }
    func margin(_ size: Int) -> Int { min(size, there) - (size / 2 + 1) }
    let best = odd(min(wanted, there))
    let today = current.count
    return today > best && today <= wanted && !today.isMultiple(of: 2)
      && margin(today) >= margin(best) ? today : best
  }

  /// Today's voters with one vote lent by a node in maintenance, or given back to one that was.
  func lending() -> (voters: [NodeID], cause: RoleAssigned.Cause)? {
    for id in current where id != leader && cluster.node(id)?.maintenance != nil {
      guard let next = best(besides: current, replacing: id) else { break }
      return (inOrder(current.filter { $0 != id } + [next]), .maintenance)
    }
    for heir in current where heir != leader {
      if let back = returning(heir) {
        return (inOrder(current.filter { $0 != heir } + [back]), .maintenance)
      }
    }
    return nil
  }

  /// The node that lent that one its vote, is back, and could vote at once.
  func returning(_ heir: NodeID) -> NodeID? {
    newcomers(besides: current).first { $0.lentTo == heir }?.id
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
    return newcomers(besides: voters).min { rank($0, staying) < rank($1, staying) }?.id
  }

  /// Those who could vote at once and are meant to be there, in the order of joining.
  private func newcomers(besides voters: [NodeID]) -> [Member] {
    candidates.filter {
      fit.contains($0.id) && $0.maintenance == nil && !voters.contains($0.id)
    }
  }

  private func rank(_ member: Member, _ voters: [NodeID]) -> (Int, UInt8, UInt64) {
    let sharing = voters.count { domain($0) == member.record.failureDomain }
    return (sharing, member.datastoreRole?.rawValue ?? .max, member.joinIndex)
  }

  /// The voter to give up: one that is gone, else not fit, else in maintenance, else from the
  /// domain with the most votes, the last that joined; never the leader.
  private func leastWanted(of voters: [NodeID]) -> NodeID? {
    func rank(_ id: NodeID) -> (Int, Int, UInt64) {
      let sharing = voters.count { domain($0) == domain(id) }
      let member = cluster.node(id)
      let health =
        isGone(id) ? 3 : !fit.contains(id) ? 2 : member?.maintenance != nil ? 1 : 0
      return (health, sharing, member?.joinIndex ?? 0)
    }
    return voters.filter { $0 != leader }.max { rank($0) < rank($1) }
  }

  /// Today's voters with one vote moved from a domain with several to a domain with none.
  func spread() -> (voters: [NodeID], cause: RoleAssigned.Cause)? {
    guard cluster.policy.spread else { return nil }
    let voters = current
    let domains = Set(voters.map(domain))
    let newcomers = newcomers(besides: voters).filter {
      !domains.contains($0.record.failureDomain)
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
      roles[member.id] = i < cluster.policy.standbys ? .standby : .spare
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
    (
      member.isSuspected || member.maintenance != nil ? 1 : 0,
      member.datastoreRole == .standby ? 0 : 1, member.joinIndex
    )
  }
}
