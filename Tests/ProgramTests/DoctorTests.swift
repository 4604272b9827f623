// muster health and muster doctor, on nodes that are well and on nodes that were broken.

import Foundation
import Testing

extension ProgramInTrouble {
  @Suite("Health and doctor")
  struct DoctorTests {
    private struct Health: Decodable {
      struct Assertion: Decodable {
        var id: String
        var waitingFor: String
        var holds: Bool
        var detail: String
      }
      var schemaVersion: Int
      var healthy: Bool
      var assertions: [Assertion]
    }

    private struct Diagnosis: Decodable {
      struct Finding: Decodable {
        var id: String
        var level: String
        var finding: String
        var fix: String?
      }
      var good: Bool
      var findings: [Finding]
    }

    @Test(
      "health asserts in order; says what it waits for; waits; and its exit code tells the rest")
    func health() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let worker = try await stage.started("w1")
        try await nodes[0].admit(worker, worker: true)
        for node in nodes + [worker] {
          let well = try await node.run("health", "--wait", "--timeout", "40s")
          #expect(well.code == 0, "\(well)")
          #expect(well.lines.first?.hasPrefix("waiting for the agent to answer: OK") == true)
          #expect(well.lines.dropLast().allSatisfy { $0.contains(": OK") }, "\(well)")
        }
        nodes[2].kill()
        try await eventually("voters are missed") {
          let ill = try await nodes[0].run("health", "-o", "json")
          let answer = try JSONDecoder().decode(Health.self, from: Data(ill.out.utf8))
          let failing = answer.assertions.filter { !$0.holds }.map(\.id)
          return ill.code == 1 && !answer.healthy && failing.contains("voters")
            && failing.contains("history") && !failing.contains("leader")
        }
        let late = try await nodes[1].run("health", "--wait", "--timeout", "1s")
        #expect(late.code == 7, "\(late)")
        #expect(late.err.contains("timed out waiting for all voters in contact"), "\(late)")
        #expect(late.lines.count == 11, "all are shown: \(late)")

        let waiting = try nodes[1].begin("health", "--wait", "--timeout", "60s")
        try await nodes[2].start()
        let well = try await waiting.ended()
        #expect(well.code == 0, "\(well)")
        // What it waited for last comes last, each line once.
        #expect(well.lines.count == 11 && Set(well.lines).count == 11, "\(well)")
        #expect(try await nodes[2].stop() == 0)
        let down = try await nodes[2].run("health")
        #expect(down.code == 1)
        #expect(
          down.lines.first?.hasPrefix("waiting for the agent to answer: muster is not running")
            == true)
      }
    }

    @Test("The doctor finds nothing that fails on nodes that are well, and their stopped peers")
    func well() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let worker = try await stage.started("w1")
        try await nodes[0].admit(worker, worker: true)
        for node in nodes + [worker] {
          let found = try await node.run("doctor")
          #expect(found.code == 0, "\(found)")
          #expect(!found.out.contains("fail  "), "\(found)")
          let key = try String(contentsOfFile: node.data + "/identity/node.key", encoding: .utf8)
          let secret = try #require(key.split(separator: "\n").dropFirst().first)
          #expect(!found.out.contains(secret))
        }
        let list = try await nodes[0].succeed("doctor", "--list")
        #expect(list.split(separator: "\n").count >= 25)
        #expect(try await nodes[0].run("doctor", "--check", "nonsense").code == 2)
        nodes[2].kill()
        try await eventually("it says that one node is silent") {
          let found = try await nodes[0].run("doctor")
          return found.out.contains("warn  MU-NET-04") && found.out.contains("warn  MU-NET-05")
            && found.out.contains("warn  MU-HA-01") && found.code == 0
        }
        let stale = try await nodes[2].run("doctor")
        #expect(stale.code == 1, "\(stale)")
        for line in ["fail  MU-SYS-01", "warn  MU-DIR-06", "pass  MU-LOG-01", "pass  MU-NET-04"] {
          #expect(stale.out.contains(line), "\(line): \(stale)")
        }
      }
    }

    private struct Break: Sendable {
      var id: String
      var level = "fail"
      var change: @Sendable (String) throws -> Void
      init(
        _ id: String, _ level: String = "fail",
        _ change: @escaping @Sendable (String) throws -> Void
      ) {
        (self.id, self.level, self.change) = (id, level, change)
      }
    }

    private static func mode(_ path: String, _ mode: Int) throws {
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    private static func write(_ text: String, _ path: String) throws {
      let there = try? FileManager.default.attributesOfItem(atPath: path)
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
      try mode(path, there?[.posixPermissions] as? Int ?? 0o600)
    }

    private static let ofControlPlane = [
      Break("MU-DIR-01") { try FileManager.default.removeItem(atPath: $0) },
      Break("MU-DIR-02") { try mode($0, 0o755) },
      Break("MU-DIR-03") { try mode($0 + "/identity/node.key", 0o644) },
      Break("MU-DIR-07", "warn") { try write("{}", $0 + "/join.json") },
      Break("MU-DIR-08", "warn") {
        try FileManager.default.createDirectory(
          atPath: $0 + "/log.damaged-1", withIntermediateDirectories: false)
      },
      Break("MU-DIR-09") { try write("cluster-port: [", $0 + "/agent.yaml") },
      Break("MU-ID-01") { try write("{\"cluster\":", $0 + "/identity/node.json") },
      Break("MU-ID-02") { try FileManager.default.removeItem(atPath: $0 + "/identity/node.key") },
      Break("MU-LOG-01") { try FileManager.default.removeItem(atPath: $0 + "/log") },
      Break("MU-LOG-01") {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: $0 + "/log/data.mdb"))
        try file.write(contentsOf: Data(repeating: 0xa5, count: 8192))
        try file.close()
      },
      Break("MU-LOG-02") {
        let path = $0 + "/identity/node.json"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let node = try #require(text.split(separator: "\"node\":\"").last?.prefix(16))
        try write(text.replacingOccurrences(of: node, with: "00000000000000aa"), path)
      },
      Break("MU-K8S-01") { try write("no key\n", $0 + "/kubernetes/ca.key") },
      Break("MU-K8S-02") { try write("users: []\n", $0 + "/kubeconfig") },
    ]

    private static let ofWorker = [
      Break("MU-PRX-01") { try write("tcp: {", $0 + "/args/traefik/provider.yaml") },
      Break("MU-PRX-02", "warn") {
        let path = $0 + "/args/traefik/provider.yaml"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try write(text.replacingOccurrences(of: ":16443", with: ":16444"), path)
      },
      Break("MU-PRX-03") { try write("--refresh-interval abc\n", $0 + "/args/apiserver-proxy") },
      Break("MU-PRX-04") { try FileManager.default.removeItem(atPath: $0 + "/worker.json") },
    ]

    /// Everything in a folder with its bytes and mode, but the slots in which readers of the log
    /// note themselves.
    private func picture(_ folder: String) throws -> [String: String] {
      var found: [String: String] = [:]
      let names = FileManager.default.enumerator(atPath: folder)
      for case let name as String in names ?? .init() where !name.hasSuffix("lock.mdb") {
        let path = folder + "/" + name
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        let bytes = try? Data(contentsOf: URL(fileURLWithPath: path))
        found[name] = "\(attributes[.posixPermissions] ?? 0) \(bytes?.hashValue ?? 0)"
      }
      return found
    }

    @Test("Broken in any of these ways, a stopped node is told by the right id, and not touched")
    func broken() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let worker = try await stage.started("w1")
        try await node.admit(worker, worker: true)
        #expect(try await node.stop() == 0)
        #expect(try await worker.stop() == 0)
        let cases = Self.ofControlPlane.map { (node, $0) } + Self.ofWorker.map { (worker, $0) }
        for (number, (origin, harm)) in cases.enumerated() {
          let patient = Node("p\(number)", origin.address, in: stage.folder)
          try FileManager.default.copyItem(atPath: origin.data, toPath: patient.data)
          try harm.change(patient.data)
          let before = try picture(patient.data)
          let outcome = try await patient.run("doctor", "--check", harm.id, "-o", "json")
          let diagnosis = try JSONDecoder().decode(Diagnosis.self, from: Data(outcome.out.utf8))
          let finding = try #require(diagnosis.findings.first)
          #expect(finding.id == harm.id && finding.level == harm.level, "\(harm.id): \(outcome)")
          #expect(finding.fix?.isEmpty == false)
          #expect(outcome.code == (harm.level == "fail" ? 1 : 0), "\(outcome)")
          #expect(try picture(patient.data) == before, "\(harm.id): something was changed")
        }
      }
    }

    @Test("A node that was removed is told that alone, and to leave")
    func removed() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(2)
        try await nodes[0].succeed("remove-node", "n2", "--force", "--reason", "sold")
        for isRunning in [true, false] {
          try await eventually("it knows") {
            try await nodes[1].run("doctor", "--check", "ID-04").code == 1
          }
          if !isRunning { #expect(try await nodes[1].stop() == 0) }
          let found = try await nodes[1].run("doctor", "-o", "json")
          let diagnosis = try JSONDecoder().decode(Diagnosis.self, from: Data(found.out.utf8))
          let wrong = diagnosis.findings.filter { ["fail", "warn"].contains($0.level) }.map(\.id)
          #expect(Set(wrong).isSubset(of: ["MU-ID-04", "MU-SYS-01", "MU-DIR-06"]), "\(wrong)")
        }
      }
    }

    @Test("A worker that was started to forward nobody lacks no port")
    func withoutProxy() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let worker = stage.node("w1")
        worker.flags = ["--no-proxy"]
        try await worker.start()
        try await node.admit(worker, worker: true)
        let outcome = try await worker.run("doctor", "--check", "MU-NET-03")
        #expect(outcome.code == 0 && outcome.out.contains("listens on 25000"), "\(outcome)")
        #expect(!outcome.out.contains("16443"), "\(outcome)")
        #expect(try await node.run("doctor", "--check", "MU-NET-03").out.contains("16443"))
      }
    }

    @Test("A port that another program holds is named with that program")
    func port() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        #expect(try await node.stop() == 0)
        let other = Node("n2", node.address, in: stage.folder)
        try other.launch()
        defer { other.kill() }
        let holder = try #require(other.agent).id
        try await eventually("the other agent's process is named") {
          let outcome = try await node.run("doctor", "--check", "MU-NET-03")
          return outcome.code == 1 && outcome.out.contains("by pid \(holder) (muster)")
        }
      }
    }
  }
}
