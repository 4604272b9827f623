// Where vote and leadership of a node stand that went into maintenance, or is back.

package import Membership

/// What an operator who is about to switch a node off must know.
package struct VoteMovement: Hashable, Sendable {
  /// Whether all is where it should be; else it may still move.
  package var isDone: Bool
  /// One sentence for the operator.
  package var sentence: String

  package init(_ member: Member, _ cluster: Cluster, leader: NodeID?) {
    let name = member.name
    let votes = member.datastoreRole == .voter
    let isSettled = cluster.joint == nil
    guard member.isControlPlane else {
      isDone = true
      sentence = "\(name) is a worker: it holds no vote"
      return
    }
    guard member.maintenance != nil else {
      isDone = isSettled && member.lentTo == nil
      sentence =
        member.lentTo.map { heir in
          "\(name) has no vote yet: \(cluster.name(of: heir)) still votes in its place, and it"
            + " comes back once \(name) is in contact and caught up"
        } ?? (votes ? "\(name) votes" : "\(name) is a \(member.datastoreRole?.name ?? "newcomer")")
      return
    }
    // Without one who could take it the vote stays, and nothing is to be waited for.
    let hasHeir = cluster.controlPlane.contains {
      $0.id != member.id && $0.datastoreRole != .voter && $0.maintenance == nil
    }
    isDone = isSettled && !(votes && hasHeir) && leader != member.id
    if !votes {
      sentence =
        "\(name) may be switched off: "
        + (member.lentTo.map { "\(cluster.name(of: $0)) votes in its place" }
          ?? "it holds no vote")
      return
    }
    let rest = Tolerance(
      voters: cluster.voters, outgoing: cluster.outgoingVoters,
      healthy: cluster.soundVoters.filter { cluster.node($0)?.maintenance == nil })
    let cost =
      !rest.quorumHeld
      ? "with all that are in maintenance switched off, the cluster stops"
      : rest.canLose == 0
        ? "while it is off, not one more node can be lost"
        : "while it is off, \(rest.canLose) more can be lost"
    sentence =
      "\(name) keeps its vote"
      + (leader == member.id ? " and leads" : "")
      + ": nobody who is in contact and caught up could take it; \(cost)"
  }
}
