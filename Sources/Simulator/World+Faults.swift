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
    if ![.loss, .putBack, .damage].contains(kind) { statistics.faults[kind.rawValue] += 1 }
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
    case .putBack, .damage: try spoilIfBearable(victim, kind)
    }
  }

  func crashForAWhile(_ node: SimulatedNode) throws(Violation) {
    try crash(node)
    let downtime = options.downtime
    schedule(
      .start(node.index), after: faultDice.spread(downtime.lowerBound, downtime.upperBound))
  }

  /// Takes that one from all others, splits the nodes in two, leaves it with those who may not
  /// vote, or makes it the only bridge between two halves.
  private func partition(round victim: SimulatedNode) {
    var inside = [Bool](repeating: false, count: nodes.count)
    inside[victim.index] = true
    let kind = faultDice.below(100)
    switch kind {
    case ..<40: break
    case ..<60:
      inside[(leader ?? victim).index] = true
      for node in nodes where truth.node(node.id)?.datastoreRole != .voter {
        inside[node.index] = true
      }
    default:
      for index in inside.indices where faultDice.chance(percent: 40) { inside[index] = true }
    }
    var pairs: [(Int, Int)] = []
    for a in nodes.indices where inside[a] {
      for b in nodes.indices where !inside[b] { pairs += [(a, b), (b, a)] }
    }
    if kind >= 90 { pairs.removeAll { $0.0 == victim.index || $0.1 == victim.index } }
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
    let length =
      faultDice.chance(percent: 20)
      ? faultDice.between(3 * second, 15 * second)
      : faultDice.spread(50 * millisecond, 15 * second)
    schedule(.mend(pairs), after: length)
  }

  private func jump(_ node: SimulatedNode) {
    var size = faultDice.spread(10, faultDice.chance(percent: 5) ? 100_000_000 : 7_200_000)
    if faultDice.chance(percent: 5) { size = 365 * 86_400_000 }
    node.clock.offset += faultDice.chance(percent: 50) ? Int64(size) : -Int64(size)
  }

  /// Loses a machine for good, if the others could do without it, whatever was under way.
  private func loseIfBearable(_ victim: SimulatedNode) throws(Violation) {
    let truth = laws.truth
    let members = nodes.filter { truth.isServer($0.id) }
    guard members.count >= 4, truth.isServer(victim.id),
      members.allSatisfy({ $0.isUp && $0.running?.replica.cluster.lastIndex == truth.lastIndex }),
      truth.joint == nil, truth.departure == nil, truth.voters.count == 3,
      !workload.isDeparting(at: now),
      !truth.nodes.contains(where: { workload.lost.contains($0.id) }),
      members.allSatisfy({ $0.lostUpTo == nil && $0.running?.raft.abstains == false })
    else { return }
    workload.lost.append(victim.id)
    statistics.faults[FaultKind.loss.rawValue] += 1
    try switchOff(victim)
  }

  /// Whether a node has yet to be sent again what its disk lost.
  func isMakingGood() -> Bool {
    for node in nodes where node.lost != nil {
      guard let running = node.running, !running.raft.abstains, node.lostUpTo == nil,
        running.replica.cluster.lastIndex >= (node.lost?.lastIndex ?? 0)
      else { return true }
      node.lost = nil
    }
    return false
  }

  /// Puts a disk back to an earlier state, or damages its log, if all others hold everything that
  /// is committed and no earlier accident is still being made good.
  private func spoilIfBearable(
    _ victim: SimulatedNode, _ kind: FaultKind
  ) throws(Violation) {
    let truth = laws.truth
    guard !isMakingGood() else { return }
    let members = nodes.filter { truth.isServer($0.id) }
    guard truth.voters.count >= 3, truth.joint == nil, truth.departure == nil,
      truth.isServer(victim.id), !workload.isDeparting(at: now),
      !truth.nodes.contains(where: { workload.lost.contains($0.id) }),
      members.allSatisfy({ $0.isUp && $0.disk.syncedLast >= truth.lastIndex }),
      // What is decided and not yet committed may come to need the victim alone.
      members.allSatisfy({ $0.seen.changes.allSatisfy { $0 <= truth.lastIndex } })
    else { return }
    statistics.faults[kind.rawValue] += 1
    try crash(victim)
    let whole = victim.disk.synced
    var image = whole
    if kind == .damage {
      let good = faultDice.below(Int(min(whole.hardState.commit, whole.lastIndex)))
      image.entries.removeSubrange(good...)
      image.hardState.commit = min(image.hardState.commit, Index(good))
      victim.lostUpTo = whole.lastIndex
    } else if faultDice.chance(percent: 25) || victim.images.isEmpty {
      image = SimulatedDisk.Image()
      victim.diskBoot = 0
      victim.memory = []
    } else {
      let older = victim.images[faultDice.below(victim.images.count)]
      image = older.image
      victim.diskBoot = older.boot
      victim.memory = []
    }
    victim.images = []
    victim.lost = whole
    victim.disk.install(image)
    if try victim.disk.fold().voters == [victim.id] {
      // Put back to when it was the only voter it would lead alone, and ask nobody: no peer can
      // warn it in time, so this is beyond what the others can bear.
      image = SimulatedDisk.Image()
      victim.diskBoot = 0
      victim.disk.install(image)
    }
    note(10, UInt64(victim.index), whole.lastIndex, image.lastIndex) {
      "\(victim.name) had \(whole.lastIndex), has \(image.lastIndex), boot \(victim.diskBoot)"
    }
    schedule(.start(victim.index), after: faultDice.spread(millisecond, 2 * second))
  }

  /// The end of the storm: cuts are mended, disks have room, everybody is up and runs.
  /// - Parameter absent: These go down, and stay so.
  package func heal(without absent: [SimulatedNode] = []) {
    isStormy = false
    note(6, 0, 0, 0) { "healed" }
    mend()
    for node in absent { kill(node) }
    for node in nodes {
      node.diskFullUntil = 0
      node.diskSlowUntil = 0
      node.pausedUntil = 0
      if !node.isUp, !node.isGone, !absent.contains(where: { $0 === node }) {
        schedule(.start(node.index), after: 0)
      }
    }
  }
}
