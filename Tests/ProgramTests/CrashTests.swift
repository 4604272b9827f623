// kill -9 in the middle of what changes a node: afterwards it is before or after, never between.

import Foundation
import Testing

extension ProgramInTrouble {
  @Suite("Crashes")
  struct CrashTests {
    static let moments = [0, 20, 60, 120, 200, 400]

    @Test("A joiner killed in the middle is a member once, when it comes back", arguments: moments)
    func join(_ milliseconds: Int) async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let node = try await stage.started("n2")
        let string = try await cluster.invitation()
        let join = try node.begin("join", string)
        try await Task.sleep(for: .milliseconds(milliseconds))
        node.kill()
        _ = try await join.ended()
        try node.launch()
        // It goes on by itself, the same join attaches, or nothing had begun: all end the same.
        try await eventually("the join is done") {
          try await node.run("join", string).code == 0
        }
        #expect(try await node.status().nodes.map(\.name) == ["n1", "n2"])
        #expect(try await cluster.events().count { $0.type == "node.joined" } == 1)
        let own = try await node.events().map(\.hash)
        #expect(try await cluster.events().map(\.hash).starts(with: own.prefix(5)))
      }
    }

    @Test("A leaver killed in the middle is gone once, when it comes back", arguments: moments)
    func leave(_ milliseconds: Int) async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(2)
        let old = try await nodes[1].status().cluster
        let leave = try nodes[1].begin("leave")
        try await Task.sleep(for: .milliseconds(milliseconds))
        nodes[1].kill()
        _ = try await leave.ended()
        try nodes[1].launch()
        try await eventually("the leave is done") {
          let status = try await nodes[1].run("status", "-o", "json")
          if status.code == 0 {
            let answer = try JSONDecoder().decode(
              StatusAnswer.self, from: Data(status.out.utf8))
            if answer.cluster != old { return true }
          }
          _ = try await nodes[1].run("leave")
          return false
        }
        #expect(try await nodes[1].status().nodes.map(\.name) == ["n2"])
        try await eventually("the other has it as left") {
          try await nodes[0].status().nodes.last?.state == "left"
        }
        #expect(try await nodes[0].events().count { $0.type == "node.left" } == 1)
      }
    }

    @Test("A node killed again and again loses nothing that it had acknowledged")
    func restarts() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        var acknowledged: Set<String> = []
        for round in 0..<6 {
          let running = try (0..<3).map { _ in try node.begin("add-node", "--format", "json") }
          try await Task.sleep(for: .milliseconds(round * 30))
          node.kill()
          for one in running { _ = try await one.ended() }
          try await node.start()
          let answer = try await node.succeed("add-node")
          let id = try #require(answer.split(separator: " ").last?.prefix(10))
          acknowledged.insert(String(id))
        }
        let list = try await node.succeed("token", "list")
        for id in acknowledged { #expect(list.contains(id)) }
        let indexes = try await node.events().map(\.index)
        #expect(indexes == Array(1...UInt64(indexes.count)))
      }
    }
  }
}
