// Bad nights of others. Each of these happened to people who run MicroK8s, whose thread is named
// (canonical/microk8s, where nothing else is said); here it happens to muster's agents, and the
// test says what the operator is told, what the next command is, and that this command works.
//
// What stands elsewhere already is not played twice: status while voters die (StatusTests), a voter
// joins beside a dead one, ten join at once, names, IPv6, clocks (BadInputTests), moved machines
// (AddressTests), each reason of a token (JoinTests), a leave that dies in the middle (CrashTests),
// damaged and full disks (DamageTests, DiskTests), a control plane that was replaced behind a
// worker's back (EndpointsTests).

import Foundation
import Testing

extension ProgramInTrouble {
  @Suite("Incidents", .serialized)
  struct IncidentTests {
    /// The commands that the last line of advice names, in their order.
    static func advice(_ status: String) -> [[String]] {
      let line = status.split(separator: "\n").first { $0.hasPrefix("next: ") } ?? ""
      return line.matches(of: /muster role (\S+) control-plane/).map {
        ["role", String($0.1), "control-plane"]
      }
    }

    static func reason(_ outcome: Outcome) -> String {
      outcome.err.split(separator: "\n").last { $0.hasPrefix("error: ") }.map(String.init) ?? ""
    }

    @Test(
      "A dead machine is taken out by name, comes back anew, and no ghost stays"
    )
    func ghost() async throws {  // #2465 #2212 #3694 #4311 #1828, and #3227 for what is dialled
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let (n1, n3) = (nodes[0], nodes[2])
        n3.kill()
        try FileManager.default.removeItem(atPath: n3.data)
        try await n3.start()
        let string = try await n1.invitation()
        // Its name is in the cluster still: since when, and what to do.
        let known = try await n3.run("join", string)
        #expect(known.code == 6, "\(known)")
        let since = try await n1.events().first { $0.type == "node.joined" }?.index ?? 0
        let words = Self.reason(known)
        #expect(words.contains("the name n3 belongs to a member"), "\(known)")
        #expect(words.contains("since index "), "\(known)")
        #expect(words.contains("--replace n3"), "\(known)")
        #expect(since > 0)
        // It was there a moment ago: nobody claims that it is alive, and both ways on are named.
        let early = try await n1.run("remove-node", "n3")
        #expect(early.code == 3, "\(early)")
        #expect(Self.reason(early).contains("heard from within the last half minute"), "\(early)")
        #expect(Self.reason(early).contains("remove-node n3 --force --reason"), "\(early)")
        let removed = try await n1.succeed(
          "remove-node", "n3", "--force", "--reason", "its disk died")
        #expect(removed.contains("n3 was removed at index"))
        // The invitation was not spent by what was refused.
        #expect(try await n3.succeed("join", string).hasSuffix("joined the cluster.\n"))
        try await eventually("three vote, each of them once") {
          let status = try await n1.status()
          return status.highAvailability && status.nodes.map(\.name) == ["n1", "n2", "n3"]
            && status.masters.count == 3
        }
        let events = try await n1.events()
        #expect(events.count { $0.type == "node.removed" } == 1)
        #expect(events.last { $0.type == "node.removed" }?.reason == "its disk died")
        #expect(try await n1.succeed("why", "n3").contains("node.joined"))
        try await n1.succeed("health", "--wait", "--timeout", "40s")
        let doctor = try await n1.succeed("doctor")
        #expect(!doctor.contains("warn  MU-NET") && !doctor.contains("warn  MU-HA"), "\(doctor)")
        try await n1.succeed("verify", "--cluster")
      }
    }

    @Test(
      "One of three machines hangs: the others go on, and who asks the hung one is told"
    )
    func hangs() async throws {  // #4596 #4394 #3492 #1935 #2515, and #4555 #3980 for the join
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let name = try #require(try await nodes[0].status().leader)
        let hung = try #require(nodes.first { $0.name == name })
        let others = nodes.filter { $0.name != name }
        let string = try await hung.invitation()
        let worker = try await stage.started("w1")
        let agent = try #require(hung.agent?.id)
        #expect(kill(agent, SIGSTOP) == 0)
        defer { kill(agent, SIGCONT) }
        let refused = try await worker.run("join", string, "--worker", "--timeout", "5s")
        #expect(refused.code == 5, "\(refused)")
        #expect(!refused.out.contains("Successfully"))
        #expect(Self.reason(refused).contains(hung.address), "\(refused)")
        #expect(try await worker.status().nodes.map(\.name) == ["w1"], "it is as it was")
        try await others[0].succeed("add-node", "--timeout", "30s")
        for node in others {
          try await eventually("\(node.name) says what is wrong, and with whom") {
            let status = try await node.succeed("status")
            return status.contains("high-availability: no\n")
              && status.contains("\(name) does not count now\n")
              && (status.contains("no contact for ") || status.contains("not heard from since"))
              && status.contains(
                "next: bring \(name) back (muster doctor there says what is wrong)")
          }
        }
        // The same invitation, through a machine that answers.
        let through = string.replacingOccurrences(of: hung.address, with: others[0].address)
        let check = try await others[0].invitation().split(separator: "/")[2]
        let parts = through.split(separator: "/")
        try await worker.succeed("join", "\(parts[0])/\(parts[1])/\(check)", "--worker")
        #expect(kill(agent, SIGCONT) == 0)
        try await eventually("it is back by itself, and follows") {
          let status = try await hung.status()
          return status.highAvailability && status.leader != nil
            && status.nodes.contains { $0.name == "w1" }
        }
        #expect(try await others[0].events().count { $0.type == "node.joined" } == 3)
      }
    }

    @Test(
      "Two of three machines burnt: the last says so, and its history goes on elsewhere"
    )
    func burnt() async throws {  // #2819 #2898 #3114 #2348 #4252 #1578
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let n1 = nodes[0]
        nodes[1].kill()
        nodes[2].kill()
        try await eventually("it says that no quorum is left, and what begins anew") {
          let status = try await n1.succeed("status")
          return status.contains("high-availability: no\n")
            && status.contains("next: 2 of 3 voters must reach one another: ")
            && status.contains("if too many of them are gone for good, muster export")
        }
        let refused = try await n1.run("add-node", "--timeout", "1s")
        #expect(refused.code == 7, "\(refused)")
        #expect(Self.reason(refused).contains("the same command again is safe"), "\(refused)")
        #expect(try await n1.run("doctor").code == 1)
        let left = try await n1.run("leave", "--timeout", "1s")
        #expect(left.code == 7 && Self.reason(left).contains("leave --local"), "\(left)")
        // Who changed the mind is told that the wish stands.
        let pending = try await n1.run("doctor", "--check", "DIR-07")
        #expect(pending.out.contains("so does the agent when it starts next"), "\(pending)")
        let file = stage.folder.appendingPathComponent("last.muster").path
        try await n1.succeed("export", file)
        let before = try await n1.events()
        n1.kill()
        let m1 = stage.node("m1")
        try await m1.succeed(
          "import", file, "--seed", "--name", "m1", "--address", m1.address, "--reason", "fire")
        try await m1.start()
        let after = try await m1.events()
        #expect(after.map(\.hash).starts(with: before.map(\.hash)))
        #expect(after[before.count].type == "cluster.imported")
        #expect(after[before.count].reason == "fire")
        #expect(try await m1.succeed("why", "n2").contains("left behind"))
        let m2 = try await stage.started("m2")
        try await m1.admit(m2)
        // The last one of the old cluster is no half of the new one when it wakes up.
        try n1.launch()
        try await eventually("it knows nobody who leads") {
          let outcome = try await n1.run("status", "--format", "json")
          guard outcome.code == 0 else { return false }
          return try JSONDecoder().decode(StatusAnswer.self, from: Data(outcome.out.utf8)).leader
            == nil
        }
        #expect(try await n1.succeed("status").contains("which has heard from no leader yet"))
        #expect(try await m1.status().nodes.map(\.name) == ["m1", "m2"])
      }
    }
  }
}
