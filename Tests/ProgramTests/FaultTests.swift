// Clocks that jump, processes that stop, wires that carry one way or none: what a running cluster
// makes of it.

import Foundation
import Testing

extension ProgramInTrouble {
  @Suite("Faults of clocks and networks")
  struct FaultTests {
    private func leader(of nodes: [Node]) async throws -> Node? {
      guard let name = try await nodes[0].status().leader else { return nil }
      return nodes.first { $0.name == name }
    }

    private func term(_ node: Node) async throws -> UInt64? {
      try await node.events().last { $0.type == "leader.elected" }?.term
    }

    private static let day = 86_400

    /// Three nodes of which each has a clock of its own; `set` moves it to so many seconds ahead.
    private func withClocks(
      _ stage: Stage
    ) async throws -> (nodes: [Node], set: (Node, Int) throws -> Void) {
      func file(_ node: Node) -> URL { stage.folder.appendingPathComponent(node.name + ".clock") }
      func set(_ node: Node, _ seconds: Int) throws {
        // In one step: it is read at any moment.
        try Data("\(seconds)\n".utf8).write(to: file(node), options: .atomic)
      }
      for number in 1...3 {
        let node = stage.node("n\(number)")
        node.environment = ["LD_PRELOAD": Shim.clock ?? "", "CLOCK_OFFSET": file(node).path]
        try await node.start()
        if number > 1 { try await stage.nodes[0].admit(node) }
      }
      let nodes = stage.nodes
      try await eventually("three vote, and nothing is under way") {
        let status = try await nodes[0].status()
        return status.highAvailability && status.pending == nil
      }
      return (nodes, set)
    }

    @Test(
      "A clock jumps by a day while the node runs: who leads stays, and recorded time stays right",
      .enabled(if: Shim.clock != nil, "no C compiler (cc) here"))
    func clockOfFollower() async throws {
      try await onStage { stage in
        let (nodes, set) = try await withClocks(stage)
        let leader = try #require(try await leader(of: nodes))
        let follower = try #require(nodes.last { $0.name != leader.name })
        let term = try await term(leader)
        for offset in [Self.day, -Self.day, 0] {
          try set(follower, offset)
          for node in [follower, leader] { try await node.succeed("add-node") }
          #expect(try await self.term(leader) == term, "\(offset)")
        }
        try await expectRightTimes(leader)
      }
    }

    @Test(
      "The leader's clock jumps by a day: another leads, and recorded time goes neither way",
      .enabled(if: Shim.clock != nil, "no C compiler (cc) here"),
      arguments: [day, -day])
    func clockOfLeader(_ offset: Int) async throws {
      try await onStage { stage in
        let (nodes, set) = try await withClocks(stage)
        let old = try #require(try await leader(of: nodes))
        let expiring = try await old.invitation("--token-ttl", "1h")
        try set(old, offset)
        try await eventually("one whose clock is right leads") {
          let now = try await leader(of: nodes)
          return now != nil && now?.name != old.name
        }
        for node in nodes { try await node.succeed("add-node", "--timeout", "30s") }
        // Whoever presents an invitation of this hour is let in: it is the leader's hour.
        let joiner = try await stage.started("n4")
        var parts = expiring.split(separator: "/").map(String.init)
        let right = try #require(nodes.first { $0.name != old.name })
        let own = try await right.invitation().split(separator: "/").map(String.init)
        (parts[0], parts[2]) = (own[0], own[2])
        try await joiner.succeed("join", parts.joined(separator: "/"))
        try set(old, 0)
        try await expectRightTimes(right)
      }
    }

    /// Never backwards, and within the hour that the test ran in.
    private func expectRightTimes(_ node: Node) async throws {
      let times = try await node.events().map(\.time)
      #expect(times == times.sorted())
      for time in [times.first, times.last] {
        let moment = try #require(
          time.flatMap { try? Date($0.prefix(19) + "Z", strategy: .iso8601) })
        #expect(abs(moment.timeIntervalSinceNow) < 3600, "\(moment)")
      }
      try await node.succeed("verify", "--cluster")
    }

    @Test("A leader that was stopped tells nothing stale when it goes on")
    func stoppedLeader() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let old = try #require(try await leader(of: nodes))
        let other = try #require(nodes.first { $0.name != old.name })
        let agent = try #require(old.agent)
        _ = kill(agent.id, SIGSTOP)
        defer { _ = kill(agent.id, SIGCONT) }
        try await other.succeed("add-node", "--timeout", "40s")
        let index = try await other.status().index
        // Asked while it still takes itself for the leader.
        let reads = try (0..<4).map { _ in
          try old.begin("status", "--consistent", "--format", "json", "--timeout", "20s")
        }
        _ = kill(agent.id, SIGCONT)
        for read in reads {
          let outcome = try await read.ended()
          guard outcome.code == 0 else {
            #expect(outcome.code == 7, "\(outcome)")
            continue
          }
          let answer = try JSONDecoder().decode(StatusAnswer.self, from: Data(outcome.out.utf8))
          #expect(answer.index >= index)
        }
        try await eventually("all agree on one leader") {
          var leaders: Set<String?> = []
          for node in nodes { leaders.insert(try await node.status().leader) }
          return leaders.count == 1 && leaders.first != .some(nil)
        }
        try await other.succeed("verify", "--cluster")
      }
    }

    /// Three nodes, each on a machine of its own.
    private func cluster(
      _ stage: Stage, _ network: Namespaces, workers: Int = 0
    ) async throws -> [Node] {
      var nodes: [Node] = []
      for number in 1...(3 + workers) {
        let node = stage.node(
          number > 3 ? "w\(number - 3)" : "n\(number)", try network.add(number))
        try await node.start()
        if let first = nodes.first { try await first.admit(node, worker: number > 3) }
        nodes.append(node)
      }
      try await eventually("three vote, and nothing is under way") {
        let status = try await nodes[0].status()
        return status.highAvailability && status.pending == nil
      }
      return nodes
    }

    @Test(
      "A wire that carries one way only, and one that flaps: one leader a term, nothing is lost")
    func halfWires() async throws {
      guard let network = Namespaces() else { return }
      defer { network.end() }
      try await onStage { stage in
        let nodes = try await cluster(stage, network)
        var acknowledged: [String] = []
        func append() async throws {
          // Whoever is cut off says so after a while; the others go on.
          for node in nodes + nodes + nodes {
            let answer = try await node.run("add-node", "--timeout", "5s")
            guard answer.code == 0, let id = answer.out.split(separator: " ").last else { continue }
            acknowledged.append(String(id.prefix(10)))
            return
          }
          Issue.record("no node could append")
        }
        // The leader hears the others, who do not hear it.
        let deaf = try #require(try await leader(of: nodes))
        let number = try #require(nodes.firstIndex { $0 === deaf }) + 1
        for other in 1...3 where other != number { network.mute(number, towards: other) }
        try await append()
        for other in 1...3 where other != number { network.unmute(number, towards: other) }
        // Two voters that do not hear each other, while both hear the third.
        network.mute(1, towards: 2)
        try await append()
        network.unmute(1, towards: 2)
        for _ in 0..<4 {
          network.cut(3)
          try await append()
          network.mend(3)
          try await append()
        }
        // Who was suspected counts again only once it has been in contact for a while.
        do {
          try await eventually("it is whole again", within: .seconds(120)) {
            for node in nodes where try await !node.status().highAvailability { return false }
            return true
          }
        } catch {
          for node in nodes {
            let (status, events) = (
              try await node.run("status"), try await node.run("events", "-n", "40")
            )
            Issue.record("\(node.name):\n\(status.out)\(status.err)\(events.out)")
          }
          throw error
        }
        for node in nodes {
          // One that was cut off a moment ago counts while it fetches the newest.
          try await eventually("\(node.name) has all that was acknowledged") {
            let list = try await node.succeed("token", "list")
            return acknowledged.allSatisfy { list.contains($0) }
          }
          let elections = try await node.events().filter { $0.type == "leader.elected" }
          #expect(Set(elections.map(\.term)).count == elections.count)
        }
        try await nodes[0].succeed("verify", "--cluster")
      }
    }

    @Test("The power of a machine fails: no connection is closed, and the others find out")
    func powerFailure() async throws {
      guard let network = Namespaces() else { return }
      defer { network.end() }
      try await onStage { stage in
        let machines = try await cluster(stage, network, workers: 1)
        let (nodes, worker) = (Array(machines.prefix(3)), machines[3])
        let off = try #require(try await leader(of: nodes))
        let others = nodes.filter { $0 !== off }
        let number = try #require(nodes.firstIndex { $0 === off }) + 1
        network.cut(number)
        off.kill()
        for node in others {
          try await eventually("\(node.name) knows, and another leads") {
            let status = try await node.status()
            return status.leader != nil && status.leader != off.name && status.canLose == 0
          }
        }
        try await others[0].succeed("add-node", "--timeout", "30s")
        // The worker's way to the API servers leads past it, whichever was drawn.
        for _ in 0..<8 {
          let nodes = try await Running(
            ["kubectl", "get", "nodes", "--data-dir", worker.data], in: stage.folder,
            environment: ["HOME": stage.folder.path], launcher: worker.launcher
          ).ended()
          #expect(nodes.code == 0 && nodes.out.contains("w1"), "\(nodes)")
        }
        network.mend(number)
        try await off.start()
        try await eventually("it is one of three again") {
          for node in nodes where try await !node.status().highAvailability { return false }
          return true
        }
      }
    }
  }
}
