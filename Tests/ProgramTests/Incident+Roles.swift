// Bad nights with roles, certificates and invitations: see IncidentTests.

import Foundation
import Testing

/// What `add-node -o json` prints.
private struct Made: Decodable {
  var token: String
  var urls: [String]
}
/// What `token list -o json` prints.
private struct Listed: Decodable {
  struct Token: Decodable {
    var id: String
    var roles: [String]
    var usesLeft: Int?
    var state: String
    var admitted: [String]
  }
  var schemaVersion: Int
  var tokens: [Token]
}

extension ProgramInTrouble.IncidentTests {
  @Test(
    "Workers are no voters: status says why it is no, and its advice makes it yes"
  )
  func workersAreNoVoters() async throws {  // #4708 #5089 #2796, PR #1406
    try await onStage { stage in
      let n1 = try await stage.started("n1")
      var workers: [Node] = []
      for name in ["w1", "w2"] {
        let worker = try await stage.started(name)
        try await n1.admit(worker, worker: true)
        // In the first moments of its life nobody is told to bring it back.
        let early = try await n1.succeed("status")
        #expect(!early.contains("bring \(name) back"), "\(early)")
        workers.append(worker)
      }
      try await eventually("the workers are there") {
        try await n1.status().nodes.allSatisfy { $0.status == "Ready" }
      }
      let status = try await n1.succeed("status")
      #expect(status.contains("high-availability: no\n"))
      #expect(status.contains("losing n1, the only control-plane node, stops the cluster"))
      let advice = Self.advice(status)
      #expect(advice == workers.map { ["role", $0.name, "control-plane"] }, "\(status)")
      for command in advice {
        let outcome = try await n1.run(command)
        #expect(outcome.code == 0, "\(outcome)")
      }
      try await eventually("three vote, and there is nothing to advise") {
        let status = try await n1.succeed("status")
        return status.contains("high-availability: yes\n") && !status.contains("next: ")
      }
      // There and back: it lost nothing that it should have, and nobody says that it did.
      let moved = try #require(
        try await n1.status().leader == "w1" ? workers.last : workers.first)
      try await n1.succeed("role", moved.name, "worker")
      try await n1.succeed("role", moved.name, "control-plane")
      try await eventually("it votes again") {
        let status = try await n1.succeed("status")
        #expect(!status.contains("acknowledged"), "\(status)")
        return status.contains("high-availability: yes\n")
      }
      let types = Set(try await n1.events().map(\.type))
      #expect(types.isSuperset(of: ["node.promoted", "node.demoted"]))
      #expect(!types.contains("replica.lost") && !types.contains("replica.refetched"))
      #expect(try await n1.succeed("why", moved.name).contains("node.promoted"))
    }
  }

  @Test(
    "No certificate runs out; a string stays good over restarts and new addresses"
  )
  func certificates() async throws {  // #4852 #2297 #5576 #4010 #4703
    try await onStage { stage in
      let n1 = try await stage.started("n1")
      let string = try await n1.invitation("--uses", "2")
      let own = try await n1.succeed("doctor", "--check", "K8S-01")
      #expect(own.contains("until 9999-"), "\(own)")
      let n2 = try await stage.started("n2")
      try await n2.succeed("join", string)
      #expect(try await n1.stop() == 0)
      n1.flags = ["--extra-address", Stage.address()]
      try await n1.start()
      let worker = try await stage.started("w1")
      try await eventually("there is a leader, and the old string admits one more") {
        try await worker.run("join", string, "--worker").code == 0
      }
      #expect(
        try await n1.invitation().split(separator: "/").last == string.split(separator: "/").last)
      #expect(try await n1.succeed("doctor", "--check", "ID-02").contains("they fit each other"))
    }
  }

  @Test(
    "A script invites a rack: its own token, so many uses, JSON, who came, revoked"
  )
  func scripted() async throws {  // #2395 #1240 #4703 #4582
    try await onStage { stage in
      let n1 = try await stage.started("n1")
      let secret = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
      func invite(_ uses: String) async throws -> Made {
        let text = try await n1.succeed(
          "add-node", "--worker", "--token", secret, "--uses", uses, "--token-ttl", "10m", "-o",
          "json")
        return try JSONDecoder().decode(Made.self, from: Data(text.utf8))
      }
      func tokens() async throws -> [Listed.Token] {
        let text = try await n1.succeed("token", "list", "-o", "json")
        return try JSONDecoder().decode(Listed.self, from: Data(text.utf8)).tokens
      }
      let made = try await invite("2")
      #expect(
        made.token.hasPrefix(secret + "/") && made.urls == ["\(n1.address):25000/\(made.token)"])
      for name in ["w1", "w2"] {
        try await stage.started(name).succeed("join", made.urls[0], "--worker")
      }
      let third = try await stage.started("w3")
      let refused = try await third.run("join", made.urls[0], "--worker")
      #expect(refused.code == 6, "\(refused)")
      #expect(Self.reason(refused).contains("it admits 2 nodes, and w2 spent it at "), "\(refused)")
      let used = try #require(try await tokens().first)
      #expect(used.state == "used up" && used.usesLeft == 0 && used.admitted == ["w1", "w2"])
      #expect(used.roles == ["worker"])
      // The same secret again, for as many as come, and then for nobody.
      let open = try await invite("0")
      try await third.succeed("join", open.urls[0], "--worker")
      let active = try #require(try await tokens().last)
      #expect(active.state == "active" && active.usesLeft == nil && active.admitted == ["w3"])
      try await n1.succeed("token", "revoke", active.id)
      let late = try await stage.started("w4").run("join", open.urls[0], "--worker")
      #expect(late.code == 6 && Self.reason(late).contains("was revoked by root@n1"), "\(late)")
      let yaml = try await n1.succeed("token", "list", "-o", "yaml")
      #expect(yaml.hasPrefix("schemaVersion: 1\n") && !yaml.contains(secret))
      #expect(try await n1.status().nodes.map(\.name) == ["n1", "w1", "w2", "w3"])
    }
  }
}
