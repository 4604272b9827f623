// Files that joiners are given, and what stays behind where a node goes.

import Foundation
import Testing

extension Program {
  @Suite("Bundles")
  struct BundleTests {
    private static let secret = "a-secret-that-nobody-else-may-see"

    private func give(
      _ node: Node, _ path: String, _ text: String = secret, mode: Int = 0o600
    ) throws {
      let file = node.data + "/bundle/" + path
      let folder = (file as NSString).deletingLastPathComponent
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      try text.write(toFile: file, atomically: true, encoding: .utf8)
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
    }

    private func received(_ node: Node, _ path: String) -> String? {
      try? String(contentsOfFile: node.data + "/received/" + path, encoding: .utf8)
    }

    @Test("A joiner has the files of its role before its hooks run, and no text tells of them")
    func given() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        try give(cluster, "control-plane/pki/ca.key")
        try give(cluster, "worker/token", Self.secret + "-too")
        let node = stage.node("n2")
        try node.hook(
          "10-a", "[ $MUSTER_HOOK != joined ] || cp $MUSTER_RECEIVED/pki/ca.key \(node.data)/taken")
        try await node.start()
        try await cluster.admit(node)
        #expect(received(node, "pki/ca.key") == Self.secret)
        #expect(received(node, "token") == nil)
        #expect(
          try String(contentsOfFile: node.data + "/taken", encoding: .utf8) == Self.secret)
        let worker = try await stage.started("w1")
        try await cluster.admit(worker, worker: true)
        #expect(received(worker, "token") == Self.secret + "-too")
        #expect(received(worker, "pki/ca.key") == nil)

        let events = try await cluster.succeed("events", "-o", "json")
        let joined = events.split(separator: "\n").filter { $0.contains("\"node.joined\"") }
        #expect(joined.count == 2)
        #expect(joined.allSatisfy { $0.firstMatch(of: /"bundle":"[0-9a-f]{64}"/) != nil })
        let export = stage.folder.appendingPathComponent("export").path
        let archive = stage.folder.appendingPathComponent("archive.tar").path
        try await cluster.succeed("export", export)
        try await cluster.succeed("bundle", archive)
        for file in [export, archive, node.data + "/log/data.mdb"] {
          let data = try Data(contentsOf: URL(fileURLWithPath: file))
          #expect(data.range(of: Data(Self.secret.utf8)) == nil, "\(file)")
        }
        #expect(!(cluster.log + node.log + worker.log + events).contains(Self.secret))
        #expect(try await cluster.run("doctor", "--check", "HOOK-03").code == 0)

        try await node.succeed("leave")
        #expect(!FileManager.default.fileExists(atPath: node.data + "/received"))
      }
    }

    @Test("A file that cannot be given refuses the join by name, and the token is not spent")
    func refused() async throws {
      try await onStage { stage in
        let cluster = try await stage.started("n1")
        let node = try await stage.started("n2")
        let string = try await cluster.invitation()
        try give(cluster, "control-plane/ca.key", mode: 0o644)
        let open = try await node.run("join", string)
        #expect(open.code == 1 && open.err.contains("control-plane/ca.key"), "\(open)")
        // The reader sits at n2, and the file is on n1.
        #expect(open.err.contains("on n1, ") && open.err.contains("run: chmod go= "), "\(open)")
        try give(cluster, "control-plane/ca.key", String(repeating: "x", count: 1 << 20 + 1))
        let large = try await node.run("join", string)
        #expect(large.code == 1 && large.err.contains("1024 KiB"), "\(large)")
        #expect(try await node.status().nodes.map(\.name) == ["n2"])
        #expect(try await cluster.run("doctor", "--check", "HOOK-03").code == 1)
        try give(cluster, "control-plane/ca.key")
        try await node.succeed("join", string)
        #expect(received(node, "ca.key") == Self.secret)
      }
    }

    @Test("Who removes a control-plane node, or leaves as one, is told what it held")
    func remains() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let worker = try await stage.started("w1")
        try await nodes[0].admit(worker, worker: true)
        let gone = try await nodes[0].succeed(
          "remove-node", "w1", "--force", "--reason", "test")
        #expect(!gone.contains("Kubernetes CA"))
        let removed = try await nodes[0].succeed(
          "remove-node", "n3", "--force", "--reason", "test")
        #expect(removed.contains("n3 held the key of the Kubernetes CA"), "\(removed)")
        #expect(removed.contains("Workloads on n3 run until the machine is stopped."))
        let left = try await nodes[1].succeed("leave")
        #expect(left.contains("n2 held the key of the Kubernetes CA"), "\(left)")
      }
    }
  }
}
