// `muster apiserver-proxy` as an operator has it, and traefik as the judge of what a worker writes.

import Foundation
import Testing

extension Program {
  @Suite("The proxy", .serialized, .timeLimit(.minutes(10)))
  struct ProxyTests {
    /// Servers that say their name to whoever connects, in one process: 127.x.y.z:PORT=NAME.
    private final class Names {
      private let process = Process()

      init(_ servers: [String: String]) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
          [
            "python3", "-c",
            """
            import signal, socket, sys, threading
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            def serve(place, name):
                host, port = place.rsplit(':', 1)
                listener = socket.create_server((host, int(port)), backlog=512)
                while True:
                    client, _ = listener.accept()
                    client.sendall(name.encode())
                    threading.Thread(target=hold, args=(client,), daemon=True).start()
            def hold(client):
                while client.recv(4096): pass
                client.close()
            for word in sys.argv[1:]:
                threading.Thread(target=serve, args=word.split('='), daemon=True).start()
            threading.Event().wait()
            """,
          ] + servers.map { "\($0.key)=\($0.value)" }
        process.standardError = FileHandle.nullDevice
        try process.run()
      }

      deinit { kill(process.processIdentifier, SIGKILL) }
    }

    /// A provider.yaml as MicroK8s writes it.
    static func text(of servers: [String]) -> String {
      """
      tcp:
        routers:
          Router-1:
            rule: HostSNI(`*`)
            service: kube-apiserver
            tls:
              passthrough: true
        services:
          kube-apiserver:
            loadBalancer:
              servers:

      """ + servers.map { "        - address: \($0)\n" }.joined()
    }

    /// An address for a proxy and two for servers, of this test alone.
    private struct Scene {
      let stage: Stage
      let listen: String
      let one: String
      let two: String
      let names: Names
      var provider: String { stage.folder.path + "/provider.yaml" }

      init(_ stage: Stage, listen: String? = nil) throws {
        self.stage = stage
        let hosts = (0..<3).map { stage.node("x\($0)").address }
        self.listen = listen ?? hosts[0] + ":16443"
        one = hosts[1] + ":7001"
        two = hosts[2] + ":7002"
        names = try Names([one: "one", two: "two"])
      }

      func write(_ servers: [String]) throws {
        try ProxyTests.text(of: servers).write(toFile: provider, atomically: true, encoding: .utf8)
      }

      /// Who answers; nil if nobody does.
      func visit() -> String? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        return greet(descriptor) ? answer(descriptor) : nil
      }

      func greet(_ descriptor: Int32) -> Bool {
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = UInt16(16443).bigEndian
        inet_pton(AF_INET, String(listen.split(separator: ":")[0]), &target.sin_addr)
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(
          descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        return withUnsafePointer(to: &target) { pointer in
          pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
          }
        }
      }

      func answer(_ descriptor: Int32) -> String? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = recv(descriptor, &bytes, 16, 0)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
      }

      /// Starts the proxy and waits until it serves.
      func proxy(_ more: String..., through shell: String? = nil) async throws -> Running {
        let running = try Running(
          ["apiserver-proxy", "--provider", provider, "--listen", listen, "--check", "none"] + more,
          in: stage.folder, launcher: shell.map { ["/bin/bash", "-c", $0] } ?? [])
        try await eventually("the proxy serves") {
          guard running.process.isRunning else { throw TimedOut(description: running.err) }
          return visit() != nil
        }
        return running
      }
    }

    private func onScene(_ body: (Scene) async throws -> Void) async throws {
      try await onStage { stage in try await body(try Scene(stage)) }
    }

    @Test(
      "the file is obeyed when edited, in place or by rename; a broken one is told and not obeyed"
    )
    func edits() async throws {
      try await onScene { scene in
        try scene.write([scene.one])
        let proxy = try await scene.proxy()
        defer { proxy.end() }
        #expect(scene.visit() == "one")
        try scene.write([scene.two])
        try await eventually("a rename is seen") { scene.visit() == "two" }
        let file = URL(fileURLWithPath: scene.provider)
        func edit(_ text: String) throws {
          let handle = try FileHandle(forWritingTo: file)
          try handle.truncate(atOffset: 0)
          try handle.write(contentsOf: Data(text.utf8))
          try handle.close()
        }
        try edit(ProxyTests.text(of: [scene.one]))
        try await eventually("an edit in place is seen") { scene.visit() == "one" }
        for broken in [
          "", ProxyTests.text(of: ["127.0.0.1"]), ProxyTests.text(of: [scene.two, scene.two]),
          "tcp: [",
        ] {
          let before = proxy.err.split(separator: "\n").count
          try edit(broken)
          try await eventually("the broken file is told of") {
            proxy.err.split(separator: "\n").count > before
          }
          let line = proxy.err.split(separator: "\n").last ?? ""
          #expect(line.contains("warning \(scene.provider):"), "\(line)")
          #expect(scene.visit() == "one")
        }
        try FileManager.default.removeItem(at: file)
        try await eventually("its absence is told") { proxy.err.contains("it is not there") }
        #expect(scene.visit() == "one")
        try scene.write([scene.two])
        try await eventually("a new file is seen") { scene.visit() == "two" }
        kill(proxy.id, SIGTERM)
        #expect(try await proxy.ended().code == 0)
        #expect(try String(contentsOf: file, encoding: .utf8) == ProxyTests.text(of: [scene.two]))
      }
    }

    @Test("while the list changes without end, no client is refused and no open connection ends")
    func noGap() async throws {
      try await onScene { scene in
        try scene.write([scene.one])
        let proxy = try await scene.proxy()
        defer { proxy.end() }
        let held = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(held) }
        #expect(scene.greet(held) && scene.answer(held) == "one")
        for round in 0..<6 {
          try scene.write([round % 2 == 0 ? scene.two : scene.one])
          let expected = round % 2 == 0 ? "two" : "one"
          try await eventually("the list is followed") {
            let answer = scene.visit()
            #expect(answer != nil)
            return answer == expected
          }
        }
        var byte = UInt8(0)
        #expect(recv(held, &byte, 1, Int32(MSG_DONTWAIT)) < 0 && errno == EAGAIN)
        kill(proxy.id, SIGTERM)
        #expect(try await proxy.ended().code == 0)
      }
    }

    @Test("MicroK8s's own files and flags start it")
    func asMicroK8s() async throws {
      try await onScene { scene in
        try scene.write([scene.one])
        let config = scene.stage.folder.path + "/traefik.yaml"
        try """
        entryPoints:
          apiserver:
            address: "\(scene.listen)"
        providers:
          file:
            filename: \(scene.provider)
            watch: true
        """.write(toFile: config, atomically: true, encoding: .utf8)
        let proxy = try Running(
          [
            "apiserver-proxy", "--traefik-config", config, "--kubeconfig", "/nowhere",
            "--refresh-interval", "30s", "--check", "none",
          ], in: scene.stage.folder)
        defer { proxy.end() }
        try await eventually("the proxy serves") { scene.visit() == "one" }
        kill(proxy.id, SIGTERM)
        #expect(try await proxy.ended().code == 0)
      }
    }

    @Test("a port in use is named with the process that has it; wrong options are refused")
    func refusals() async throws {
      try await onScene { scene in
        try scene.write([scene.one])
        let first = try await scene.proxy()
        defer { first.end() }
        let arguments = ["apiserver-proxy", "--provider", scene.provider, "--listen"]
        let second = try await Running(arguments + [scene.listen], in: scene.stage.folder).ended()
        #expect(second.code == 1)
        #expect(
          second.err.contains("\(scene.listen)")
            && second.err.contains("process \(first.id) (muster"),
          "\(second)")
        for wrong in ["127.0.0.1", "127.0.0.1:0", "::1:5"] {
          let outcome = try await Running(arguments + [wrong], in: scene.stage.folder).ended()
          #expect(outcome.code == 2 && outcome.err.contains(wrong), "\(outcome)")
        }
        let missing = try await Running(
          ["apiserver-proxy", "--provider", "/nowhere/p.yaml"], in: scene.stage.folder
        ).ended()
        #expect(missing.code == 65 && missing.err.contains("/nowhere/p.yaml"), "\(missing)")
      }
    }

    @Test("a worker with --refresh-interval 0 never writes provider.yaml, and obeys it")
    func pinned() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let worker = try await stage.started("w1")
        let words = try await cluster.succeed("add-node", "--worker", "--format", "short")
          .split(whereSeparator: \.isWhitespace).map(String.init)
        try await worker.succeed("join", try #require(words.dropFirst(2).first), "--worker")
        _ = try await worker.stop()
        let scene = try Scene(stage, listen: worker.address + ":16443")
        let provider = worker.data + "/args/traefik/provider.yaml"
        try "--refresh-interval 0\n".write(
          toFile: worker.data + "/args/apiserver-proxy", atomically: true, encoding: .utf8)
        let text = "# a load balancer\n" + ProxyTests.text(of: [scene.one])
        try text.write(toFile: provider, atomically: true, encoding: .utf8)
        try await worker.start()
        // No TLS there: the check complains, and the only server is used all the same.
        try await eventually("the worker uses the file") { scene.visit() == "one" }
        // The control plane's list changes; the file is the operator's.
        let second = try await stage.started("n2")
        try await cluster.admit(second)
        try await eventually("the worker knows the new control plane") {
          let state = try? String(contentsOfFile: worker.data + "/worker.json", encoding: .utf8)
          return state?.contains("\"n2\"") == true
        }
        #expect(try String(contentsOfFile: provider, encoding: .utf8) == text)
        try ProxyTests.text(of: [scene.two]).write(
          toFile: provider, atomically: true, encoding: .utf8)
        try await eventually("an edit is obeyed") { scene.visit() == "two" }
        let health = try await worker.run("health")
        #expect(health.out.contains("; w1's own list is pinned"), "\(health)")
        #expect(try await !cluster.run("health").out.contains("pinned"))
        #expect(try await worker.stop() == 0)
      }
    }

    @Test("a worker's list that somebody edited is put right, and the rest of the file stays")
    func edited() async throws {
      try await onStage { stage in
        let cluster = try await stage.cluster(2)
        let worker = try await stage.started("w1")
        try await cluster[0].admit(worker, worker: true)
        #expect(try await worker.stop() == 0)
        try "--refresh-interval 1\n".write(
          toFile: worker.data + "/args/apiserver-proxy", atomically: true, encoding: .utf8)
        try await worker.start()
        let provider = worker.data + "/args/traefik/provider.yaml"
        let text = try String(contentsOfFile: provider, encoding: .utf8)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let line = try #require(lines.firstIndex { $0.contains(cluster[1].address) })
        let edit = lines[..<line] + lines[(line + 1)...]
        for wrong in [edit.joined(separator: "\n"), "tcp: {"] {
          try ("# mine\n" + wrong).write(toFile: provider, atomically: true, encoding: .utf8)
          try await eventually("the file lists both API servers") {
            let now = try String(contentsOfFile: provider, encoding: .utf8)
            return now == (wrong == "tcp: {" ? text : "# mine\n" + text)
          }
        }
        #expect(worker.log.contains("was put right"))
      }
    }

    @Test("without descriptors it says so, and serves again when there are some")
    func descriptors() async throws {
      try await onScene { scene in
        try scene.write([scene.one])
        let proxy = try await scene.proxy(through: "ulimit -n 36; exec \"$0\" \"$@\"")
        defer { proxy.end() }
        var held: [Int32] = []
        for _ in 0..<40 {
          let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
          _ = scene.greet(descriptor)
          held.append(descriptor)
        }
        try await eventually("the proxy says what is wrong") { proxy.err.contains("open files") }
        for descriptor in held { close(descriptor) }
        try await eventually("it serves again") { scene.visit() == "one" }
        kill(proxy.id, SIGTERM)
        #expect(try await proxy.ended().code == 0)
      }
    }
  }
}
