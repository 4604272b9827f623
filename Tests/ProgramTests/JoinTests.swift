// Who is let in, who is not, and what each is told.

import Foundation
import Testing

extension Program {
  @Suite("Joining")
  struct JoinTests {
    @Test(
      "Each reason why a token does not admit is told apart, and leaves the node as it was"
    )
    func tokenReasons() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let node = try await stage.started("n2")
        let own = try await node.status().cluster
        func refused(_ string: String, _ words: String, _ flags: String...) async throws {
          let outcome = try await Running(
            ["join", string, "--data-dir", node.data] + flags, in: stage.folder
          ).ended()
          #expect(outcome.code == 6, "\(words): \(outcome)")
          #expect(outcome.err.contains(words), "\(words): \(outcome)")
          #expect(!outcome.out.contains("Successfully"))
          #expect(try await node.status().cluster == own)
        }

        var parts = try await cluster.invitation().split(separator: "/").map(String.init)
        parts[1] = "00112233445566778899aabbccddeeff"
        try await refused(parts.joined(separator: "/"), "no such token")

        let revoked = try await cluster.invitation()
        let id = try await cluster.succeed("token", "list").split(separator: "\n").last?.prefix(10)
        try await cluster.succeed("token", "revoke", String(try #require(id)))
        try await refused(revoked, "revoked")

        let expiring = try await cluster.invitation("--token-ttl", "1")
        try await eventually("the token has expired") {
          try await cluster.succeed("token", "list").contains(" expired ")
        }
        try await refused(expiring, "expired")

        let worker = try await cluster.invitation("--worker")
        try await refused(worker, "worker nodes only")
        let control = try await cluster.invitation("--control-plane")
        try await refused(control, "control-plane nodes only", "--worker")

        let used = try await cluster.invitation()
        let third = try await stage.started("n3")
        try await third.succeed("join", used)
        try await refused(used, "used up: it admits 1 node, and n3 spent it at ")
      }
    }

    @Test(
      "A server that is not the one of CHECK gets no token, and one that is not there is told apart"
    )
    func identity() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let node = try await stage.started("n2")
        let string = try await cluster.invitation()
        var parts = string.split(separator: "/").map(String.init)
        parts[2] = String(parts[2].reversed())
        let wrong = try await node.run("join", parts.joined(separator: "/"))
        #expect(wrong.code == 4, "\(wrong)")
        #expect(wrong.err.contains("identity"), "\(wrong)")
        #expect(try await cluster.succeed("token", "list").contains(" active "))

        let nobody = string.replacingOccurrences(of: ":25000/", with: ":25999/")
        let missing = try await node.run("join", nobody, "--timeout", "5s")
        #expect(missing.code == 5, "\(missing)")
        // What did not succeed cost nothing.
        try await node.succeed("join", string)
      }
    }

    @Test(
      "A node does not join itself, nor away from members of its own, but the same cluster twice")
    func whereFrom() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let itself = try await cluster.run("join", try await cluster.invitation())
        #expect(itself.code == 3, "\(itself)")

        let node = try await stage.started("n2")
        let string = try await cluster.invitation()
        try await node.succeed("join", "-", input: string + "\n")
        let again = try await node.run("join", string)
        #expect(again.code == 0, "\(again)")
        #expect(again.out.hasSuffix("Successfully joined the cluster.\n"))

        let other = try await stage.started("m1")
        let away = try await node.run("join", try await other.invitation())
        #expect(away.code == 3, "\(away)")
        #expect(away.err.contains("leave"), "\(away)")
        #expect(try await node.status().nodes.map(\.name) == ["n1", "n2"])
      }
    }

    @Test("A token for one node admits one of two that come at once")
    func twoAtOnce() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let rivals = [try await stage.started("n2"), try await stage.started("n3")]
        let string = try await cluster.invitation()
        let running = try rivals.map { try $0.begin("join", string) }
        var codes: [Int32] = []
        for one in running { codes.append(try await one.ended().code) }
        #expect(codes.sorted() == [0, 6])
        let joined = try await cluster.events().filter { $0.type == "node.joined" }
        #expect(joined.count == 1)
        let winner = rivals[codes[0] == 0 ? 0 : 1].name
        #expect(try await cluster.status().nodes.map(\.name) == ["n1", winner])
      }
    }

    @Test("A name or an address that a member has is refused, naming the member")
    func taken() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let twin = stage.node("twin")
        let arguments = [
          "agent", "--name", "n1", "--address", twin.address, "--data-dir", twin.data,
        ]
        let agent = try Running(arguments, in: stage.folder)
        defer { kill(agent.id, SIGKILL) }
        try await eventually("it answers") {
          try await twin.run("status", "--wait-ready", "-t", "1").code == 0
        }
        let outcome = try await twin.run("join", try await cluster.invitation())
        #expect(outcome.code == 6, "\(outcome)")
        #expect(outcome.err.contains("n1"), "\(outcome)")
      }
    }

    @Test("A dry run tells whether the node would be admitted, and changes nothing")
    func dryRun() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let node = try await stage.started("n2")
        let string = try await cluster.invitation()
        let before = try await cluster.status().index
        try await node.succeed("join", string, "--dry-run")
        let refused = try await node.run(
          "join", string.replacingOccurrences(of: "/", with: "/0", options: [], range: nil),
          "--dry-run")
        #expect(refused.code != 0)
        #expect(try await cluster.status().index == before)
        #expect(try await node.status().nodes.map(\.name) == ["n2"])
        try await node.succeed("join", string)
      }
    }

    @Test("A worker joins, lists the API servers in provider.yaml, and answers for the cluster")
    func worker() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let worker = try await stage.started("w1")
        let lines = try await cluster.succeed("add-node").split(separator: "\n")
        let string = try #require(
          lines.first { $0.hasSuffix(" --worker") }?.split(separator: " ")[2])
        let control = try await worker.run("join", String(string))
        #expect(control.code == 6, "\(control)")
        let joined = try await worker.succeed("join", String(string), "--worker")
        #expect(joined.hasPrefix("Contacting cluster at \(cluster.address)\n"))
        #expect(joined.contains("provider.yaml") && joined.contains("--refresh-interval 0"))
        #expect(joined.hasSuffix("Successfully joined the cluster.\n"))

        let provider = worker.data + "/args/traefik/provider.yaml"
        try await eventually("provider.yaml lists the API server") {
          (try? String(contentsOfFile: provider, encoding: .utf8))?.hasSuffix(
            "        servers:\n        - address: \(cluster.address):16443\n") == true
        }
        try await eventually("the worker is ready") {
          try await cluster.status().nodes.last?.status == "Ready"
        }
        #expect(try await worker.status().nodes.map(\.name) == ["n1", "w1"])
        #expect(try await worker.succeed("nodes").contains("<none>"))
        for arguments in [["add-node"], ["remove-node", "n1"]] {
          let outcome = try await Running(
            arguments + ["--data-dir", worker.data], in: stage.folder
          ).ended()
          #expect(outcome.code == 6 && outcome.err.contains("worker"), "\(outcome)")
        }
        #expect(try await worker.stop() == 0)
        try await worker.start()
        let left = try await worker.run("leave")
        #expect(left.code == 0, "\(left)")
        #expect(try await worker.status().nodes.map(\.name) == ["w1"])
      }
    }
  }
}
