// What the command line says and how it ends where no agent is needed.

import Foundation
import Testing

extension Program {
  @Suite("The command line")
  struct CommandLineTests {
    static let usageErrors: [[String]] = [
      ["bogus"], ["--bogus"], ["join"], ["join", "nonsense"], ["remove-node"],
      ["join", "127.0.0.1/00112233445566778899aabbccddeeff/00112233445566778899aabbccddeeff"],
      [
        "join", "127.0.0.1:99999/00112233445566778899aabbccddeeff/00112233445566778899aabbccddeeff",
      ],
      ["join", "127.0.0.1:25000/short/00112233445566778899aabbccddeeff"],
      ["status", "--format", "bogus"], ["nodes", "-o"], ["nodes", "--watch", "-o", "json"],
      ["add-node", "--token-ttl", "0"], ["add-node", "--token-ttl", "0s"],
      ["add-node", "--token-ttl=-5"], ["add-node", "--token-ttl", "1x"],
      ["add-node", "--token-ttl", "m"], ["add-node", "--token-ttl", ""],
      ["add-node", "--token-ttl", "1m1h"], ["add-node", "--token-ttl", "1h30"],
      ["add-node", "--token-ttl", "1.5h"], ["add-node", "--token-ttl", "\u{0663}m"],
      ["add-node", "--token-ttl", "99999999999999999999"],
      ["add-node", "--token-ttl", "9223372036854775807h"],
      ["add-node", "--uses=-1"], ["add-node", "--worker", "--control-plane"],
      ["add-node", "--token", "abc"],
      ["add-node", "--token", "0011223344556677 899aabbccddeeff"],
      ["events", "5..x"], ["events", "0"], ["events", "--since", "yesterday"],
      ["events", "--until", "2026-02-30T00:00:00Z"], ["events", "--follow", "--reverse"],
      ["agent", "--cluster-port", "x"], ["token", "revoke"],
    ]

    @Test("Wrong usage exits 2 and is told on standard error alone", arguments: usageErrors)
    func usageError(_ arguments: [String]) async throws {
      try await onStage { stage in
        let outcome = try await Running(
          arguments, in: stage.folder, environment: ["MUSTER_DATA_DIR": stage.folder.path]
        ).ended()
        #expect(outcome.code == 2, "\(outcome)")
        #expect(outcome.out.isEmpty)
        #expect(outcome.err.hasPrefix("error: "), "\(outcome)")
      }
    }

    @Test(
      "Help is a result and exits 0",
      arguments: [[], ["--help"], ["help", "join"], ["join", "--help"], ["token", "list", "-h"]])
    func help(_ arguments: [String]) async throws {
      try await onStage { stage in
        let outcome = try await Running(arguments, in: stage.folder).ended()
        #expect(outcome.code == 0)
        #expect(outcome.out.contains("USAGE: muster"), "\(outcome)")
        #expect(outcome.err.isEmpty)
      }
    }

    @Test("Durations are a number of seconds or units from large to small")
    func durations() async throws {
      try await onStage { stage in
        let node = stage.node("nobody")
        for text in ["90", "90s", "5m", "1h30m", "2d1h1m1s", "007"] {
          // Read, and then there is no agent.
          let outcome = try await node.run("add-node", "--token-ttl", text)
          #expect(outcome.code == 1, "\(text): \(outcome)")
        }
      }
    }

    @Test("Without an agent status says so as its result and others as an error, and exit 1")
    func notRunning() async throws {
      try await onStage { stage in
        let node = stage.node("nobody")
        // A mistyped name would form a cluster there.
        let sentence =
          "muster is not running: there is no directory \(node.data). See whether --data-dir "
          + "(MUSTER_DATA_DIR) is right; a new node, of a cluster of its own, begins there with: "
          + "muster agent --data-dir \(node.data)\n"
        for format in ["pretty", "short"] {
          let status = try await node.run("status", "--format", format)
          #expect(status.code == 1)
          #expect(status.out == sentence)
          #expect(status.err.isEmpty)
        }
        let json = try await node.run("status", "-o", "json")
        #expect(json.code == 1)
        let object = try JSONSerialization.jsonObject(with: Data(json.out.utf8)) as? [String: Any]
        #expect(object?["running"] as? Bool == false)
        let check = "00112233445566778899aabbccddeeff"
        for arguments in [
          ["nodes"], ["add-node"], ["leave"], ["events"], ["config"], ["token", "list"],
          ["remove-node", "n1"], ["join", "127.0.0.1:25000/\(check)/\(check)"],
        ] {
          let outcome = try await Running(
            arguments + ["--data-dir", node.data], in: stage.folder
          ).ended()
          #expect(outcome.code == 1, "\(arguments): \(outcome)")
          #expect(outcome.out.isEmpty)
          #expect(outcome.err == sentence)
        }
      }
    }

    @Test("A stopped node's commands say how to start it and how to read what it has")
    func stopped() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        #expect(try await node.stop() == 0)
        for command in [["nodes"], ["token", "list"], ["status"]] {
          let outcome = try await node.run(command)
          #expect(
            outcome.code == 1
              && (outcome.err + outcome.out).contains(
                "muster is not running. Start it with: muster agent --data-dir \(node.data); what "
                  + "its log holds: muster status --at HEAD --data-dir \(node.data)\n"),
            "\(command): \(outcome)")
        }
        let folder = stage.folder.path
        let other = try await Running(["nodes", "--data-dir", folder], in: stage.folder).ended()
        #expect(other.err.contains("\(folder) is no node's data directory"), "\(other)")
      }
    }

    @Test("A word that is no command is answered with the nearest one")
    func nearestCommand() async throws {
      try await onStage { stage in
        for (words, told) in [
          (["statsu"], "there is no command statsu; did you mean status?"),
          (["log"], "there is no command log; did you mean events?"),
          (["events", "-15min.."], "\"-15min\""),
        ] {
          let outcome = try await Running(words, in: stage.folder).ended()
          #expect(outcome.code == 2 && outcome.err.contains(told), "\(words): \(outcome)")
          #expect(!outcome.err.contains("now-15min"), "\(outcome)")
        }
      }
    }

    @Test("Results that cannot be written are told")
    func fullDisk() async throws {
      try await onStage { stage in
        for words in ["version", "--help"] {
          let outcome = try await Running(
            [words], in: stage.folder, launcher: ["/bin/sh", "-c", "\"$0\" \"$@\" >/dev/full"]
          ).ended()
          #expect(
            outcome.code == 1
              && outcome.err == "error: cannot write to standard output: No space left on device\n",
            "\(words): \(outcome)")
        }
      }
    }

    @Test("Waiting for an agent that does not come ends in time, with exit code 7")
    func waitsInVain() async throws {
      try await onStage { stage in
        let outcome = try await stage.node("nobody").run("status", "--wait-ready", "-t", "1")
        #expect(outcome.code == 7, "\(outcome)")
        #expect(outcome.err.contains("not running"))
      }
    }

    @Test(
      "A connection string whose CHECK is missing or too short is refused as unverifiable",
      arguments: ["", "/", "/0123456789ab", "/0123456789abcdef0123456789abcde"])
    func shortCheck(_ check: String) async throws {
      try await onStage { stage in
        let string = "127.0.0.1:25000/00112233445566778899aabbccddeeff\(check)"
        let outcome = try await stage.node("nobody").run("join", string)
        #expect(outcome.code == 4, "\(outcome)")
        #expect(outcome.err.contains("CHECK"))
      }
    }

    @Test(
      "A connection string whose address is wrong is refused with what is right",
      arguments: [
        ("127.0.0.1:0", "port 0 is not in the range 1-65535"),
        ("127.0.0.1:65536", "port 65536 is not in the range 1-65535"),
        ("127.0.0.1:http", "port \"http\" is not a number"),
        ("127.0.0.1", "has no port (HOST:PORT is expected)"),
        ("::1:25000", "write an IPv6 address with a port as [ADDRESS]:PORT"),
        ("[fe80::1%eth0]:25000", "zone"), ("1.2.3:25000", "IPv4"), ("a_b:25000", "\"_\""),
      ])
    func wrongAddress(_ address: String, _ words: String) async throws {
      try await onStage { stage in
        let secret = "00112233445566778899aabbccddeeff"
        let outcome = try await stage.node("nobody").run("join", "\(address)/\(secret)/\(secret)")
        #expect(outcome.code == 2 && outcome.err.contains(words), "\(outcome)")
      }
    }

    @Test("A reader who goes away ends the program quietly")
    func brokenPipe() async throws {
      let pipe = Pipe()
      let process = Process()
      process.executableURL = Program.executable
      process.arguments = ["help"]
      process.standardOutput = pipe
      let errors = Pipe()
      process.standardError = errors
      try pipe.fileHandleForReading.close()
      try process.run()
      try await eventually("it ends") { !process.isRunning }
      #expect(process.terminationStatus != 0)
      try errors.fileHandleForWriting.close()
      #expect(try errors.fileHandleForReading.readToEnd() ?? Data() == Data())
    }

    @Test("The version names program, event schema and protocol")
    func version() async throws {
      try await onStage { stage in
        let outcome = try await Running(["version", "-o", "json"], in: stage.folder).ended()
        let object =
          try JSONSerialization.jsonObject(with: Data(outcome.out.utf8)) as? [String: Any]
        #expect(
          Set(object?.keys ?? [:].keys) == ["version", "eventSchema", "protocol", "schemaVersion"])
      }
    }
  }
}
