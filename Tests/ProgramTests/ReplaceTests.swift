import Foundation
import Testing

extension ProgramInTrouble {
  /// A machine that was rebuilt comes back under its old name.
  @Suite("Replacing a node", .serialized)
  struct ReplaceTests {
    /// The same machine after its disk was emptied: name and address stay.
    private func rebuild(_ node: Node) async throws {
      node.kill()
      try FileManager.default.removeItem(atPath: node.data)
      try await node.start()
    }

    @Test("A dead voter of three is rebuilt: one event, no ghost, and three vote again")
    func voter() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let old = try await nodes[0].status().nodes.first { $0.name == "n3" }?.id
        try await rebuild(nodes[2])
        let string = try await nodes[0].invitation()
        let plain = try await nodes[2].run("join", string)
        #expect(plain.code == 6 && plain.err.contains("--replace n3"), "\(plain)")
        // Until it has been silent for half a minute the old one counts as alive.
        let early = try await nodes[2].run("join", string, "--replace", "n3", "--dry-run")
        #expect(early.code == 3 && early.err.contains("n3 was heard from"), "\(early)")
        try await eventually("the old n3 is out of reach", within: .seconds(90)) {
          try await nodes[2].run("join", string, "--replace", "n3", "--dry-run").code == 0
        }
        let joined = try await nodes[2].succeed("join", string, "--replace", "n3")
        #expect(joined.hasSuffix("Successfully joined the cluster.\n"))
        try await eventually("three vote again, the new n3 among them") {
          let status = try await nodes[0].status()
          return status.highAvailability && status.masters.count == 3 && status.nodes.count == 3
            && status.nodes.contains { $0.name == "n3" && $0.id != old && $0.status == "Ready" }
        }
        let events = try await nodes[0].events()
        #expect(events.count { $0.type == "node.replaced" } == 1)
        #expect(events.count { $0.type == "node.removed" } == 0)
        let again = try await nodes[2].succeed("join", string, "--replace", "n3")
        #expect(again.hasSuffix("Successfully joined the cluster.\n"))
        let why = try await nodes[0].succeed("why", "n3")
        #expect(why.contains("node.replaced"), "\(why)")
        try await nodes[0].succeed("verify", "--cluster")
        try await nodes[0].succeed("replay")
      }
    }

    @Test("A worker that left is replaced at once, and one that moved tells where it is")
    func worker() async throws {
      try await onStage { stage in
        let n1 = try await stage.started("n1")
        let w1 = try await stage.started("w1")
        try await n1.admit(w1, worker: true)
        try await w1.succeed("leave")
        let string = try await n1.invitation()
        try await w1.succeed("join", string, "--worker", "--replace", "w1")
        #expect(try await n1.status().nodes.count { $0.name == "w1" } == 1)

        #expect(try await w1.stop() == 0)
        w1.address = Stage.address()
        try await w1.start()
        try await eventually("the log says where the worker is") {
          try await n1.succeed("nodes", "-o", "wide").contains(w1.address)
        }
        try await eventually("it is there") {
          try await n1.status().nodes.filter { $0.name == "w1" }.map(\.status) == ["Ready"]
        }
        #expect(try await n1.events().last { $0.type == "endpoint.refreshed" }?.actor == "w1")
        // It says so once.
        let count = try await n1.events().count
        #expect(try await w1.stop() == 0)
        try await w1.start()
        #expect(try await n1.events().count == count)
      }
    }
  }
}
