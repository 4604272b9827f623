// The shapes of the objects, which clients rely on, and what may not stand in them.

import History
import Membership
import Projections
import Testing

@testable import Agent

@Suite("Objects of the Kubernetes API")
struct KubernetesObjectTests {
  @Test("every kind looks as it did, field by field", arguments: KubernetesKind.held)
  func golden(_ kind: KubernetesKind) throws {
    let view = KubernetesStory.present(try KubernetesStory.history().state(at: 24))
    let list = Document.list(view.objects(kind).map(\.document))
    try KubernetesStory.expect(list.json, is: "\(kind.rawValue).json")
  }

  @Test(
    "tables look as they did, with the columns of kubectl first", arguments: KubernetesKind.held)
  func tables(_ kind: KubernetesKind) throws {
    let state = try KubernetesStory.history().state(at: 24)
    let view = KubernetesStory.present(state)
    let table = KubernetesTable(include: .none, kind: kind, now: state.lastTime)
      .document(view.objects(kind), metadata: .object([]))
    try KubernetesStory.expect(table.json, is: "\(kind.rawValue)-table.json")
  }

  @Test("discovery looks as it did")
  func discovery() throws {
    var documents: [Document] = [
      KubernetesDiscovery.root, KubernetesDiscovery.coreVersions, KubernetesDiscovery.groups,
      KubernetesDiscovery.aggregated(core: true, version: "v2"),
      KubernetesDiscovery.aggregated(core: false, version: "v2beta1"),
    ]
    documents += ["", "discovery.k8s.io"].compactMap { KubernetesDiscovery.resources(group: $0) }
    documents += ["discovery.k8s.io"].compactMap { KubernetesDiscovery.group(named: $0) }
    #expect(documents.count == 8)
    try KubernetesStory.expect(Document.list(documents).json, is: "discovery.json")
    #expect(KubernetesDiscovery.resources(group: "apps") == nil)
    #expect(KubernetesDiscovery.group(named: "apps") == nil)
  }

  @Test("a node is told to be ready only if it is a member that answers, and never for a kubelet")
  func readiness() throws {
    let history = try KubernetesStory.history()
    let view = KubernetesStory.present(try history.state(at: 26))
    let shown = try view.nodes.map { object -> String in
      let text = object.document.line
      let status = try #require(text.firstMatch(of: /"type":"Ready","status":"(\w+)"/))
      let reason = try #require(text.firstMatch(of: /"reason":"(\w+)"/))
      return "\(object.name) \(status.1) \(reason.1)"
    }
    #expect(
      shown == [
        "n1 True MembershipOnly", "n2 True MembershipOnly", "n3 Unknown Unreachable",
        "n4 False Left", "n5 True MembershipOnly",
      ])
    let past = KubernetesView(past: try history.state(at: 18))
    let worker = try #require(past.nodes.last?.document.line)
    #expect(worker.contains(#""status":"Unknown","reason":"MembershipOnly""#))
  }

  private func member(
    _ id: UInt64, api: String?, zone: String = "z", suspected: Bool = false
  ) throws -> Member {
    Member(
      record: NodeRecord(
        id: NodeID(id), name: "m\(id)", role: api == nil ? .worker : .controlPlane,
        endpoints: Endpoints(
          cluster: try Address(parsing: "10.1.0.\(id):25000"),
          apiserver: try api.map { try Address(parsing: $0) },
          extra: [try Address(parsing: "[fd00::\(id)]:25000")]),
        key: try #require(Digest(bytes: [UInt8](repeating: UInt8(id), count: 32))),
        failureDomain: zone, version: "1"),
      joined: Timestamp(milliseconds: 1000), joinIndex: id, apiserverReady: true,
      suspectedSince: suspected ? Timestamp(milliseconds: 2000) : nil, endpointIndex: id)
  }

  private func view(_ members: [Member]) -> KubernetesView {
    KubernetesView(
      past: Cluster(
        id: ClusterID(9), incarnation: 1, formed: Timestamp(milliseconds: 0), nodes: members,
        lastIndex: 50))
  }

  @Test("an endpoint slice has one family and one port; servers that are down are in none")
  func slices() throws {
    let view = view([
      try member(1, api: "10.1.0.1:16443"), try member(2, api: "10.1.0.2:6443"),
      try member(3, api: "[fd00::3]:16443"), try member(4, api: "api.example:16443"),
      try member(5, api: "10.1.0.5:16443"), try member(6, api: "10.1.0.6:16443", suspected: true),
      try member(7, api: nil),
    ])
    let slices = view.objects(.endpointSlices).map { object -> String in
      guard case .slice(let servers) = object.content else { return "" }
      return object.name + " " + servers.map(\.address.description).joined(separator: " ")
    }
    #expect(
      slices == [
        "kubernetes 10.1.0.1:16443 10.1.0.5:16443", "kubernetes-ipv4-6443 10.1.0.2:6443",
        "kubernetes-ipv6-16443 [fd00::3]:16443", "kubernetes-fqdn-16443 api.example:16443",
      ])
    let endpoints = try #require(view.objects(.endpoints).first).document.line
    #expect(endpoints.contains(#"{"ip":"fd00::3","nodeName":"m3"}"#))
    #expect(!endpoints.contains("api.example") && !endpoints.contains("10.1.0.6"))
    #expect(Set(view.objects(.endpointSlices).map(\.uid)).count == 4)
  }

  @Test("what may not stand in a label is left out of labels, and told in an annotation")
  func labels() throws {
    let object = try #require(
      view([try member(1, api: nil, zone: "rack 7, left")]).nodes.first)
    #expect(object.labels.map(\.0) == ["kubernetes.io/hostname"])
    #expect(object.document.line.contains(#""muster/failure-domain":"rack 7, left""#))
    #expect(object.document.line.contains(#"{"type":"InternalIP","address":"fd00::1"}"#))
  }

  @Test("before the cluster is formed there is nothing")
  func nothing() {
    let view = KubernetesView(past: Cluster())
    for kind in KubernetesKind.allCases { #expect(view.objects(kind).isEmpty) }
  }

  @Test("a Status tells code, reason and what to do")
  func statuses() throws {
    let errors: [KubernetesError] = [
      .unauthorized, .unknownPath, .notFound(.endpointSlices, "x"), .badRequest("no"),
      .invalid("limit", "Forbidden: no", "FieldValueForbidden"), .notAllowed("DELETE"),
      .notAcceptable, .expired(3), .tooLarge(99, current: 5), .unavailable("starting"),
    ]
    try KubernetesStory.expect(
      errors.map(\.document.line).joined(), is: "statuses.jsonl")
  }
}
