// The node table as `kubectl get no` prints it, and everything else that is known of each node.

package import Membership

/// One node, as recorded and, where there is an observation, as seen.
package struct NodeRow: Hashable, Sendable {
  package enum Status: String, Hashable, Sendable {
    case ready = "Ready"
    case notReady = "NotReady"
    /// The log alone cannot say (a worker's readiness is live observation), or nobody looked yet.
    case unknown = "Unknown"
  }
  package enum State: String, Hashable, Sendable {
    case ready
    case notReady = "not ready"
    case unknown
    /// It joined a moment ago: it was not heard from yet, or waits for its first datastore role.
    case joining
    /// The log suspects it, and nothing newer contradicts that.
    case suspected
    /// It may be away: an operator said so.
    case maintenance
    case leaving
    case removing
    /// It gives up its roles, to be a worker.
    case demoting
    case left
  }

  package var id: NodeID
  package var name: String
  package var role: NodeRole
  package var status: Status
  package var state: State
  package var datastoreRole: DatastoreRole?
  package var isLeader: Bool
  /// Whether this is the node that answers.
  package var isHere: Bool
  /// Milliseconds since it joined.
  package var age: Int64
  package var version: String
  package var endpoints: Endpoints
  package var failureDomain: String
  package var apiserverReady: Bool
  package var suspectedSince: Timestamp?
  package var joinIndex: UInt64
  /// Milliseconds since the answering node's last contact; nil if unknown.
  package var contactAge: Int64?
  /// The last log index it is known to have; nil if unknown.
  package var index: UInt64?
  /// How many entries it lacks; nil if unknown.
  package var lag: UInt64?

  /// As kubectl's ROLES column has it.
  package var roles: String { role == .controlPlane ? "control-plane" : "<none>" }

  /// `leader`, `voter`, `standby`, `spare`, `worker`, or `-` outside the configuration.
  package var duty: String {
    if isLeader { return "leader" }
    return datastoreRole?.name ?? (role == .worker ? "worker" : "-")
  }

  /// `38ms`, `5m12s`; `-` for the answering node and where it is unknown.
  package var contact: String {
    isHere ? "-" : contactAge.map { Age(milliseconds: $0).precise } ?? "-"
  }
}

/// All nodes, in the order of joining.
package struct NodeTable: Hashable, Sendable {
  package var rows: [NodeRow]

  /// So many milliseconds a newcomer has for its first sign of life.
  private static let arrival: Int64 = 30_000

  /// `now` gives the ages.
  package init(_ cluster: Cluster, now: Timestamp, outlook: Outlook? = nil) {
    rows = cluster.nodes.map { member in
      let isHere = outlook?.by == member.id
      let sighting = outlook?.sightings[member.id]
      let index = sighting?.index ?? (isHere ? cluster.lastIndex : nil)
      let status = NodeTable.status(member, isHere: isHere, outlook: outlook)
      let age = max(0, now.milliseconds - member.joined.milliseconds)
      let isNew =
        outlook?.hasLeader == true && sighting == nil && member.datastoreRole == nil
        && age < NodeTable.arrival
      return NodeRow(
        id: member.id, name: member.name, role: member.record.role, status: status,
        state: NodeTable.state(
          member, status: outlook?.hindrances[member.id] == .link ? .notReady : status,
          isNew: isNew, cluster),
        datastoreRole: member.datastoreRole,
        isLeader: member.isActive && member.isControlPlane && cluster.leader == member.id
          && outlook?.hasLeader != false,
        isHere: isHere, age: age,
        version: member.record.program, endpoints: member.record.endpoints,
        failureDomain: member.record.failureDomain, apiserverReady: member.apiserverReady,
        suspectedSince: member.suspectedSince, joinIndex: member.joinIndex,
        contactAge: sighting?.contactAge, index: index,
        lag: index.map { cluster.lastIndex > $0 ? cluster.lastIndex - $0 : 0 })
    }
  }

  /// Whether a member is up: as it is seen, else, without an outlook, as the log has it.
  package static func status(
    _ member: Member, isHere: Bool, outlook: Outlook?
  ) -> NodeRow.Status {
    guard member.isActive else { return .notReady }
    if member.record.isKeyless { return .unknown }
    guard let outlook else {
      guard member.isControlPlane else { return .unknown }
      return member.isSuspected ? .notReady : .ready
    }
    if isHere || outlook.sightings[member.id]?.ready == true { return .ready }
    return outlook.unseen.contains(member.id) ? .unknown : .notReady
  }

  private static func state(
    _ member: Member, status: NodeRow.Status, isNew: Bool, _ cluster: Cluster
  ) -> NodeRow.State {
    guard member.isActive else { return .left }
    if let departure = cluster.departure, departure.node == member.id {
      return switch departure.kind {
      case .leave: .leaving
      case .remove: .removing
      case .demote: .demoting
      }
    }
    if member.maintenance != nil { return .maintenance }
    if status != .ready, member.isSuspected { return .suspected }
    return switch status {
    case .ready: member.isControlPlane && member.datastoreRole == nil ? .joining : .ready
    case .notReady: isNew ? .joining : .notReady
    case .unknown: isNew && !member.record.isKeyless ? .joining : .unknown
    }
  }

  /// `NAME STATUS ROLES AGE VERSION`; wide adds datastore role, address, failure domain and last
  /// contact.
  /// - Parameter marked: whether the status tells of maintenance; the digests of views do not.
  package func table(wide: Bool = false, marked: Bool = true) -> TextTable {
    let more = ["DATASTORE", "ADDRESS", "FAILURE-DOMAIN", "LAST-CONTACT"]
    return TextTable(
      header: ["NAME", "STATUS", "ROLES", "AGE", "VERSION"] + (wide ? more : []),
      rows: rows.map { row in
        let first = [
          row.name,
          row.status.rawValue + (marked && row.state == .maintenance ? ",Maintenance" : ""),
          row.roles, Age(milliseconds: row.age).description,
          row.version,
        ]
        let rest = [
          row.datastoreRole?.name ?? "<none>", row.endpoints.cluster.description,
          row.failureDomain, row.contact,
        ]
        return wide ? first + rest : first
      })
  }
}
