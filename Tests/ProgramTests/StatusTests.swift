// Status tells the truth: what every node says while nodes are killed, stopped, cut off, or cannot
// write, and once they are back.

import Foundation
import Testing

extension Program {
  @Suite("Status")
  struct StatusTests {
    private struct Answer: Decodable {
      struct Trouble: Decodable {
        var node: String
        var recorded: String?
        var observed: String?
      }
      struct Verdict: Decodable {
        var highAvailability: Bool
        var healthy: [String]
        var by: String?
      }
      var highAvailability: Bool
      var canLose: Int
      var quorumHeld: Bool
      var critical: [String]
      var uncounted: [String]
      var troubles: [Trouble]
      var recorded: Verdict
      var observed: Verdict?
      var leader: String?
      var next: String?
    }

    private func ask(_ node: Node) async throws -> Answer {
      try JSONDecoder().decode(
        Answer.self, from: Data(try await node.succeed("status", "--format", "json").utf8))
    }

    /// Waits until each of these says that one of three voters does not count, and what follows.
    private func without(_ lost: Node, say nodes: [Node]) async throws {
      let others = nodes.map(\.name)
      for node in nodes {
        try await eventually("\(node.name) says that \(lost.name) does not count") {
          let answer = try await ask(node)
          return !answer.highAvailability && answer.canLose == 0 && answer.quorumHeld
            && answer.uncounted == [lost.name] && Set(answer.critical) == Set(others)
            && answer.observed?.highAvailability == false
            && answer.troubles.contains { $0.node == lost.name && $0.observed != nil }
        }
        #expect(try await ask(node).next?.contains("bring \(lost.name) back") == true)
        let seen = try await ask(node).troubles.first { $0.node == lost.name }?.observed ?? ""
        #expect(!seen.contains("in contact"), "\(seen)")
      }
    }

    private func all(_ nodes: [Node]) async throws {
      for node in nodes {
        try await eventually("\(node.name) says that all count") {
          let answer = try await ask(node)
          return answer.highAvailability && answer.canLose == 1 && answer.critical.isEmpty
            && answer.uncounted.isEmpty && answer.troubles.isEmpty && answer.next == nil
            && answer.recorded.healthy.count == 3 && answer.observed?.by == node.name
        }
      }
    }

    @Test("Killed and stopped nodes do not count, on every other node; who suspects them is told")
    func killedAndStopped() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        try await all(nodes)
        let name = try #require(try await nodes[0].status().leader)
        let leader = try #require(nodes.first { $0.name == name })
        let followers = nodes.filter { $0.name != name }
        let quiet = try await leader.run("add-node", "-o", "json")
        #expect(quiet.code == 0 && quiet.err.isEmpty, "\(quiet)")

        followers[1].kill()
        try await without(followers[1], say: [leader, followers[0]])
        for node in [leader, followers[0]] {
          let told = try await node.run("token", "list", "-o", "json")
          #expect(told.code == 0 && told.out.hasPrefix("{"))
          #expect(told.err.hasPrefix("warning: not one more node can be lost: losing "), "\(told)")
          #expect(try await node.run("status").err.isEmpty)
        }
        try await eventually("the log has it who suspects \(followers[1].name)") {
          let trouble = try await ask(followers[0]).troubles.first { $0.recorded != nil }
          return trouble?.recorded?.hasPrefix("suspected by \(name) (index ") == true
        }
        try await followers[1].start()
        try await all(nodes)

        // The leader itself, stopped: the others elect.
        let agent = try #require(leader.agent)
        #expect(Foundation.kill(agent.id, SIGSTOP) == 0)
        defer { _ = Foundation.kill(agent.id, SIGCONT) }
        try await without(leader, say: followers)
        #expect(try await ask(followers[0]).leader != name)
        #expect(Foundation.kill(agent.id, SIGCONT) == 0)
        try await all(nodes)
      }
    }

    @Test("Two nodes of three lost: the last says no, that it knows no leader, and what to look at")
    func quorumLost() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let recorded = "high-availability: yes\n"
        #expect(try await nodes[0].succeed("why", "ha").hasPrefix(recorded))
        nodes[1].kill()
        nodes[2].kill()
        try await eventually("it has no contact to a leader") {
          let answer = try await ask(nodes[0])
          return !answer.highAvailability && answer.canLose == 0 && !answer.quorumHeld
            && answer.leader == nil
        }
        let text = try await nodes[0].succeed("status")
        #expect(text.contains("can lose: unknown, no contact to a leader\n"))
        #expect(text.contains("next: 2 of 3 voters must reach one another"))
        let why = try await nodes[0].succeed("why", "ha")
        #expect(why.hasPrefix("high-availability now: no, as n1 sees it; no quorum"), "\(why)")
        #expect(why.contains(recorded))
        for option in [[], ["--redact"]] {
          let path = stage.folder.appendingPathComponent("b\(option.count).tar")
          let bundle = try await nodes[0].run(["bundle", path.path] + option)
          let text = String(decoding: try Data(contentsOf: path), as: UTF8.self)
          #expect(bundle.code == 0 && bundle.err.contains("live-status.txt"), "\(bundle)")
          #expect(text.contains("high-availability: no\n"), "\(bundle.err)")
          #expect(text.contains("as recorded at index "), "\(bundle.err)")
          #expect(option.isEmpty || !text.contains(nodes[0].address))
        }
        let told = try await nodes[0].run("nodes")
        #expect(told.code == 0)
        #expect(told.err.hasPrefix("warning: no contact to a leader"), "\(told)")
      }
    }

    @Test(
      "A voter whose disk is full does not count, on every node",
      .enabled(if: ProgramInTrouble.DiskTests.hasShim, "no C compiler (cc) here"))
    func fullDisk() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let name = try #require(try await nodes[0].status().leader)
        let sick = try #require(nodes.last { $0.name != name })
        let others = nodes.filter { $0.name != sick.name }
        #expect(try await sick.stop() == 0)
        sick.environment = ProgramInTrouble.DiskTests.failing(sick, "d 10 1000000 28")
        try await sick.start()
        try await eventually("its disk is full, and all say so") {
          _ = try await others[0].run("add-node", "--timeout", "5s")
          for node in nodes where try await ask(node).uncounted != [sick.name] { return false }
          return true
        }
        let seen = try await ask(others[1]).troubles.first { $0.node == sick.name }?.observed
        #expect(seen?.contains("disk takes no writes") == true, "\(seen ?? "nothing")")
        sick.kill()
        sick.environment = [:]
        try await sick.start()
        try await all(nodes)
      }
    }

    @Test("Of a partition each side says what it can know, and both the same once it is mended")
    func partition() async throws {
      guard let network = Namespaces() else { return }
      defer { network.end() }
      try await onStage { stage in
        var nodes: [Node] = []
        for number in 1...3 {
          let node = stage.node("n\(number)", try network.add(number))
          try await node.start()
          if let first = nodes.first { try await first.admit(node) }
          nodes.append(node)
        }
        try await all(nodes)
        for number in 1...3 {
          let lone = nodes[number - 1]
          network.cut(number)
          try await without(lone, say: nodes.filter { $0.name != lone.name })
          try await eventually("\(lone.name) knows no leader") {
            let answer = try await ask(lone)
            return answer.leader == nil && !answer.highAvailability && !answer.quorumHeld
          }
          network.mend(number)
          try await all(nodes)
        }
      }
    }
  }
}
