// Agents beside a real API server (a stand-in that says what it is told to): the log follows its
// readiness, and this node's proxy forwards to whoever is ready.

import Foundation
import Testing

extension Program {
  @Suite("API servers beside the agents", .serialized, .timeLimit(.minutes(10)))
  struct ReadinessTests {
    /// Answers every path with the code in its file, over TLS, and with its name.
    private final class Server {
      let node: Node
      private let file: URL
      private let tool: Tool
      var place: String { node.address + ":6443" }

      private static let program = """
        import http.server, signal, ssl, sys
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        address, name, folder = sys.argv[1:4]
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            def do_GET(self):
                body = name.encode()
                self.send_response(int(open(folder + '/' + name + '.code').read()))
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def log_message(self, *_): pass
        server = http.server.ThreadingHTTPServer((address, 6443), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder + '/tls.crt', folder + '/tls.key')
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False)
        server.serve_forever()
        """

      init(beside node: Node) throws {
        self.node = node
        file = node.folder.appendingPathComponent(node.name + ".code")
        try "200".write(to: file, atomically: true, encoding: .utf8)
        tool = try Tool(
          "python3", ["-c", Self.program, node.address, node.name, node.folder.path], node.folder)
        node.flags += ["--apiserver-endpoint", place]
      }

      func say(_ code: Int) throws {
        try "\(code)".write(to: file, atomically: true, encoding: .utf8)
      }
      func end() { tool.end() }
    }

    private func certify(_ folder: URL) async throws {
      let made = try await Tool(
        "openssl",
        [
          "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
          "2", "-subj", "/CN=kubernetes", "-keyout", folder.path + "/tls.key", "-out",
          folder.path + "/tls.crt",
        ], folder
      ).ended()
      try #require(made.code == 0, "\(made)")
    }

    /// `yes` or `no`, as the log has it.
    private func ready(_ node: Node, _ name: String) async throws -> String {
      let outcome = try await node.run("blame", "nodes.\(name).apiserverReady")
      let words = outcome.out.split(separator: " ")
      return words.firstIndex(of: "=").map { String(words[$0 + 1]) } ?? ""
    }

    @Test("the log, the workers' list and each node's proxy follow what they say")
    func follows() async throws {
      try await onStage { stage in
        try await certify(stage.folder)
        let (n1, n2) = (stage.node("n1"), stage.node("n2"))
        let servers = [try Server(beside: n1), try Server(beside: n2)]
        defer { for server in servers { server.end() } }
        try await n1.start()
        try await n2.start()
        try await n1.admit(n2)
        let worker = try await stage.started("w1")
        try await n1.admit(worker, worker: true)
        let file = worker.data + "/args/traefik/provider.yaml"
        func lists(_ servers: [Server]) -> Bool {
          let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
          let found = text.split(separator: "\n").filter { $0.contains("address:") }
          return found.count == servers.count
            && servers.allSatisfy { server in found.contains { $0.hasSuffix(server.place) } }
        }
        func events(of node: Node) async throws -> Int {
          try await n1.succeed("events", "-o", "json", "--type", "endpoint", "--node", node.name)
            .split(separator: "\n").count
        }
        try await eventually("both are recorded as ready") {
          let both = (try await ready(n1, "n1"), try await ready(n1, "n2"))
          return both.0 == "yes" && both.1 == "yes"
        }
        try await eventually("the worker lists both") { lists(servers) }
        #expect(n1.log.contains("is not of this cluster's Kubernetes CA"))
        #expect(try await n1.succeed("status").contains("kubernetes: 2 of 2 api servers ready"))
        // Refusing a stranger is no trouble; an error of its own is.
        let before = try await events(of: n2)
        try servers[1].say(403)
        try await Task.sleep(for: .seconds(4))
        try servers[1].say(500)
        try await eventually("n2's is recorded as not ready") {
          try await ready(n1, "n2") == "no"
        }
        #expect(try await events(of: n2) == before + 1)
        try await eventually("the worker's list is without it") { lists([servers[0]]) }
        // This node's own proxy goes to the one that is left.
        let proxied = try await Tool(
          "curl", ["-sk", "-m", "20", "https://\(n2.address):16443/who"], stage.folder
        ).ended()
        #expect(proxied.out == "n1", "\(proxied)")
        try servers[1].say(200)
        try await eventually("n2's is recorded as ready again") {
          try await ready(n1, "n2") == "yes"
        }
        #expect(try await events(of: n2) == before + 2)
        try await eventually("the worker's list has it again") { lists(servers) }
        // One that is gone is no other case; nothing else moves meanwhile.
        servers[0].end()
        try await eventually("n1's is recorded as not ready") {
          try await ready(n1, "n1") == "no"
        }
        #expect(try await events(of: n2) == before + 2)
        #expect(try await n2.stop() == 0)
        #expect(try await n1.stop() == 0)
      }
    }

    @Test("one that flaps each second moves nothing")
    func flaps() async throws {
      try await onStage { stage in
        try await certify(stage.folder)
        let n1 = stage.node("n1")
        let server = try Server(beside: n1)
        defer { server.end() }
        try await n1.start()
        try await eventually("it is recorded as ready") {
          try await ready(n1, "n1") == "yes"
        }
        let before = try await n1.events().count
        for turn in 0..<14 {
          try server.say(turn % 2 == 0 ? 503 : 200)
          try await Task.sleep(for: .seconds(1))
        }
        #expect(try await n1.events().count == before)
        #expect(try await ready(n1, "n1") == "yes")
      }
    }

    @Test("on a control-plane node 127.0.0.1:16443 leads to the API servers, unless it may not")
    func loopback() async throws {
      guard let network = Namespaces() else { return }
      defer { network.end() }
      try await onStage { stage in
        let n1 = stage.node("n1", try network.add(1))
        let n2 = stage.node("n2", try network.add(2))
        n2.flags = ["--no-proxy"]
        try await n1.start()
        try await n2.start()
        try await n1.admit(n2)
        func version(_ node: Node, _ host: String) async throws -> Outcome {
          let words = node.launcher + ["curl", "-sk", "-m", "20", "https://\(host):16443/version"]
          return try await Tool(
            words[1], Array(words.dropFirst(2)), stage.folder
          ).ended()
        }
        try await eventually("it forwards") {
          try await version(n1, "127.0.0.1").out.contains("muster-")
        }
        #expect(try await version(n1, n1.address).out.contains("muster-"))
        #expect(try await version(n2, "127.0.0.1").code == 7, "nobody listens there")
        #expect(n2.log.contains("no proxy to the API servers on this node: --no-proxy"))
        #expect(try await n1.stop() == 0)
        try await n1.start()
        try await eventually("it forwards again") {
          try await version(n1, "127.0.0.1").out.contains("muster-")
        }
      }
    }
  }
}
