// Everything that the Kubernetes API shows of one moment: a function of the state after a prefix of
// the log and, for the present, of what is seen. The same prefix gives the same objects everywhere.

import Membership
import Projections

struct KubernetesView: Sendable {
  /// The last event that it rests on: what clients know as the resource version.
  let index: UInt64
  /// By name.
  let nodes: [KubernetesObject]
  private let others: [KubernetesObject]

  /// What is seen of nodes, or what a client was told.
  struct Sightings: Sendable {
    var statuses: [NodeID: NodeRow.Status] = [:]
    var contacts: [NodeID: Timestamp] = [:]
  }

  /// The present, with what is seen.
  init(_ cluster: Cluster, outlook: Outlook, now: Timestamp) {
    self.init(cluster, Self.sightings(cluster, outlook: outlook, now: now))
  }

  /// A moment of the past, as far as the log tells.
  init(past cluster: Cluster) {
    self.init(cluster, Self.sightings(cluster, outlook: nil, now: cluster.lastTime))
  }

  /// A state with readiness from elsewhere; unknown where that has none.
  init(_ cluster: Cluster, _ sightings: Sightings) {
    index = cluster.lastIndex
    nodes = cluster.nodes.map { Self.node($0, cluster, sightings) }.sorted { $0.name < $1.name }
    others = cluster.isFormed ? Self.others(cluster) : []
  }

  static func sightings(_ cluster: Cluster, outlook: Outlook?, now: Timestamp) -> Sightings {
    var sightings = Sightings()
    for row in NodeTable(cluster, now: now, outlook: outlook).rows {
      sightings.statuses[row.id] = row.status
      if row.isHere {
        sightings.contacts[row.id] = now
      } else if let age = row.contactAge {
        sightings.contacts[row.id] = Timestamp(milliseconds: now.milliseconds - max(0, age))
      }
    }
    return sightings
  }

  /// In the order of namespace and name, which is also that of continued lists.
  func objects(_ kind: KubernetesKind) -> [KubernetesObject] {
    kind == .nodes ? nodes : others.filter { $0.kind == kind }
  }

  var statuses: [NodeID: NodeRow.Status] {
    var statuses: [NodeID: NodeRow.Status] = [:]
    for object in nodes {
      if case .node(let node) = object.content { statuses[node.record.id] = node.status }
    }
    return statuses
  }

  func isSame(as other: KubernetesView) -> Bool {
    func same(_ a: [KubernetesObject], _ b: [KubernetesObject]) -> Bool {
      a.count == b.count && zip(a, b).allSatisfy { $0.isSame(as: $1) }
    }
    return index == other.index && same(nodes, other.nodes) && same(others, other.others)
  }

  // MARK: Objects

  /// One member as an object.
  static func node(
    _ member: Member, _ cluster: Cluster, _ sightings: Sightings
  ) -> KubernetesObject {
    KubernetesObject(
      kind: .nodes, name: member.name, uid: uid(cluster.id, member.id.rawValue),
      created: member.joined, version: cluster.lastIndex,
      content: .node(
        .init(
          record: member.record, datastoreRole: member.datastoreRole, state: member.state,
          suspectedSince: member.suspectedSince, hasHistory: !member.suspicions.isEmpty,
          status: sightings.statuses[member.id])),
      contact: sightings.contacts[member.id])
  }

  /// What does not depend on what is seen: the way to the API servers.
  static func others(_ cluster: Cluster) -> [KubernetesObject] {
    let servers = cluster.servingAPI.compactMap { member in
      member.record.endpoints.apiserver.map {
        KubernetesObject.Server(
          node: member.name, zone: member.record.failureDomain, address: $0)
      }
    }
    // No node's, whatever its id.
    let other = ClusterID(~cluster.id.rawValue)
    func object(
      _ kind: KubernetesKind, _ name: String, _ number: UInt64,
      _ content: KubernetesObject.Content
    ) -> KubernetesObject {
      KubernetesObject(
        kind: kind, name: name, uid: uid(other, number), created: cluster.formed,
        version: cluster.lastIndex, content: content)
    }
    var objects = [
      object(.namespaces, "default", 1, .namespace),
      object(
        .services, "kubernetes", 2, .service(port: servers.first?.address.port ?? 16443)),
      object(
        .endpoints, "kubernetes", 3,
        .endpoints(servers.filter { $0.address.host.family != "FQDN" })),
    ]
    // A slice has one family and one port.
    var slices: [(key: String, servers: [KubernetesObject.Server])] = []
    for server in servers {
      let key = "\(server.address.host.family.lowercased())-\(server.address.port)"
      if let place = slices.firstIndex(where: { $0.key == key }) {
        slices[place].servers.append(server)
      } else {
        slices.append((key, [server]))
      }
    }
    for (number, slice) in slices.enumerated() {
      objects.append(
        object(
          .endpointSlices, number == 0 ? "kubernetes" : "kubernetes-" + slice.key,
          4 + UInt64(number), .slice(slice.servers)))
    }
    return objects
  }

  /// A UUID of the form that RFC 9562 leaves to applications (version 8): the cluster's id, and the
  /// node's or a small number.
  static func uid(_ cluster: ClusterID, _ low: UInt64) -> String {
    let first = cluster.rawValue & ~0xf000 | 0x8000
    let second = low & ~(3 << 62) | 2 << 62
    let digits = Array(hex(first) + hex(second))
    return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(digits[$0]) }
      .joined(separator: "-")
  }
}
