// Members that ask for more than they may have.

import Foundation
import Testing

extension ProgramInTrouble {
  @Suite(
    "Trespass",
    .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/curl"), "no curl here"))
  struct TrespassTests {
    /// What the cluster answers to a join that was written by hand, with that node's key.
    private func join(
      _ node: Node, at host: Node, id: String, token: String, role: String, clock: Int64
    ) async throws -> String {
      let milliseconds = UInt64(Date().timeIntervalSince1970 * 1000)
      var command = String(milliseconds, radix: 16)
      command = String(repeating: "0", count: 12 - command.count) + command
      command += UUID().uuidString.replacingOccurrences(of: "-", with: "").lowercased().prefix(20)
      let body = """
        {"command": "\(command)", "token": "\(token)", "node": "\(id)", "name": "\(node.name)", \
        "role": "\(role)", "clusterAddress": "\(node.address):25000", \
        "datastoreAddress": "\(node.address):19001", "extraAddresses": [], "failureDomain": "1", \
        "version": "0.1.0", "eventFormat": 1, "clock": \(clock), "dryRun": false}
        """
      return try await node.post(body, to: host, "/v1/join")
    }

    @Test("A worker that asks to be a control-plane node is given no key, whatever it sends")
    func worker() async throws {
      try await onStage { stage in
        let n1 = try await stage.started("n1")
        let w1 = try await stage.started("w1")
        try await n1.admit(w1, worker: true)
        let id = try #require(try await n1.status().nodes.first { $0.name == "w1" }?.id)
        let string = try await n1.invitation("--uses", "0")
        let now = Int64(Date().timeIntervalSince1970 * 1000)
        for token in [String(string.split(separator: "/")[1]), String(repeating: "0a", count: 16)] {
          let answer = try await join(
            w1, at: n1, id: id, token: token, role: "control-plane", clock: now)
          #expect(answer.contains("not-allowed"), "\(answer)")
          #expect(!answer.contains("PRIVATE KEY"))
        }
        // A clock that no subtraction survives ends nothing.
        for clock in [Int64.min, .max] {
          let answer = try await join(w1, at: n1, id: id, token: "x", role: "worker", clock: clock)
          #expect(answer.contains("clocks"), "\(answer)")
        }
        #expect(try await n1.status().nodes.map(\.role).filter { $0 == "worker" }.count == 1)
      }
    }
  }
}
