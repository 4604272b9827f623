// One agent, from its first start on.

import Foundation
import Testing

extension Program {
  @Suite("A single node")
  struct SingleNodeTests {
    @Test(
      "A first start is a cluster of one, which keeps its files to itself and ends when told to"
    )
    func firstStart() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let status = try await node.run("status")
        #expect(status.code == 0)
        #expect(
          Array(status.lines.prefix(4)) == [
            "muster is running", "high-availability: no",
            "  datastore master nodes: \(node.address):19001", "  datastore standby nodes: none",
          ])
        let short = try await node.succeed("status", "--format", "short")
        #expect(short == "muster is running\nhigh-availability: no\n")
        let json = try await node.status()
        #expect(json.running && json.leader == "n1" && json.canLose == 0)
        #expect(json.nodes.map(\.name) == ["n1"])
        let table = try await node.succeed("nodes").split(separator: "\n")
        #expect(
          table.first?.split(separator: " ") == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"])
        #expect(table.last?.split(separator: " ").prefix(3) == ["n1", "Ready", "control-plane"])

        let events = try await node.events()
        #expect(events.prefix(2).map(\.type) == ["cluster.formed", "leader.elected"])
        #expect(events.map(\.index) == Array(1...UInt64(events.count)))
        let kubeconfig = try await node.succeed("config")
        #expect(kubeconfig.contains("server: https://\(node.address):16443"))

        for (path, mode) in [("", 0o700), ("/identity", 0o700), ("/identity/node.key", 0o600)] {
          let attributes = try FileManager.default.attributesOfItem(atPath: node.data + path)
          #expect(attributes[.posixPermissions] as? Int == mode, "\(path)")
        }
        #expect(try await node.stop() == 0)
        #expect(!FileManager.default.fileExists(atPath: node.data + "/agent.sock"))
      }
    }

    @Test("History survives a restart and a kill, and is read without an agent as with one")
    func restart() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        try await node.succeed("add-node", "--token-ttl", "5m")
        let (before, cluster) = (try await node.events(), try await node.status().cluster)
        node.kill()
        #expect(try await node.run("status").code == 1)
        let offline = try await node.events()
        #expect(offline.map(\.hash).starts(with: before.map(\.hash)))
        try await node.start()
        let after = try await node.events()
        #expect(after.map(\.hash).starts(with: before.map(\.hash)))
        #expect(try await node.status().cluster == cluster)
        let joined = try await node.succeed("events", "--type", "token.issued")
        #expect(joined.split(separator: "\n").count == 2)
        let last = try await node.succeed("events", "-n", "1", "-o", "json")
        #expect(last.split(separator: "\n").count == 1)
        #expect(try await node.stop() == 0)
        let text = try await node.succeed("events", "1..2")
        #expect(text.contains("cluster.formed") && text.split(separator: "\n").count == 3)
      }
    }

    @Test("A second agent on the same data directory is refused, naming the first one's process")
    func secondAgent() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let second = try await Running(node.arguments, in: stage.folder).ended()
        #expect(second.code == 1)
        #expect(second.err.contains("pid \(try #require(node.agent).id)"), "\(second)")
        #expect(try await node.run("status").code == 0)
      }
    }

    @Test("A second agent on the same address is refused, naming the address")
    func takenAddress() async throws {
      try await onStage { stage in
        let first = try await stage.started("n1")
        let second = try await Running(
          ["agent", "--name", "n2", "--address", first.address, "--data-dir", first.data + "-2"],
          in: stage.folder
        ).ended()
        #expect(second.code == 1)
        #expect(second.err.contains(first.address), "\(second)")
      }
    }

    @Test("Flags that make no sense are refused with exit code 2, before anything is written")
    func wrongFlags() async throws {
      try await onStage { stage in
        for (number, flags) in [
          ["--address", "0.0.0.0"], ["--address", "1.2.3"], ["--name", "under_score"],
          ["--cluster-port", "70000"], ["--log-level", "loud"], ["--log-format", "xml"],
          ["--apiserver-endpoint", "nowhere"], ["--config", "/nonexistent.yaml"],
        ].enumerated() {
          let data = stage.folder.appendingPathComponent("d\(number)").path
          let outcome = try await Running(
            ["agent", "--data-dir", data] + flags, in: stage.folder
          ).ended()
          #expect(outcome.code == 2, "\(flags): \(outcome)")
          #expect(!FileManager.default.fileExists(atPath: data + "/identity/node.json"))
        }
      }
    }

    @Test("A flag comes before the environment, which comes before the file")
    func precedence() async throws {
      try await onStage { stage in
        let node = stage.node("n1")
        try FileManager.default.createDirectory(
          atPath: node.data, withIntermediateDirectories: true,
          attributes: [.posixPermissions: 0o700])
        try Data("cluster-port: 25111\ndatastore-port: 19111\napiserver-port: 16111\n".utf8)
          .write(to: URL(fileURLWithPath: node.data + "/agent.yaml"))
        let agent = try Running(
          node.arguments + ["--apiserver-port", "16333"], in: stage.folder,
          environment: ["MUSTER_DATASTORE_PORT": "19222", "MUSTER_APISERVER_PORT": "16222"])
        defer { kill(agent.id, SIGKILL) }
        try await eventually("it answers") {
          try await node.run("status", "--wait-ready", "-t", "1").code == 0
        }
        #expect(try await node.status().masters == ["\(node.address):19222"])
        #expect(try await node.succeed("config").contains("\(node.address):16333"))
        #expect(try await node.invitation().hasPrefix("\(node.address):25111/"))
      }
    }

    @Test("add-node prints one invitation in MicroK8s's words and formats")
    func invitations() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let pretty = try await node.run("add-node", "--token-ttl", "5m")
        let lines = pretty.lines
        #expect(lines[0] == "From the node you wish to join to this cluster, run the following:")
        let prefix = "muster join \(node.address):25000/"
        #expect(lines[1].hasPrefix(prefix))
        let parts = lines[1].dropFirst("muster join ".count).split(separator: "/")
        #expect(parts.count == 3 && parts[1].count == 32 && parts[2].count == 32)
        #expect(lines[2].isEmpty)
        #expect(
          lines[3]
            == "Use the '--worker' flag to join a node as a worker not running the control plane, "
            + "eg:"
        )
        #expect(lines[4].hasPrefix(prefix) && lines[4].hasSuffix("/\(parts[2]) --worker"))
        #expect(!lines[4].contains(parts[1]))
        #expect(lines[5].isEmpty)
        #expect(
          lines[6]
            == "If the node you are adding is not reachable through the default interface you can "
            + "use one of the following:"
        )
        #expect(lines[7] == lines[1])
        #expect(lines[8].isEmpty)
        #expect(lines[9].contains("muster token revoke "))
        #expect(lines.count == 11 && lines[10].isEmpty)

        let secret = "00112233445566778899aabbccddeeff"
        func made(_ format: String) async throws -> String {
          // The same secret can be given again only once it does not count any more.
          for line in try await node.succeed("token", "list").split(separator: "\n")
          where line.contains(" active ") {
            try await node.succeed("token", "revoke", String(line.prefix(10)))
          }
          return try await node.succeed("add-node", "--token", secret, "--format", format)
        }
        let both = "\(secret)/\(parts[2])"
        #expect(try await made("token") == secret + "\n")
        #expect(try await made("token-check") == both + "\n")
        #expect(try await made("short") == "\(prefix)\(both)\n")
        #expect(
          try await made("json")
            == """
            {
              "token": "\(both)",
              "urls": [
                "\(node.address):25000/\(both)"
              ]
            }

            """)
        #expect(
          try await made("yaml") == "token: \(both)\nurls:\n- \(node.address):25000/\(both)\n\n")

        let worker = try await node.run("add-node", "--worker", "-o", "short")
        #expect(worker.out.hasPrefix(prefix) && worker.out.hasSuffix(" --worker\n"))
        let control = try await node.run("add-node", "--control-plane")
        #expect(!control.out.contains("--worker"))
      }
    }

    @Test("Tokens are listed without their secrets and can be revoked once")
    func tokens() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let string = try await node.invitation("--uses", "3")
        let list = try await node.succeed("token", "list")
        #expect(!list.contains(string.split(separator: "/")[1]))
        let row = try #require(list.split(separator: "\n").last).split(separator: " ")
        let id = String(row[0])
        #expect(id.count == 10 && row.contains("active"))
        try await node.succeed("token", "revoke", id)
        #expect(try await node.succeed("token", "list").contains("revoked"))
        #expect(try await node.run("token", "revoke", "0123456789").code == 6)
        #expect(try await node.run("token", "revoke", "x").code == 2)
      }
    }

    @Test("A node that is alone cannot leave, remove itself, or remove a stranger")
    func alone() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let before = try await node.status()
        for words in [["leave"], ["leave", "--local"]] {
          let leave = try await node.run(words)
          #expect(leave.code == 1 && leave.err.contains("nothing to leave"), "\(leave)")
        }
        let itself = try await node.run("remove-node", "n1", "--force", "--reason", "test")
        #expect(itself.code == 3, "\(itself)")
        let stranger = try await node.run("remove-node", "n9")
        #expect(stranger.code == 6, "\(stranger)")
        let after = try await node.status()
        #expect((after.cluster, after.index) == (before.cluster, before.index))
      }
    }

    @Test("Garbage on every port hurts nobody")
    func garbage() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        var random = SystemRandomNumberGenerator()
        let blobs: [[UInt8]] = [
          [], Array("GET / HTTP/1.0\r\n\r\n".utf8), Array(repeating: 0, count: 100_000),
          [0x16, 3, 1, 0xff, 0xff]
            + (0..<70_000).map { _ in UInt8.random(in: 0...255, using: &random) },
          (0..<5000).map { _ in UInt8.random(in: 0...255, using: &random) },
        ]
        for port in [25000, 19001, 16443] as [UInt16] {
          for blob in blobs { try Wire.send(blob, to: node.address, port) }
        }
        try Wire.send(
          Array("POST /v1/nodes/remove HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n".utf8),
          toSocket: node.data + "/agent.sock")
        try Wire.send(blobs[4], toSocket: node.data + "/agent.sock")
        #expect(node.agent?.process.isRunning == true)
        #expect(try await node.run("status").code == 0)
        try await node.succeed("add-node")
        let other = try await stage.started("n2")
        try await node.admit(other)
      }
    }
  }
}
