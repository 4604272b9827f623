// The log is not what was written, or the disk refuses: what an agent says, and what repair does.

import Foundation
import Testing

extension ProgramInTrouble {
  @Suite("Damage")
  struct DamageTests {
    /// Starts an agent that cannot run, and returns how it ended.
    private func endedStart(_ node: Node) async throws -> Outcome {
      try node.launch()
      return try await #require(node.agent).ended()
    }

    /// Flips one bit of the payload of an event, wherever the file has it.
    private func flip(_ event: EventAnswer, of node: Node) throws {
      let data = try LogBytes(node)
      let places = data.places(ofEntry: event.index, hash: event.hash)
      #expect(!places.isEmpty)
      // Behind a part of the hash, the kind and the term.
      for place in places { try data.flip(place + 12, 1) }
    }

    /// Term and vote, as repair tells them.
    private func promise(_ node: Node) async throws -> Substring {
      let lines = try await node.run("repair").out.split(separator: "\n")
      let line = try #require(lines.first { $0.hasPrefix("promised") })
      return line.prefix { $0 != "," } + line.drop { $0 != "," }.dropFirst().prefix { $0 != "," }
    }

    @Test("A flipped bit is named by its index; nothing is served, and repair keeps what is right")
    func flippedBit() async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        for _ in 0..<4 { try await node.succeed("add-node") }
        let events = try await node.events()
        let alive = try await node.run("repair", "--yes", "--keep-prefix")
        #expect(alive.code == 1)
        #expect(alive.err.contains("another agent runs there"))
        #expect(try await node.stop() == 0)
        let sound = try await node.run("repair")
        #expect(sound.code == 0, "\(sound)")
        #expect(sound.err.contains("nothing to repair"), "\(sound)")
        try flip(events[3], of: node)

        let start = try await endedStart(node)
        #expect(start.code == 65, "\(start)")
        #expect(start.err.contains("data.mdb, index 4:"), "\(start)")
        #expect(start.err.contains("muster repair"), "\(start)")
        #expect(try await node.run("events").code == 65)

        let diagnosis = try await node.run("repair")
        #expect(diagnosis.code == 65)
        #expect(diagnosis.out.contains("events 1 to 3"), "\(diagnosis)")
        let lost = events.count - 3
        #expect(diagnosis.err.contains("\(lost) events are lost"), "\(diagnosis)")
        let refused = try await node.run("repair", "--yes")
        #expect(refused.code == 65)
        #expect(refused.err.contains("--keep-prefix"), "\(refused)")
        try await node.succeed("repair", "--yes", "--keep-prefix")
        let names = try FileManager.default.contentsOfDirectory(atPath: node.data)
        #expect(names.contains { $0.hasPrefix("log.damaged-") }, "\(names)")

        try await node.start()
        let after = try await node.events()
        #expect(after.prefix(3).map(\.hash) == events.prefix(3).map(\.hash))
        // It votes, in a term that it had not had.
        #expect(after.last.map { $0.term > events[events.count - 1].term } == true)
        try await node.succeed("add-node")
      }
    }

    @Test(
      "A file that is cut short, or whose pages are noise, is named, and never ends the agent",
      arguments: ["cut", "pages", "all pages", "meta pages"])
    func destroyed(how: String) async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        for _ in 0..<20 { try await node.succeed("add-node") }
        #expect(try await node.stop() == 0)
        let url = URL(fileURLWithPath: node.data + "/log/data.mdb")
        var data = try Data(contentsOf: url)
        let pages = data.count / 4096
        switch how {
        case "cut": data = data.prefix(5 * 4096)
        case "meta pages": data.replaceSubrange(0..<8192, with: Data(repeating: 0xa5, count: 8192))
        default:
          for page in 2..<pages where how == "all pages" || page % 3 == 0 {
            data.replaceSubrange(
              page * 4096 + 8..<(page + 1) * 4096, with: Data(repeating: 0xff, count: 4088))
          }
        }
        try data.write(to: url)
        let start = try await endedStart(node)
        #expect(start.code == 65, "\(start)")
        #expect(start.err.contains("is damaged: "), "\(start)")
        let diagnosis = try await node.run("repair")
        #expect(diagnosis.code == 65, "\(diagnosis)")
        // The vote is known: it has its own file.
        #expect(diagnosis.out.contains("promised    term "), "\(diagnosis)")
      }
    }

    @Test("A member whose log is damaged sets it aside, fetches it anew, and then votes again")
    func member() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let events = try await nodes[2].events()
        #expect(try await nodes[2].stop() == 0)
        try flip(events[5], of: nodes[2])
        #expect(try await endedStart(nodes[2]).code == 65)
        let refused = try await nodes[2].run("repair", "--yes", "--keep-prefix")
        #expect(refused.code == 1, "\(refused)")
        #expect(refused.err.contains("may have it"), "\(refused)")
        let votes = try await promise(nodes[2])
        let done = try await nodes[2].run("repair", "--yes")
        #expect(done.code == 0, "\(done)")
        #expect(try await nodes[2].events().map(\.hash) == events.prefix(5).map(\.hash))
        let again = try await nodes[2].run("repair")
        #expect(again.code == 0, "\(again)")
        #expect(again.err.contains("has no vote until it has fetched"), "\(again)")
        #expect(try await promise(nodes[2]) == votes)
        // It fetches what it lost, and votes again: without it two of three could not elect.
        try await nodes[2].start()
        try await eventually("the cluster has it that it fetched what it lost") {
          try await nodes[0].events().contains { $0.type == "replica.refetched" }
        }
        try await eventually("it has the same events as the others") {
          let own = try await nodes[2].events().map(\.hash)
          let leaders = try await nodes[0].events().map(\.hash)
          return own == leaders && own.starts(with: events.map(\.hash))
        }
        nodes[0].kill()
        try await eventually("the other two elect and commit") {
          try await nodes[1].run("add-node", "--timeout", "5s").code == 0
        }
      }
    }
  }
}
