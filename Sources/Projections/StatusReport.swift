// Everything that `muster status` says, as one value: the texts and the JSON come from the same.

package import Membership

/// The state of a cluster as one node answers it, or as it was at an index.
package struct StatusReport: Hashable, Sendable {
  package enum Kubernetes: Hashable, Sendable {
    /// The cluster keeps membership alone; the API that it serves is its own.
    case membershipOnly
    /// Real API servers stand beside the nodes.
    case servers(ready: Int, total: Int)
  }
  /// How the answer came about.
  package enum Basis: Hashable, Sendable {
    /// The leader confirmed that nothing newer was committed.
    case confirmed
    /// What the answering node has; that many milliseconds since it last heard from a leader, nil
    /// if it never did.
    case local(sinceLeader: Int64?)
    /// Folded from the log up to a chosen index; live observation is unknown.
    case replayed
  }

  package var highAvailability: HighAvailability
  package var datastore: DatastoreNodes
  package var kubernetes: Kubernetes
  package var cluster: ClusterID
  package var incarnation: UInt64
  /// The leader's name; nil if there is none, or no contact to one.
  package var leader: String?
  package var term: UInt64
  /// The last event that the answer rests on, and its time.
  package var index: UInt64
  package var time: Timestamp
  package var nodes: NodeTable
  /// The answering node's name; nil for a replayed answer.
  package var answeredBy: String?
  package var basis: Basis
  /// What is under way, in words; nil if nothing is.
  package var pending: String?
  /// Control-plane nodes of which something must be said: who suspects them, what is seen of them.
  package var troubles: [Trouble]
  /// What the operator likely wants to do; nil if nothing is to be done, or for a replayed answer.
  package var next: String?
  /// So many milliseconds that recorded time is ahead of the answering node's clock, where that is
  /// more than tokens bear; else nil.
  package var timeAhead: Int64?

  /// From so many milliseconds on, tokens are neither issued nor redeemed.
  package static let timeAheadLimit: Int64 = 10_000

  /// - Parameters:
  ///   - now: gives the ages of nodes.
  ///   - outlook: nil for a replayed answer.
  ///   - suspicions: by whom nodes are suspected, as far as that is known.
  ///   - realAPIServers: whether the nodes' API servers are Kubernetes' own.
  package init(
    _ state: Cluster, now: Timestamp, outlook: Outlook?, basis: Basis,
    suspicions: [NodeID: Suspicion] = [:], realAPIServers: Bool = false
  ) {
    highAvailability = HighAvailability(state, outlook: outlook)
    datastore = DatastoreNodes(state)
    let servers = state.controlPlane.filter { $0.record.endpoints.apiserver != nil }
    kubernetes =
      realAPIServers
      ? .servers(
        ready: servers.count { $0.apiserverReady && !$0.isSuspected }, total: servers.count)
      : .membershipOnly
    cluster = state.id
    incarnation = state.incarnation
    leader = outlook?.hasLeader == false ? nil : state.leader.map { state.name(of: $0) }
    term = state.term
    index = state.lastIndex
    time = state.lastTime
    nodes = NodeTable(state, now: now, outlook: outlook)
    answeredBy = outlook.map { state.name(of: $0.by) }
    self.basis = basis
    troubles = Trouble.all(state, now: now, outlook: outlook, suspicions: suspicions)
    if outlook != nil {
      next =
        NextStep(state, highAvailability, nodes, outlook?.hindrances ?? [:], now: now).likely
      let ahead = state.lastTime.milliseconds - now.milliseconds
      timeAhead = ahead > StatusReport.timeAheadLimit ? ahead : nil
    }
    if let departure = state.departure {
      pending =
        "\(state.name(of: departure.node)) \(departure.kind.verb) (since index \(departure.index))"
    } else if let joint = state.joint {
      pending = "the voters are changing (since index \(joint.index))"
    }
  }
}
