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

  /// A failure domain with voters in it.
  package struct Domain: Hashable, Sendable {
    package var name: String
    package var voters: Int
    /// Those of them that count now.
    package var healthy: Int
    /// Losing all of it would stop the cluster.
    package var isFatal: Bool
  }

  package var isHighlyAvailable: Bool
  /// How many more nodes, whichever they are, may fail and the cluster still works.
  package var canLose: Int
  package var quorumHeld: Bool
  package var recorded: Verdict
  package var observed: Observed?
  /// Names of the voters whose loss alone would stop the cluster; in the order of joining.
  package var critical: [String]
  /// Names of the voters that do not count now; in the order of joining.
  package var uncounted: [String]
  /// Names of those of them that nobody had time to look at yet; in the order of joining.
  package var unseen: [String]
  /// By name.
  package var domains: [Domain]
  /// `can lose: …`, one line without a newline.
  package var sentence: String
  /// For the end of every command while not one more node can be lost, although there are enough
  /// control-plane nodes to bear a loss and the policy wants it; plain ASCII. Nil otherwise.
  package var warning: String?

  /// From the log and, if given, what the answering node observes.
  package init(_ cluster: Cluster, outlook: Outlook? = nil) {
    let scene = Scene(cluster)
    recorded = scene.verdict(cluster.soundVoters)
    var healthy = cluster.soundVoters
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
    uncounted = scene.uncounted(tolerance)
    unseen = scene.names(
      cluster.soundVoters.intersection(outlook?.unseen ?? []).subtracting(healthy).sorted())
    domains = scene.domains(tolerance)
    sentence =
      if outlook?.hasLeader == false {
        "can lose: unknown, no contact to a leader"
      } else if !unseen.isEmpty {
        "can lose: unknown, \(notHeardFrom(unseen))"
      } else {
        scene.sentence(tolerance)
      }
    if cluster.controlPlane.count >= 3, cluster.policy.voters >= 3, canLose == 0, unseen.isEmpty {
      warning = scene.warning(tolerance, hasLeader: outlook?.hasLeader ?? true)
    }
  }
}

extension HighAvailability {
  /// What the log alone says, without words about it: for those who ask it of many states.
  package static func recorded(_ cluster: Cluster) -> (verdict: Verdict, critical: [String]) {
    let scene = Scene(cluster)
    let healthy = cluster.soundVoters
    return (scene.verdict(healthy), scene.names(scene.tolerance(healthy).critical))
  }
}

/// `n2 and n3 were not heard from yet`.
func notHeardFrom(_ names: [String]) -> String {
  "\(words(names, "and")) \(names.count == 1 ? "was" : "were") not heard from yet"
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

  func warning(_ tolerance: Tolerance, hasLeader: Bool) -> String {
    let advice = "see: muster status"
    guard hasLeader else { return "no contact to a leader: nothing can be changed (\(advice))" }
    guard tolerance.quorumHeld else {
      return "the quorum is lost: nothing can be changed (\(advice))"
    }
    let critical = names(tolerance.critical)
    return "not one more node can be lost: losing \(words(critical, "or")) stops the cluster"
      + " (\(advice))"
  }

  func uncounted(_ tolerance: Tolerance) -> [String] {
    names(Set(voters + outgoing).subtracting(tolerance.healthy).sorted())
  }

  func sentence(_ tolerance: Tolerance) -> String {
    var parts = [first(tolerance)]
    let lost = uncounted(tolerance)
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

  /// Nodes of several domains vote, and losing one of those with several votes stops the cluster.
  private func crowdedDomain(_ tolerance: Tolerance) -> String? {
    let domains = domains(tolerance)
    let crowded = domains.filter { $0.isFatal && $0.healthy > 1 }
    guard domains.count > 1, outgoing.isEmpty, !crowded.isEmpty else { return nil }
    let words = crowded.map { "failure domain \($0.name) holds \($0.healthy)" }
    return "\(words.joined(separator: ", ")) of \(voters.count) votes"
  }

  /// Where the voters are, both halves together; by name.
  func domains(_ tolerance: Tolerance) -> [HighAvailability.Domain] {
    func domain(_ id: NodeID) -> String { cluster.node(id)?.record.failureDomain ?? "" }
    let fatal = Set(tolerance.fatalDomains(domain))
    let healthy = Set(tolerance.healthy)
    let all = Dictionary(grouping: Set(voters + outgoing), by: domain)
    return all.keys.sorted().map { name in
      HighAvailability.Domain(
        name: name, voters: all[name]?.count ?? 0,
        healthy: all[name]?.count { healthy.contains($0) } ?? 0, isFatal: fatal.contains(name))
    }
  }
}
