// The disk refuses under a running agent.

import Foundation
import Testing

extension Program {
  @Suite("Disks")
  struct DiskTests {
    /// What makes a disk fail, built from C; nil if there is no compiler here.
    private static let shim: String? = {
      let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("CrashTests/Shim/disk.c").path
      let library = NSTemporaryDirectory() + "/muster-disk-shim-program-\(getpid()).so"
      let compiler = Process()
      compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      compiler.arguments = ["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]
      guard (try? compiler.run()) != nil else { return nil }
      compiler.waitUntilExit()
      atexit { unlink(NSTemporaryDirectory() + "/muster-disk-shim-program-\(getpid()).so") }
      return compiler.terminationStatus == 0 ? library : nil
    }()

    static var hasShim: Bool { shim != nil }

    /// The environment of an agent on whose log the shim plays that failure.
    static func failing(_ node: Node, _ failure: String) -> [String: String] {
      ["LD_PRELOAD": shim ?? "", "DISK_FOLDER": node.data + "/log", "DISK_FAIL": failure]
    }

    @Test(
      "The first sync that fails ends the agent, which says why; started again it has everything",
      .enabled(if: shim != nil, "no C compiler (cc) here"), arguments: ["s", "w"])
    func syncFails(kind: String) async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        try await node.succeed("add-node")
        #expect(try await node.stop() == 0)
        let before = try await node.events().map(\.hash)
        // Late enough that it has started.
        node.environment = Self.failing(node, "\(kind) 12 1000000 5")
        try node.launch()
        let agent = try #require(node.agent)
        var acknowledged: [String] = []
        try await eventually("the agent has ended") {
          let answer = try await node.run("add-node", "--timeout", "2s")
          if answer.code == 0, let id = answer.out.split(separator: " ").last {
            acknowledged.append(String(id.prefix(10)))
          }
          return !agent.process.isRunning
        }
        #expect(agent.process.terminationReason == .exit)
        #expect(agent.process.terminationStatus == 1)
        #expect(agent.err.contains("this process must end"), "\(agent.err)")
        node.environment = [:]
        try await node.start()
        #expect(try await node.events().map(\.hash).starts(with: before))
        let list = try await node.succeed("token", "list")
        for id in acknowledged { #expect(list.contains(id)) }
      }
    }

    @Test(
      "A full disk refuses and is named; with space again the same agent goes on by itself",
      .enabled(if: shim != nil, "no C compiler (cc) here"))
    func fullDisk() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        #expect(try await node.stop() == 0)
        // Data pages are refused, four times; it tries once a second.
        node.environment = Self.failing(node, "d 20 4 28")
        try await node.start()
        let agent = try #require(node.agent)
        try await eventually("the disk is full") {
          _ = try await node.run("add-node", "--timeout", "1s")
          return node.log.contains("free some space there")
        }
        #expect(try await node.run("status").code == 0)
        try await eventually("it goes on") {
          try await node.run("add-node", "--timeout", "2s").code == 0
        }
        #expect(agent.process.isRunning)
        #expect(try await node.stop() == 0)
        #expect(try await node.run("repair").code == 0)
      }
    }
  }
}
