// What this node sees of the others, for status. Live opinion: never recorded, never decided with.

package import Membership
package import Projections
import Raft
import Schema

extension Replica {
  /// Its view as of the last input. A leader speaks from its own contacts; another node from what
  /// the leader last told it, which grows old.
  package var outlook: Outlook {
    let seen = isLeader ? sightings : (told?.sightings ?? ownSightings)
    let toldAge = told.map { now.monotonic - min(now.monotonic, $0.at) } ?? 0
    let age = isLeader ? 0 : Int64(clamping: toldAge / 1_000_000)
    var byNode: [NodeID: Outlook.Sighting] = [:]
    var healthy: Set<NodeID> = []
    var hindrances: [NodeID: Hindrance] = [:]
    for sighting in seen {
      if sighting.isHealthy { healthy.insert(sighting.node) }
      hindrances[sighting.node] = sighting.hindrance
      guard sighting.node != options.node, let node = cluster.node(sighting.node) else { continue }
      let silence = Int64(clamping: sighting.silence) + age
      let patience =
        node.isControlPlane ? options.raft.electionTimeout : options.aliveFor
      byNode[sighting.node] = Outlook.Sighting(
        ready: silence < Int64(clamping: patience / 1_000_000) + 1000, contactAge: silence,
        index: sighting.lag.map { cluster.lastIndex - min(cluster.lastIndex, $0) })
    }
    return Outlook(
      by: options.node, hasLeader: raft.leader != nil, healthyVoters: healthy, sightings: byNode,
      unseen: unseen(besides: byNode), hindrances: hindrances, age: age)
  }

  /// Of whom nothing can be known yet. Whoever has led for longer than a silence is borne, and says
  /// nothing of a node, has seen that it is silent.
  private func unseen(besides seen: [NodeID: Outlook.Sighting]) -> Set<NodeID> {
    guard raft.leader != nil else { return [] }
    let reign = now.monotonic - min(now.monotonic, leaderSince)
    guard reign < options.raft.electionTimeout + 1_000_000_000 || !isLeader && told == nil
    else { return [] }
    let others = cluster.controlPlane.map(\.id).filter { $0 != options.node && seen[$0] == nil }
    return Set(others)
  }

  /// What a leader would decide with, as far as this node knows: to tell beforehand what it would
  /// say, never to decide.
  package var presumption: Observation {
    let outlook = outlook
    let patience = Int64(clamping: options.aliveFor / 1_000_000)
    let alive = outlook.sightings.filter { $0.value.contactAge.map { $0 < patience } ?? false }
    let ready = outlook.sightings.filter(\.value.ready)
    return Observation(
      reachable: Set(ready.keys).union([options.node]), caughtUp: outlook.healthyVoters,
      alive: Set(alive.keys).union([options.node]))
  }

  /// Whether a leader is known that has not yet told of every voter; it does within a second,
  /// unless it hears nothing from one.
  package var awaitsSightings: Bool {
    guard !isLeader, raft.leader != nil else { return false }
    return told == nil || !outlook.unseen.isDisjoint(with: cluster.voters)
  }

  /// What a node knows that no leader has told anything yet: of itself, and that there is a leader.
  private var ownSightings: [Sighting] {
    [options.node, leader].compactMap { $0 }.map {
      let isSick = $0 == options.node && isDiskUnfit
      return Sighting(
        node: $0, silence: 0, isHealthy: !isSick, hindrance: isSick ? .disk : nil)
    }
  }

  /// What a leader sees, itself included.
  var sightings: [Sighting] {
    let observation = keeper.observation(of: self)
    return cluster.nodes.compactMap { node in
      if node.id == options.node {
        let durable = raft.progress(of: options.node.rawValue)?.match ?? 0
        return Sighting(
          node: node.id, silence: 0, lag: raft.commitIndex - min(raft.commitIndex, durable),
          isHealthy: !isDiskUnfit, skew: clocks.skew, hindrance: isDiskUnfit ? .disk : nil)
      }
      let contact =
        node.isControlPlane ? raft.lastContact(of: node.id.rawValue) : keeper.seen[node.id]
      guard let last = contact else { return nil }
      let match = raft.progress(of: node.id.rawValue)?.match
      return Sighting(
        node: node.id, silence: (now.monotonic - min(now.monotonic, last)) / 1_000_000,
        lag: match.map { raft.commitIndex - min(raft.commitIndex, $0) },
        isHealthy: observation.caughtUp.contains(node.id), skew: clocks.skew(of: node.id),
        hindrance: hindrance(of: node.id))
    }
  }

  /// What keeps a peer from counting, beside silence and lag, as a leader knows it.
  private func hindrance(of node: NodeID) -> Hindrance? {
    guard let progress = raft.progress(of: node.rawValue) else { return nil }
    if progress.abstains { return .forgotten }
    if keeper.fullDisks.contains(node) { return .disk }
    return progress.state == .probe ? .link : nil
  }

  /// Another node told what it sees: a leader hears of workers, the others of everybody.
  mutating func observed(_ sightings: [Sighting], by node: NodeID) {
    if isLeader {
      clocks.settle(voters: cluster.voters, own: options.node, at: now.monotonic)
      for sighting in sightings {
        if sighting.node == node {
          if sighting.isHealthy {
            keeper.fullDisks.remove(node)
          } else {
            keeper.fullDisks.insert(node)
          }
          continue
        }
        let at = now.monotonic - min(now.monotonic, sighting.silence &* 1_000_000)
        keeper.seen[sighting.node] = max(keeper.seen[sighting.node] ?? 0, at)
      }
    } else if node == leader {
      told = (sightings, now.monotonic)
      for sighting in sightings {
        if sighting.node == options.node {
          clocks.told(skew: sighting.skew)
        } else if let lag = sighting.lag {
          // The leader's commit index is not below the one here.
          acquaintances.heard(
            sighting.node, committed: raft.commitIndex - min(raft.commitIndex, lag))
        }
      }
    }
  }
}
