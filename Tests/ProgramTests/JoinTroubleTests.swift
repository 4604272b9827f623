// Joins that meet with trouble: interrupted, unreachable, of another version, removed meanwhile;
// and what becomes of what the joiner had.

import Foundation
import Testing

extension ProgramInTrouble {
  @Suite("Joining with trouble")
  struct JoinTroubleTests {
    /// A cluster that cannot admit anybody, with a string of its, and what makes it whole again.
    private func withoutQuorum(
      _ stage: Stage
    ) async throws -> (nodes: [Node], string: String, mend: () async throws -> Void) {
      let nodes = try await stage.cluster(3)
      let string = try await nodes[0].invitation()
      for node in nodes.dropFirst() { node.kill() }
      return (nodes, string, { for node in nodes.dropFirst() { try await node.start() } })
    }

    private func isAsking(_ join: Running) -> Bool { join.err.contains("request membership\n") }

    @Test(
      "Ctrl-C, SIGTERM, a closed terminal: it says how to go on, and the same join attaches",
      arguments: [SIGINT, SIGTERM, SIGHUP])
    func interrupted(_ signal: Int32) async throws {
      try await onStage { stage in
        let (nodes, string, mend) = try await withoutQuorum(stage)
        let joiner = try await stage.started("n4")
        let join = try joiner.begin("join", string)
        try await eventually("it asks") { isAsking(join) }
        kill(join.id, signal)
        let outcome = try await join.ended()
        #expect(outcome.code == 7, "\(outcome)")
        #expect(outcome.err.contains("interrupted: the agent goes on"), "\(outcome)")
        #expect(outcome.err.contains("The same join attaches"), "\(outcome)")
        let again = try joiner.begin("join", string)
        try await eventually("it attaches") { again.err.contains("under way already") }
        // Another one does not.
        let other = try await joiner.run("join", "-", "--worker", "--timeout", "1s")
        #expect(other.code != 0)
        try await mend()
        let end = try await again.ended()
        #expect(end.code == 0 && end.out.contains("Successfully joined"), "\(end)")
        #expect(end.out.components(separatedBy: "Contacting cluster").count == 2, "\(end)")
        try await joiner.succeed("join", string)
        #expect(
          try await nodes[1].events().filter { $0.type == "node.joined" }.count == 3)
      }
    }

    @Test("A command that waits for a leader says so, and who is missing; with one it is done")
    func waiting() async throws {
      try await onStage { stage in
        let (nodes, _, mend) = try await withoutQuorum(stage)
        let left = nodes[0]
        try await eventually("no leader is known") { try await left.status().leader == nil }
        let command = try left.begin("add-node", "--timeout", "80s")
        try await eventually("it says what it waits for") {
          command.err.contains(
            "waiting for a leader: cannot reach n2 or n3; 2 of 3 voters are needed\n")
        }
        try await mend()
        let end = try await command.ended()
        #expect(end.code == 0 && end.out.contains("muster join"), "\(end)")
        let quick = try await left.run("add-node")
        #expect(quick.code == 0 && !quick.err.contains("waiting"), "\(quick)")
      }
    }

    @Test("An agent that is told to end in the middle of a join says how to go on, and goes on")
    func agentStopped() async throws {
      try await onStage { stage in
        let (nodes, string, mend) = try await withoutQuorum(stage)
        let joiner = try await stage.started("n4")
        let join = try joiner.begin("join", string)
        try await eventually("it asks") { isAsking(join) }
        #expect(try await joiner.stop() == 0)
        let outcome = try await join.ended()
        #expect(outcome.code == 7 && outcome.err.contains("the same join attaches"), "\(outcome)")
        try await mend()
        try joiner.launch()
        try await eventually("it is a member, by itself") {
          try await nodes[0].status().nodes.contains { $0.name == "n4" && $0.status == "Ready" }
        }
        try await eventually("the same join is a success") {
          try await joiner.run("join", string).code == 0
        }
      }
    }

    @Test(
      "A name that does not resolve is told; of several addresses the one that answers is taken")
    func names() async throws {
      try await onStage { stage in
        let cluster = Node("n1", "127.0.0.1", in: stage.folder)
        defer { cluster.kill() }
        let ports = (0..<3).map { String(25700 + Int(getpid()) % 1000 * 3 + $0) }
        cluster.flags = [
          "--cluster-port", ports[0], "--datastore-port", ports[1], "--apiserver-port", ports[2],
        ]
        try await cluster.start()
        let joiner = try await stage.started("n2")
        let string = try await cluster.invitation()
        let nowhere = string.replacingOccurrences(of: "127.0.0.1:", with: "no-such-host.invalid:")
        let unknown = try await joiner.run("join", nowhere)
        #expect(unknown.code == 5 && unknown.err.contains("no-such-host.invalid"), "\(unknown)")
        // ::1 is tried as well, where nobody listens.
        let byName = string.replacingOccurrences(of: "127.0.0.1:", with: "localhost:")
        let joined = try await joiner.succeed("join", byName)
        #expect(joined.hasPrefix("Contacting cluster at localhost\n"), "\(joined)")
      }
    }

    @Test("What a lone node had is archived and told, its invitations count no more")
    func ownHistory() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let node = try await stage.started("n2")
        let old = try await node.invitation()
        let events = try await node.events().map(\.hash)
        let id = try await node.status().cluster
        let joined = try await node.run("join", try await cluster.invitation())
        #expect(joined.code == 0, "\(joined)")
        let archive = node.data + "/archive/log-\(id)"
        #expect(joined.err.contains("archive the log of this node's own cluster"), "\(joined)")
        #expect(joined.err.contains(archive), "\(joined)")
        #expect(joined.err.contains("local (hostpath) volumes stay on their node"), "\(joined)")
        let kept = try await node.succeed("events", "-o", "json", "--file", archive)
        for hash in events { #expect(kept.contains(hash)) }
        let third = try await stage.started("n3")
        let outcome = try await third.run("join", old)
        #expect(outcome.code == 6 && outcome.err.contains("no such token"), "\(outcome)")
        // Whoever runs the cluster is told of it where it was decided.
        let refusal = " refused to admit n3, \(third.address):25000: "
        #expect(node.log.contains(refusal) && node.log.contains("no such token"), "\(node.log)")
        #expect(!node.log.contains(old.split(separator: "/")[1]))
      }
    }

    @Test("A node that joins itself keeps its token for another")
    func itself() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let string = try await cluster.invitation()
        let itself = try await cluster.run("join", string)
        #expect(itself.code == 3 && itself.err.contains("this node itself"), "\(itself)")
        let node = try await stage.started("n2")
        try await node.succeed("join", string)
        // Nor does it join another while it has members.
        let other = try await stage.started("m1")
        let away = try await cluster.run("join", try await other.invitation())
        #expect(away.code == 3 && away.err.contains("(n2)"), "\(away)")
        #expect(try await other.succeed("token", "list").contains(" active "))
      }
    }

    @Test(
      "A control-plane node that cannot be reached is refused before it is one; a worker is told")
    func unreachable() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let node = stage.node("n2")
        node.flags = ["--listen", Stage.address()]
        try await node.start()
        let string = try await cluster.invitation()
        let before = try await cluster.status().index
        for flags in [[], ["--dry-run"]] {
          let outcome = try await node.run(["join", string] + flags)
          #expect(outcome.code == 5, "\(outcome)")
          #expect(outcome.err.contains("n2 is not reachable from n1"), "\(outcome)")
          #expect(outcome.err.contains("\(node.address):"), "\(outcome)")
          #expect(outcome.err.contains("--address"), "\(outcome)")
        }
        #expect(try await cluster.status().index == before)
        let refusals = cluster.log.components(separatedBy: "refused to admit n2, \(node.address):")
        #expect(refusals.count == 2, "a join, and not the question: \(cluster.log)")
        #expect(try await node.status().nodes.map(\.name) == ["n2"])
        let worker = try await node.run("join", string, "--worker")
        #expect(worker.code == 0, "\(worker)")
        #expect(worker.err.contains("warning: n2 is not reachable from n1"), "\(worker)")
        // Nor does it become one later.
        let promotion = try await cluster.run("role", "n2", "control-plane", "--timeout", "5s")
        #expect(promotion.code == 5, "\(promotion)")
      }
    }

    @Test("A node of another version is refused with both versions, and its token still counts")
    func versions() async throws {
      let curl = "/usr/bin/curl"
      guard FileManager.default.isExecutableFile(atPath: curl) else { return }
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let node = try await stage.started("n2")
        let string = try await cluster.invitation()
        let token = string.split(separator: "/")[1]
        let id = try #require(try await node.status().nodes.first?.id)
        let milliseconds = Int64(Date().timeIntervalSince1970 * 1000)
        let command =
          String(format: "%012x", milliseconds)
          + UUID().uuidString.replacingOccurrences(of: "-", with: "").lowercased().prefix(20)
        for format in [0, 2, 99] {
          let body = """
            {"command": "\(command)", "token": "\(token)", "node": "\(id)", "name": "n2", \
            "role": "control-plane", "clusterAddress": "\(node.address):25000", \
            "datastoreAddress": "\(node.address):19001", "extraAddresses": [], \
            "failureDomain": "1", "version": "9.9.9", "eventFormat": \(format), \
            "clock": \(milliseconds), "dryRun": false}
            """
          let answer = try await node.post(body, to: cluster, "/v1/join")
          #expect(answer.contains("\"code\":\"version\"") && answer.contains("\"exitCode\":6"))
          #expect(
            answer.contains("format \(format)") && answer.contains("writes 1"), "\(answer)")
        }
        #expect(try await cluster.succeed("token", "list").contains(" active "))
        try await node.succeed("join", string)
      }
    }

    @Test("A node that is removed while it joins is told so by its join, and may join again")
    func removedMeanwhile() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let other = try await stage.started("n2")
        try await cluster.admit(other, worker: true)
        let node = stage.node("n3")
        try await node.start()
        let string = try await cluster.invitation()
        let join = try node.begin("join", string, "--timeout", "40s")
        try await eventually("it is a member, or its join is through") {
          try await cluster.status().nodes.contains { $0.name == "n3" } || !join.process.isRunning
        }
        let agent = try #require(node.agent)
        _ = kill(agent.id, SIGSTOP)
        try await cluster.succeed("remove-node", "n3", "--force", "--reason", "second thoughts")
        _ = kill(agent.id, SIGCONT)
        let outcome = try await join.ended()
        // Where it was through before, that was true.
        #expect(
          outcome.code == 0 || outcome.code == 1 && outcome.err.contains("no member"), "\(outcome)")
        try await eventually("it knows") {
          let told = try await node.run("status")
          return told.code == 1 && told.err.contains("removed by force")
        }
        let again = try await node.run("join", string)
        #expect(again.code == 1 && again.err.contains("muster leave"), "\(again)")
        try await node.succeed("leave")
        try await cluster.admit(node)
      }
    }
  }
}
