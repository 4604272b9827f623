// Hooks that fail, hang, vanish or are refused, and agents that are killed around them: each hook
// still runs at least once and in order, and what is wrong is said.

import Foundation
import Testing

extension ProgramInTrouble {
  @Suite("Hooks and faults")
  struct HookFaultTests {
    /// A hook that fails until there is a file.
    private func gate(_ node: Node) -> String { node.folder.appendingPathComponent("open").path }
    private func open(_ node: Node) throws {
      try "".write(toFile: gate(node), atomically: true, encoding: .utf8)
    }

    @Test(
      "A hook that fails makes join exit with 1, is told everywhere, and runs until it succeeds")
    func failing() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let node = stage.node("n2")
        try node.hook(
          "10-a",
          "[ $MUSTER_HOOK = formed ] || [ -e \(gate(node)) ] || { echo no luck; exit 9; }")
        try node.hook("20-b")
        try await node.start()
        let string = try await cluster.invitation()
        let outcome = try await node.run("join", string)
        #expect(outcome.code == 1, "\(outcome)")
        #expect(outcome.err.contains("this node is a member of its cluster, but hook joined"))
        #expect(outcome.err.contains("10-a failed ") && outcome.err.contains(": exit code 9; "))
        #expect(try await node.status().nodes.map(\.name) == ["n1", "n2"])
        let status = try await node.succeed("status")
        #expect(status.contains("  n2: hook joined (index "), "\(status)")
        let doctor = try await node.run("doctor", "--check", "HOOK-02")
        #expect(doctor.code == 1 && doctor.out.contains("10-a"), "\(doctor)")
        #expect(node.log.contains("hook joined 10-a: no luck"))
        // The other waits behind it.
        #expect(!node.ended.contains("20-b joined n2"))
        try open(node)
        try await eventually("both have run") { node.ended.contains("20-b joined n2") }
        let again = try await node.run("join", string)
        #expect(again.code == 0, "\(again)")
        #expect(try await !node.succeed("status").contains("hook joined"))
        #expect(try await node.run("doctor", "--check", "HOOK-02").code == 0)
        // What had succeeded is not run again.
        #expect(node.ended.count { $0 == "10-a joined n2" } == 1)
      }
    }

    @Test("What others may write is not run, and nothing after it, until that is put right")
    func refused() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let node = stage.node("n2")
        try node.hook("10-open", mode: 0o722)
        try node.hook("20-b")
        try node.hook("30-off", mode: 0o600)
        try await node.start()
        try await eventually("it is told") {
          try await node.succeed("status").contains("may be written by others")
        }
        #expect(node.ran.isEmpty)
        #expect(node.log.contains("run: chmod go-w \(node.hooks)/10-open"))
        #expect(try await node.run("doctor", "--check", "HOOK-01").code == 1)
        try FileManager.default.setAttributes(
          [.posixPermissions: 0o700], ofItemAtPath: node.hooks + "/10-open")
        try await eventually("both have run") {
          node.ended.starts(with: ["10-open formed n2", "20-b formed n2"])
        }
        try await cluster.admit(node)
        #expect(!node.ran.contains { $0.contains("30-off") })
        #expect(try await node.run("doctor", "--check", "HOOK-01").out.contains("30-off"))
      }
    }

    @Test(
      "A hook that hangs is ended with its children after --hook-timeout; a vanished one is done")
    func hanging() async throws {
      try await onStage { stage in
        let node = stage.node("n1")
        node.flags = ["--hook-timeout", "1s"]
        try node.hook("10-hangs", "sleep 1000 & wait")
        try node.hook("20-b")
        try await node.start()
        try await eventually("it is told") {
          try await node.succeed("status").contains("10-hangs failed")
        }
        #expect(try await node.succeed("status").contains("not done after 1 s"))
        try FileManager.default.removeItem(atPath: node.hooks + "/10-hangs")
        try await eventually("the next one runs") { node.ended.contains("20-b formed n1") }
        let bad = try await Running(
          ["agent", "--data-dir", node.data + "2", "--hook-timeout", "soon"], in: stage.folder
        ).ended()
        #expect(bad.code == 2 && bad.err.contains("--hook-timeout"), "\(bad)")
      }
    }

    @Test("Where there were no hooks before they begin with what comes, and go on where they were")
    func present() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        try await cluster.admit(try await stage.started("w1"), worker: true)
        #expect(try await cluster.stop() == 0)
        try cluster.hook("10-a")
        try await cluster.start()
        try await cluster.followsHooks()
        try await cluster.admit(try await stage.started("w2"), worker: true)
        try await eventually("joined has run") { cluster.ended.contains("10-a joined w2") }
        #expect(!cluster.ended.contains { $0.contains("w1") || $0.contains("formed") })
        let index = try #require(cluster.inputs.last { $0.hook == "joined" }?.index)
        try await eventually("that is kept") { cluster.handled >= index }
        cluster.kill()
        try await cluster.start()
        #expect(cluster.ended.count { $0 == "10-a joined w2" } == 1)
      }
    }

    @Test("An agent killed while a hook runs ends it when it comes back, and runs it to its end")
    func killedDuring() async throws {
      try await onStage { stage in
        let node = stage.node("n1")
        try node.hook("10-a")
        try node.hook(
          "20-slow", "[ -e \(gate(node)) ] || { sleep 1000; echo woken >> \(node.data)/woken; }")
        try node.hook("30-c")
        try await node.start()
        try await eventually("the slow one runs") {
          node.ran.last == "begin 20-slow formed n1" && node.ledger.contains("\"child\":")
        }
        node.kill()
        try open(node)
        try await node.start()
        try await eventually("all have run") { node.ended.contains("30-c formed n1") }
        #expect(
          node.ran.filter { $0.hasSuffix("formed n1") } == [
            "begin 10-a formed n1", "end 10-a formed n1", "begin 20-slow formed n1",
            "begin 20-slow formed n1", "end 20-slow formed n1", "begin 30-c formed n1",
            "end 30-c formed n1",
          ])
        #expect(node.log.contains("a hook still ran when the agent was killed"))
      }
    }

    static let moments = [0, 60, 200, 400]

    @Test(
      "A joiner and a leaver killed in the middle run joined and left all the same",
      arguments: moments, [false, true])
    func killed(_ milliseconds: Int, _ isWorker: Bool) async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let node = stage.node("n2")
        try node.hook("10-a", "sleep 0.1")
        try await node.start()
        let string = try await cluster.invitation()
        let words = ["join", string, "--data-dir", node.data] + (isWorker ? ["--worker"] : [])
        let join = try Running(words, in: stage.folder)
        try await Task.sleep(for: .milliseconds(milliseconds))
        node.kill()
        _ = try await join.ended()
        try node.launch()
        try await eventually("the join is done") {
          try await Running(words, in: stage.folder).ended().code == 0
        }
        #expect(node.ended.contains("10-a joined n2"), "\(node.ran)")

        let old = try await node.status().cluster
        let leave = try node.begin("leave")
        try await Task.sleep(for: .milliseconds(milliseconds))
        node.kill()
        _ = try await leave.ended()
        try node.launch()
        try await eventually("the leave is done") {
          let status = try await node.run("status", "-o", "json")
          if status.code == 0,
            try JSONDecoder().decode(StatusAnswer.self, from: Data(status.out.utf8)).cluster != old
          {
            return true
          }
          _ = try await node.run("leave")
          return false
        }
        try await eventually("left and formed have run") {
          node.ended.contains("10-a left n2")
            && node.ended.lastIndex(of: "10-a formed n2") ?? 0
              > node.ended.lastIndex(of: "10-a left n2") ?? .max
        }
      }
    }

    @Test("What happened while a hook failed runs afterwards, in the order of events")
    func order() async throws {
      try await onStage { stage in
        let cluster = stage.node("n1")
        try cluster.hook("10-a", "[ $MUSTER_HOOK = formed ] || [ -e \(gate(cluster)) ] || exit 9")
        try await cluster.start()
        for name in ["w1", "w2", "w3"] {
          try await cluster.admit(try await stage.started(name), worker: true)
        }
        try open(cluster)
        try await eventually("all have run") {
          cluster.inputs.last { $0.hook == "joined" }?.about.first?.name == "w3"
        }
        let indexes = cluster.inputs.filter { $0.hook == "joined" }.compactMap(\.index)
        #expect(indexes == indexes.sorted())
        #expect(Set(cluster.inputs.filter { $0.hook == "joined" }.map(\.about[0].name)).count == 3)
      }
    }

    /// How a node loses its log.
    enum Loss: CaseIterable { case leave, leaveLocally, removal, demotion }

    @Test(
      "What waits behind a hook that fails still runs, and first, when the node gives up its log",
      arguments: Loss.allCases)
    func givenUp(_ loss: Loss) async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let node = stage.node("n2")
        try node.hook("10-a", "[ $MUSTER_HOOK != joined ] || [ -e \(gate(node)) ] || exit 9")
        try node.hook("20-b")
        try await node.start()
        #expect(try await node.run("join", try await cluster.invitation()).code == 1)
        try await cluster.admit(try await stage.started("w1"), worker: true)
        try await eventually("n2 has that event too") {
          try await node.status().nodes.map(\.name).contains("w1")
        }
        switch loss {
        case .leave: #expect(try await node.run("leave").code == 1)
        case .leaveLocally: #expect(try await node.run("leave", "--local").code == 1)
        case .removal:
          _ = try await cluster.succeed("remove-node", "n2", "--force", "--reason", "a test")
          try await eventually("n2 is told") { node.log.contains("is no member of its cluster") }
        case .demotion:
          _ = try await cluster.succeed("role", "n2", "worker")
          try await eventually("n2 is a worker") { node.log.contains("n2 serves as a worker") }
        }
        #expect(!node.ended.contains { $0.hasPrefix("20-b joined") })
        try open(node)
        let farewell =
          switch loss {
          case .leave, .leaveLocally: ["left n2", "formed n2"]
          case .removal: ["removed n2"]
          case .demotion: ["role-changed n2"]
          }
        // Roles change in between, too.
        let expected = ["formed n2", "joined n2", "joined w1"] + farewell
        try await eventually("all have run, once each and in this order: \(expected)") {
          var told = node.ended.filter { $0.hasPrefix("20-b ") }.map { String($0.dropFirst(5)) }
          let roles = told.filter { $0.hasPrefix("role-changed") || $0.hasPrefix("endpoints") }
          let isLast = roles.last == told.last
          told.removeAll { roles.contains($0) }
          if loss == .demotion, isLast, let last = roles.last { told.append(last) }
          return told == expected
        }
      }
    }
  }
}
