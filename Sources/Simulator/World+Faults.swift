// The storm, and the calm after it.

import Membership
import Raft
import Replication

extension World {
  func scheduleFault(_ kind: FaultKind) {
    let mean = options.interval(kind)
    guard mean > 0, isStormy else { return }
    schedule(.fault(kind), after: faultDice.between(mean / 2, mean + mean / 2))
  }

  func inject(_ kind: FaultKind) throws(Violation) {
    guard isStormy else { return }
    scheduleFault(kind)
    let up = nodes.filter(\.isUp)
    // Leaders are hit more often than their number says.
    let leader = up.first(where: \.isLeader)
    let victim = faultDice.chance(percent: 35) ? leader ?? faultDice.pick(up) : faultDice.pick(up)
    guard let victim else { return }
    if kind != .loss { statistics.faults[kind.rawValue] += 1 }
    note(5, UInt64(kind.rawValue), UInt64(victim.index), 0) {
      "fault: \(kind.name) at \(victim.name)"
    }
    switch kind {
    case .crash:
      try crashForAWhile(victim)
    case .loss: try loseIfBearable(victim)
    case .pause:
      victim.pausedUntil = now + faultDice.spread(5 * millisecond, 5 * second)
    case .partition: partition(round: victim)
    case .oneWay:
      guard let other = faultDice.pick(nodes.filter { $0.index != victim.index }) else { return }
      cut(
        faultDice.chance(percent: 50)
          ? [(victim.index, other.index)] : [(other.index, victim.index)])
    case .reset:
      guard let other = faultDice.pick(up.filter { $0.index != victim.index }) else { return }
      reset(victim, other)
    case .diskFull: victim.diskFullUntil = now + faultDice.spread(100 * millisecond, 8 * second)
    case .slowDisk: victim.diskSlowUntil = now + faultDice.spread(100 * millisecond, 4 * second)
    case .clockJump: jump(victim)
    }
  }

  func crashForAWhile(_ node: SimulatedNode) throws(Violation) {
    try crash(node)
    let downtime = options.downtime
    schedule(
      .start(node.index), after: faultDice.spread(downtime.lowerBound, downtime.upperBound))
  }

  /// Splits the nodes in two, or takes that one from all others.
  private func partition(round victim: SimulatedNode) {
    var inside = [Bool](repeating: false, count: nodes.count)
    inside[victim.index] = true
    if faultDice.chance(percent: 50) {
      for index in inside.indices where faultDice.chance(percent: 40) { inside[index] = true }
    }
    var pairs: [(Int, Int)] = []
    for a in nodes.indices where inside[a] {
      for b in nodes.indices where !inside[b] { pairs += [(a, b), (b, a)] }
    }
    cut(pairs)
  }

  private func cut(_ pairs: [(Int, Int)]) {
    let noticed = faultDice.chance(percent: 40)
    for (from, to) in pairs {
      network.cut(from, to)
      network.close(from, to)
      guard noticed, nodes[to].isUp else { continue }
      schedule(
        .linkClosed(at: to, boot: nodes[to].boot, peer: from),
        after: faultDice.spread(millisecond, 2 * second))
    }
    schedule(.mend(pairs), after: faultDice.spread(50 * millisecond, 15 * second))
  }

  private func jump(_ node: SimulatedNode) {
    let size = faultDice.spread(10, faultDice.chance(percent: 5) ? 100_000_000 : 7_200_000)
    node.clock.offset += faultDice.chance(percent: 50) ? Int64(size) : -Int64(size)
  }

  /// Loses a machine for good, if the others could do without it, whatever was under way.
  private func loseIfBearable(_ victim: SimulatedNode) throws(Violation) {
    let truth = laws.truth
    let members = nodes.filter { truth.node($0.id)?.isActive == true }
    guard members.count >= 4, truth.node(victim.id)?.isActive == true,
      members.allSatisfy({ $0.isUp && $0.running?.replica.cluster.lastIndex == truth.lastIndex }),
      truth.joint == nil, truth.departure == nil, truth.voters.count == 3,
      !workload.isDeparting, !truth.nodes.contains(where: { workload.lost.contains($0.id) })
    else { return }
    workload.lost.append(victim.id)
    statistics.faults[FaultKind.loss.rawValue] += 1
    try switchOff(victim)
  }

  /// The end of the storm: cuts are mended, disks have room, everybody is up and runs.
  package func heal() {
    isStormy = false
    note(6, 0, 0, 0) { "healed" }
    mend()
    for node in nodes {
      node.diskFullUntil = 0
      node.diskSlowUntil = 0
      node.pausedUntil = 0
      if !node.isUp, !node.isGone { schedule(.start(node.index), after: 0) }
    }
  }
}
