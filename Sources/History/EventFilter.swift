// Which events a reader wants to see: a range of the log, and what must be true of each.

package import Membership

/// A range of indexes and conditions, all of which must hold.
package struct EventFilter: Hashable, Sendable {
  /// The first index and the last.
  package var from: UInt64
  package var to: UInt64
  /// `node.joined`, or all of a kind: `node`, `token`.
  package var type: String?
  /// A node that the event is about, by name or id.
  package var node: String?
  /// The whole actor (`root@n1`) or the part before or after the `@`; an invitation's id.
  package var actor: String?
  /// By recorded time; both ends are included.
  package var since: Timestamp?
  package var until: Timestamp?
  /// Only these, whatever else is asked for; nil for all.
  var indexes: Set<UInt64>?

  package init(
    from: UInt64 = 1, to: UInt64 = .max, type: String? = nil, node: String? = nil,
    actor: String? = nil, since: Timestamp? = nil, until: Timestamp? = nil
  ) {
    self.from = from
    self.to = to
    self.type = type
    self.node = node
    self.actor = actor
    self.since = since
    self.until = until
  }

  /// Whether all events of the range are wanted.
  var isOpen: Bool {
    type == nil && node == nil && actor == nil && since == nil && until == nil && indexes == nil
  }

  /// Whether an event is wanted; names are those of the states around it.
  func admits(_ recorded: RecordedEvent, before: Cluster, after: Cluster) -> Bool {
    let envelope = recorded.envelope
    guard recorded.index >= from, recorded.index <= to else { return false }
    if let indexes, !indexes.contains(recorded.index) { return false }
    if let since, envelope.time < since { return false }
    if let until, envelope.time > until { return false }
    if let type {
      let name = envelope.event.type.name
      guard name == type || name.hasPrefix(type + ".") else { return false }
    }
    if let actor {
      let name = NodeID(envelope.actor).map { after.name(of: $0) }
      guard
        envelope.actor == actor || name == actor
          || envelope.actor.split(separator: "@").contains(actor[...])
          || envelope.actor == "token \(actor)"
      else { return false }
    }
    guard let node else { return true }
    return envelope.event.nodes.contains { id in
      id.description == node || before.name(of: id) == node || after.name(of: id) == node
    }
  }
}

extension Event {
  /// The nodes that it is about.
  package var nodes: [NodeID] {
    switch self {
    case .clusterFormed(let formed): [formed.first.id]
    case .clusterImported(let imported): [imported.first.id]
    case .leaderElected(let elected): [elected.node]
    case .nodeJoined(let joined): [joined.node.id]
    case .nodeLeft(let left): [left.node]
    case .nodeRemoved(let removed): [removed.node]
    case .nodeReplaced(let replaced):
      [replaced.joined.node.id, replaced.node]
        + replaced.assignments.map(\.node).filter { $0 != replaced.node }
    case .nodePromoted(let promoted): [promoted.node]
    case .nodeDemoted(let demoted): [demoted.node]
    case .endpointRefreshed(let refreshed): [refreshed.node]
    case .roleAssigned(let assigned):
      assigned.assignments.map(\.node) + (assigned.departing.map { [$0.node] } ?? [])
    case .nodeSuspected(let suspected): [suspected.node]
    case .nodeRecovered(let recovered): [recovered.node]
    case .replicaLost(let lost): [lost.node]
    case .replicaRefetched(let refetched): [refetched.node]
    case .maintenanceEntered(let entered): [entered.node]
    case .maintenanceExited(let exited): [exited.node]
    case .certificateIssued(let issued): [issued.node]
    case .tokenIssued, .tokenRevoked, .rolesSettled, .policyChanged: []
    }
  }
}
