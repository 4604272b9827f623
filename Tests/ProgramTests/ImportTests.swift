// A cluster is lost, and another begins with its history: on real processes and disks.

import Foundation
import Testing

extension ProgramInTrouble {
  @Suite("A new cluster from an old one's history")
  struct ImportTests {
    /// Begins a cluster at a node that has not run yet.
    private func seed(_ node: Node, from file: String) async throws -> Outcome {
      try await node.run(
        "import", file, "--seed", "--name", node.name, "--address", node.address, "--reason",
        "all lost")
    }

    /// Three nodes with an invitation that nobody used, and what they exported.
    private func old(_ stage: Stage) async throws -> (nodes: [Node], token: String, file: String) {
      let nodes = try await stage.cluster(3)
      let token = String(try await nodes[0].succeed("add-node", "--format", "token").prefix(32))
      let file = stage.folder.appendingPathComponent("old.muster").path
      try await nodes[0].succeed("export", file)
      return (nodes, token, file)
    }

    @Test("It holds all that happened, admits new nodes, and none of the old ones, living or dead")
    func goesOn() async throws {
      try await onStage { stage in
        let (old, token, file) = try await old(stage)
        let before = try await old[0].events()
        let last = try #require(before.last)
        for node in old { node.kill() }
        // At an address that the old nodes dial.
        let m1 = stage.node("m1", (old[0].address, []))
        let made = try await seed(m1, from: file)
        #expect(made.code == 0, "\(made)")
        #expect(made.out.contains("up to index \(last.index)"), "\(made)")
        try await m1.start()
        let m2 = try await stage.started("m2")
        try await m1.admit(m2)

        for node in [m1, m2] {
          let events = try await node.events()
          #expect(events.prefix(before.count).map(\.hash) == before.map(\.hash))
          #expect(events.prefix(before.count).map(\.commandId) == before.map(\.commandId))
          let seam = events[before.count]
          #expect(seam.type == "cluster.imported" && seam.reason == "all lost")
          #expect(events[before.count + 1].type == "leader.elected")
          let past = try await node.succeed("status", "--at", "\(last.index)", "-o", "json")
          let told = try await node.succeed(
            "status", "--at", "\(last.index)", "-o", "json", "--file", file)
          #expect(past == told)
        }
        let verified = try await m2.succeed("verify", "--cluster")
        #expect(verified.contains("2 of 2 replicas have one history"))
        #expect(try await m2.succeed("replay").contains("identical with the agent's views"))
        let why = try await m2.succeed("why", "n2")
        #expect(why.contains("left behind at index \(last.index + 1)"), "\(why)")
        #expect(why.contains("imported from cluster"), "\(why)")

        // Two of the old ones live on somewhere, and are a majority of theirs.
        for node in old[1...] { try node.launch() }
        try await eventually("the old nodes have a leader of their own") {
          try await old[1].run("status", "--wait-ready", "--timeout", "1s").code == 0
        }
        let (news, olds) = (try await m1.status(), try await old[1].status())
        #expect(
          news.nodes.map(\.name) == ["m1", "m2"] && olds.nodes.map(\.name) == ["n1", "n2", "n3"])
        #expect(news.cluster != olds.cluster)
        try await eventually("the leader has seen that n1 is silent") {
          try await old[1].status().nodes.first?.status == "NotReady"
        }
        let check = try await m1.invitation().split(separator: "/")
        let spent = try await stage.started("x").run(
          "join", "\(check[0])/\(token)/\(check[2])")
        #expect(spent.code == 6 && spent.err.contains("revoked"), "\(spent)")
        let member = try await old[1].run("join", try await m1.invitation())
        #expect(member.code == 3, "\(member)")
        try await old[1].succeed("leave", "--local")
        try await m1.admit(old[1])
        #expect(try await m1.status().nodes.map(\.name) == ["m1", "m2", "n2"])
        #expect(try await m1.succeed("diff", "HEAD", file).contains("equal by hash through"))
      }
    }

    @Test(
      "What is damaged, in part, redacted or of the future begins nothing, nor where others are")
    func refused() async throws {
      try await onStage { stage in
        let (old, _, file) = try await old(stage)
        func path(_ name: String) -> String { stage.folder.appendingPathComponent(name).path }
        try await old[0].succeed("export", "--redact", path("redacted"))
        try await old[0].succeed("export", "--range", "3..", path("part"))
        let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        var changed = bytes
        changed[bytes.count / 2] ^= 1
        try changed.write(to: URL(fileURLWithPath: path("changed")))
        try bytes.prefix(bytes.count - 40).write(to: URL(fileURLWithPath: path("cut")))
        try (Data("muster-history 2\n".utf8) + bytes.dropFirst(17)).write(
          to: URL(fileURLWithPath: path("future")))
        let fresh = stage.node("m1")
        for (name, code, words) in [
          ("redacted", 1, "without --redact"), ("part", 1, "without --range"),
          ("changed", 65, "damaged at index"), ("cut", 65, "damaged"),
          ("future", 65, "newer version"), ("none", 1, "no such file"),
        ] as [(String, Int32, String)] {
          let outcome = try await seed(fresh, from: path(name))
          #expect(outcome.code == code && outcome.err.contains(words), "\(name): \(outcome)")
        }
        let data = try FileManager.default.contentsOfDirectory(atPath: fresh.data)
        #expect(data == ["agent.lock"])

        let inUse = try await seed(old[0], from: file)
        #expect(inUse.code == 1 && inUse.err.contains("another agent runs there"), "\(inUse)")
        #expect(inUse.err.contains("name a new directory: --data-dir NEW"), "\(inUse)")
        old[0].kill()
        let over = try await seed(old[0], from: file)
        #expect(over.code == 3 && over.err.contains("other members (n2, n3)"), "\(over)")
        #expect(over.err.contains("name a new directory (--data-dir NEW)"), "\(over)")
        try await old[0].start()
        #expect(try await seed(fresh, from: file).code == 0)
        let twice = try await seed(fresh, from: file)
        #expect(twice.code == 3 && twice.err.contains("had other members"), "\(twice)")
        try await fresh.start()
      }
    }

    @Test("Killed at any of its steps, it leaves the old cluster or the new one, whole")
    func killed() async throws {
      try await onStage { stage in
        let other = try await stage.started("n1")
        for _ in 0..<5 { try await other.succeed("add-node") }
        let file = stage.folder.appendingPathComponent("old.muster").path
        try await other.succeed("export", file)
        // A node that was started once, and is a cluster of its own.
        let node = try await stage.started("m1")
        let own = try await node.status().cluster
        _ = try await node.stop()
        var isNew = false
        for step in ["check", "it holds", "write the log", "put it", "put it", "Cluster"] {
          let seeding = try node.begin("import", file, "--seed")
          while seeding.process.isRunning, !(seeding.err + seeding.out).contains(step) {}
          seeding.end()
          seeding.process.waitUntilExit()
          try await node.start()
          let status = try await node.status()
          #expect(status.nodes.map(\.name) == ["m1"])
          isNew = status.cluster != own
          #expect(try await node.events().contains { $0.type == "cluster.imported" } == isNew)
          #expect(try await node.run("verify").code == 0)
          _ = try await node.stop()
          if isNew { break }
        }
        #expect(isNew, "the last one came to its end")
        let archive = try FileManager.default.contentsOfDirectory(atPath: node.data + "/archive")
        #expect(archive == ["log-\(own)"])
        let old = try await node.succeed("events", "--file", node.data + "/archive/log-\(own)")
        #expect(old.contains("cluster \(own) with m1"))
      }
    }
  }
}
