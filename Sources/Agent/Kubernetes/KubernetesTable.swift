// Objects as rows for people (meta.k8s.io, Table): kubectl prints what the server lays out, the
// columns of priority 1 with `-o wide` alone. The first five of a node's are kubectl's own, so that
// scripts which count columns go on.

import History
import Membership
import Projections

struct KubernetesTable {
  /// `v1` or `v1beta1`.
  var version = "v1"
  var include = Include.metadata
  var kind: KubernetesKind
  /// Gives the ages.
  var now: Timestamp

  /// What comes along with each row.
  enum Include: String {
    case metadata = "Metadata"
    case object = "Object"
    case none = "None"
  }

  private struct Column {
    var name: String
    var priority = 0
    var type = "string"
    var format = ""
  }

  /// - Parameters:
  ///   - metadata: of the list.
  ///   - hasColumns: false in a watch after its first event.
  func document(
    _ objects: [KubernetesObject], metadata: Document, hasColumns: Bool = true
  ) -> Document {
    .object([
      ("kind", .text("Table")), ("apiVersion", .text("meta.k8s.io/" + version)),
      ("metadata", metadata),
      ("columnDefinitions", hasColumns ? .list(columns.map(definition)) : .null),
      ("rows", .list(objects.map(row))),
    ])
  }

  private func definition(_ column: Column) -> Document {
    .object([
      ("name", .text(column.name)), ("type", .text(column.type)),
      ("format", .text(column.format)), ("description", .text("")),
      ("priority", .number(column.priority)),
    ])
  }

  private func row(_ object: KubernetesObject) -> Document {
    var fields: [(String, Document)] = [("cells", .texts(cells(object)))]
    switch include {
    case .none: break
    case .object: fields.append(("object", object.document))
    case .metadata:
      fields.append(("object", Self.partial(object, version: version)))
    }
    return .object(fields)
  }

  /// An object's metadata alone.
  static func partial(_ object: KubernetesObject, version: String) -> Document {
    .object([
      ("kind", .text("PartialObjectMetadata")),
      ("apiVersion", .text("meta.k8s.io/" + version)), ("metadata", object.metadata),
    ])
  }

  private var columns: [Column] {
    let name = Column(name: "Name", format: "name")
    let age = Column(name: "Age")
    let between: [Column] =
      switch kind {
      case .nodes: [Column(name: "Status"), Column(name: "Roles")]
      case .namespaces: [Column(name: "Status")]
      case .services:
        ["Type", "Cluster-IP", "External-IP", "Port(s)"].map { Column(name: $0) }
      case .endpoints: [Column(name: "Endpoints")]
      case .endpointSlices: ["AddressType", "Ports", "Endpoints"].map { Column(name: $0) }
      case .pods: ["Ready", "Status", "Restarts"].map { Column(name: $0) }
      case .events: ["Type", "Reason", "Object", "Message"].map { Column(name: $0) }
      case .leases: [Column(name: "Holder")]
      }
    let after =
      kind == .nodes
      ? [Column(name: "Version")]
        + ["Internal-IP", "External-IP", "Datastore", "Failure-Domain"].map {
          Column(name: $0, priority: 1)
        } : kind == .services ? [Column(name: "Selector", priority: 1)] : []
    return [name] + between + [age] + after
  }

  private func cells(_ object: KubernetesObject) -> [String] {
    let age = Age(milliseconds: now.milliseconds - object.created.milliseconds).description
    let none = "<none>"
    switch object.content {
    case .node(let node):
      return [
        object.name, node.status == .ready ? "Ready" : "NotReady",
        node.record.role == .controlPlane ? "control-plane" : none, age,
        node.record.program, node.record.endpoints.cluster.host.description, none,
        node.datastoreRole?.name ?? none, node.record.failureDomain,
      ]
    case .namespace: return [object.name, "Active", age]
    case .service: return [object.name, "ClusterIP", "None", none, "443/TCP", age, none]
    case .endpoints(let servers):
      return [object.name, Self.few(servers.map(\.address.description)), age]
    case .slice(let servers):
      return [
        object.name, servers.first?.address.host.family ?? none,
        servers.first.map { "\($0.address.port)" } ?? none,
        Self.few(servers.map(\.address.host.description)), age,
      ]
    }
  }

  /// As kubectl shortens them.
  private static func few(_ all: [String]) -> String {
    if all.isEmpty { return "<none>" }
    let shown = all.prefix(3).joined(separator: ",")
    return all.count > 3 ? "\(shown) + \(all.count - 3) more..." : shown
  }
}
