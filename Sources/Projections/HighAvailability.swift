// The one line that must never lie. Yes means: at least three voters, and one more of them may fail
// at this moment. It needs both the log (voters that are not suspected) and, where there is one,
// the answering node's own observation to allow it; what is lost in either opinion counts as lost.

package import Membership

/// Whether the cluster survives the next failure, and which loss it would not survive.
package struct HighAvailability: Hashable, Sendable {
  /// What one opinion supports.
  package struct Verdict: Hashable, Sendable {
    package var isHighlyAvailable: Bool
    /// How many more voters may fail.
    package var canLose: Int
    package var quorumHeld: Bool
    /// Voters that count, by name in the order of joining.
    package var healthy: [String]
  }
  /// What the answering node observes.
  package struct Observed: Hashable, Sendable {
    package var verdict: Verdict
    /// Its name.
    package var by: String
    /// Of the observation, in milliseconds.
    package var age: Int64
    package var hasLeader: Bool
  }

  package var isHighlyAvailable: Bool
  /// How many more nodes, whichever they are, may fail and the cluster still works.
  package var canLose: Int
  package var quorumHeld: Bool
  package var recorded: Verdict
  package var observed: Observed?
  /// Names of the voters whose loss alone would stop the cluster; in the order of joining.
  package var critical: [String]
  /// `can lose: …`, one line without a newline.
  package var sentence: String

  /// From the log and, if given, what the answering node observes.
  package init(_ cluster: Cluster, outlook: Outlook? = nil) {
    let scene = Scene(cluster)
    recorded = scene.verdict(cluster.unsuspectedVoters)
    var healthy = cluster.unsuspectedVoters
    if let outlook {
      let seen = outlook.hasLeader ? outlook.healthyVoters : []
      observed = Observed(
        verdict: scene.verdict(seen), by: cluster.name(of: outlook.by), age: outlook.age,
        hasLeader: outlook.hasLeader)
      healthy.formIntersection(seen)
    }
    let both = scene.verdict(healthy)
    isHighlyAvailable = both.isHighlyAvailable
    canLose = both.canLose
    quorumHeld = both.quorumHeld
    let tolerance = scene.tolerance(healthy)
    critical = scene.names(tolerance.critical)
    sentence =
      if outlook?.hasLeader == false {
        "can lose: unknown, no contact to a leader"
      } else {
        scene.sentence(tolerance)
      }
  }
}

/// The words, worked out from one state.
private struct Scene {
  let cluster: Cluster
  let voters: [NodeID]
  let outgoing: [NodeID]

  init(_ cluster: Cluster) {
    self.cluster = cluster
    voters = cluster.voters
    outgoing = cluster.outgoingVoters
  }

  func tolerance(_ healthy: Set<NodeID>) -> Tolerance {
    Tolerance(voters: voters, outgoing: outgoing, healthy: healthy)
  }

  func verdict(_ healthy: Set<NodeID>) -> HighAvailability.Verdict {
    let tolerance = tolerance(healthy)
    return HighAvailability.Verdict(
      isHighlyAvailable: voters.count >= 3 && tolerance.canLose >= 1,
      canLose: tolerance.canLose, quorumHeld: tolerance.quorumHeld,
      healthy: names(tolerance.healthy))
  }

  /// In the order of joining.
  func names(_ ids: [NodeID]) -> [String] {
    let members = cluster.nodes.filter { ids.contains($0.id) }.map(\.name)
    return members + ids.filter { cluster.node($0) == nil }.map { cluster.name(of: $0) }
  }

  func sentence(_ tolerance: Tolerance) -> String {
    var parts = [first(tolerance)]
    let lost = names(Set(voters + outgoing).subtracting(tolerance.healthy).sorted())
    if !lost.isEmpty, tolerance.quorumHeld {
      parts.append("\(words(lost, "and")) \(lost.count == 1 ? "does" : "do") not count now")
    }
    if let crowded = crowdedDomain(tolerance) { parts.append(crowded) }
    if !outgoing.isEmpty { parts.append("the voters are changing") }
    return parts.joined(separator: " · ")
  }

  private func first(_ tolerance: Tolerance) -> String {
    let healthy = names(tolerance.healthy)
    guard tolerance.quorumHeld else {
      let worst = tolerance.halves.min { $0.margin < $1.margin }
      return "can lose: nothing, the quorum is lost: \(worst?.healthy.count ?? 0) of"
        + " \(counted(worst?.voters.count ?? 0, "voter")) count"
        + "\(worst?.healthy.count == 1 ? "s" : ""), \(worst?.needed ?? 1) needed"
    }
    if tolerance.canLose > 0 {
      let more = tolerance.canLose + 1
      return "can lose: \(counted(tolerance.canLose, "more node"))"
        + " (any of \(healthy.joined(separator: " "))) · losing \(more) of them"
        + " \(outgoing.isEmpty ? "stops" : "may stop") the cluster"
    }
    let critical = names(tolerance.critical)
    if voters.count == 1, outgoing.isEmpty { return single(critical.first ?? "") }
    return "can lose: 0 more nodes · losing \(words(critical, "or")) stops the cluster"
  }

  private func single(_ voter: String) -> String {
    let standbys = cluster.nodes(.standby).map(\.name)
    if standbys.isEmpty {
      let alone = cluster.controlPlane.count == 1 ? "the only control-plane node" : "the only voter"
      return "can lose: 0 more nodes · losing \(voter), \(alone), stops the cluster"
    }
    return "can lose: 0 more nodes · losing \(voter), the only voter, stops the cluster;"
      + " \(standbys.count == 1 ? "its standby" : "its standbys") \(words(standbys, "and"))"
      + " may lack"
      + " what was in flight"
  }

  /// Nodes of several domains vote, and losing the fullest one would stop the cluster.
  private func crowdedDomain(_ tolerance: Tolerance) -> String? {
    func domain(_ id: NodeID) -> String { cluster.node(id)?.record.failureDomain ?? "" }
    guard tolerance.quorumHeld, outgoing.isEmpty, !tolerance.failureDomainSafe(domain) else {
      return nil
    }
    var count: [String: Int] = [:]
    for id in voters { count[domain(id), default: 0] += 1 }
    let fullest = count.max { ($0.value, $1.key) < ($1.value, $0.key) }
    guard count.count > 1, let fullest, fullest.value > 1 else { return nil }
    return "failure domain \(fullest.key) holds \(fullest.value) of \(voters.count) votes"
  }
}
