// Maintenance and settings, as an operator meets them.

import Foundation
import Testing

extension ProgramInTrouble {
  @Suite("Upkeep")
  struct UpkeepTests {
    private func role(_ name: String, _ status: StatusAnswer) -> String? {
      status.nodes.first { $0.name == name }?.datastoreRole
    }

    @Test("In maintenance the leader hands over and lends its vote; afterwards it has it back")
    func maintenance() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(4)
        let before = try await nodes[0].status()
        let leader = try #require(nodes.first { $0.name == before.leader })
        let spare = try #require(before.nodes.first { $0.datastoreRole == "standby" }?.name)
        let asker = try #require(nodes.first { $0.name != leader.name })
        let entered = try await asker.run(
          "maintenance", "enter", leader.name, "--reason", "new disk", "--timeout", "30s")
        #expect(entered.code == 0, "\(entered)")
        #expect(entered.out.contains("\(leader.name) is in maintenance"))
        #expect(
          entered.out.contains(
            "\(leader.name) may be switched off: \(spare) votes in its place"), "\(entered)")
        let away = try await asker.status()
        #expect(away.leader != leader.name && away.highAvailability)
        #expect(role(leader.name, away) == "standby" && role(spare, away) == "voter")
        #expect(away.nodes.first { $0.name == leader.name }?.state == "maintenance")

        #expect(try await leader.stop() == 0)
        try await asker.succeed("add-node", "--timeout", "30s")
        #expect(try await asker.status().highAvailability, "nothing is lost while it is off")
        try await leader.start()
        let exited = try await asker.run("maintenance", "exit", leader.name, "--timeout", "30s")
        #expect(exited.code == 0, "\(exited)")
        try await eventually("\(leader.name) votes again") {
          let status = try await asker.status()
          return role(leader.name, status) == "voter" && role(spare, status) == "standby"
            && status.pending == nil
        }
        let again = try await asker.run("maintenance", "exit", leader.name)
        #expect(again.code == 1 && again.err.contains("not in maintenance"), "\(again)")
        let types = try await asker.events().map(\.type)
        #expect(types.contains("maintenance.entered") && types.contains("maintenance.exited"))
      }
    }

    @Test("Where nobody could take it, the vote stays, and what that costs is said")
    func keepsItsVote() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let status = try await nodes[0].status()
        let voter = try #require(nodes.first { $0.name != status.leader })
        let entered = try await voter.run("maintenance", "enter", voter.name, "--for", "1h")
        #expect(entered.code == 0, "\(entered)")
        #expect(
          entered.out.contains("\(voter.name) keeps its vote")
            && entered.out.contains("not one more node can be lost"), "\(entered)")
        let unknown = try await voter.run("maintenance", "enter", "nobody")
        #expect(unknown.code == 6, "\(unknown)")
        let nonsense = try await voter.run("maintenance", "enter", "n1", "--for", "0")
        #expect(nonsense.code == 2, "\(nonsense)")
      }
    }

    @Test("Maintenance that was given a time ends by itself")
    func endsByItself() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(2)
        try await nodes[0].succeed("maintenance", "enter", "n2", "--for", "1s")
        try await eventually("it is over") {
          try await nodes[0].events().last?.type == "maintenance.exited"
        }
      }
    }

    @Test("Settings are shown and changed for the whole cluster, and roles follow")
    func policy() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        #expect(try await nodes[0].run("policy").lines.contains { $0.hasPrefix("voters ") })
        try await nodes[1].succeed("policy", "set", "voters", "1", "--timeout", "30s")
        try await eventually("one node votes") {
          let status = try await nodes[2].status()
          return status.masters.count == 1 && status.standbys.count == 2
        }
        try await nodes[1].succeed("policy", "set", "voters", "3", "--reason", "back")
        try await nodes[1].succeed("policy", "set", "suspect-after", "5s")
        try await eventually("three nodes vote again") {
          try await nodes[2].status().highAvailability
        }
        let json = try await nodes[2].run("policy", "-o", "json")
        #expect(json.out.contains("\"suspectAfterMilliseconds\" : 5000"), "\(json)")
        for wrong in [
          ["voters", "2"], ["voters", "x"], ["standbys", "99"], ["suspect-after", "1s"],
          ["spread", "maybe"], ["colour", "red"],
        ] {
          let outcome = try await nodes[0].run("policy", "set", wrong[0], wrong[1])
          #expect(outcome.code == 2, "\(wrong): \(outcome)")
        }
      }
    }
  }
}
