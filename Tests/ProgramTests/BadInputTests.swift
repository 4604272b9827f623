// What goes wrong with names, addresses, clocks and departures, and the answer that each gets.

import Foundation
import Testing

extension ProgramInTrouble {
  @Suite("Bad input")
  struct BadInputTests {
    private func refusedAtStart(
      _ stage: Stage, _ flags: [String], saying words: String,
      sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
      let data = stage.folder.appendingPathComponent(UUID().uuidString).path
      let outcome = try await Running(
        ["agent", "--data-dir", data, "--address", Stage.address()] + flags, in: stage.folder
      ).ended()
      #expect(
        outcome.code == 2 && outcome.err.contains(words), "\(flags): \(outcome)",
        sourceLocation: sourceLocation)
      #expect(
        !FileManager.default.fileExists(atPath: data + "/identity/node.json"),
        sourceLocation: sourceLocation)
    }

    @Test("Names: upper case is lowered, localhost and what no DNS name could be are refused")
    func names() async throws {
      try await onStage { stage in
        for (name, words) in [
          ("localhost", "localhost"), ("a_b", "\"_\""), ("10.0.0.1", "IP address"),
          ("a..b", "empty"),
          ("node-", "hyphen"), (String(repeating: "a", count: 64), "longer than 63"),
          ("nö", "ö"), ("", "empty"),
        ] {
          try await refusedAtStart(stage, ["--name", name], saying: words)
        }
        let node = stage.node("N1")
        try await node.start()
        #expect(try await node.status().nodes.map(\.name) == ["n1"])
        // A name is for life, whatever the machine is called today.
        #expect(try await node.stop() == 0)
        let other = try await Running(
          ["agent", "--data-dir", node.data, "--name", "n2"], in: stage.folder
        ).ended()
        #expect(other.code == 2 && other.err.contains("known as n1"), "\(other)")
      }
    }

    @Test("The machine's name is the node's, in lower case, for life; localhost is none")
    func hostNames() async throws {
      try await onStage { stage in
        func launcher(_ name: String) -> [String] {
          ["/usr/bin/env", "unshare", "--uts", "sh", "-c", "hostname \(name) && exec \"$@\"", "sh"]
        }
        let probe = try await Tool("unshare", ["--uts", "hostname", "x"], stage.folder).ended()
        guard probe.code == 0 else { return print("skipped: no right to name machines here") }
        let data = stage.folder.appendingPathComponent("named").path
        let address = Stage.address()
        for (name, expected) in [("Rack-7.Lab.Example", "rack-7.lab.example"), ("other", nil)] {
          let agent = try Running(
            ["agent", "--data-dir", data, "--address", address], in: stage.folder,
            launcher: launcher(name))
          defer { agent.end() }
          try await eventually("it answers") {
            let status = try await Running(["status", "--data-dir", data], in: stage.folder).ended()
            return status.out.contains("  \(expected ?? "rack-7.lab.example") *")
          }
        }
        for (name, words) in [("localhost", "localhost"), ("10.0.0.1", "IP address")] {
          let outcome = try await Running(
            [
              "agent", "--data-dir", stage.folder.appendingPathComponent(name).path, "--address",
              Stage.address(),
            ], in: stage.folder, launcher: launcher(name)
          ).ended()
          #expect(outcome.code == 2 && outcome.err.contains(words), "\(outcome)")
          #expect(outcome.err.contains("--name"), "\(outcome)")
        }
      }
    }

    @Test("Addresses that others cannot reach are refused, and ports that are one")
    func addresses() async throws {
      try await onStage { stage in
        for (flags, words) in [
          (["--address", "fe80::1", "--listen", "127.0.0.1"], "link-local"),
          (["--address", "169.254.3.4", "--listen", "127.0.0.1"], "link-local"),
          (["--address", "fe80::1%eth0"], "zone"),
          (["--address", "224.0.0.1", "--listen", "127.0.0.1"], "multicast"),
          (["--address", "255.255.255.255", "--listen", "127.0.0.1"], "broadcast"),
          (["--address", "::", "--listen", "127.0.0.1"], "every address"),
          (["--extra-address", "0.0.0.0"], "every address"),
          (["--address", "no-such-host.invalid"], "cannot resolve"),
          (["--cluster-port", "0"], "1 to 65535"), (["--cluster-port", "19001"], "its own"),
          (["--peer", "n2"], "n2=10.0.0.2"), (["--peer", "n2=1.2.3"], "IPv4"),
        ] {
          try await refusedAtStart(stage, flags, saying: words)
        }
      }
    }

    @Test("Nodes on IPv6 alone: brackets everywhere, and they join")
    func ipv6() async throws {
      try await onStage { stage in
        let node = Node("n1", "::1", in: stage.folder)
        defer { node.kill() }
        let ports = ["--cluster-port", "25601", "--datastore-port", "19601"]
        node.flags = ports + ["--apiserver-port", "16601"]
        try await node.start()
        let string = try await node.invitation()
        #expect(string.hasPrefix("[::1]:25601/"), "\(string)")
        let other = Node("n2", "::1", in: stage.folder)
        defer { other.kill() }
        other.flags = [
          "--cluster-port", "25602", "--datastore-port", "19602", "--apiserver-port", "16602",
        ]
        try await other.start()
        try await other.succeed("join", string)
        let status = try await node.succeed("status")
        #expect(status.contains("datastore master nodes: [::1]:19601"), "\(status)")
        #expect(try await node.run("remove-node", "[::1]:25602").code == 3, "by its address")
      }
    }

    @Test("A joiner's clock: a minute off is warned of, two hours are refused, the token is kept")
    func clocks() async throws {
      let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
      guard FileManager.default.fileExists(atPath: library) else {
        print("skipped: no wrong clocks without libfaketime (Debian: faketime)")
        return
      }
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        func joiner(_ name: String, _ offset: String) async throws -> Node {
          let node = stage.node(name)
          node.environment = [
            "LD_PRELOAD": library, "FAKETIME": offset, "DONT_FAKE_MONOTONIC": "1",
            // Else the library changes the environment before Swift looks behind it for arguments.
            "FAKETIME_SHARED": "/none /none",
          ]
          try await node.start()
          return node
        }
        let string = try await cluster.invitation()
        for (name, offset) in [("early", "-10y"), ("late", "+10y"), ("near", "+2h")] {
          let outcome = try await joiner(name, offset).run("join", string)
          #expect(outcome.code == 6 && outcome.err.contains("clocks"), "\(outcome)")
        }
        let close = try await joiner("close", "+60").run("join", string)
        #expect(close.code == 0 && close.err.contains("warning: the clocks differ"), "\(close)")
      }
    }

    @Test("A node is removed by its name, its id or its address; another word finds nobody")
    func targets() async throws {
      try await onStage { stage in
        let n1 = try await stage.started("n1")
        var workers: [Node] = []
        for name in ["w1", "w2", "w3"] {
          workers.append(try await stage.started(name))
          try await n1.admit(workers[workers.count - 1], worker: true)
        }
        let id = try #require(try await n1.status().nodes.first { $0.name == "w2" }?.id)
        let words = ["w1", id, workers[2].address]
        for (worker, word) in zip(workers, words) {
          worker.kill()
          try await n1.succeed("remove-node", word, "--force", "--reason", "test")
          let again = try await n1.run("remove-node", word)
          #expect(again.code == 6, "\(again)")
          // Of a node that went, the log keeps name and id.
          let isNamed = word != workers[2].address
          #expect(!isNamed || again.err.contains("no member any more"), "\(again)")
        }
        for word in ["w", "w1x", "", "127.0.0", "\u{1b}[31m"] {
          let outcome = try await n1.run("remove-node", word)
          #expect([2, 6].contains(outcome.code), "\(word): \(outcome)")
          #expect(!outcome.err.contains("\u{1b}"))
        }
        #expect(try await n1.status().nodes.map(\.name) == ["n1"])
      }
    }

    @Test("Without a quorum nobody joins, leaves or is removed, and no token is spent")
    func withoutQuorum() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let joiner = try await stage.started("n4")
        let string = try await nodes[0].invitation()
        nodes[1].kill()
        nodes[2].kill()
        let join = try await joiner.run("join", string, "--timeout", "3s")
        #expect(join.code == 7 && join.err.contains("the same command again"), "\(join)")
        #expect(join.err.contains("timed out: \(nodes[0].address) found no leader"), "\(join)")
        let remove = try await nodes[0].run(
          "remove-node", "n2", "--force", "--reason", "gone", "--timeout", "2s")
        #expect([3, 7].contains(remove.code), "\(remove)")
        let leave = try await nodes[0].run("leave", "--timeout", "2s")
        #expect([3, 7].contains(leave.code), "\(leave)")
        for node in nodes.dropFirst() { try await node.start() }
        try await eventually("what was asked has an end, and the cluster is whole") {
          let status = try await nodes[1].status()
          return status.leader != nil && status.pending == nil
        }
        try await joiner.succeed("join", string)
        let spent = try await nodes[1].events().filter { $0.type == "node.joined" }
        #expect(spent.count == 3, "each of n2, n3 and n4 once")
      }
    }

    @Test("A node joins while one of three voters is down, and raises what may be lost")
    func joinWhileOneIsDown() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        nodes[2].kill()
        let fourth = try await stage.started("n4")
        try await nodes[0].admit(fourth)
        try await eventually("the newcomer votes in the place of the dead one") {
          let status = try await nodes[0].status()
          return status.masters.contains(fourth.address + ":19001") && status.highAvailability
        }
      }
    }

    @Test("Ten nodes join at once: all become members, three vote, three stand by")
    func manyAtOnce() async throws {
      try await onStage { stage in
        let first = try await stage.started("n1")
        let string = try await first.invitation("--uses", "0")
        for number in 2...10 { _ = try await stage.started("n\(number)") }
        let joins = try stage.nodes.dropFirst().map {
          try $0.begin("join", string, "--timeout", "2m")
        }
        for join in joins {
          let outcome = try await join.ended(within: .seconds(150))
          #expect(outcome.code == 0, "\(outcome)")
        }
        try await eventually("three vote, three stand by", within: .seconds(60)) {
          let status = try await first.status()
          return status.nodes.count == 10 && status.masters.count == 3
            && status.standbys.count == 3 && status.highAvailability
        }
        try await first.succeed("verify", "--cluster")
      }
    }

    @Test("Two operators at once: both get an answer, in one order")
    func twoOperators() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let worker = try await stage.started("w1")
        try await nodes[0].admit(worker, worker: true)
        let fourth = try await stage.started("n4")
        let string = try await nodes[1].invitation()
        let join = try fourth.begin("join", string)
        let removals = try nodes.prefix(2).map {
          try $0.begin("remove-node", "w1", "--force", "--reason", "test")
        }
        var codes: [Int32] = []
        for removal in removals { codes.append(try await removal.ended().code) }
        #expect(codes.contains(0) && codes.allSatisfy { $0 == 0 || $0 == 6 }, "\(codes)")
        #expect(try await join.ended().code == 0)
        let events = try await nodes[2].events()
        #expect(events.count { $0.type == "node.removed" } == 1)
      }
    }

    @Test("A copied disk: the second node of one identity is named with both addresses")
    func clonedDisk() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        #expect(try await nodes[2].stop() == 0)
        let twin = stage.node("twin")
        try FileManager.default.copyItem(atPath: nodes[2].data, toPath: twin.data)
        try await nodes[2].start()
        let agent = try Running(
          ["agent", "--address", twin.address, "--data-dir", twin.data], in: stage.folder)
        defer { agent.end() }
        try await eventually("somebody names both addresses") {
          [nodes[0].log, nodes[1].log].contains {
            $0.contains("two agents run as n3") && $0.contains(nodes[2].address)
              && $0.contains(twin.address)
          }
        }
        try await nodes[0].succeed("add-node")
      }
    }
  }
}
