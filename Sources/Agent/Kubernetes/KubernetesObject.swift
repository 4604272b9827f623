// One object of the Kubernetes API as a value: what the log says of it and, for nodes, what is
// seen.
//
// It is kept as facts and becomes a document only when it is sent, so that thousands can be held,
// compared and shared. Two of them that differ only in when they were looked at are the same.

import History
import Membership
import Projections

struct KubernetesObject: Sendable {
  /// What is shown of a node.
  struct Node: Hashable, Sendable {
    var record: NodeRecord
    var datastoreRole: DatastoreRole?
    var state: Member.State
    var suspectedSince: Timestamp?
    /// Whether the log ever suspected it: then it says no more since when it is as it is.
    var hasHistory: Bool
    /// Nil where it is not known what a client was told.
    var status: NodeRow.Status?
  }

  /// One API server of the control plane.
  struct Server: Hashable, Sendable {
    var node: String
    var zone: String
    var address: Address
  }

  enum Content: Hashable, Sendable {
    case node(Node)
    case namespace
    case service(port: UInt16)
    case endpoints([Server])
    /// All servers are of one family and have one port.
    case slice([Server])
  }

  var kind: KubernetesKind
  var name: String
  var uid: String
  var created: Timestamp
  /// The index of the event, or of the state, that shows it so.
  var version: UInt64
  var content: Content
  /// When a sign of life was last seen.
  var contact: Timestamp?

  static let namespace = "default"

  var namespace: String? { kind.isNamespaced ? Self.namespace : nil }

  func isSame(as other: KubernetesObject) -> Bool {
    uid == other.uid && content == other.content
  }

  // MARK: What selectors ask

  var labels: [(String, String)] {
    switch content {
    case .node(let node): nodeLabels(node)
    case .namespace: [("kubernetes.io/metadata.name", name)]
    case .service: [("component", "apiserver"), ("provider", "kubernetes")]
    case .endpoints: [("endpointslice.kubernetes.io/skip-mirror", "true")]
    case .slice: [("kubernetes.io/service-name", "kubernetes")]
    }
  }

  /// Only what may stand in a label: names and domains may be longer or have spaces.
  private func nodeLabels(_ node: Node) -> [(String, String)] {
    var labels = [("kubernetes.io/hostname", name)]
    if let role = node.datastoreRole { labels.append(("muster/datastore-role", role.name)) }
    if node.record.role == .controlPlane {
      labels.append(("node-role.kubernetes.io/control-plane", ""))
    }
    labels.append(("topology.kubernetes.io/zone", node.record.failureDomain))
    return labels.filter { LabelSyntax.isValue($0.1) }
  }

  static func hasField(_ field: String, _ kind: KubernetesKind) -> Bool {
    switch field {
    case "metadata.name": true
    case "metadata.namespace": kind.isNamespaced
    case "spec.unschedulable": kind == .nodes
    case "status.phase": kind == .namespaces || kind == .pods
    // There are none, so that it does not matter what is asked of them.
    default: kind == .pods || kind == .events
    }
  }

  /// The value of a field that a selector names.
  func field(_ field: String) -> String? {
    switch field {
    case "metadata.name": name
    case "metadata.namespace": namespace
    case "spec.unschedulable": "false"
    case "status.phase": "Active"
    default: nil
    }
  }

  // MARK: Documents

  var metadata: Document {
    var fields: [(String, Document)] = [("name", .text(name))]
    if let namespace { fields.append(("namespace", .text(namespace))) }
    fields += [
      ("uid", .text(uid)), ("resourceVersion", .text("\(version)")),
      ("creationTimestamp", .text(created.rfc3339)),
      ("labels", .object(labels.map { ($0, .text($1)) })),
    ]
    let annotations = annotations
    if !annotations.isEmpty {
      fields.append(("annotations", .object(annotations.map { ($0, .text($1)) })))
    }
    return .object(fields)
  }

  private var annotations: [(String, String)] {
    guard case .node(let node) = content else { return [] }
    var annotations = [("muster/cluster-address", node.record.endpoints.cluster.description)]
    if let address = node.record.endpoints.datastore {
      annotations.append(("muster/datastore-address", address.description))
    }
    if let address = node.record.endpoints.apiserver {
      annotations.append(("muster/apiserver-address", address.description))
    }
    annotations.append(("muster/failure-domain", node.record.failureDomain))
    annotations.append(("muster/node-id", node.record.id.description))
    return annotations
  }

  var document: Document {
    .object(
      [
        ("kind", .text(kind.kind)), ("apiVersion", .text(kind.apiVersion)),
        ("metadata", metadata),
      ] + body)
  }

  private var body: [(String, Document)] {
    switch content {
    case .node(let node): [("spec", .object([])), ("status", nodeStatus(node))]
    case .namespace:
      [
        ("spec", .object([("finalizers", .texts(["kubernetes"]))])),
        ("status", .object([("phase", .text("Active"))])),
      ]
    case .service(let port): Self.service(port)
    case .endpoints(let servers): [("subsets", .list(Self.subsets(servers)))]
    case .slice(let servers): Self.slice(servers)
    }
  }

  /// A service without an address of its own: there is no network here that could have one.
  private static func service(_ port: UInt16) -> [(String, Document)] {
    [
      (
        "spec",
        .object([
          (
            "ports",
            .list([
              .object([
                ("name", .text("https")), ("protocol", .text("TCP")), ("port", .number(443)),
                ("targetPort", .number(port)),
              ])
            ])
          ), ("clusterIP", .text("None")), ("clusterIPs", .texts(["None"])),
          ("type", .text("ClusterIP")), ("sessionAffinity", .text("None")),
        ])
      ), ("status", .object([("loadBalancer", .object([]))])),
    ]
  }

  /// The object that endpoint slices came after; it has no place for names.
  private static func subsets(_ servers: [Server]) -> [Document] {
    var ports: [UInt16] = []
    for server in servers where !ports.contains(server.address.port) {
      ports.append(server.address.port)
    }
    return ports.map { port in
      .object([
        (
          "addresses",
          .list(
            servers.filter { $0.address.port == port }.map {
              .object([
                ("ip", .text($0.address.host.description)), ("nodeName", .text($0.node)),
              ])
            })
        ), ("ports", .list([Self.port(port)])),
      ])
    }
  }

  private static func slice(_ servers: [Server]) -> [(String, Document)] {
    [
      ("addressType", .text(servers.first?.address.host.family ?? "IPv4")),
      (
        "endpoints",
        .list(
          servers.map {
            .object([
              ("addresses", .texts([$0.address.host.description])),
              (
                "conditions",
                .object([
                  ("ready", .truth(true)), ("serving", .truth(true)),
                  ("terminating", .truth(false)),
                ])
              ), ("nodeName", .text($0.node)), ("zone", .text($0.zone)),
            ])
          })
      ), ("ports", .list(servers.first.map { [port($0.address.port)] } ?? [])),
    ]
  }

  private static func port(_ number: UInt16) -> Document {
    .object([
      ("name", .text("https")), ("port", .number(number)), ("protocol", .text("TCP")),
    ])
  }

  // MARK: Nodes

  private func nodeStatus(_ node: Node) -> Document {
    let unknown = [
      "machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion",
    ].map { ($0, Document.text("")) }
    return .object([
      ("conditions", .list([ready(node)])), ("addresses", .list(addresses(node))),
      (
        "daemonEndpoints", .object([("kubeletEndpoint", .object([("Port", .number(0))]))])
      ),
      (
        "nodeInfo",
        .object(
          unknown + [
            ("kubeletVersion", .text(node.record.program)),
            ("kubeProxyVersion", .text("")), ("operatingSystem", .text("")),
            ("architecture", .text("")),
          ])
      ),
    ])
  }

  private func addresses(_ node: Node) -> [Document] {
    var hosts: [Host] = []
    for address in [node.record.endpoints.cluster] + node.record.endpoints.extra
    where !hosts.contains(address.host) {
      hosts.append(address.host)
    }
    let own = hosts.map { ($0.family == "FQDN" ? "InternalDNS" : "InternalIP", $0.description) }
    return (own + [("Hostname", name)]).map { type, address in
      .object([("type", .text(type)), ("address", .text(address))])
    }
  }

  /// What is known of a node without a kubelet, and no more.
  private func ready(_ node: Node) -> Document {
    let (status, reason, message, since) = readiness(node)
    var fields: [(String, Document)] = [("type", .text("Ready")), ("status", .text(status))]
    if let contact { fields.append(("lastHeartbeatTime", .text(contact.rfc3339))) }
    if let since { fields.append(("lastTransitionTime", .text(since.rfc3339))) }
    fields += [("reason", .text(reason)), ("message", .text(message))]
    return .object(fields)
  }

  private func readiness(_ node: Node) -> (String, String, String, since: Timestamp?) {
    let unknown = "; no kubelet is known here"
    if case .left(let index, let time) = node.state {
      return (
        "False", "Left",
        "it left the cluster at index \(index); muster remove-node \(name) closes its record",
        time
      )
    }
    switch node.status {
    case .ready:
      return (
        "True", "MembershipOnly", "it is a member and answers" + unknown,
        node.record.role == .controlPlane && !node.hasHistory ? created : nil
      )
    case .notReady:
      return (
        "Unknown", "Unreachable",
        (node.suspectedSince == nil
          ? "it is a member and does not answer" : "it is a member, and suspected to be down")
          + unknown, node.suspectedSince
      )
    case .unknown where node.record.isKeyless:
      return (
        "Unknown", "MembershipOnly",
        "it is a member that runs MicroK8s, and tells muster nothing" + unknown, nil
      )
    case .unknown, nil:
      return (
        "Unknown", "MembershipOnly",
        "it is a member; whether it answered then is not in the log" + unknown, nil
      )
    }
  }
}

extension Host {
  /// The `addressType` of an endpoint slice.
  var family: String {
    switch self {
    case .ipv4: "IPv4"
    case .ipv6: "IPv6"
    case .name: "FQDN"
    }
  }
}
