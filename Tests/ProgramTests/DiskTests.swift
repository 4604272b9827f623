// The disk refuses under a running agent.

import Foundation
import Testing

extension ProgramInTrouble {
  @Suite("Disks")
  struct DiskTests {
    static var hasShim: Bool { Shim.disk != nil }

    /// The environment of an agent on whose log the shim plays that failure.
    static func failing(_ node: Node, _ failure: String) -> [String: String] {
      ["LD_PRELOAD": Shim.disk ?? "", "DISK_FOLDER": node.data + "/log", "DISK_FAIL": failure]
    }

    @Test(
      "The first sync that fails ends the agent, which says why; started again it has everything",
      .enabled(if: Shim.disk != nil, "no C compiler (cc) here"), arguments: ["s", "w"])
    func syncFails(kind: String) async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        try await node.succeed("add-node")
        #expect(try await node.stop() == 0)
        let before = try await node.events().map(\.hash)
        // Late enough that it has started.
        node.environment = Self.failing(node, "\(kind) 12 1000000 5")
        try node.launch()
        let agent = try #require(node.agent)
        var acknowledged: [String] = []
        try await eventually("the agent has ended") {
          let answer = try await node.run("add-node", "--timeout", "2s")
          if answer.code == 0, let id = answer.out.split(separator: " ").last {
            acknowledged.append(String(id.prefix(10)))
          }
          return !agent.process.isRunning
        }
        #expect(agent.process.terminationReason == .exit)
        #expect(agent.process.terminationStatus == 1)
        #expect(agent.err.contains("this process must end"), "\(agent.err)")
        node.environment = [:]
        try await node.start()
        #expect(try await node.events().map(\.hash).starts(with: before))
        let list = try await node.succeed("token", "list")
        for id in acknowledged { #expect(list.contains(id)) }
      }
    }

    @Test(
      "The leader's disk stands still: another leads, and all that was acknowledged is there then",
      .enabled(if: Shim.disk != nil, "no C compiler (cc) here"))
    func stall() async throws {
      try await onStage { stage in
        var gates: [String: String] = [:]
        for number in 1...3 {
          let node = stage.node("n\(number)")
          let gate = stage.folder.appendingPathComponent("stall-\(node.name)").path
          gates[node.name] = gate
          node.environment = Self.failing(node, "s 1000000000 1 5").merging(["DISK_STALL": gate]) {
            $1
          }
          try await node.start()
          if number > 1 { try await stage.nodes[0].admit(node) }
        }
        let nodes = stage.nodes
        try await eventually("three vote") { try await nodes[0].status().highAvailability }
        let old = try #require(try await nodes[0].status().leader)
        let others = nodes.filter { $0.name != old }
        let gate = try #require(gates[old])
        let clients = nodes.indices.map { Appender(nodes, from: $0) }
        func committed() -> Int { clients.reduce(0) { $0 + $1.seen.acknowledged.count } }
        try await eventually("clients are served") { committed() > 20 }
        try Data().write(to: URL(fileURLWithPath: gate))
        try await eventually("another leads") {
          let leader = try await others[0].status().leader
          return leader != nil && leader != old
        }
        let before = committed()
        try await eventually("and serves") { committed() > before + 20 }
        try FileManager.default.removeItem(atPath: gate)
        var acknowledged: [String] = []
        for client in clients {
          let record = await client.finish()
          acknowledged += record.acknowledged
        }
        for node in nodes {
          try await eventually("\(node.name) has everything") {
            let known = Set(try await node.events().map(\.commandId))
            return acknowledged.allSatisfy(known.contains)
          }
        }
        try await eventually("it counts again") { try await others[0].status().highAvailability }
        try await others[0].succeed("verify", "--cluster")
      }
    }

    @Test(
      "A full disk refuses and is named; with space again the same agent goes on by itself",
      .enabled(if: Shim.disk != nil, "no C compiler (cc) here"))
    func fullDisk() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        #expect(try await node.stop() == 0)
        // Data pages are refused, four times; it tries once a second.
        node.environment = Self.failing(node, "d 20 4 28")
        try await node.start()
        let agent = try #require(node.agent)
        try await eventually("the disk is full") {
          _ = try await node.run("add-node", "--timeout", "1s")
          return node.log.contains("free some space there")
        }
        #expect(try await node.run("status").code == 0)
        try await eventually("it goes on") {
          try await node.run("add-node", "--timeout", "2s").code == 0
        }
        #expect(agent.process.isRunning)
        #expect(try await node.stop() == 0)
        #expect(try await node.run("repair").code == 0)
      }
    }
  }
}
