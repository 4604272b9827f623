// The tools of history as an operator uses them: beside living agents, on a dead node's data, and
// on a file.

import Foundation
import Testing

extension Program {
  @Suite("The tools of history")
  struct HistoryToolTests {
    @Test("They answer the same beside the agent, after its death, and from an exported file")
    func threeSources() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let file = stage.folder.appendingPathComponent("story.muster").path
        try await nodes[0].succeed("export", file)
        let head = try await nodes[0].status().index
        let questions = [
          ["status", "--at", "\(head)"], ["nodes", "--at", "\(head)", "-o", "wide"],
          ["token", "list", "--at", "5"], ["provider", "--at", "\(head)"], ["events", "..\(head)"],
          ["show", "5"], ["diff", "3", "\(head)"], ["blame", "--at", "\(head)"],
          ["why", "ha", "--at", "\(head)"], ["why", "n2", "--at", "\(head)"],
          ["bisect", "--expect", "ha.voters=3", "..\(head)"],
          ["what-if", "fail", "n1", "--at", "\(head)"], ["events", "--graph", "..\(head)"],
        ]
        func ask(_ question: [String], _ more: [String]) async throws -> Outcome {
          try await Running(question + more, in: stage.folder).ended()
        }
        var alive: [String] = []
        for question in questions {
          let outcome = try await ask(question, ["--data-dir", nodes[0].data])
          #expect(outcome.code == 0, "\(question): \(outcome)")
          alive.append(outcome.out)
        }
        #expect(alive[0].hasPrefix("as of index \(head) ("))
        #expect(alive[0].contains("\nhigh-availability: yes\n"))
        #expect(!alive[0].contains("is running"))
        let verified = try await nodes[0].succeed("verify", "--cluster")
        #expect(verified.contains("3 of 3 replicas have one history"))
        #expect(verified.contains("their views      the same: n1 n2 n3"))
        #expect(try await nodes[0].succeed("replay").contains("identical with the agent's views"))
        nodes[0].kill()
        for (question, before) in zip(questions, alive) {
          #expect(try await ask(question, ["--data-dir", nodes[0].data]).out == before)
          let mailed = try await ask(question, ["--file", file]).out
          #expect(mailed == before.replacingOccurrences(of: nodes[0].data, with: file))
        }
        let replica = try await nodes[1].run("diff", nodes[0].data, nodes[2].data)
        #expect(replica.out.contains("one history, equal by hash"), "\(replica)")
        let lost = try await nodes[1].run("what-if", "fail", "n2,n3")
        #expect(lost.code == 3, "\(lost)")
      }
    }

    @Test("A file that is there is not touched by what would write one, whatever fails")
    func existingTarget() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let path = stage.folder.appendingPathComponent("there").path
        for command in ["export", "bundle", "timeline"] {
          try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
          let outcome = try await node.run(command, path)
          #expect(outcome.code == 1, "\(outcome)")
          #expect(outcome.err.contains("exists already; choose another name"), "\(outcome)")
          #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious", "\(command)")
          try FileManager.default.removeItem(atPath: path)
        }
      }
    }

    @Test("A follower misses nothing and repeats nothing while the agent is killed and comes back")
    func follow() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let follower = try node.begin("events", "--follow", "-o", "json")
        defer { kill(follower.id, SIGKILL) }
        for _ in 0..<3 {
          try await node.succeed("add-node")
          node.kill()
          try await node.start()
          try await node.succeed("add-node")
        }
        let all = try await node.succeed("events", "-o", "json")
        try await eventually("the follower has printed all") { follower.out == all }
      }
    }

    @Test("A file that is there is neither written over nor removed")
    func existing() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        for (n, command) in ["export", "timeline", "bundle"].enumerated() {
          let file = stage.folder.appendingPathComponent("kept-\(n)")
          try Data("mine".utf8).write(to: file)
          let outcome = try await node.run(command, file.path)
          #expect(outcome.code == 1 && outcome.err.contains("exists already"), "\(outcome)")
          #expect(try Data(contentsOf: file) == Data("mine".utf8), "\(command)")
        }
      }
    }

    @Test("A part, an archive and its folder are told as what they are, and what to read instead")
    func partsAndArchives() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let path = { stage.folder.appendingPathComponent($0).path }
        let part = try await node.run("export", "--range", "2..3", path("part"))
        #expect(part.err.contains("the state before index 2 is not in it"), "\(part)")
        let events = try await node.run("events", "--file", path("part"))
        #expect(events.code == 0 && events.err.contains("an export without --range"), "\(events)")
        for words in [
          ["status"], ["nodes"], ["blame"], ["why", "ha"], ["timeline", path("page")],
        ] {
          let found = try await node.run(words + ["--file", path("part")])
          #expect(found.code == 65 && found.err.contains("without --range"), "\(words): \(found)")
        }
        let bundle = try await node.run("bundle", "--file", path("part"), path("b.tar"))
        #expect(bundle.code == 0 && !bundle.err.contains("DAMAGED"), "\(bundle)")
        let archive = try await node.run("events", "--file", path("b.tar"))
        #expect(archive.code == 65, "\(archive)")
        #expect(archive.err.contains("tar xf \(path("b.tar"))"), "\(archive)")
        let tar = try await Tool(
          "tar", ["-xf", path("b.tar"), "-C", stage.folder.path], stage.folder
        ).ended()
        #expect(tar.code == 0, "\(tar)")
        let history = path("muster-support/history.muster")
        for folder in [path("muster-support"), stage.folder.path] {
          let found = try await node.run("events", "--file", folder)
          #expect(found.code == 1 && found.err.contains("--file \(history)"), "\(found)")
        }
        #expect(try await node.run("events", "--file", history).code == 0)
        // What cannot be written is said before anything is read.
        let again = try await node.run("bundle", path("b.tar"))
        #expect(again.code == 1 && !again.err.contains("support archive"), "\(again)")
      }
    }

    @Test("A program of the user's judges moments: it is told their facts and their index")
    func judged() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let script = stage.folder.appendingPathComponent("judge")
        let words = "#!/bin/sh\ngrep -q cluster.formed || exit 2\n[ $MUSTER_INDEX -lt 3 ]\n"
        try words.write(to: script, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes(
          [.posixPermissions: 0o755], ofItemAtPath: script.path)
        let found = try await node.succeed("bisect", "--run", script.path)
        #expect(found.contains("ceases to hold at index 3"), "\(found)")
      }
    }

    @Test("At night: moments, names and invitations are understood, or what was meant is said")
    func atNight() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(2)
        let head = try await nodes[0].status().index
        let clock = { (text: String) in String(text.suffix(9).prefix(5)) }
        let first = try #require(try await nodes[0].events().first?.time)
        func ask(_ words: [String], _ zone: String = "UTC") async throws -> Outcome {
          try await Running(
            words + ["--data-dir", nodes[0].data], in: stage.folder, environment: ["TZ": zone]
          ).ended()
        }
        let now = clock(String(first.prefix(19)) + "Z")
        let taken = try await ask(["events", "--since", now])
        #expect(taken.code == 0 && taken.err.contains("the time of day is taken as 20"), "\(taken)")
        let unclear = try await ask(["show", now], "UTC-2")
        #expect(unclear.code == 2 && unclear.err.contains("ambiguous"), "\(unclear)")
        for words in [["events", "-1h.."], ["events", "-1h..-0s"], ["events", "\(now)Z.."]] {
          let found = try await ask(words)
          #expect(found.code == 0 && found.out.contains("cluster.formed"), "\(words): \(found)")
        }
        for (words, code, told) in [
          (["events", "2..1"], 2, "did you mean 1..2?"), (["events", "-1s..-1h"], 2, "-1h..-1s"),
          (["events", "--node", "nope"], 6, "there are: n1 n2"),
          (["events", "--follow", "--until", now], 2, "--follow goes on until it is stopped"),
          (["show", "18446744073709551616"], 2, "holds the indexes 1 to"),
          (["bisect", "--expect", "ha.canLoose>=1"], 2, "ha.canLose"),
        ] as [([String], Int32, String)] {
          let refused = try await ask(words)
          #expect(refused.code == code && refused.err.contains(told), "\(words): \(refused)")
        }
        let nobody = try await ask(["events", "--actor", "nobody"])
        #expect(nobody.code == 0 && nobody.err.contains("nobody called \"nobody\""), "\(nobody)")
        let past = try await ask(["status", "--at", "\(head)"])
        #expect(past.out.components(separatedBy: "as of index").count == 2, "\(past)")
        let token = try await nodes[0].succeed("token", "list").split(separator: "\n")[1]
        let id = String(token.prefix { $0 != " " })
        let why = try await ask(["why", id])
        #expect(why.out.contains("n2 joined with invitation \(id)"), "\(why)")
        let acted = try await ask(["events", "--actor", id])
        #expect(acted.code == 0 && acted.out.contains("node.joined"), "\(acted)")
        #expect(nobody.err.contains("\"token \(id)\""), "\(nobody)")
      }
    }

    @Test("No secret and no key is in anything that is printed or written")
    func secrets() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        let token = try await node.succeed("add-node", "--format", "token").prefix(32)
        let worker = try await node.invitation("--worker").split(separator: "/")[1]
        let key = try String(contentsOfFile: node.data + "/identity/node.key", encoding: .utf8)
        let body = key.split(separator: "\n").dropFirst().first.map(String.init) ?? key
        let paths = ["b.tar", "r.tar", "e.muster", "t.html"].map {
          stage.folder.appendingPathComponent($0).path
        }
        var outputs: [String] = []
        for command in [
          ["bundle", paths[0]], ["bundle", "--redact", paths[1]], ["export", paths[2]],
          ["timeline", paths[3]], ["events", "-o", "json"], ["show", "4", "-o", "json"],
          ["blame", "-o", "yaml"], ["diff", "1", "HEAD"], ["verify", "-o", "json"],
          ["replay", "-o", "json"], ["token", "list", "--at", "HEAD", "-o", "json"],
          ["status", "-o", "json"], ["nodes", "-o", "wide"], ["token", "list"], ["events"],
          ["events", "--graph"], ["show", "4"], ["why", "ha"], ["why", "n1", "-o", "yaml"],
          ["blame"], ["what-if", "join", "2", "voters", "-o", "json"],
          ["provider", "--at", "HEAD"],
          ["version"],
        ] {
          let outcome = try await Running(
            command + ["--data-dir", node.data], in: stage.folder
          ).ended()
          #expect(outcome.code == 0, "\(command): \(outcome)")
          outputs.append(outcome.out + outcome.err)
        }
        for path in paths {
          outputs.append(
            String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self))
        }
        outputs.append(node.log)
        let redacted = outputs[outputs.count - 4]
        for output in outputs {
          for secret in [String(token), String(worker), body, "PRIVATE KEY"] {
            #expect(!output.contains(secret))
          }
        }
        #expect(!redacted.contains(node.address))
      }
    }
  }
}
