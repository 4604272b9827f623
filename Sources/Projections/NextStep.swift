// What an operator most likely wants to do next, one line, as `git status` ends: worked out from
// what the report says and nothing else. Where nothing is to be done it says nothing.

import Membership

enum NextStep {
  /// One line without `next:`; nil if nothing is to be done.
  static func likely(_ cluster: Cluster, _ high: HighAvailability, _ nodes: NodeTable) -> String? {
    if high.observed?.hasLeader == false || !high.quorumHeld {
      return quorum(cluster, high, nodes)
    }
    // Whoever changes the roles finishes that alone.
    if cluster.joint != nil || cluster.departure != nil { return nil }
    // Who is in maintenance is meant to be away.
    let away = nodes.rows.filter { $0.state == .maintenance }.map(\.name)
    let lost = high.uncounted.filter { !away.contains($0) }
    if !lost.isEmpty {
      return "bring \(words(lost, "and")) back (muster doctor there says what is wrong), or join"
        + " another control-plane node (muster add-node) and then muster remove-node \(lost[0])"
    }
    let silent = nodes.rows.filter {
      $0.status == .notReady && $0.state != .left && $0.state != .maintenance
    }.map(\.name)
    if let first = silent.first {
      return "bring \(words(silent, "and")) back, or muster remove-node \(first)"
    }
    if let first = away.first { return "muster maintenance exit \(first), once its work is done" }
    return growth(cluster, high, nodes)
  }

  private static func quorum(
    _ cluster: Cluster, _ high: HighAvailability, _ nodes: NodeTable
  ) -> String {
    let here = nodes.rows.first(where: \.isHere)?.name
    let voters = cluster.voters
    let others = cluster.nodes(.voter).map(\.name).filter { $0 != here }
    guard !others.isEmpty else { return "muster doctor says what keeps this node from leading" }
    return "\(voters.count / 2 + 1) of \(counted(voters.count, "voter")) must reach one another:"
      + " muster doctor here and on \(words(others, "and")) says what is wrong; if they are gone"
      + " for good, muster export and muster import --seed begin a new cluster"
  }

  private static func growth(
    _ cluster: Cluster, _ high: HighAvailability, _ nodes: NodeTable
  ) -> String? {
    if let left = nodes.rows.first(where: { $0.state == .left }) {
      return "muster remove-node \(left.name) closes the record of a node that left"
    }
    switch cluster.controlPlane.count {
    case _ where cluster.policy.voters < 3: return nil
    case 1:
      return "muster add-node, and muster join on two more nodes: three control-plane nodes make"
        + " it highly available"
    case 2:
      return "muster add-node, and muster join on a third node: three control-plane nodes make it"
        + " highly available"
    default:
      guard high.domains.count > 1, high.domains.contains(where: { $0.isFatal && $0.healthy > 1 })
      else { return nil }
      return "join a control-plane node in another failure domain (muster agent --failure-domain)"
    }
  }
}
