// Several agents: what three nodes survive, and how nodes go.

import Foundation
import Testing

extension Program {
  @Suite("A cluster")
  struct ClusterTests {
    @Test("Three nodes survive the kill of their leader, lose no event, and take it back")
    func leaderKilled() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let masters = nodes.map { $0.address + ":19001" }.joined(separator: " ")
        for node in nodes {
          try await eventually("\(node.name) says that the cluster is highly available") {
            Array(try await node.run("status").lines.prefix(4)) == [
              "muster is running", "high-availability: yes",
              "  datastore master nodes: \(masters)", "  datastore standby nodes: none",
            ]
          }
        }
        let before = try await nodes[0].events()
        let name = try #require(try await nodes[0].status().leader)
        let leader = try #require(nodes.first { $0.name == name })
        let others = nodes.filter { $0.name != name }
        leader.kill()
        try await others[0].succeed("add-node", "--timeout", "30s")
        try await eventually("nothing more may be lost") {
          let status = try await others[1].status()
          return !status.highAvailability && status.canLose == 0 && status.leader != name
        }
        let after = try await others[0].events()
        #expect(after.map(\.hash).starts(with: before.map(\.hash)))
        #expect(after.last?.type == "token.issued")

        try await leader.start()
        try await eventually("it is highly available again, and all have one history") {
          guard try await others[0].status().highAvailability else { return false }
          let histories = [
            try await nodes[0].events(), try await nodes[1].events(), try await nodes[2].events(),
          ]
          return Set(histories.map { $0.last?.hash }).count == 1
        }
        // All of them at once, as after a power cut.
        for node in nodes { node.kill() }
        for node in nodes { try node.launch() }
        for node in nodes { try await node.succeed("status", "--wait-ready", "--timeout", "40s") }
        let last = try await nodes[1].events()
        #expect(last.map(\.hash).starts(with: after.map(\.hash)))
      }
    }

    @Test("Without a quorum nothing is appended, and reads still answer")
    func noQuorum() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        nodes[1].kill()
        nodes[2].kill()
        let outcome = try await nodes[0].run("add-node", "--timeout", "2s")
        #expect(outcome.code == 7, "\(outcome)")
        try await eventually("it says that it has no leader") {
          let status = try await nodes[0].status()
          return !status.highAvailability && status.leader == nil
        }
        let consistent = try await nodes[0].run("status", "--consistent", "--timeout", "1s")
        #expect(consistent.code == 7, "\(consistent)")
        #expect(try await nodes[0].run("nodes").code == 0)
        try await nodes[1].start()
        try await nodes[0].succeed("add-node", "--timeout", "30s")
      }
    }

    @Test("Whoever asks again for an invitation under the same id is given the one that was drawn")
    func invitedTwice() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let name = try #require(try await nodes[0].status().leader)
        let leader = try #require(nodes.first { $0.name == name })
        let followers = try nodes.filter { $0.name != name }.map { try #require($0.agent) }
        // A UUID of version 7.
        let time = String(Int(Date().timeIntervalSince1970 * 1000), radix: 16)
        let id = "0\(time)7abc8def\(String(UInt64.random(in: 1 << 44..<1 << 48), radix: 16))"
        func invite(_ body: String) async throws -> [String: Any] {
          let answer = try await Tool(
            "curl",
            [
              "-s", "--unix-socket", leader.data + "/agent.sock", "--data", body,
              "http://localhost/v1/tokens?timeout=1",
            ], stage.folder
          ).ended()
          return try #require(
            try JSONSerialization.jsonObject(with: Data(answer.out.utf8)) as? [String: Any])
        }
        let wish = "{\"command\":\"\(id)\",\"uses\":1,\"ttlSeconds\":60}"
        for agent in followers { #expect(Foundation.kill(agent.id, SIGSTOP) == 0) }
        defer { for agent in followers { _ = Foundation.kill(agent.id, SIGCONT) } }
        let unknown = try await invite(wish)
        #expect(unknown["code"] as? String == "timed-out", "\(unknown)")
        for agent in followers { #expect(Foundation.kill(agent.id, SIGCONT) == 0) }
        var told: String?
        try await eventually("the same request is answered") {
          let answer = try await invite(wish)
          told = answer["token"] as? String
          #expect(told != nil || answer["exitCode"] as? Int == 7, "\(answer)")
          return told != nil
        }
        #expect(try await leader.events().count { $0.commandId == id } == 1)
        // It is the one that was recorded.
        let newcomer = try await stage.started("n4")
        let short = try await leader.invitation().split(separator: "/").map(String.init)
        try await newcomer.succeed("join", "\(short[0])/\(told ?? "")/\(short[2])")
        // Another wish under that id is refused.
        let other = try await invite(wish.replacing(":60}", with: ":61}"))
        #expect(other["code"] as? String == "command-reused", "\(other)")
      }
    }

    @Test("A node leaves, goes on as a fresh cluster, and can come again under its name")
    func leave() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let old = try await nodes[2].status()
        let left = try await nodes[2].run("leave")
        #expect(left.code == 0, "\(left)")
        let fresh = try await nodes[2].status()
        #expect(fresh.cluster != old.cluster && fresh.nodes.map(\.name) == ["n3"])
        #expect(Set(fresh.nodes.map(\.id)).isDisjoint(with: old.nodes.map(\.id)))
        #expect(
          try FileManager.default.contentsOfDirectory(atPath: nodes[2].data + "/archive").count >= 1
        )
        let row = try await nodes[0].status().nodes.first { $0.name == "n3" }
        #expect(row?.status == "NotReady" && row?.state == "left")
        let events = try await nodes[0].events().suffix(4)
        #expect(events.contains { $0.type == "node.left" })
        #expect(
          Set(events.filter { ["role.assigned", "node.left"].contains($0.type) }.map(\.commandId))
            .count == 1)

        try await nodes[0].admit(nodes[2])
        try await eventually("it is a member again") {
          try await nodes[0].status().highAvailability
        }
      }
    }

    @Test(
      "A node that is alive is not removed without force; by force it is told, and leaves by itself"
    )
    func removal() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let alive = try await nodes[0].run("remove-node", "n3")
        #expect(alive.code == 3, "\(alive)")
        #expect(alive.err.contains("muster leave"), "\(alive)")
        let silent = try await nodes[0].run("remove-node", "n3", "--force")
        #expect(silent.code == 2 && silent.err.contains("--reason"), "\(silent)")

        let index = try await nodes[0].status().index
        let removed = try await nodes[0].run(
          "remove-node", "n3", "--force", "--reason", "broken fan")
        #expect(removed.code == 0, "\(removed)")
        #expect(removed.out.contains("Workloads on n3 run until the machine is stopped."))
        #expect(try await nodes[0].status().nodes.map(\.name) == ["n1", "n2"])
        let event = try await nodes[0].events().first { $0.type == "node.removed" }
        #expect(event?.reason == "broken fan" && (event?.index ?? 0) > index)

        try await eventually("the removed node knows") {
          let status = try await nodes[2].run("status")
          return status.code == 1 && (status.out + status.err).contains("muster leave")
        }
        try await nodes[2].succeed("leave")
        #expect(try await nodes[2].status().nodes.map(\.name) == ["n3"])
      }
    }

    @Test("A node that was removed while it was away is told so when it comes back")
    func removedWhileAway() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        nodes[1].kill()
        try await nodes[0].succeed(
          "remove-node", "n2", "--force", "--reason", "gone", "--timeout", "60s")
        try nodes[1].launch()
        try await eventually("it is told, with index and actor") {
          let status = try await nodes[1].run("status")
          let text = status.out + status.err
          return status.code == 1 && text.contains("muster leave") && text.contains("root@n1")
        }
        let left = try await nodes[1].run("leave")
        #expect(left.code == 0, "\(left)")
        #expect(try await nodes[1].status().nodes.map(\.name) == ["n2"])
      }
    }

    @Test("Two nodes: the voter's departure hands everything over, and then the other cannot leave")
    func twoNodes() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(2)
        let status = try await nodes[0].status()
        #expect(status.masters == ["\(nodes[0].address):19001"])
        #expect(status.standbys == ["\(nodes[1].address):19001"])
        try await nodes[0].succeed("leave")
        try await eventually("the other leads") {
          try await nodes[1].status().masters == ["\(nodes[1].address):19001"]
        }
        try await nodes[1].succeed("remove-node", "n1")
        #expect(try await nodes[1].run("leave").code == 1)
        let worker = try await stage.started("w1")
        try await nodes[1].admit(worker, worker: true)
        let last = try await nodes[1].run("leave")
        #expect(last.code == 3, "\(last)")
      }
    }

    @Test("Agents end on SIGTERM, the leader's work going on elsewhere")
    func terminated() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let name = try #require(try await nodes[0].status().leader)
        let leader = try #require(nodes.first { $0.name == name })
        #expect(try await leader.stop() == 0)
        let other = try #require(nodes.first { $0.name != name })
        try await other.succeed("add-node")
        for node in nodes where node !== leader { #expect(try await node.stop() == 0) }
      }
    }

    @Test("Secrets appear neither in events nor in logs nor in the arguments of agents")
    func secrets() async throws {
      try await onStage { stage in
        for name in ["n1", "n2", "w1"] {
          stage.node(name).flags = ["--log-level", "trace"]
        }
        for node in stage.nodes { try await node.start() }
        let (first, second, worker) = (stage.nodes[0], stage.nodes[1], stage.nodes[2])
        var strings = [try await first.invitation("--uses", "2")]
        try await second.succeed("join", strings[0])
        strings.append(try await second.invitation("--worker"))
        try await worker.succeed("join", strings[1], "--worker")
        let secrets = strings.map { String($0.split(separator: "/")[1]) }
        let told =
          try await first.succeed("events") + first.succeed("events", "-o", "json")
          + first.succeed("token", "list", "-o", "json") + stage.nodes.map(\.log).joined()
        for secret in secrets { #expect(!told.contains(secret)) }
        for node in stage.nodes {
          let arguments = try String(
            contentsOfFile: "/proc/\(try #require(node.agent).id)/cmdline", encoding: .utf8)
          for secret in secrets { #expect(!arguments.contains(secret)) }
        }
        // Nor on any disk.
        let files = try #require(FileManager.default.enumerator(atPath: stage.folder.path))
        for case let path as String in files {
          let url = stage.folder.appendingPathComponent(path)
          guard !["out", "err"].contains(url.pathExtension),
            let data = try? Data(contentsOf: url)
          else { continue }
          for secret in secrets { #expect(data.range(of: Data(secret.utf8)) == nil, "\(path)") }
        }
      }
    }

    @Test("A follower sees events as they happen, and goes on when the agent comes back")
    func follow() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let follower = try node.begin("events", "--follow", "-o", "json")
        defer { kill(follower.id, SIGKILL) }
        func count() -> Int {
          follower.out.split(separator: "\n").count { $0.contains("\"token.issued\"") }
        }
        try await node.succeed("add-node")
        try await eventually("the first one is seen") { count() == 1 }
        #expect(try await node.stop() == 0)
        try await node.start()
        try await node.succeed("add-node")
        try await eventually("the second one is seen") { count() == 2 }
        let indexes = try follower.out.split(separator: "\n").map {
          try JSONDecoder().decode(EventAnswer.self, from: Data($0.utf8)).index
        }
        #expect(indexes == Array(1...UInt64(indexes.count)))
      }
    }
  }
}
