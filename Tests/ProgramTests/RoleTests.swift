// Workers become control-plane nodes, and the other way round, as an operator has it.

import Foundation
import Testing

extension Program {
  @Suite("Roles of nodes")
  struct RoleTests {
    static let moments = [0, 30, 80, 150, 250, 400]

    private func row(_ name: String, _ node: Node) async throws -> StatusAnswer.Row {
      try #require(try await node.status().nodes.first { $0.name == name })
    }

    private func exists(_ node: Node, _ path: String) -> Bool {
      FileManager.default.fileExists(atPath: node.data + "/" + path)
    }

    /// Logs of the cluster that were archived.
    private func archive(_ node: Node) async throws -> [String] {
      guard exists(node, "archive") else { return [] }
      let cluster = try await node.status().cluster
      return try FileManager.default.contentsOfDirectory(atPath: node.data + "/archive")
        .filter { $0.hasPrefix("log-\(cluster)") }
    }

    /// n1 and n2 of the control plane, and w1.
    private func withWorker(_ stage: Stage) async throws -> (nodes: [Node], worker: Node) {
      let nodes = try await stage.cluster(2)
      let worker = try await stage.started("w1")
      try await nodes[0].admit(worker, worker: true)
      return (nodes, worker)
    }

    @Test("A worker that is promoted votes, and the cluster goes on when another node dies")
    func promotion() async throws {
      try await onStage { stage in
        let (nodes, worker) = try await withWorker(stage)
        let id = try await row("w1", nodes[0]).id
        let told = try await nodes[1].run("role", "w1", "control-plane", "--reason", "growth")
        #expect(told.code == 0 && told.out.contains("w1 is a control-plane node now."), "\(told)")
        try await eventually("it votes, and the cluster is highly available") {
          let status = try await worker.status()
          let own = status.nodes.first { $0.name == "w1" }
          return status.highAvailability && own?.datastoreRole == "voter" && own?.id == id
            && own?.role == "control-plane"
        }
        #expect(exists(worker, "log") && exists(worker, "kubernetes/ca.key"))
        #expect(!exists(worker, "worker.json"))
        let event = try await nodes[0].events().first { $0.type == "node.promoted" }
        #expect(event?.actor == "root@n2" && event?.reason == "growth")
        let own = try await worker.succeed("config")
        #expect(own.contains("\(worker.address):16443") && !own.contains("tls-server-name"))

        let again = try await nodes[0].run("role", "w1", "control-plane")
        #expect(again.code == 0 && again.out.contains("already"), "\(again)")
        #expect(try await nodes[0].events().count { $0.type == "node.promoted" } == 1)

        nodes[0].kill()
        try await worker.succeed("add-node", "--timeout", "30s")
        #expect(try await worker.run("verify").code == 0)
      }
    }

    @Test("The leader is demoted: another leads, its log and the CA's key go, and it is a worker")
    func demotion() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(4)
        let name = try #require(try await nodes[0].status().leader)
        let leader = try #require(nodes.first { $0.name == name })
        let asker = try #require(nodes.first { $0.name != name })
        let told = try await asker.run("role", name, "worker")
        #expect(told.code == 0 && told.out.contains("\(name) is a worker node now."), "\(told)")
        #expect(told.err.contains("what if \(name) becomes a worker?"), "\(told)")
        let after = try await asker.status()
        #expect(after.leader != name && after.highAvailability)
        #expect(after.nodes.first { $0.name == name }?.role == "worker")
        #expect(!exists(leader, "kubernetes/ca.key") && exists(leader, "kubernetes/ca.crt"))
        #expect(!exists(leader, "log") && exists(leader, "worker.json"))
        #expect(try await archive(leader).count == 1)
        let provider = try String(
          contentsOfFile: leader.data + "/args/traefik/provider.yaml", encoding: .utf8)
        #expect(!provider.contains("\(leader.address):"))
        #expect(provider.contains("\(asker.address):16443"))
        // Its kubeconfig goes through its proxy, by the key that the cluster knows.
        let config = try await leader.succeed("config")
        #expect(config.contains("tls-server-name") && config.contains("node.key"))
        let events = try await asker.events()
        let demoted = try #require(events.first { $0.type == "node.demoted" })
        let whole = events.filter { $0.commandId == demoted.commandId }.map(\.type)
        #expect(whole == ["role.assigned", "roles.settled", "node.demoted"])

        // A worker cannot change what it is.
        for role in ["control-plane", "worker"] {
          let own = try await leader.run("role", name, role)
          #expect(own.code == 6 && own.err.contains("control-plane node"), "\(own)")
        }
        #expect(try await leader.stop() == 0)
        try await leader.start()
        #expect(try await row(name, leader).role == "worker")

        // And back again: it has everything once more, and counts.
        let back = try await asker.run("role", name, "control-plane")
        #expect(back.code == 0, "\(back)")
        try await eventually("it is one of four again") {
          let status = try await leader.status()
          return status.nodes.allSatisfy { $0.role == "control-plane" && $0.datastoreRole != nil }
            && status.pending == nil && status.highAvailability
        }
        try await eventually("all replicas have the same history") {
          try await asker.run("verify", "--cluster").code == 0
        }
      }
    }

    @Test("A node that was demoted while it was away learns it from any member that it knew")
    func demotedWhileAway() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let name = try #require(try await nodes[0].status().leader)
        let leader = try #require(nodes.first { $0.name == name })
        let others = nodes.filter { $0.name != name }
        let (away, other) = (others[0], others[1])
        let agent = try #require(away.agent)
        try await eventually("it is demoted, and does not hear of it") {
          kill(agent.id, SIGCONT)
          guard try await leader.status().highAvailability else { return false }
          // Heard from a moment ago, so that it may be demoted, unless this takes too long.
          kill(agent.id, SIGSTOP)
          let told = try await leader.run("role", away.name, "worker", "--timeout", "1s")
          return told.code == 7 && told.err.contains("recorded: ")
            && told.err.contains("it goes on by itself")
        }
        away.kill()
        let dead = try await leader.run("role", away.name, "control-plane", "--timeout", "1s")
        #expect(dead.code == 5, "\(dead)")
        // Of those that it knew one is a worker by now, and one left: it knows nobody who leads.
        let newcomer = try await stage.started("n4")
        try await leader.admit(newcomer)
        try await newcomer.succeed("role", other.name, "worker")
        try await leader.succeed("leave")
        #expect(try await newcomer.status().leader == "n4")
        try away.launch()
        try await eventually("it serves as a worker") {
          let told = try await away.run("status", "--format", "json")
          guard told.code == 0 else { return false }
          let status = try JSONDecoder().decode(StatusAnswer.self, from: Data(told.out.utf8))
          return status.nodes.first { $0.name == away.name }?.role == "worker"
            && !exists(away, "kubernetes/ca.key") && !exists(away, "log")
        }
        try await eventually("and the cluster has it as one that is there") {
          try await row(away.name, newcomer).status == "Ready"
        }
      }
    }

    @Test("A node may be told to demote itself")
    func itself() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let told = try await nodes[1].run("role", "n2", "worker")
        #expect(told.code == 0 && told.out.contains("n2 is a worker node now."), "\(told)")
        #expect(try await row("n2", nodes[1]).role == "worker")
        #expect(!exists(nodes[1], "kubernetes/ca.key"))
      }
    }

    @Test("What would stop the cluster is refused, and so is what is not there")
    func refusals() async throws {
      try await onStage { stage in
        let (nodes, worker) = try await withWorker(stage)
        let unknown = try await nodes[0].run("role", "nobody", "worker")
        #expect(unknown.code == 6, "\(unknown)")
        let nonsense = try await nodes[0].run("role", "w1", "king")
        #expect(nonsense.code == 2, "\(nonsense)")
        #expect(try await worker.stop() == 0)
        let silent = try await nodes[0].run("role", "w1", "control-plane")
        #expect(silent.code == 5 && silent.err.contains("Nothing was changed"), "\(silent)")
        nodes[1].kill()
        let heirless = try await nodes[0].run("role", "n1", "worker", "--timeout", "5s")
        #expect(heirless.code == 3, "\(heirless)")
        #expect(
          !(try await nodes[0].events()).contains {
            ["node.promoted", "node.demoted", "role.assigned"].contains($0.type) && $0.index > 8
          })
        let alone = try await stage.started("n9")
        let last = try await alone.run("role", "n9", "worker")
        #expect(last.code == 3 && last.err.contains("only control-plane node"), "\(last)")
      }
    }

    @Test(
      "A worker killed while it is promoted is a control-plane node when it comes back",
      arguments: moments)
    func promotionKilled(_ milliseconds: Int) async throws {
      try await onStage { stage in
        let (nodes, worker) = try await withWorker(stage)
        let change = try nodes[0].begin("role", "w1", "control-plane", "--timeout", "40s")
        try await eventually("it is recorded, or cannot be") {
          try await nodes[0].events().contains { $0.type == "node.promoted" }
            || !change.process.isRunning
        }
        try await Task.sleep(for: .milliseconds(milliseconds))
        worker.kill()
        try worker.launch()
        let outcome = try await change.ended()
        #expect(outcome.code == 0, "\(outcome)")
        try await eventually("three nodes vote") {
          guard try await worker.run("status").code == 0 else { return false }
          let status = try await worker.status()
          return status.highAvailability && status.pending == nil
            && status.nodes.allSatisfy { $0.datastoreRole == "voter" }
        }
        #expect(exists(worker, "kubernetes/ca.key") && !exists(worker, "worker.json"))
        #expect(try await nodes[0].events().count { $0.type == "node.promoted" } == 1)
      }
    }

    @Test(
      "A control-plane node killed while it is demoted is a worker when it comes back",
      arguments: moments)
    func demotionKilled(_ milliseconds: Int) async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let change = try nodes[0].begin("role", "n3", "worker", "--timeout", "40s")
        try await eventually("it has begun") {
          try await nodes[0].events().contains { $0.type == "node.demoted" }
            || !change.process.isRunning
        }
        try await Task.sleep(for: .milliseconds(milliseconds))
        nodes[2].kill()
        try nodes[2].launch()
        let outcome = try await change.ended()
        #expect(outcome.code == 0, "\(outcome)")
        try await eventually("it serves as a worker") {
          try await nodes[2].run("status", "--format", "json").code == 0
            && exists(nodes[2], "worker.json")
        }
        #expect(try await row("n3", nodes[2]).role == "worker")
        #expect(!exists(nodes[2], "kubernetes/ca.key") && !exists(nodes[2], "log"))
        #expect(try await archive(nodes[2]).count == 1)
        #expect(try await nodes[0].events().count { $0.type == "node.demoted" } == 1)
      }
    }
  }
}
