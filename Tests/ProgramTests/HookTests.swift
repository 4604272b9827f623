// Hooks: what runs, when, with what, and what becomes of it when something goes wrong.

import Foundation
import Testing

extension Node {
  var hooks: String { data + "/hooks.d" }

  /// Puts a hook in place: a shell script that keeps what it was given, then does `body`. Its
  /// folder is made too.
  func hook(_ name: String, _ body: String = "", mode: Int = 0o700) throws {
    let files = FileManager.default
    try files.createDirectory(
      atPath: data, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    try files.createDirectory(
      atPath: hooks, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let text = """
      #!/bin/bash
      input=$(cat)
      echo "begin \(name) $MUSTER_HOOK $MUSTER_ABOUT" >> "$MUSTER_DATA_DIR/../\(self.name).ran"
      echo "$input" >> "$MUSTER_DATA_DIR/../\(self.name).input"
      env > "$MUSTER_DATA_DIR/../\(self.name).env"
      \(body)
      echo "end \(name) $MUSTER_HOOK $MUSTER_ABOUT" >> "$MUSTER_DATA_DIR/../\(self.name).ran"

      """
    // Whole at once: the agent may look at any moment.
    let path = folder.appendingPathComponent("\(self.name)-\(name).new").path
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    try files.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    _ = rename(path, hooks + "/" + name)
  }

  /// What hooks.json holds.
  var ledger: String { (try? String(contentsOfFile: data + "/hooks.json", encoding: .utf8)) ?? "" }
  /// The last event whose hooks have run.
  var handled: UInt64 { ledger.firstMatch(of: /"handled":(\d+)/).flatMap { UInt64($0.1) } ?? 0 }

  private func lines(_ suffix: String) -> [String] {
    let path = folder.appendingPathComponent("\(name).\(suffix)").path
    return ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: "\n")
      .map(String.init)
  }

  /// Waits until its agent, which runs, has seen that there are hooks.
  func followsHooks() async throws {
    try await eventually("\(name) keeps hooks.json") {
      FileManager.default.fileExists(atPath: data + "/hooks.json")
    }
  }

  /// What its hooks wrote of their beginnings and ends: `end 10-a joined n2`.
  var ran: [String] { lines("ran") }
  var ended: [String] { ran.filter { $0.hasPrefix("end ") }.map { String($0.dropFirst(4)) } }
  /// What its hooks were given to read.
  var inputs: [HookInput] {
    lines("input").compactMap { try? JSONDecoder().decode(HookInput.self, from: Data($0.utf8)) }
  }
  var lastEnvironment: [String] { lines("env") }
}

/// What tests read of a hook's input.
struct HookInput: Decodable {
  struct Subject: Decodable {
    var name: String
  }
  struct View: Decodable {
    struct Availability: Decodable {
      var canLose: Int
    }
    var highAvailability: Availability?
    var endpoints: [String]
  }
  struct Recorded: Decodable {
    var type: String
    var index: UInt64?
  }
  var schemaVersion: Int
  var hook: String
  var observed: Bool
  var about: [Subject]
  var aboutSelf: Bool
  var index: UInt64?
  var event: Recorded?
  var before: View?
  var after: View?
}

extension Program {
  @Suite("Hooks")
  struct HookTests {
    @Test("A fresh cluster runs formed, a join runs joined on every node and waits for its own")
    func formedAndJoined() async throws {
      try await onStage { stage in
        let cluster = stage.node("n1")
        try cluster.hook("10-a")
        try cluster.hook("20-b")
        try await cluster.start()
        try await eventually("formed has run, in order") {
          cluster.ended.starts(with: ["10-a formed n1", "20-b formed n1"])
        }
        let node = stage.node("n2")
        try node.hook("10-a")
        try await node.start()
        let outcome = try await node.run("join", try await cluster.invitation())
        #expect(outcome.code == 0, "\(outcome)")
        #expect(outcome.err.contains("hook joined 10-a: running"), "\(outcome)")
        #expect(outcome.err.contains("hook joined 10-a: done in "), "\(outcome)")
        // Not later than the command.
        #expect(node.ended.contains("10-a joined n2"))
        try await eventually("the other node ran it too") {
          cluster.ended.contains("20-b joined n2")
        }
        let given = try #require(node.inputs.last { $0.hook == "joined" })
        #expect(given.schemaVersion == 1 && given.aboutSelf && !given.observed)
        #expect(given.event?.type == "node.joined" && given.event?.index == given.index)
        #expect(given.before?.endpoints == ["\(cluster.address):16443"])
        #expect(given.after?.highAvailability?.canLose == 0)
        let seen = try #require(cluster.inputs.last { $0.hook == "joined" })
        #expect(!seen.aboutSelf && seen.about.map(\.name) == ["n2"])
        // What came before it joined is not its own.
        #expect(!node.inputs.contains { $0.hook == "joined" && !$0.aboutSelf })
      }
    }

    @Test("A leaver runs left after it became a cluster of its own, the others run it too")
    func left() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        for node in nodes {
          try node.hook("10-a")
          try await node.followsHooks()
        }
        let outcome = try await nodes[2].run("leave")
        #expect(outcome.code == 0, "\(outcome)")
        #expect(outcome.err.contains("hook left 10-a: done in "), "\(outcome)")
        #expect(nodes[2].ended.contains("10-a left n3"))
        let given = try #require(nodes[2].inputs.last { $0.hook == "left" })
        #expect(given.aboutSelf && given.event?.type == "node.left" && given.index != nil)
        #expect(given.before?.endpoints.count == 3)
        try await eventually("the new cluster of its own ran formed") {
          nodes[2].ended.contains("10-a formed n3")
        }
        let own = nodes[2].ended.filter { $0.hasSuffix(" n3") && !$0.contains("role") }
        #expect(own == ["10-a left n3", "10-a formed n3"])
        for node in nodes.dropLast() {
          try await eventually("\(node.name) ran left and endpoints-changed") {
            node.ended.contains("10-a left n3") && node.ended.contains("10-a endpoints-changed ")
              && node.ended.contains { $0.hasPrefix("10-a role-changed ") }
          }
        }
      }
    }

    @Test("A worker runs joined, endpoints-changed and left although it has no log")
    func worker() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let worker = stage.node("w1")
        try worker.hook("10-a")
        try await worker.start()
        try await cluster.admit(worker, worker: true)
        #expect(worker.ended.contains("10-a joined w1"))
        #expect(worker.lastEnvironment.contains("MUSTER_ROLE=worker"))
        try await cluster.admit(try await stage.started("n2"))
        try await eventually("it learned of another API server") {
          worker.inputs.contains {
            $0.hook == "endpoints-changed" && $0.before?.endpoints.count == 1
              && $0.after?.endpoints.count == 2
          }
        }
        try await worker.succeed("leave")
        #expect(worker.ended.contains("10-a left w1"))
      }
    }

    @Test("A node that was removed runs removed, once it is told")
    func removed() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(2)
        try nodes[1].hook("10-a")
        try await nodes[1].followsHooks()
        try await nodes[0].succeed("remove-node", "n2", "--force", "--reason", "test")
        try await eventually("it ran removed") { nodes[1].ended.contains("10-a removed n2") }
      }
    }

    @Test("Without a leader quorum-lost runs, with one again quorum-back")
    func quorum() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        try nodes[0].hook("10-a")
        try await nodes[0].followsHooks()
        nodes[1].kill()
        nodes[2].kill()
        try await eventually("it ran quorum-lost") { nodes[0].ended.contains("10-a quorum-lost ") }
        try await nodes[1].start()
        try await eventually("it ran quorum-back") { nodes[0].ended.contains("10-a quorum-back ") }
        let given = try #require(nodes[0].inputs.last { $0.hook == "quorum-lost" })
        #expect(given.observed && given.event == nil)
      }
    }
  }
}
