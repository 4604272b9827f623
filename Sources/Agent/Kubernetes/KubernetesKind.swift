// What the Kubernetes API of a node serves, and how its clients are told.
//
// Discovery names only what there is. Pods, events and leases are answered, and are none, because
// `kubectl describe node` asks for them without looking; who looks learns that this server has none.

import History

enum KubernetesKind: String, CaseIterable, Sendable {
  case nodes
  case namespaces
  case services
  case endpoints
  case endpointSlices = "endpointslices"
  case pods
  case events
  case leases

  /// Empty for the core group. The version of every group is v1.
  var group: String {
    switch self {
    case .nodes, .namespaces, .services, .endpoints, .pods, .events: ""
    case .endpointSlices: "discovery.k8s.io"
    case .leases: "coordination.k8s.io"
    }
  }

  var apiVersion: String { group.isEmpty ? "v1" : group + "/v1" }

  var kind: String {
    switch self {
    case .nodes: "Node"
    case .namespaces: "Namespace"
    case .services: "Service"
    case .endpoints: "Endpoints"
    case .endpointSlices: "EndpointSlice"
    case .pods: "Pod"
    case .events: "Event"
    case .leases: "Lease"
    }
  }

  var singular: String {
    switch self {
    case .endpoints: "endpoints"
    default: kind.lowercased()
    }
  }

  var shortNames: [String] {
    switch self {
    case .nodes: ["no"]
    case .namespaces: ["ns"]
    case .services: ["svc"]
    case .endpoints: ["ep"]
    case .endpointSlices, .pods, .events, .leases: []
    }
  }

  /// What `kubectl get all` asks for.
  var categories: [String] { self == .services ? ["all"] : [] }

  var isNamespaced: Bool { self != .nodes && self != .namespaces }

  /// Whether discovery tells of it.
  var isHeld: Bool {
    switch self {
    case .nodes, .namespaces, .services, .endpoints, .endpointSlices: true
    case .pods, .events, .leases: false
    }
  }

  /// As messages have it: `endpointslices.discovery.k8s.io`.
  var qualified: String { group.isEmpty ? rawValue : rawValue + "." + group }

  /// The kinds that discovery tells of.
  static var held: [KubernetesKind] { allCases.filter(\.isHeld) }

  static let verbs = ["get", "list", "watch"]
}

/// The documents by which clients find out what there is.
enum KubernetesDiscovery {
  /// `GET /`.
  static var root: Document {
    let groups = namedGroups.flatMap { ["/apis/\($0)", "/apis/\($0)/v1"] }
    let paths =
      ["/api", "/api/v1", "/apis"] + groups + ["/healthz", "/livez", "/readyz", "/version"]
    return .object([("paths", .texts(paths))])
  }

  /// `GET /api`.
  static var coreVersions: Document {
    .object([
      ("kind", .text("APIVersions")), ("versions", .texts(["v1"])),
      ("serverAddressByClientCIDRs", .list([])),
    ])
  }

  /// `GET /apis`.
  static var groups: Document {
    .object([
      ("kind", .text("APIGroupList")), ("apiVersion", .text("v1")),
      ("groups", .list(namedGroups.map { .object(group($0)) })),
    ])
  }

  /// `GET /apis/GROUP`; nil if there is no such group.
  static func group(named name: String) -> Document? {
    guard namedGroups.contains(name) else { return nil }
    return .object([("kind", .text("APIGroup")), ("apiVersion", .text("v1"))] + group(name))
  }

  /// `GET /api/v1` or `/apis/GROUP/v1`; nil if there is no such group.
  static func resources(group: String) -> Document? {
    let kinds = KubernetesKind.held.filter { $0.group == group }
    guard !kinds.isEmpty else { return nil }
    return .object([
      ("kind", .text("APIResourceList")), ("apiVersion", .text("v1")),
      ("groupVersion", .text(kinds[0].apiVersion)), ("resources", .list(kinds.map(resource))),
    ])
  }

  /// `GET /api` and `/apis` in one answer each, as kubectl asks from 1.26 on.
  /// - Parameter version: `v2` or `v2beta1`.
  static func aggregated(core: Bool, version: String) -> Document {
    let groups = core ? [""] : namedGroups
    return .object([
      ("kind", .text("APIGroupDiscoveryList")),
      ("apiVersion", .text("apidiscovery.k8s.io/" + version)), ("metadata", .object([])),
      (
        "items",
        .list(
          groups.map { group in
            let kinds = KubernetesKind.held.filter { $0.group == group }
            return .object([
              ("metadata", .object(group.isEmpty ? [] : [("name", .text(group))])),
              (
                "versions",
                .list([
                  .object([
                    ("version", .text("v1")), ("resources", .list(kinds.map(aggregatedResource))),
                    ("freshness", .text("Current")),
                  ])
                ])
              ),
            ])
          })
      ),
    ])
  }

  private static var namedGroups: [String] {
    var names: [String] = []
    for kind in KubernetesKind.held where !kind.group.isEmpty && !names.contains(kind.group) {
      names.append(kind.group)
    }
    return names
  }

  private static func group(_ name: String) -> [(String, Document)] {
    let version = Document.object([
      ("groupVersion", .text(name + "/v1")), ("version", .text("v1")),
    ])
    return [
      ("name", .text(name)), ("versions", .list([version])), ("preferredVersion", version),
    ]
  }

  private static func resource(_ kind: KubernetesKind) -> Document {
    .object(
      [
        ("name", .text(kind.rawValue)), ("singularName", .text(kind.singular)),
        ("namespaced", .truth(kind.isNamespaced)), ("kind", .text(kind.kind)),
        ("verbs", .texts(KubernetesKind.verbs)),
      ] + names(kind))
  }

  private static func aggregatedResource(_ kind: KubernetesKind) -> Document {
    .object(
      [
        ("resource", .text(kind.rawValue)),
        (
          "responseKind",
          .object([
            ("group", .text(kind.group)), ("version", .text("v1")), ("kind", .text(kind.kind)),
          ])
        ),
        ("scope", .text(kind.isNamespaced ? "Namespaced" : "Cluster")),
        ("singularResource", .text(kind.singular)), ("verbs", .texts(KubernetesKind.verbs)),
      ] + names(kind))
  }

  private static func names(_ kind: KubernetesKind) -> [(String, Document)] {
    (kind.shortNames.isEmpty ? [] : [("shortNames", .texts(kind.shortNames))])
      + (kind.categories.isEmpty ? [] : [("categories", .texts(kind.categories))])
  }
}
