// The page of history as its URLs answer: who may read it, and that nothing under them writes.

import Foundation
import Testing

extension Program {
  @Suite(
    "The page of history under /ui",
    .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/curl"), "no curl here"))
  struct PageTests {
    /// What a server answered: its head, in lower case, and its body.
    private struct Answer {
      var status: String
      var head: String
      var body: String
    }

    private func ask(_ arguments: String..., on stage: Stage) async throws -> Answer {
      let process = Process()
      let out = Pipe()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
      process.arguments = ["--silent", "--insecure", "--include", "--max-time", "30"] + arguments
      process.standardOutput = out
      try process.run()
      let text = String(decoding: out.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      let parts = text.components(separatedBy: "\r\n\r\n")
      return Answer(
        status: String(text.split(separator: " ").dropFirst().first ?? ""),
        head: parts[0].lowercased(), body: parts.dropFirst().joined(separator: "\r\n\r\n"))
    }

    private func link(_ node: Node) async throws -> String {
      try await node.succeed("ui").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test("It opens over the socket, with a member's key and with a link, and to nobody else")
    func readers() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let stranger = try await stage.started("n2")
        let worker = try await stage.started("w1")
        try await node.admit(worker, worker: true)
        let page = "https://\(node.address):25000/ui/"
        for path in [
          page, page + "events", page + "?key=", page + "?key=\(String(repeating: "0", count: 32))",
        ] {
          let answer = try await ask(path, on: stage)
          #expect(answer.status == "403" && !answer.body.contains("cluster.formed"), "\(path)")
        }
        let local = try await ask(
          "--unix-socket", node.data + "/agent.sock", "http://localhost/ui/", on: stage)
        #expect(local.status == "200" && local.body.contains("cluster.formed"))
        #expect(local.head.contains("content-security-policy: default-src 'none'; script-src"))
        #expect(local.head.contains("frame-ancestors 'none'"))
        func withKey(of node: Node) async throws -> Answer {
          let folder = node.data + "/identity"
          return try await ask(
            "--cert", folder + "/node.crt", "--key", folder + "/node.key", page, on: stage)
        }
        #expect(try await withKey(of: worker).status == "200")
        #expect(try await withKey(of: stranger).status == "403")
        for method in ["POST", "PUT", "DELETE"] {
          let answer = try await ask("--request", method, page, on: stage)
          #expect(answer.status == "404" || answer.status == "405")
        }
        // Who asks for links is on the machine.
        let remote = try await ask(
          "--request", "POST", "https://\(node.address):25000/v1/ui/link", on: stage)
        #expect(remote.status == "404")
        let refused = try await worker.run("ui")
        #expect(refused.code == 6 && refused.err.contains("w1 is a worker"))
      }
    }

    @Test("A link leads on once, with a cookie that no script and no other site may use")
    func link() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let outcome = try await node.run("ui")
        let link = outcome.out.trimmingCharacters(in: .whitespacesAndNewlines)
        let start = "https://\(node.address):25000/ui/?key="
        try #require(link.hasPrefix(start))
        let secret = String(link.dropFirst(start.count))
        #expect(secret.count == 32 && secret.allSatisfy(\.isHexDigit))
        #expect(outcome.err.contains("once, within 5 minutes") && !outcome.err.contains(secret))
        let opened = try await ask(link, on: stage)
        #expect(opened.status == "303" && opened.head.contains("\r\nlocation: /ui/\r\n"))
        #expect(opened.head.contains("cache-control: no-store"))
        let cookie = try #require(
          opened.head.components(separatedBy: "\r\n").first { $0.hasPrefix("set-cookie: ") })
        for word in ["httponly", "secure", "samesite=strict", "path=/ui/", "max-age=43200"] {
          #expect(cookie.contains("; " + word))
        }
        #expect(!cookie.contains(secret))
        let value = String(cookie.dropFirst("set-cookie: ".count).prefix { $0 != ";" })
          .replacingOccurrences(of: "__secure", with: "__Secure")
        let page = "https://\(node.address):25000/ui/"
        #expect(try await ask("--cookie", "a=b; " + value, page, on: stage).status == "200")
        #expect(try await ask("--cookie", value + "0", page, on: stage).status == "403")
        // The cookie lets nobody at anything else.
        let other = "https://\(node.address):25000/v1/events"
        #expect(try await ask("--cookie", value, other, on: stage).status == "403")
        #expect(try await ask(link, on: stage).status == "403")
        let second = try await self.link(node)
        #expect(second != link)
        #expect(try await node.stop() == 0)
        try await node.start()
        #expect(try await ask(second, on: stage).status == "403")
        #expect(try await ask("--cookie", value, page, on: stage).status == "403")
        #expect(!node.log.contains(secret) && !node.log.contains("key="))
        #expect(try await !node.succeed("events", "-o", "json").contains(secret))
      }
    }

    @Test("The stream goes on by index, from any place, and tells what it rests on")
    func stream() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        for _ in 0..<3 { try await node.succeed("add-node") }
        let events = try await node.events()
        func stream(_ query: String, _ arguments: [String], until fact: String) async throws
          -> String
        {
          let file = stage.folder.appendingPathComponent(UUID().uuidString)
          let process = Process()
          process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
          process.arguments =
            [
              "--silent", "--no-buffer", "--output", file.path, "--unix-socket",
              node.data + "/agent.sock",
            ] + arguments + ["http://localhost/ui/events\(query)"]
          try process.run()
          defer {
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
          }
          var text = ""
          try await eventually("the stream tells \(fact)") {
            text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
            return text.contains(fact)
          }
          return text
        }
        func ids(_ text: String) -> [UInt64] {
          text.split(separator: "\n").filter { $0.hasPrefix("id: ") }.compactMap {
            UInt64($0.dropFirst(4))
          }
        }
        let last = try #require(events.last).index
        let all = try await stream("", [], until: "id: \(last)\n")
        #expect(ids(all) == Array(1...last))
        #expect(all.contains("event: pulse\ndata: {") && all.contains("\"leader\":\"n1\""))
        let some = try await stream("?after=\(last - 2)", [], until: "id: \(last)\n")
        #expect(ids(some) == [last - 1, last])
        let resumed = try await stream(
          "?after=1", ["--header", "Last-Event-ID: \(last - 1)"], until: "id: \(last)\n")
        #expect(ids(resumed) == [last])
      }
    }
  }
}
