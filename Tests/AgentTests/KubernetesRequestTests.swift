// What clients ask, and what no client should: each is read or refused, and none traps.

import Membership
import Testing

@testable import Agent

@Suite("Requests to the Kubernetes API")
struct KubernetesRequestTests {
  @Test("paths lead where Kubernetes' own do")
  func places() {
    let slices = "/apis/discovery.k8s.io/v1"
    let expected: [(String, KubernetesPlace)] = [
      ("/", .root), ("", .root), ("/livez", .live), ("/readyz/etcd", .ready),
      ("/healthz", .ready), ("/version", .version), ("/api", .coreVersions), ("/apis", .groups),
      ("/apis/discovery.k8s.io", .group("discovery.k8s.io")), ("/api/v1", .resources(group: "")),
      (slices, .resources(group: "discovery.k8s.io")),
      ("/api/v1/nodes", .collection(.nodes, namespace: nil)),
      ("/api/v1/nodes/", .collection(.nodes, namespace: nil)),
      ("/api/v1/nodes/n1", .object(.nodes, namespace: nil, name: "n1")),
      ("/api/v1/nodes/n%31", .object(.nodes, namespace: nil, name: "n1")),
      ("/api/v1/namespaces", .collection(.namespaces, namespace: nil)),
      ("/api/v1/namespaces/default", .object(.namespaces, namespace: nil, name: "default")),
      ("/api/v1/services", .collection(.services, namespace: nil)),
      ("/api/v1/namespaces/x/services", .collection(.services, namespace: "x")),
      (
        slices + "/namespaces/default/endpointslices/kubernetes",
        .object(.endpointSlices, namespace: "default", name: "kubernetes")
      ),
      (
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1",
        .object(.leases, namespace: "kube-node-lease", name: "n1")
      ),
    ]
    for (path, place) in expected { #expect(KubernetesPlace(path: path) == place, "\(path)") }
    for path in [
      "/x", "/api/v2", "/api/v1/foo", "/api/v1/nodes/n1/status", "/api/v1/endpointslices",
      "/apis/discovery.k8s.io/v1beta1", "/api/v1/services/kubernetes", "/api/v1/%zz", "/%ff",
      "/api/v1/namespaces/x/nodes", "/openapi/v2", "/version/x",
    ] {
      #expect(KubernetesPlace(path: path) == .unknown, "\(path)")
    }
  }

  @Test("the first form of Accept that can be given is given; Protobuf becomes JSON")
  func forms() {
    let table =
      "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;"
      + "g=meta.k8s.io,application/json"
    let discovery =
      "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;"
      + "g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
    let expected: [(String?, KubernetesForm?)] = [
      (nil, .plain), ("", .plain), ("*/*", .plain), ("application/json", .plain),
      (table, .table(version: "v1")), (discovery, .aggregated(version: "v2")),
      ("application/json; as=Table; v=v1beta1; g=meta.k8s.io", .table(version: "v1beta1")),
      ("application/vnd.kubernetes.protobuf", .plain),
      ("application/vnd.kubernetes.protobuf,application/json", .plain),
      (
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        .partial(version: "v1")
      ),
      ("application/json;as=Tablecloth;v=v1;g=meta.k8s.io,application/json", .plain),
      ("application/json;as=Tablecloth;v=v1;g=meta.k8s.io", nil), ("application/yaml", nil),
      ("text/html,application/*;q=0.8", .plain), (";;,=,", nil),
    ]
    for (accept, form) in expected {
      #expect(KubernetesForm(accept: accept) == form, "\(accept ?? "none")")
    }
  }

  private func options(
    _ query: String, _ kind: KubernetesKind = .nodes
  ) throws(KubernetesError) -> KubernetesOptions {
    try KubernetesOptions(query: query, kind: kind, namespace: nil)
  }

  @Test("options are read as clients write them")
  func options() throws {
    let watch = try options(
      "allowWatchBookmarks=true&fieldSelector=metadata.name%3Dn1&resourceVersion=12&timeout=5m"
        + "&timeoutSeconds=300&watch=1")
    #expect(watch.isWatch && watch.allowsBookmarks)
    #expect(watch.version == 12 && watch.timeout == 300)
    #expect(
      watch.selection.fields == [
        FieldRequirement(field: "metadata.name", value: "n1", isEqual: true)
      ])
    let spaces = try options("labelSelector=a+in+%28x%2Cy%29&limit=0&resourceVersion=")
    #expect(spaces.selection.labels == [LabelRequirement(key: "a", test: .oneOf(["x", "y"]))])
    #expect(spaces.limit == nil && spaces.version == nil)
    let page = KubernetesPage(index: 7, after: "nöde_1")
    #expect(try options("limit=500&continue=" + page.token).next == page)
    let initial = try options(
      "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1")
    #expect(initial.sendsInitialEvents)
  }

  @Test("options that cannot be read, or contradict each other, are refused with a code")
  func refusedOptions() {
    let expected: [(String, Int)] = [
      ("resourceVersion=x", 400), ("resourceVersion=-1", 400), ("resourceVersion=%2B1", 400),
      ("resourceVersion=18446744073709551616", 400), ("resourceVersion=9223372036854775808", 400),
      ("limit=-5", 400), ("limit=1e3", 400), ("watch=maybe", 400), ("timeoutSeconds=1s", 400),
      ("continue=zz", 400), ("continue=1_zz", 400), ("limit=%4", 400), ("%zz=1", 400),
      ("labelSelector=%ff", 400), ("labelSelector=a+in", 400), ("fieldSelector=spec.x%3D1", 400),
      ("fieldSelector=metadata.name", 400), ("includeObject=All", 400),
      ("continue=1_6e31&resourceVersion=4", 400), ("resourceVersionMatch=Exact", 422),
      ("resourceVersionMatch=Nearly&resourceVersion=1", 422),
      ("resourceVersionMatch=Exact&resourceVersion=0", 422), ("sendInitialEvents=true", 422),
      ("watch=1&resourceVersion=1&resourceVersionMatch=Exact", 422),
      ("watch=1&sendInitialEvents=true", 422),
      ("watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", 422),
    ]
    for (query, code) in expected {
      do throws(KubernetesError) {
        _ = try options(query)
        Issue.record("\(query) was taken")
      } catch {
        #expect(error.code == code, "\(query): \(error)")
      }
    }
  }

  @Test("label selectors select what Kubernetes' own would")
  func labelSelectors() throws {
    let labels = ["zone": "b", "role": "voter", "empty": "", "size": "7"]
    let expected: [(String, Bool)] = [
      ("", true), ("zone", true), ("!zone", false), ("other", false), ("!other", true),
      ("zone=b", true), ("zone==b", true), (" zone = b , role=voter ", true), ("zone=a", false),
      ("zone!=a", true), ("other!=a", true), ("zone in (a, b)", true), ("zone in (a)", false),
      ("zone notin (a)", true), ("other notin (a)", true), ("empty=", true),
      ("empty in (,x)", true),
      ("zone=,role=voter", false), ("size>6", true), ("size<7", false), ("zone>1", false),
      ("kubernetes.io/x!=y", true), ("in in (in)", false), ("notin,zone", false),
    ]
    for (text, isSelected) in expected {
      let requirements = try LabelRequirement.parse(text)
      #expect(requirements.allSatisfy { $0.admits(labels[$0.key]) } == isSelected, "\(text)")
    }
    for text in [
      ",", "a,", "a,,b", "=b", "a=b=c", "a in", "a in ()x", "a in (b", "a(b)", "a b", "!", "!!a",
      "a>b", "-a=b", "a=b-", "a/b/c", "/a", "a=" + String(repeating: "x", count: 64), "a=ö", "(",
    ] {
      #expect(throws: KubernetesError.self, "\(text)") { try LabelRequirement.parse(text) }
    }
  }

  @Test("field selectors know names, and what a kind has; a backslash takes a sign as it is")
  func fieldSelectors() throws {
    let expected: [(String, [FieldRequirement])] = [
      ("", []),
      ("metadata.name=n1", [.init(field: "metadata.name", value: "n1", isEqual: true)]),
      ("metadata.name==n1", [.init(field: "metadata.name", value: "n1", isEqual: true)]),
      ("metadata.name!=n1", [.init(field: "metadata.name", value: "n1", isEqual: false)]),
      (
        #"metadata.name=a\,b\=c\\,"#,
        [.init(field: "metadata.name", value: #"a,b=c\"#, isEqual: true)]
      ),
    ]
    for (text, requirements) in expected {
      #expect(try FieldRequirement.parse(text, for: .nodes) == requirements, "\(text)")
    }
    for text in ["a", "metadata.name=a=b", #"metadata.name=a\"#, #"metadata.name=\a"#, "!=", "="] {
      #expect(throws: KubernetesError.self, "\(text)") {
        try FieldRequirement.parse(text, for: .nodes)
      }
    }
    _ = try FieldRequirement.parse(
      "spec.nodeName=n1,status.phase!=Failed,status.phase!=Succeeded", for: .pods)
  }

  @Test("whatever bytes a request has, reading it ends with a value or a refusal")
  func noise() {
    // Knuth's multiplier: the same noise in every run.
    struct Noise: RandomNumberGenerator {
      var state: UInt64 = 1
      mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
      }
    }
    var random = Noise()
    let words = [
      "/api", "v1", "nodes", "namespaces", "%", "%6", "%6e", "+", "&", "=", ",", ";", "(", ")",
      "!", "\\", "watch", "labelSelector", "in", "continue", "_", "\u{0}", "ö", "as", "Table",
      "application/json", "resourceVersion", "18446744073709551615", "-", " ", "/",
    ]
    for _ in 0..<3000 {
      let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in
        words[Int.random(in: 0..<words.count, using: &random)]
      }.joined()
      _ = KubernetesPlace(path: text)
      _ = KubernetesForm(accept: text)
      _ = try? options(text)
      _ = try? LabelRequirement.parse(text)
      _ = try? FieldRequirement.parse(text, for: .pods)
      _ = try? KubernetesPage(token: text)
    }
  }
}
