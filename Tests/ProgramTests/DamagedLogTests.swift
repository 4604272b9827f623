// Whoever stands before a damaged log is told what is damaged, where, and what to do, and no
// command ends by a signal.

import Foundation
import Testing

extension Program {
  @Suite("A damaged log")
  struct DamagedLogTests {
    /// A node that has stopped, with at least so many events.
    private func stopped(_ stage: Stage, events count: Int) async throws -> Node {
      let node = try await stage.started("n1")
      let appender = Appender([node], from: 0)
      try await eventually("\(count) events are written") {
        try await node.status().index >= count
      }
      _ = await appender.finish()
      #expect(try await node.stop() == 0)
      return node
    }

    /// Runs a command on its data dir, and reports it if a signal ended it.
    private func judged(
      _ node: Node, _ command: [String], _ note: String,
      sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Outcome {
      let running = try Running(command + ["--data-dir", node.data], in: node.folder)
      let outcome = try await running.ended()
      #expect(
        running.process.terminationReason == .exit,
        "\(command) \(note): signal \(outcome)", sourceLocation: sourceLocation)
      return outcome
    }

    @Test("Damage that would end a process by a signal is told by every command")
    func signalled() async throws {
      try await onStage { stage in
        let node = try await stopped(stage, events: 60)
        let events = try await node.events()
        let data = try LogBytes(node)
        // An entry that would reach far behind the end of the file.
        for place in data.places(ofEntry: 20, hash: events[19].hash) {
          try data.flip(place - 13, 0x40)
        }
        let target = stage.folder.appendingPathComponent("target").path
        for command in [
          ["show", "30"], ["replay"], ["diff", "1", "HEAD"], ["export", target],
          ["timeline", target], ["import", node.data, "--seed"], ["status", "--at", "HEAD"],
          ["events"],
        ] {
          let outcome = try await judged(node, command, "")
          #expect(outcome.code == 65, "\(command): \(outcome)")
          #expect(outcome.err.contains("data.mdb"), "\(command): \(outcome)")
          #expect(outcome.err.contains(node.data), "\(command): \(outcome)")
          #expect(outcome.err.contains("muster repair"), "\(command): \(outcome)")
        }
        #expect(!FileManager.default.fileExists(atPath: target))
        // What lies before is there.
        #expect(try await node.run("events", "..19").code == 0)
        let diagnosis = try await judged(node, ["repair"], "")
        #expect(diagnosis.code == 65)
        #expect(diagnosis.out.contains("at least events 1 to 19"), "\(diagnosis)")
        #expect(diagnosis.out.contains("after index 19"), "\(diagnosis)")
        try await node.succeed("repair", "--yes", "--keep-prefix")
        let kept = try await node.events()
        #expect(kept.map(\.hash) == events.prefix(19).map(\.hash))
      }
    }

    @Test("The events before a damage are shown, then where it is and how to read them again")
    func readable() async throws {
      try await onStage { stage in
        let node = try await stopped(stage, events: 60)
        let events = try await node.events()
        let data = try LogBytes(node)
        for far in [false, true] {
          // A byte of the event itself, or its size.
          let places = data.places(ofEntry: 20, hash: events[19].hash)
          for place in places { try data.flip(far ? place - 13 : place + 20, 0x40) }
          let table = try await judged(node, ["events"], "")
          #expect(table.code == 65 && table.lines.count == 1 + 19 + 1, "\(table)")
          #expect(
            table.err.contains("Events 1 to 19 can be read: muster events ..19 --data-dir"),
            "\(table)")
          #expect(table.err.contains(far ? "after index 19" : "index 20"), "\(table)")
          let json = try await judged(node, ["events", "-o", "json"], "")
          #expect(json.code == 65 && json.lines.count == 19 + 1, "\(json)")
          let newest = try await judged(node, ["events", "-n", "2"], "")
          #expect(newest.code == 65 && newest.out.contains(" 19  "), "\(newest)")
          #expect(try await node.run("events", "..19").code == 0)
          #expect(try await node.run("events", "..25").code == 65)
          let shown = try await judged(node, ["show", "5"], "")
          #expect(shown.code == 65 && shown.out.contains(events[4].hash), "\(shown)")
          #expect(shown.err.contains("Events 1 to 19 can be read"), "\(shown)")
          let verified = try await judged(node, ["verify"], "")
          #expect(verified.code == 65, "\(verified)")
          #expect(verified.out.components(separatedBy: "muster events ..19").count == 2)
          #expect(verified.out.contains("1..19 without a gap"), "\(verified)")

          let target = stage.folder.appendingPathComponent("support-\(far).tar").path
          let bundle = try await judged(node, ["bundle", target], "")
          #expect(bundle.code == 65, "\(bundle)")
          let archive = String(
            decoding: try Data(contentsOf: URL(fileURLWithPath: target)), as: UTF8.self)
          #expect(archive.contains("\nDAMAGED: data.mdb, "), "\(bundle)")
          #expect(archive.contains("events 1..19 of cluster"), "\(bundle)")
          #expect(archive.contains("muster-support/history.muster"))
          for place in places { try data.flip(far ? place - 13 : place + 20, 0x40) }
        }
        // Where nothing can be read, the archive says so.
        for page in 0..<2 { try data.flip(page * 4096 + 16, 0xff) }
        let target = stage.folder.appendingPathComponent("support-none.tar").path
        let bundle = try await judged(node, ["bundle", target], "")
        #expect(bundle.code == 65 && bundle.err.contains("no event of cluster"), "\(bundle)")
        #expect(FileManager.default.fileExists(atPath: target))
        let table = try await judged(node, ["events"], "")
        #expect(table.code == 65 && table.err.contains("No event can be read"), "\(table)")
        #expect(!table.err.contains("lies in that time"), "\(table)")
      }
    }

    @Test("A log that is not there, or another node's, is told as such, with a way out")
    func elsewhere() async throws {
      try await onStage { stage in
        let nodes = [try await stage.started("n1"), try await stage.started("n2")]
        let other = try await nodes[1].status().cluster
        for node in nodes { #expect(try await node.stop() == 0) }
        let files = FileManager.default
        try files.moveItem(atPath: nodes[0].data + "/log", toPath: nodes[0].data + "/kept")
        try files.copyItem(atPath: nodes[1].data + "/log", toPath: nodes[0].data + "/log")
        let doctor = try await nodes[0].run("doctor", "--check", "LOG-02")
        #expect(doctor.code == 1 && doctor.out.contains("of cluster \(other)"), "\(doctor)")
        #expect(doctor.out.contains("put this node's own in its place"), "\(doctor)")
        let repair = try await nodes[0].run("repair")
        #expect(repair.code == 65 && repair.err.contains("of cluster \(other)"), "\(repair)")
        #expect(repair.err.contains("put this node's own log in its place"), "\(repair)")
        let verify = try await nodes[0].run("verify")
        #expect(verify.code == 65 && verify.out.contains("of cluster \(other)"), "\(verify)")

        // Only the file beside the pages.
        try files.removeItem(atPath: nodes[0].data + "/log")
        try files.moveItem(atPath: nodes[0].data + "/kept", toPath: nodes[0].data + "/log")
        let identity = nodes[0].data + "/log/identity"
        try files.removeItem(atPath: identity)
        try files.copyItem(atPath: nodes[1].data + "/log/identity", toPath: identity)
        let first = try await nodes[0].run("doctor", "--check", "LOG-01")
        #expect(first.code == 1 && !first.out.contains("muster repair"), "\(first)")

        try files.removeItem(atPath: nodes[1].data + "/log/data.mdb")
        for arguments in [["verify"], ["events"], ["verify", "--file", nodes[1].data]] {
          let outcome = try await nodes[1].run(arguments)
          #expect(outcome.code == 65, "\(outcome)")
          #expect((outcome.err + outcome.out).contains("data.mdb is missing"), "\(outcome)")
          #expect((outcome.err + outcome.out).contains("muster repair"), "\(outcome)")
        }
        let nothing = try await nodes[1].run("repair")
        #expect(nothing.code == 65 && nothing.err.contains("muster import FILE --seed"))
      }
    }

    @Test("Whoever may not look into the data dir is told that, not that nothing runs")
    func rights() async throws {
      guard getuid() == 0 else { return print("skipped: not root") }
      try await onStage { stage in
        let node = try await stage.started("n1")
        let open = stage.folder.appendingPathComponent("program").path
        try FileManager.default.copyItem(atPath: Program.executable.path, toPath: open)
        let other = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", open]
        for isHidden in [false, true] {
          let data = node.data + (isHidden ? "/identity" : "")
          for command in ["events", "verify", "bundle", "repair"] {
            let outcome = try await Tool(
              other[0],
              Array(other[1...]) + [command, "--data-dir", data]
                + (command == "bundle" ? ["-"] : []), stage.folder
            ).ended()
            #expect(outcome.code == 1, "\(command): \(outcome)")
            #expect(
              outcome.err.contains("no right to read \(data): run as root (sudo"),
              "\(command): \(outcome)")
          }
          let doctor = try await Tool(
            other[0], Array(other[1...]) + ["doctor", "--data-dir", data], stage.folder
          ).ended()
          #expect(doctor.out.contains("fix: sudo muster doctor"), "\(doctor)")
          #expect(!doctor.out.contains("does not exist"), "\(doctor)")
        }
      }
    }

    @Test("Each replica proves its own log anew, and the one whose log is damaged is named")
    func replicas() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        let sound = try await nodes[0].succeed("verify", "--cluster")
        #expect(sound.contains("every hash computed anew by n1 n2 n3"), "\(sound)")
        let event = try #require(try await nodes[1].events().dropFirst(3).first)
        let data = try LogBytes(nodes[1])
        let places = data.places(ofEntry: 4, hash: event.hash)
        #expect(!places.isEmpty, "\(event)")
        for place in places { try data.flip(place + 20, 1) }
        let damaged = try await nodes[0].run("verify", "--cluster")
        #expect(damaged.code == 65, "\(damaged)")
        #expect(damaged.out.contains("the log of n2 is damaged: data.mdb, index 4"), "\(damaged)")
        #expect(damaged.out.contains("anew by n1 n3"), "\(damaged)")
        let file = try await nodes[0].run("verify", "--cluster", "--file", nodes[2].data)
        #expect(file.code == 2 && file.err.contains("--cluster asks living nodes"), "\(file)")
      }
    }

    @Test("A replica with a changed byte equals no other, and is to fetch from others alone")
    func unequal() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(2)
        // The hash of a short history is computed from its beginning anyway.
        for _ in 0..<40 { try await nodes[0].succeed("add-node") }
        // In the events that are right it is a node of its name, and another one.
        try await nodes[1].succeed("leave")
        try await nodes[0].admit(nodes[1])
        let last = try await nodes[0].status().index
        try await eventually("n2 has all of it") { try await nodes[1].status().index == last }
        #expect(try await nodes[1].stop() == 0)
        let (path, sound) = (nodes[1].data, stage.folder.appendingPathComponent("sound").path)
        try FileManager.default.copyItem(atPath: path, toPath: sound)
        let equal = try await nodes[0].run("diff", path, sound)
        #expect(equal.code == 0 && equal.out.contains("one history, equal by hash"), "\(equal)")
        let event = try await nodes[1].events()[19]
        let data = try LogBytes(nodes[1])
        for place in data.places(ofEntry: 20, hash: event.hash) { try data.flip(place + 20, 1) }
        for words in [[path], ["HEAD", path], [path, sound], [sound, path]] {
          let found = try await nodes[0].run(["diff"] + words)
          #expect(found.code == 65 && !found.out.contains("equal by hash"), "\(words): \(found)")
          #expect(found.err.contains("data.mdb, index 20"), "\(words): \(found)")
        }
        let repair = try await nodes[1].run("repair")
        #expect(repair.out.contains("\nothers      n1\n"), "\(repair)")
      }
    }

    @Test("What a start reads beside the events is looked at by another process, too")
    func facts() async throws {
      try await onStage { stage in
        let nodes = try await stage.cluster(3)
        #expect(try await nodes[1].stop() == 0)
        let data = try LogBytes(nodes[1])
        let places = data.places(of: Data("fact/".utf8))
        #expect(!places.isEmpty)
        // The third and fourth byte of what stands before a key are the upper half of a size.
        for place in places { try data.flip(place - 5, 0x40) }
        try nodes[1].launch()
        let start = try await #require(nodes[1].agent).ended()
        #expect(start.code == 65 && start.err.contains("muster repair"), "\(start)")
        try await nodes[1].succeed("repair", "--yes")
        try await nodes[1].start()
      }
    }

    @Test("A last page of which no file is so large is damage", arguments: [(6, 1), (7, 0x80)])
    func lastPage(place: Int, mask: Int) async throws {
      try await onStage { stage in
        let node = try await stage.started("n1")
        #expect(try await node.stop() == 0)
        let data = try LogBytes(node)
        try data.flip(data.newestMeta + 136 + place, UInt8(mask))
        for command in ["events", "verify", "repair"] {
          let outcome = try await judged(node, [command], "")
          #expect(outcome.code == 65, "\(outcome)")
          #expect((outcome.err + outcome.out).contains("data.mdb has "), "\(outcome)")
        }
      }
    }

    @Test("Wherever a bit flips, commands end with an answer or with 65, never by a signal")
    func sweep() async throws {
      try await onStage { stage in
        let node = try await stopped(stage, events: 300)
        let data = try LogBytes(node)
        let commands = [
          (["events"], [0, 65]), (["show", "5"], [0, 2, 65]), (["verify"], [0, 65]),
          (["replay"], [0, 65]), (["diff", "3", "HEAD"], [0, 2, 65]),
          (["events", "-n", "3"], [0, 65]), (["export", "-"], [0, 65]),
          (["bundle", "-"], [0, 65]),
          (["repair"], [0, 65]), (["doctor"], [0, 1]),
        ]
        var random = Seeded(state: 7)
        for round in 0..<160 {
          let page = Int.random(in: 0..<data.usedPages, using: &random)
          // Half of them where a page says what it holds.
          let place = Int.random(in: 0..<(round % 2 == 0 ? 160 : 4096), using: &random)
          let mask = UInt8(1) << UInt8.random(in: 0...7, using: &random)
          let (command, codes) = commands[round % commands.count]
          let note = "byte \(page * 4096 + place) ^ \(mask)"
          try data.flip(page * 4096 + place, mask)
          let outcome = try await judged(node, command, note)
          #expect(
            codes.contains(Int(outcome.code)),
            "\(command) \(note): exit code \(outcome.code) \(outcome.err)")
          try data.flip(page * 4096 + place, mask)
        }
        #expect(try await node.run("verify").code == 0)
      }
    }
  }
}

/// The bytes of a stopped node's log, to be changed in place.
struct LogBytes {
  let url: URL
  private let original: Data

  init(_ node: Node) throws {
    url = URL(fileURLWithPath: node.data + "/log/data.mdb")
    original = try Data(contentsOf: url)
  }

  private func number(at offset: Int) -> Int {
    (0..<8).reduce(0) { $0 | Int(original[offset + $1]) << (8 * $1) }
  }

  /// Where the meta page begins that a reader goes by.
  var newestMeta: Int { number(at: 144) > number(at: 4096 + 144) ? 0 : 4096 }
  var usedPages: Int { number(at: newestMeta + 136) + 1 }

  /// Where the value of the entry at an index begins, of which a part of its hash is stored first;
  /// a page that was copied keeps it, too.
  func places(ofEntry index: UInt64, hash: String) -> [Int] {
    let key = stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: index >> $0) }
    let beginning = stride(from: 0, to: 8, by: 2).compactMap {
      UInt8(hash.dropFirst($0).prefix(2), radix: 16)
    }
    return places(of: Data(key + beginning)).map { $0 + key.count }
  }

  func places(of bytes: Data) -> [Int] {
    var places: [Int] = []
    while let found = original.range(of: bytes, in: (places.last ?? -1) + 1..<original.count) {
      places.append(found.lowerBound)
    }
    return places
  }

  func flip(_ offset: Int, _ mask: UInt8) throws {
    let file = try FileHandle(forUpdating: url)
    defer { try? file.close() }
    try file.seek(toOffset: UInt64(offset))
    let byte = try file.read(upToCount: 1)?.first ?? 0
    try file.seek(toOffset: UInt64(offset))
    try file.write(contentsOf: Data([byte ^ mask]))
  }
}

/// SplitMix64: the same numbers in every run.
struct Seeded: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
