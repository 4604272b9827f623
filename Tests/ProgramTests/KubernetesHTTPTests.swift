// What stands under kubectl: credentials, resource versions, watches, and requests that nobody
// should send.

import Foundation
import Testing

extension Program {
  @Suite("The Kubernetes API over HTTP", .serialized, .timeLimit(.minutes(10)))
  struct KubernetesHTTPTests {
    private let slices =
      "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
      + "?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes"

    @Test("without credentials it tells whether it lives, and its version, and nothing else")
    func anonymous() async throws {
      try await onStage { stage in
        let n1 = try await stage.started("n1")
        let key = stage.folder.path + "/stranger.key"
        let certificate = stage.folder.path + "/stranger.crt"
        let made = try await Tool(
          "openssl",
          [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", "/O=system:masters/CN=admin", "-keyout", key, "-out", certificate,
          ], stage.folder
        ).ended()
        try #require(made.code == 0, "\(made)")
        for credentials in [["-k"], ["-k", "--cert", certificate, "--key", key]] {
          let client = KubernetesClient(n1, credentials: credentials)
          for path in ["/livez", "/readyz", "/healthz"] {
            let answer = try await client.get(path)
            #expect(answer.code == 200 && answer.body == "ok", "\(answer)")
          }
          #expect(try await client.get("/version").body.contains("gitVersion"))
          for path in ["/", "/api", "/api/v1/nodes", "/nothing", "/version/x", slices] {
            let answer = try await client.get(path)
            #expect(answer.code == 401 && answer.reason == "Unauthorized", "\(path): \(answer)")
          }
          #expect(try await client.get("/api/v1/nodes", "-X", "POST").code == 401)
          #expect(try await client.get("/livez", "-X", "DELETE").code == 401)
        }
      }
    }

    @Test("a worker reads with the key that the cluster knows it by, for as long as it is a member")
    func workersKey() async throws {
      try await onStage { stage in
        let n1 = try await stage.started("n1")
        let w1 = try await stage.started("w1")
        try await n1.admit(w1, worker: true)
        let text = try await w1.succeed("config")
        #expect(!text.contains("PRIVATE") && !text.contains("client-key-data"))
        let identity = w1.data + "/identity/node"
        let client = KubernetesClient(
          n1, credentials: ["-k", "--cert", identity + ".crt", "--key", identity + ".key"])
        let answer = try await client.get(slices)
        #expect(answer.code == 200 && answer.body.contains("\"addresses\":[\"\(n1.address)\"]"))
        w1.kill()
        try await n1.succeed("remove-node", "w1", "--force", "--reason", "test")
        #expect(try await client.get(slices).code == 401)
      }
    }

    @Test("requests that cannot be answered get a Status with the code that clients act on")
    func refusals() async throws {
      try await onStage { stage in
        let n1 = try await stage.started("n1")
        let client = try KubernetesClient(n1)
        let nodes = "/api/v1/nodes"
        let expected: [(path: String, more: [String], code: Int, reason: String)] = [
          (nodes + "?resourceVersion=x", [], 400, "BadRequest"),
          (nodes + "?watch=1&resourceVersion=-3", [], 400, "BadRequest"),
          (nodes + "?continue=nonsense", [], 400, "BadRequest"),
          (nodes + "?labelSelector=%zz", [], 400, "BadRequest"),
          (nodes + "?resourceVersionMatch=Exact", [], 422, "Invalid"),
          (nodes + "?resourceVersion=9999999", [], 504, "Timeout"),
          (nodes + "?watch=1&resourceVersion=9999999", [], 504, "Timeout"),
          (nodes + "/n9", [], 404, "NotFound"), ("/openapi/v2", [], 404, "NotFound"),
          ("/api/v1/nodes/n1/status", [], 404, "NotFound"),
          ("/apis/apps/v1/deployments", [], 404, "NotFound"),
          (nodes, ["-H", "Accept: application/yaml"], 406, "NotAcceptable"),
          (nodes, ["-X", "POST", "-d", "{"], 405, "MethodNotAllowed"),
          (nodes + "/n1", ["-X", "DELETE"], 405, "MethodNotAllowed"),
          (nodes + "/n1", ["-T", Program.executable.path], 405, "MethodNotAllowed"),
        ]
        for (path, more, code, reason) in expected {
          let outcome = try await Tool(
            "curl",
            ["-s", "-m", "50", "-w", "\n%{http_code}"] + client.credentials + more
              + ["https://\(n1.address):16443\(path)"], stage.folder
          ).ended()
          #expect(outcome.lines.last == "\(code)", "\(path) \(more): \(outcome)")
          #expect(
            KubernetesClient.Answer.field("reason", outcome.out) == reason,
            "\(path) \(more): \(outcome)")
        }
        #expect(try await n1.status().running)
      }
    }

    private func told(_ lines: some Sequence<some StringProtocol>) -> [String] {
      lines.compactMap { line in
        typealias Answer = KubernetesClient.Answer
        guard let type = Answer.field("type", line), let name = Answer.field("name", line),
          let version = Answer.field("resourceVersion", line)
        else { return nil }
        return "\(type) \(name) \(version)"
      }
    }

    @Test("a watch from an index replays what happened since, then follows; a list may be of then")
    func history() async throws {
      try await onStage { stage in
        let n1 = try await stage.started("n1")
        let n2 = try await stage.started("n2")
        let client = try KubernetesClient(n1)
        let begin = try await n1.status().index
        let watch = try client.begin("/api/v1/nodes?watch=1&resourceVersion=\(begin)")
        // Whoever is told late is told several steps in one.
        func has(_ change: String, _ index: UInt64) -> Bool {
          told(watch.lines).contains { line in
            line.hasPrefix(change + " ") && UInt64(line.split(separator: " ")[2]) ?? 0 >= index
          }
        }
        try await n1.admit(n2)
        let joined = try #require(try await n1.events().last { $0.type == "node.joined" }).index
        try await eventually("the join is told as it happens") {
          has("ADDED n2", joined)
        }
        try await n2.succeed("leave")
        try await n1.succeed("remove-node", "n2")
        let removed = try #require(try await n1.events().last { $0.type == "node.removed" }).index
        try await eventually("the removal is told as it happens") {
          has("DELETED n2", removed)
        }
        let again = try await client.get(
          "/api/v1/nodes?watch=1&resourceVersion=\(begin)&timeoutSeconds=1"
            + "&fieldSelector=metadata.name%3Dn2")
        #expect(again.code == 200)
        let lines = told(again.lines)
        #expect(lines.first == "ADDED n2 \(joined)" && lines.last == "DELETED n2 \(removed)")
        let then = try await client.get(
          "/api/v1/nodes?resourceVersion=\(joined)&resourceVersionMatch=Exact")
        #expect(then.body.contains("\"name\":\"n2\""))
        #expect(!(try await client.get("/api/v1/nodes")).body.contains("\"name\":\"n2\""))
        let initial = try await client.get(
          "/api/v1/nodes?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
            + "&allowWatchBookmarks=true&timeoutSeconds=1")
        #expect(told(initial.lines).first?.hasPrefix("ADDED n1 ") == true)
        #expect(initial.lines.contains { $0.contains("\"k8s.io/initial-events-end\":\"true\"") })
      }
    }

    @Test("lists in pages are of one moment, and the control plane is an endpoint slice")
    func pages() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let client = try KubernetesClient(nodes[0])
        let first = try await client.get("/api/v1/nodes?limit=2")
        let token = try #require(KubernetesClient.Answer.field("continue", first.body))
        #expect(first.body.contains("\"remainingItemCount\":1"))
        _ = try await nodes[0].invitation()
        let second = try await client.get("/api/v1/nodes?limit=2&continue=\(token)")
        #expect(second.body.contains("\"name\":\"n3\"") && !second.body.contains("\"name\":\"n2\""))
        #expect(
          KubernetesClient.Answer.field("resourceVersion", first.body)
            == KubernetesClient.Answer.field("resourceVersion", second.body))
        for node in nodes {
          let answer = try await KubernetesClient(node).get(slices)
          for other in nodes { #expect(answer.body.contains("[\"\(other.address)\"]")) }
          let legacy = try await KubernetesClient(node).get(
            "/api/v1/namespaces/default/endpoints/kubernetes")
          for other in nodes { #expect(legacy.body.contains("\"ip\":\"\(other.address)\"")) }
        }
      }
    }

    @Test("a watch ends when its client goes, and when the node stops")
    func ends() async throws {
      try await onStage { stage in
        let n1 = try await stage.started("n1")
        let client = try KubernetesClient(n1)
        let agent = try #require(n1.agent)
        func descriptors() throws -> Int {
          try FileManager.default.contentsOfDirectory(atPath: "/proc/\(agent.id)/fd").count
        }
        let watches = try (0..<5).map { _ in
          try client.begin("/api/v1/nodes?watch=1&resourceVersion=1")
        }
        try await eventually("all are told") { watches.allSatisfy { !$0.lines.isEmpty } }
        let before = try descriptors()
        for watch in watches { watch.end() }
        try await eventually("nothing is left of them") { try descriptors() <= before - 5 }
        let last = try client.begin("/api/v1/nodes?watch=1")
        try await eventually("it is told") { !last.lines.isEmpty }
        #expect(try await n1.stop() == 0)
        // An end that a client can tell from a broken connection.
        let outcome = try await last.ended()
        #expect(outcome.code == 0 && outcome.lines.last == "200", "\(outcome)")
      }
    }

    @Test("with a real API server on the node, muster serves none and the kubeconfig names that")
    func realServer() async throws {
      try await onStage { stage in
        let n1 = stage.node("n1")
        n1.flags = ["--apiserver-endpoint", "127.0.0.1:6443", "--no-proxy"]
        try await n1.start()
        #expect(try await n1.succeed("config").contains("server: https://127.0.0.1:6443\n"))
        let client = KubernetesClient(n1, credentials: ["-k"])
        let refused = try await client.begin("/livez").ended()
        #expect(refused.code == 7, "curl says it could not connect: \(refused)")
      }
    }

    @Test("without kubectl in PATH, muster kubectl get nodes answers all the same, on workers too")
    func withoutKubectl() async throws {
      try await onStage { stage in
        let n1 = try await stage.started("n1")
        let w1 = try await stage.started("w1")
        try await n1.admit(w1, worker: true)
        for node in [n1, w1] {
          func run(_ words: String...) async throws -> Outcome {
            try await Running(
              ["kubectl"] + words, in: stage.folder,
              environment: ["MUSTER_DATA_DIR": node.data],
              launcher: ["/usr/bin/env", "PATH=/nowhere"]
            ).ended()
          }
          let plain = try await run("get", "no")
          #expect(plain.code == 0 && plain.out.contains("NAME") && plain.out.contains("w1"))
          let wide = try await run("get", "nodes", "-o", "wide", "--data-dir", node.data)
          #expect(wide.code == 0 && wide.out.contains(n1.address), "\(wide)")
          let other = try await run("get", "pods")
          #expect(other.code == 1 && other.err.contains("kubectl is not installed"), "\(other)")
        }
      }
    }
  }
}
