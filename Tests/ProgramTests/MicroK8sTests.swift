// MicroK8s's own worker joins: its requests as its client sends them, and all that it must not get.

import Foundation
import Testing

extension Program {
  @Suite("A worker of MicroK8s", .serialized, .timeLimit(.minutes(10)))
  struct MicroK8sTests {
    private let slices =
      "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
      + "?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes"

    private let sign = "/cluster/api/v1.0/sign-cert"

    /// Token and CHECK of a new invitation, and the whole string.
    private func invite(_ node: Node, _ flags: String...) async throws -> (
      token: String, string: String
    ) {
      let outcome = try await Running(
        ["add-node", "--format", "short", "--data-dir", node.data] + flags, in: node.folder
      ).ended()
      let string = try #require(
        outcome.out.split(whereSeparator: \.isWhitespace).first { $0.contains(":25000/") })
      return (String(string.split(separator: "/")[1]), String(string))
    }

    private func accepting(_ stage: Stage, _ name: String) async throws -> Node {
      let node = stage.node(name)
      node.flags = ["--accept-microk8s"]
      try await node.start()
      return node
    }

    private func openssl(_ words: [String], _ folder: URL) async throws -> Outcome {
      try await Tool("openssl", words, folder).ended()
    }

    /// What it got is what it may have, good for the Kubernetes API and for nothing else: it has no
    /// key of muster's.
    private func expectCredentials(
      of worker: MicroK8sClient, at n1: Node, controlPlane: [Node]
    ) async throws {
      let ca = worker.folder.path + "/ca.crt"
      for kind in ["kubelet", "proxy"] {
        let leaf = worker.folder.path + "/\(kind).crt"
        let verified = try await openssl(
          ["verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", ca, leaf],
          worker.folder)
        #expect(verified.code == 0, "\(verified)")
        let client = KubernetesClient(n1, credentials: worker.credentials(kind))
        let answer = try await client.get(slices)
        #expect(answer.code == 200, "\(answer)")
        for node in controlPlane { #expect(answer.body.contains("\"\(node.address)\"")) }
        let endpoints = try await client.get("/api/v1/namespaces/default/endpoints/kubernetes")
        #expect(endpoints.code == 200)
      }
      let names = try await openssl(
        [
          "x509", "-in", worker.folder.path + "/kubelet.crt", "-noout", "-ext",
          "subjectAltName,extendedKeyUsage", "-enddate", "-subject",
        ], worker.folder)
      #expect(names.out.contains("DNS:wk1, IP Address:\(worker.address)\n"), "\(names)")
      #expect(names.out.contains("TLS Web Server") && names.out.contains("system:nodes"))

      for path in ["/v1/status", "/v1/endpoints", "/v1/self", "/v1/events"] {
        let answer = try await Tool(
          "curl",
          [
            "-sk", "-o", "/dev/null", "-w", "%{http_code}", "--cert",
            worker.folder.path + "/kubelet.crt", "--key", worker.folder.path + "/kubelet.key",
            "https://\(n1.address):25000\(path)",
          ], worker.folder
        ).ended()
        #expect(answer.out == "403" || path == "/v1/self", "\(path): \(answer)")
      }
    }

    @Test("joins with its three requests, whichever control-plane node signs, and can be removed")
    func joins() async throws {
      try await onStage { stage in
        let n1 = try await accepting(stage, "n1")
        let n2 = try await stage.started("n2")
        try await n1.admit(n2)
        let worker = try MicroK8sClient("Wk1", stage)
        let (token, string) = try await invite(n1)
        let joined = try await worker.join(string, signer: n2.address)
        #expect(joined.code == 0, "\(joined)")
        #expect(joined.lines.contains("Successfully joined the cluster."))
        let row = try #require(
          try await n1.succeed("nodes", "-o", "wide").split(separator: "\n")
            .first { $0.hasPrefix("wk1 ") })
        #expect(row.contains("Unknown") && row.contains("microk8s"), "\(row)")
        #expect(row.contains("\(worker.address):25000"))
        let events = try await n1.succeed("events", "-o", "json")
        #expect(events.components(separatedBy: "\"certificate.issued\"").count == 3)
        #expect(events.contains("/CN=system:node:wk1/O=system:nodes"))
        for text in [events, n1.log, n2.log] { #expect(!text.contains(token)) }
        #expect(try await n1.succeed("health").contains("no workers"))
        #expect(try await n1.succeed("token", "list").contains("wk1"))
        #expect(try await n1.succeed("why", "wk1").contains("wk1"))
        let text = try await n1.succeed("events", "--type", "certificate")
        #expect(
          text.contains("wk1 has a certificate for /CN=system:kube-proxy until 20"), "\(text)")
        #expect(
          try await n1.succeed("blame", "nodes.wk1.kubeletCertificate").contains(
            "certificate.issued"))
        #expect(try await n1.succeed("verify").isEmpty == false)

        try await expectCredentials(of: worker, at: n1, controlPlane: [n1, n2])
        try await n1.succeed("remove-node", "wk1")
        let client = KubernetesClient(n1, credentials: worker.credentials("kubelet"))
        try await eventually("its certificate reads nothing any more") {
          try await client.get(slices).code == 401
        }
        // The machine may come back, by another invitation.
        let again = try await worker.join(try await invite(n2).string)
        #expect(again.code == 6, "n2 was not told to accept: \(again)")
        let back = try await worker.join(try await invite(n1).string)
        #expect(back.code == 0, "\(back)")
      }
    }

    @Test(
      "joins in spite of a leader that dies or falls silent meanwhile",
      arguments: [SIGKILL, SIGSTOP])
    func leaderLost(_ signal: Int32) async throws {
      try await onStage { stage in
        let n1 = try await accepting(stage, "n1")
        let (n2, n3) = (stage.node("n2"), stage.node("n3"))
        n2.flags = ["--accept-microk8s"]
        for node in [n2, n3] {
          try await node.start()
          try await n1.admit(node)
        }
        try await eventually("all three vote, and n1 leads") {
          let status = try await n2.status()
          return status.highAvailability == true && status.leader == "n1"
        }
        let worker = try MicroK8sClient("wk1", stage)
        let string = try await invite(n2).string
        let agent = try #require(n1.agent)
        #expect(Foundation.kill(agent.id, signal) == 0)
        let joined = try await worker.join(string)
        _ = Foundation.kill(agent.id, SIGCONT)
        #expect(joined.code == 0, "\(joined)")
        let events = try await n2.succeed("events", "-o", "json", "--node", "wk1")
        // Each once, however often it was asked.
        #expect(events.components(separatedBy: "\"node.joined\"").count == 2, "\(events)")
        #expect(events.components(separatedBy: "\"certificate.issued\"").count == 3, "\(events)")
      }
    }

    /// Requests for what is not this worker's, or with a weak key: none is signed or recorded.
    private func expectRefusals(
      of worker: MicroK8sClient, at n1: Node, token: String, proxy: String
    ) async throws {
      for (suffix, request, why) in [
        ("-kubelet", proxy, "not for /CN=system:node:wk1"),
        ("-proxy", try await worker.request("/CN=evil/O=system:masters"), "not for"),
        ("-kubelet", try await worker.request("/CN=system:node:n1/O=system:nodes"), "not for"),
        (
          "-kubelet",
          try await worker.request("/CN=system:node:wk1/O=system:nodes/O=system:masters"),
          "not for"
        ),
        (
          "-kubelet",
          try await worker.request(
            "/CN=system:node:wk1/O=system:nodes", "-addext", "subjectAltName=DNS:kubernetes"),
          "kubernetes"
        ),
        ("-proxy", try await worker.request("/CN=system:kube-proxy", key: ["rsa:1024"]), "2048"),
        (
          "-proxy",
          try await worker.request(
            "/CN=system:kube-proxy", key: ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"]), "P-"
        ),
        ("-proxy", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END", "no certificate"),
        ("-proxy", "", "no certificate"),
      ] {
        let answer = try await worker.post(
          sign, to: n1, try MicroK8sClient.json(["token": token + suffix, "request": request]))
        #expect(answer.code == 500, "\(why): \(answer)")
        #expect(answer.body.hasPrefix(#"{"error":"Failed to sign certificate: "#), "\(answer)")
        #expect(answer.body.contains(why), "\(answer)")
      }
      // None of these was recorded.
      #expect(try await !n1.succeed("events", "-o", "json").contains("certificate.issued"))
    }

    @Test("spends its token by joining, and nothing of it can be used a second time or elsewhere")
    func replays() async throws {
      try await onStage { stage in
        let n1 = try await accepting(stage, "n1")
        let worker = try MicroK8sClient("wk1", stage)
        let (token, _) = try await invite(n1)
        let stranger = Stage.address()
        let proxy = try await worker.request("/CN=system:kube-proxy")
        func asked(
          _ suffix: String, _ request: String, from: String? = nil
        ) async throws -> (code: Int, body: String) {
          try await worker.post(
            sign, to: n1, try MicroK8sClient.json(["token": token + suffix, "request": request]),
            from: from)
        }
        // Before the join the same secret opens nothing.
        var answer = try await asked("-proxy", proxy)
        #expect(answer == (500, #"{"error":"Invalid token"}"#))
        let body = """
          {"token":"\(token)","hostname":"wk1","port":"25000","worker":"as-worker"}
          """
        answer = try await worker.post("/cluster/api/v2.0/join", to: n1, body)
        #expect(answer.code == 200, "\(answer)")
        #expect(answer.body.contains(#""ca_key":null"#) && !answer.body.contains("PRIVATE KEY"))

        answer = try await worker.post("/cluster/api/v2.0/join", to: n1, body, from: stranger)
        #expect(answer.code == 500 && answer.body.contains("Invalid token: "), "\(answer)")
        #expect(answer.body.contains("used up"))
        answer = try await asked("-proxy", proxy, from: stranger)
        #expect(answer == (500, #"{"error":"Invalid token"}"#), "another address")
        try await expectRefusals(of: worker, at: n1, token: token, proxy: proxy)
        answer = try await asked("-proxy", proxy)
        #expect(answer.code == 200 && answer.body.contains("BEGIN CERTIFICATE"))
        answer = try await asked("-proxy", proxy)
        #expect(answer == (500, #"{"error":"Invalid token"}"#), "a second time")
        for suffix in ["", "-", "-admin", "-proxy-kubelet"] {
          answer = try await asked(suffix, proxy)
          #expect(answer == (500, #"{"error":"Invalid token"}"#), "\(suffix)")
        }
        #expect(!n1.log.contains(token))
      }
    }

    @Test("is told what is wrong with a request, in MicroK8s's words and codes, at no cost")
    func badRequests() async throws {
      try await onStage { stage in
        let n1 = try await accepting(stage, "n1")
        let worker = try MicroK8sClient("wk1", stage)
        let (token, string) = try await invite(n1)
        let join = "/cluster/api/v2.0/join"
        func body(
          token: String = "\"\(token)\"", host: String = "\"wk1\"", port: String = "\"25000\"",
          worker: String = "\"as-worker\""
        ) -> String {
          #"{"token":\#(token),"hostname":\#(host),"port":\#(port),"worker":\#(worker)}"#
        }
        let long = String(repeating: "x", count: 70_000)
        let cases: [(path: String, body: String, code: Int, words: String)] = [
          (join, "", 400, "not JSON"), (join, "nonsense", 400, "not JSON"),
          (join, "[]", 400, "another type"), (join, "{}", 400, "has no token"),
          (join, body(token: "7"), 400, "token is of another type"),
          (join, body(token: "null"), 400, "token"),
          (join, body(host: "[\"wk1\"]"), 400, "hostname is of another type"),
          (join, body(port: "25000"), 400, "port is of another type"),
          (join, body(worker: "7"), 400, "worker is of another type"),
          (join, body(worker: "{}"), 400, "worker is of another type"),
          (join, #"{"token":"\#(token)","hostname":"wk1"}"#, 400, "has no port"),
          (join, #"{"token":"\#(token)","port":"1"}"#, 400, "has no hostname"),
          (join, body(port: "\"0\""), 400, "1 to 65535"),
          (join, body(port: "\"65536\""), 400, "1 to 65535"),
          (join, body(port: "\"x\""), 400, "1 to 65535"),
          (join, body(token: "\"\(long)\""), 413, "larger than"),
          (join, body(token: "\"00000000000000000000000000000000\""), 500, "Invalid token"),
          (join, body(token: "\"\""), 500, "Invalid token"),
          (join, body(host: "\"\""), 400, "has no hostname"),
          (join, body(host: "\"a/b\""), 500, "cannot be a node's name"),
          (join, body(host: "\"n1\""), 500, "belongs to a member"),
          (join, body(worker: "null"), 501, "--worker"),
          (join, body(worker: "false"), 501, "--worker"),
          (join, body(worker: "\"as-master\""), 501, "--worker"),
          (sign, "", 400, "not JSON"), (sign, "{}", 400, "has no token"),
          (sign, #"{"token":"a-proxy"}"#, 400, "has no request"),
          (sign, #"{"token":"a-proxy","request":5}"#, 400, "request is of another type"),
          (sign, #"{"token":"a-proxy","request":"x"}"#, 500, "Invalid token"),
          (sign, #"{"token":"a-proxy","request":"\#(long)"}"#, 413, "larger than"),
          ("/cluster/api/v1.0/join", "{}", 501, "etcd"),
          ("/cluster/api/v1.0/configure", "{}", 404, "Not found"),
          ("/cluster/api/v2.0/dqlite/remove", "{}", 404, "Not found"),
        ]
        for (path, body, code, words) in cases {
          let answer = try await worker.post(path, to: n1, body)
          #expect(answer.code == code, "\(path) \(body.prefix(100)): \(answer)")
          #expect(answer.body.hasPrefix(#"{"error":""#), "\(path) \(body.prefix(100)): \(answer)")
          #expect(answer.body.contains(words), "\(path) \(body.prefix(100)): \(answer)")
        }
        let wrong = try await worker.post(join, to: n1, "", method: "GET")
        #expect(wrong == (404, ""))
        let health = try await worker.post("/health", to: n1, "", method: "GET")
        #expect(health == (200, #"{"status":"OK"}"#))
        let own = try await worker.post(join, to: n1, body(), from: n1.address)
        #expect(own.code == 503 && own.body.contains("the same IP (\(n1.address))"), "\(own)")
        // A control-plane node by this client is told where to go, and prints it.
        let master = try await worker.join(string, worker: "null")
        #expect(master.code == 6 && master.out.contains("muster join"), "\(master)")
        // All this spent nothing.
        #expect(try await worker.join(string).code == 0)
        #expect(!n1.log.contains(token))
      }
    }

    @Test(
      "is refused where no kubelet could register, and taken where any node fronts an API server")
    func fronting() async throws {
      try await onStage { stage in
        let n1 = try await stage.started("n1")
        let worker = try MicroK8sClient("wk1", stage)
        let (_, string) = try await invite(n1, "--worker")
        let refused = try await worker.join(string)
        #expect(refused.code == 6 && refused.out.contains("(501)"), "\(refused)")
        // Its user has no flags of muster; whoever reads the agent's log has.
        #expect(!refused.out.contains("--apiserver") && n1.log.contains("--apiserver-endpoint"))
        #expect(n1.log.contains("refused to admit wk1, 127."), "\(n1.log)")
        let n2 = stage.node("n2")
        n2.flags = ["--apiserver-endpoint", "\(n2.address):6443"]
        try await n2.start()
        try await n1.admit(n2)
        let taken = try await worker.join(string)
        #expect(taken.code == 0, "\(taken)")
        // A worker of muster's own cannot answer.
        let w1 = try await stage.started("w1")
        try await n1.admit(w1, worker: true)
        let other = try MicroK8sClient("wk2", stage)
        let (token, _) = try await invite(n1)
        let answer = try await other.post(
          "/cluster/api/v2.0/join", to: w1,
          #"{"token":"\#(token)","hostname":"wk2","port":"25000","worker":true}"#)
        #expect(answer.code == 501 && answer.body.contains("is a worker"), "\(answer)")
      }
    }
  }
}
