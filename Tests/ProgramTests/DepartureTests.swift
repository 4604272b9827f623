// How nodes go: what whoever sends them away is told before and after, what is refused, and what
// becomes of a node that others removed.

import Foundation
import Testing

extension Program {
  @Suite("Going")
  struct DepartureTests {
    private func leader(of nodes: [Node]) async throws -> Node {
      let name = try #require(try await nodes[0].status().leader)
      return try #require(nodes.first { $0.name == name })
    }

    /// What was said before the cluster was asked.
    private func foretold(_ outcome: Outcome) -> String {
      for words in ["ask to leave", "ask the cluster", "error:"] {
        if let begin = outcome.err.range(of: words) {
          return String(outcome.err[..<begin.lowerBound])
        }
      }
      return outcome.err
    }

    @Test("On every node leave, remove-node and role say what they will cost before they act")
    func foretelling() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let worker = try await stage.started("w1")
        try await nodes[0].admit(worker, worker: true)
        let leader = try await leader(of: nodes)
        let followers = nodes.filter { $0.name != leader.name }
        for node in [leader, followers[0]] {
          for target in ["w1", worker.address] {
            let removal = try await node.run("remove-node", target)
            #expect(removal.code == 3, "\(removal)")
            #expect(foretold(removal).contains("what if \(target) is removed?"), "\(removal)")
          }
          let role = try await node.run("role", "w1", "worker")
          #expect(role.code == 0, "\(role)")
          #expect(foretold(role).contains("what if w1 becomes a worker?"), "\(role)")
          let promotion = try await node.run("role", leader.name, "control-plane")
          #expect(
            foretold(promotion).contains("what if \(leader.name) becomes a control-plane node?"),
            "\(promotion)")
        }
        // A worker keeps no log, and is told what the control plane sees.
        let going = try await worker.run("leave")
        #expect(going.code == 0, "\(going)")
        #expect(foretold(going).contains("what if w1 leaves?"), "\(going)")
        #expect(foretold(going).contains("high-availability after: yes"), "\(going)")

        // Three are highly available, two are not, and one is nobody's spare.
        let third = try await followers[1].run("leave")
        #expect(third.code == 0, "\(third)")
        #expect(foretold(third).contains("high-availability now:   yes"), "\(third)")
        #expect(foretold(third).contains("high-availability after: no"), "\(third)")
        let second = try await leader.run("leave")
        #expect(second.code == 0, "\(second)")
        #expect(foretold(second).contains("what if \(leader.name) leaves?"), "\(second)")
        #expect(foretold(second).contains("\(leader.name) leads: leadership moves"), "\(second)")
        #expect(foretold(second).contains("\(followers[0].name) voter"), "\(second)")
        let last = try await followers[0].status()
        #expect(last.leader == followers[0].name && last.masters.count == 1)
        try await followers[0].succeed("add-node")
      }
    }

    @Test("Without the others a leave waits in vain, and says how to go without them")
    func withoutTheOthers() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let worker = try await stage.started("w1")
        try await nodes[0].admit(worker, worker: true)
        nodes[1].kill()
        nodes[2].kill()
        try await eventually("n1 knows no leader") { try await nodes[0].status().leader == nil }
        for node in [nodes[0], worker] {
          let outcome = try await node.run("leave", "--timeout", "1s")
          #expect(outcome.code == 7, "\(outcome)")
          #expect(outcome.err.contains("muster leave --local"), "\(outcome)")
          #expect(outcome.err.contains("muster remove-node \(node.name)"), "\(outcome)")
          if node.name == "n1" { try await takeBack(node) }
          nodes[0].kill()
        }
        let local = try await worker.run("leave", "--local")
        #expect(local.code == 0 && local.err.contains("muster remove-node w1"), "\(local)")
        #expect(try await worker.status().nodes.map(\.name) == ["w1"])
        // There is nothing more to leave.
        let again = try await worker.run("leave", "--local")
        #expect(again.code == 1 && again.err.contains("nothing to leave"), "\(again)")
        for node in nodes.dropFirst() { try node.launch() }
        try await eventually("two lead again") { try await nodes[1].run("status").code == 0 }
        try await nodes[1].succeed(
          "remove-node", "w1", "--force", "--reason", "it left alone", "--timeout", "40s")
      }
    }

    /// A leave that waits is seen, and can be taken back once.
    private func takeBack(_ node: Node) async throws {
      let waits = "n1: a leave waits here (asked for by "
      #expect(try await node.succeed("status").contains(waits))
      let taken = try await node.run("leave", "--cancel")
      #expect(taken.code == 0 && taken.out.contains("does not ask to leave any more"), "\(taken)")
      #expect(try await !node.succeed("status").contains(waits))
      let again = try await node.run("leave", "--cancel")
      #expect(again.code == 1 && again.err.contains("nothing to take back"), "\(again)")
    }

    @Test("The leader is removed by force: it hands over, the others go on, and it is told")
    func leaderRemoved() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let leader = try await leader(of: nodes)
        let others = nodes.filter { $0.name != leader.name }
        let plain = try await others[0].run("remove-node", leader.name)
        #expect(plain.code == 3, "\(plain)")
        let itself = try await leader.run("remove-node", leader.name, "--force", "--reason", "x")
        #expect(itself.code == 3 && itself.err.contains("muster leave"), "\(itself)")
        try await others[0].succeed("remove-node", leader.name, "--force", "--reason", "fan")
        #expect(others.map(\.name).contains(try await others[1].status().leader ?? ""))
        try await others[1].succeed("add-node")
        try await eventually("it is told") {
          let told = try await leader.run("status")
          return told.code == 1 && told.err.contains("root@\(others[0].name)")
        }
        // Twice is once: the record is closed, and says by whom.
        let again = try await others[0].run("remove-node", leader.name)
        #expect(again.code == 6 && again.err.contains("removed by root@"), "\(again)")
      }
    }

    @Test("Of three voters one is dead and one is removed: the last decides alone, and must stay")
    func removedWhileOneIsDown() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let leader = try await leader(of: nodes)
        let others = nodes.filter { $0.name != leader.name }
        others[1].kill()
        try await eventually("\(others[1].name) does not count") {
          try await leader.status().canLose == 0
        }
        try await leader.succeed("remove-node", others[0].name, "--force", "--reason", "fan")
        #expect(try await leader.status().masters == [leader.address + ":19001"])
        try await leader.succeed("add-node")
        for words in [["leave"], ["role", leader.name, "worker"]] {
          let outcome = try await leader.run(words)
          #expect(outcome.code == 3, "\(outcome)")
          #expect(outcome.err.contains("holds the last vote that counts"), "\(outcome)")
          #expect(outcome.err.contains("\(others[1].name) is not ready"), "\(outcome)")
        }
        try await others[1].start()
        try await leader.succeed("leave")
        #expect(try await others[1].status().masters == [others[1].address + ":19001"])
      }
    }

    @Test("With the quorum lost nothing is removed, and the way out is named")
    func quorumLost() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        nodes[1].kill()
        nodes[2].kill()
        try await eventually("n1 knows no leader") { try await nodes[0].status().leader == nil }
        for words in [
          ["remove-node", "n2", "--force", "--reason", "gone"], ["remove-node", "n2"],
          ["role", "n2", "worker"],
        ] {
          let outcome = try await nodes[0].run(words + ["--timeout", "1s"])
          #expect(outcome.code == 7 && outcome.err.contains("no leader"), "\(outcome)")
          #expect(outcome.err.contains("warning: no contact to a leader"), "\(outcome)")
        }
        let status = try await nodes[0].succeed("status")
        #expect(status.contains("next: 2 of 3 voters must reach one another"), "\(status)")
        #expect(status.contains("muster import FILE --seed --data-dir NEW"), "\(status)")
        for node in nodes.dropFirst() { try await node.start() }
        try await eventually("all three are there, as before") {
          try await nodes[0].status().nodes.map(\.name) == ["n1", "n2", "n3"]
        }
      }
    }

    @Test("A node that was removed comes back with its old disk: it is told, idles, and may leave")
    func oldDisk() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let worker = try await stage.started("w1")
        try await nodes[0].admit(worker, worker: true)
        for node in [nodes[2], worker] {
          node.kill()
          try await nodes[0].succeed(
            "remove-node", node.name, "--force", "--reason", "sold", "--timeout", "30s")
        }
        let removed = try await nodes[0].events().filter { $0.type == "node.removed" }
        let index = try await nodes[0].status().index
        for (node, event) in zip([nodes[2], worker], removed) {
          for _ in 0..<2 {
            try node.launch()
            try await eventually("\(node.name) is told when and by whom") {
              let told = try await node.run("status")
              return told.code == 1
                && told.err.contains("removed by force at index \(event.index) (")
                && told.err.contains(event.time.prefix(19)) && told.err.contains("root@n1")
                && told.err.contains("muster leave")
            }
            try await eventually("it knows it by itself") {
              let other = try await node.run("add-node")
              return other.code == 1 && other.err.contains("no member")
            }
            // It goes on running, says so, and does nothing.
            #expect(node.agent?.process.isRunning == true)
            #expect(try await node.run("health").code != 0)
            #expect(try await node.stop() == 0)
          }
          #expect(node.log.split(separator: "\n").count { $0.contains("no member of its") } == 1)
        }
        // Nothing came of it where it was.
        let events = try await nodes[0].events().filter { $0.index > index }
        #expect(!events.contains { ["node.joined", "leader.elected"].contains($0.type) })
        for node in [nodes[2], worker] {
          try node.launch()
          try await eventually("\(node.name) leaves") { try await node.run("leave").code == 0 }
          #expect(try await node.status().nodes.map(\.name) == [node.name])
        }
      }
    }

    @Test("A node that was removed and does not know it yet leaves all the same")
    func leavesUntold() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let leader = try await leader(of: nodes)
        let gone = try #require(nodes.last { $0.name != leader.name })
        let agent = try #require(gone.agent)
        _ = kill(agent.id, SIGSTOP)
        try await leader.succeed("remove-node", gone.name, "--force", "--reason", "test")
        let leave = try gone.begin("leave")
        _ = kill(agent.id, SIGCONT)
        let outcome = try await leave.ended()
        #expect(outcome.code == 0, "\(outcome)")
        #expect(try await gone.status().nodes.map(\.name) == [gone.name])
      }
    }
  }
}
