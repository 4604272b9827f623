// After the storm the cluster must come back by itself.

import Membership
import Raft
import Replication

extension World {
  /// A whole run: storm, healing, recovery, and one more request.
  package static func run(
    _ options: WorldOptions, trace: ((String) -> Void)? = nil
  ) -> World {
    let world = World(options, trace: trace)
    world.run(for: options.duration)
    let absent = world.drawAbsent()
    world.heal(without: absent)
    if !absent.isEmpty {
      world.serveWithout(absent)
      world.heal()
    }
    world.recover()
    return world
  }

  /// A minority of the voters that the others can do without, as every one of them sees it; empty
  /// in most worlds.
  private func drawAbsent() -> [SimulatedNode] {
    guard violation == nil, faultDice.chance(percent: options.absenceShare) else { return [] }
    let present = nodes.filter { !$0.isGone }
    let views =
      present.compactMap { $0.running?.raft.configuration ?? (try? $0.disk.fold())?.configuration }
      + [truth.configuration]
    var candidates = present
    // What is decided and not yet committed may come to need who is absent.
    guard truth.joint == nil, truth.departure == nil, nodes.allSatisfy({ $0.lost == nil }),
      !workload.isDeparting(at: now),
      present.allSatisfy({ $0.seen.changes.allSatisfy { $0 <= truth.lastIndex } })
    else { return [] }
    var absent: [SimulatedNode] = []
    while !candidates.isEmpty {
      let one = candidates.remove(at: faultDice.below(candidates.count))
      let rest = Set(present.map(\.id)).subtracting((absent + [one]).map(\.id))
      let suffices = views.allSatisfy { view in
        Quorum.vote(view) { rest.contains(NodeID($0)) } == .won
      }
      if suffices, truth.node(one.id)?.datastoreRole == .voter { absent.append(one) }
    }
    return absent
  }

  /// What is left of a healed cluster must serve.
  private func serveWithout(_ absent: [SimulatedNode]) {
    guard
      let member = truth.controlPlane.first(where: { one in
        !absent.contains { $0.id == one.id }
      })
    else { return }
    let number = ask(
      .refreshEndpoints(
        EndpointRefreshed(
          node: member.id, endpoints: member.record.endpoints,
          apiserverReady: !member.apiserverReady, version: member.record.version)))
    run(for: patience) { $0.workload.operations[number].state != .open }
    guard violation == nil, workload.operations[number].state == .open else { return }
    let terms = nodes.map { $0.running.map { "\($0.raft.role) in \($0.raft.term)" } ?? "down" }
    violation = Violation(
      .liveness,
      "without \(absent.map(\.name)) nothing is served, \(patience / second) s after healing: "
        + "\(terms)")
  }

  /// How long a healed cluster may take: two rounds of suspicion and recovery, a removal that
  /// waits for a last sign of life to grow old, and a minute for everything else.
  package var patience: UInt64 { 60 * second + 6 * options.damping }

  /// Waits until a healed cluster is as it should be; then one more request must get through.
  package func recover() {
    guard violation == nil else { return }
    let healed = now
    guard settle(within: patience) else {
      if violation == nil {
        violation = Violation(.liveness, "\(patience / second) s after healing \(complaint ?? "")")
      }
      return
    }
    statistics.recovery = now - healed
    statistics.longestRecovery = now - healed
    guard let member = truth.controlPlane.first else { return }
    let number = ask(
      .refreshEndpoints(
        EndpointRefreshed(
          node: member.id, endpoints: member.record.endpoints,
          apiserverReady: !member.apiserverReady, version: member.record.version)))
    // A node that was removed and does not know may sit on it until its deadline.
    run(for: 60 * second) { $0.workload.operations[number].state != .open }
    if violation == nil {
      let state = workload.operations[number].state
      // Where most clocks are a year ahead, a client with a right one draws ids that look old.
      let isBehind = truth.lastTime > NodeClock.wall(at: now).adding(seconds: 3600)
      if case .committed = state {
        settle(within: 10 * second)
      } else if isBehind, case .refused(let code) = state, code == "command-forgotten" {
        settle(within: 10 * second)
      } else {
        violation = Violation(
          .liveness, "a request of a recovered cluster: \(workload.operations[number].state)")
      }
    }
    guard violation == nil else { return }
    do throws(Violation) {
      for node in nodes where node.isUp && truth.node(node.id)?.isActive == true {
        try laws.checkEqual(node)
      }
    } catch { violation = error }
  }

  /// Runs until there is nothing to complain of.
  @discardableResult
  package func settle(within limit: UInt64) -> Bool {
    let end = now + limit
    while violation == nil {
      if complaint == nil { return true }
      if now >= end { return false }
      run(for: 100 * millisecond)
    }
    return false
  }

  /// What keeps the cluster from being as it should be; nil for nothing.
  package var complaint: String? {
    let truth = laws.truth
    if let open = workload.operations.first(where: { $0.state == .open }) {
      return "\(open.request.command) is open after \(open.attempts) attempts"
    }
    let leaders = nodes.filter { node in
      node.isLeader && nodes.allSatisfy { ($0.running?.raft.term ?? 0) <= node.cluster.term }
    }
    guard let leader = leaders.first, leaders.count == 1 else {
      let terms = nodes.map {
        $0.running.map { "\($0.raft.role) in \($0.raft.term)" } ?? "down"
      }
      return "\(leaders.count) lead: \(terms)"
    }
    if truth.joint != nil { return "the configuration is joint" }
    if let departure = truth.departure { return "\(truth.name(of: departure.node)) departs still" }
    for member in truth.controlPlane where !workload.lost.contains(member.id) {
      guard let index = indexes[member.id], nodes[index].isUp else {
        return "\(member.name) is down"
      }
      guard nodes[index].cluster.lastIndex == truth.lastIndex else {
        return "\(member.name) has applied \(nodes[index].cluster.lastIndex) of \(truth.lastIndex)"
      }
    }
    let alive = Set(truth.nodes.map(\.id)).subtracting(workload.lost)
    let ideal = Observation(reachable: alive, caughtUp: alive, alive: alive)
    if let wanted = RolePolicy.next(truth, leader: leader.id, observation: ideal) {
      return "roles are not as wanted: \(wanted)"
    }
    return nil
  }
}
