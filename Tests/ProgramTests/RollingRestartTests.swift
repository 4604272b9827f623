// Nodes are restarted one after another while clients work.

import Foundation
import Testing

extension ProgramInTrouble {
  @Suite("Restarting node after node, under load")
  struct RollingRestartTests {
    @Test("with SIGTERM fails no request, with SIGKILL loses nothing, and nothing happens twice")
    func rolling() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let clients = (0..<6).map { Appender(nodes, from: $0 % 3) }
        func committed() -> Int { clients.reduce(0) { $0 + $1.seen.acknowledged.count } }
        func eachInTurn(_ end: (Node) async throws -> Void) async throws {
          for node in nodes {
            let before = committed()
            try await eventually("clients are served") { committed() > before + 20 }
            try await end(node)
            try await node.start()
            try await eventually("\(node.name) has caught up") {
              try await nodes.first { $0 !== node }?.status().highAvailability == true
            }
          }
        }
        try await eachInTurn { node in
          let code = try await node.stop()
          #expect(code == 0)
        }
        let failures = clients.flatMap(\.seen.failures)
        #expect(failures.isEmpty, "\(failures.prefix(3))")
        try await eachInTurn { $0.kill() }
        var acknowledged: [String] = []
        for client in clients {
          let record = await client.finish()
          #expect(record.lost.isEmpty, "\(record.failures.suffix(3))")
          acknowledged += record.acknowledged
        }
        for node in nodes {
          try await node.succeed("status", "--wait-ready", "--timeout", "40s")
          var times: [String: Int] = [:]
          for event in try await node.events() where event.type == "token.issued" {
            times[event.commandId, default: 0] += 1
          }
          #expect(acknowledged.allSatisfy { times[$0] == 1 }, "on \(node.name)")
          #expect(times.values.allSatisfy { $0 == 1 }, "on \(node.name)")
        }
      }
    }
  }
}
