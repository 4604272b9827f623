// How a proxy's list stays true: the refresh of `muster apiserver-proxy` against a server that
// answers as Kubernetes does, and a worker that was cut off while its control plane was replaced.

import Foundation
import Testing

extension Program {
  @Suite("The list of API servers", .serialized, .timeLimit(.minutes(10)))
  struct EndpointsTests {
    /// Says where the API servers are, over TLS, to whoever shows the token; what it says stands in
    /// `endpoints` and `slices` of the stage's folder, and what it was asked in `asked`.
    private final class APIServer {
      let address: String
      let folder: URL
      private let process = Process()

      private static let program = """
        import http.server, json, os, signal, ssl, sys
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        folder = sys.argv[2]
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            def do_GET(self):
                known = self.headers.get('Authorization') == 'Bearer secret'
                with open(folder + '/asked', 'a') as file:
                    file.write(f"{self.path.split('?')[0]} {known}\\n")
                name = folder + '/' + ('slices' if 'endpointslices' in self.path else 'endpoints')
                if self.path == '/readyz' or known and os.path.exists(name):
                    status, body = 200, open(name).read() if known and 'api' in self.path else 'ok'
                else:
                    status, body = 403, json.dumps({'message': 'it is forbidden to you'})
                self.send_response(status)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())
            def log_message(self, *_): pass
        server = http.server.ThreadingHTTPServer((sys.argv[1], 16443), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder + '/tls.crt', folder + '/tls.key')
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False)
        server.serve_forever()
        """

      init(_ stage: Stage) throws {
        folder = stage.folder
        address = stage.node("api").address
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        openssl.arguments = [
          "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
          "-nodes", "-days", "2", "-subj", "/CN=kubernetes", "-addext",
          "subjectAltName=IP:\(address)", "-keyout", folder.path + "/tls.key", "-out",
          folder.path + "/tls.crt",
        ]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", Self.program, address, folder.path]
        process.standardError = FileHandle.nullDevice
        try process.run()
        try """
        current-context: a
        contexts: [{name: a, context: {cluster: a, user: a}}]
        clusters:
        - {name: a, cluster: {certificate-authority: tls.crt, server: "https://127.0.0.1:16443"}}
        users: [{name: a, user: {token: secret}}]
        """.write(toFile: folder.path + "/kubeconfig", atomically: true, encoding: .utf8)
      }

      deinit { kill(process.processIdentifier, SIGKILL) }

      func say(_ text: String, as name: String) throws {
        try text.write(toFile: folder.path + "/" + name, atomically: true, encoding: .utf8)
      }

      func endpoints(_ hosts: String...) throws {
        let list = hosts.map { "{\"ip\": \"\($0)\"}" }.joined(separator: ", ")
        try say(
          "{\"subsets\": [{\"addresses\": [\(list)], \"ports\": [{\"name\": \"https\", "
            + "\"port\": 16443}]}]}", as: "endpoints")
      }

      var asked: String {
        (try? String(contentsOfFile: folder.path + "/asked", encoding: .utf8)) ?? ""
      }
    }

    private func provider(_ hosts: [String]) -> String {
      "# the operator's words\n" + ProxyTests.text(of: hosts.map { $0 + ":16443" })
    }

    @Test("with a kubeconfig the file lists what the API servers say, and nothing else changes")
    func refresh() async throws {
      try await onStage { stage in
        let server = try APIServer(stage)
        let (file, own) = (stage.folder.path + "/provider.yaml", stage.node("proxy").address)
        func lists(_ hosts: String...) -> Bool {
          (try? String(contentsOfFile: file, encoding: .utf8)) == provider(hosts)
        }
        try provider([server.address]).write(toFile: file, atomically: true, encoding: .utf8)
        let proxy = try Running(
          [
            "apiserver-proxy", "--provider", file, "--listen", own + ":16443", "--kubeconfig",
            stage.folder.path + "/kubeconfig", "--refresh-interval", "1s",
          ], in: stage.folder)
        defer { proxy.end() }
        try await eventually("what is missing is told") {
          proxy.err.contains("neither get endpoints (403) nor list endpointslices (403)")
            && proxy.err.contains("it is forbidden to you")
        }
        #expect(lists(server.address))
        try server.endpoints(server.address, "127.99.99.1")
        try await eventually("both are listed") { lists(server.address, "127.99.99.1") }
        #expect(server.asked.contains("/readyz True"), "the check shows the credentials")
        // Nobody is listed: nothing changes, and that is told.
        try server.endpoints()
        try await eventually("no list is told") { proxy.err.contains("names no API server") }
        #expect(lists(server.address, "127.99.99.1"))
        try FileManager.default.removeItem(atPath: stage.folder.path + "/endpoints")
        try server.say(
          "{\"items\": [{\"endpoints\": [{\"addresses\": [\"127.99.99.2\"]}], \"ports\": "
            + "[{\"name\": \"https\", \"port\": 16443}]}]}", as: "slices")
        try await eventually("the slices are taken") { lists("127.99.99.2") }
        // The only one listed does not exist; the one from before is still asked.
        try server.endpoints(server.address)
        try await eventually("an earlier server is asked") { lists(server.address) }
        kill(proxy.id, SIGTERM)
        #expect(try await proxy.ended().code == 0)
      }
    }

    @Test("--refresh-interval 0 asks nobody; another one wants a kubeconfig")
    func pinned() async throws {
      try await onStage { stage in
        let server = try APIServer(stage)
        let (file, own) = (stage.folder.path + "/provider.yaml", stage.node("proxy").address)
        try provider([server.address]).write(toFile: file, atomically: true, encoding: .utf8)
        try server.endpoints("127.99.99.1")
        let words = ["apiserver-proxy", "--provider", file, "--listen", own + ":16443"]
        let proxy = try Running(
          words + [
            "--kubeconfig", stage.folder.path + "/kubeconfig", "--refresh-interval", "0",
          ], in: stage.folder)
        defer { proxy.end() }
        try await eventually("it is looked at twice") {
          server.asked.split(separator: "\n").count { $0 == "/readyz True" } > 1
        }
        #expect(!server.asked.contains("endpoints"))
        #expect(try String(contentsOfFile: file, encoding: .utf8) == provider([server.address]))
        let refused = try await Running(words + ["--refresh-interval", "30s"], in: stage.folder)
          .ended()
        #expect(refused.code == 2 && refused.err.contains("needs --kubeconfig"), "\(refused)")
      }
    }

    @Test("a worker that was cut off while its control plane was replaced finds the new one")
    func replaced() async throws {
      try await onStage { stage in
        let first = try await stage.cluster(3)
        let worker = try await stage.started("w1")
        try await first[0].admit(worker, worker: true)
        let file = worker.data + "/args/traefik/provider.yaml"
        func lists(_ nodes: [Node]) -> Bool {
          let text = try? String(contentsOfFile: file, encoding: .utf8)
          let found = text?.split(separator: "\n").filter { $0.contains("address:") }.map {
            $0.split(separator: " ").last.map(String.init) ?? ""
          }
          return found == nodes.map { $0.address + ":16443" }.sorted()
        }
        try await eventually("it lists all three") { lists(first) }
        let agent = try #require(worker.agent?.id)
        kill(agent, SIGSTOP)
        defer { kill(agent, SIGCONT) }
        var second: [Node] = []
        for (index, old) in first.dropLast().enumerated() {
          let new = try await stage.started("m\(index)")
          try await first[2].admit(new)
          second.append(new)
          // It goes on at its address, as a cluster of its own with another key.
          try await eventually("\(old.name) may leave") {
            try await old.run("leave").code == 0
          }
        }
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(lists(first), "it was cut off: \(text)")
        kill(agent, SIGCONT)
        try await eventually("it finds the new ones through the last of the old") {
          lists([first[2]] + second)
        }
        try await eventually("the last may leave") { try await first[2].run("leave").code == 0 }
        try await eventually("it follows the new ones") { lists(second) }
        let state = try String(contentsOfFile: worker.data + "/worker.json", encoding: .utf8)
        for node in first + second { #expect(state.contains("\"\(node.name)\""), "a seed") }
        #expect(try await worker.stop() == 0)
      }
    }
  }
}
