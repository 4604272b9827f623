// A file that is mailed is believed whole or not at all.

import EventLog
import Foundation
import History
import Membership
import Raft
import Testing

@Suite struct ExportTests {
  @Test("What is exported reads as the history it came from, and as a log again")
  func roundTrip() throws {
    let story = try Story.life()
    let history = story.history
    let file = History(try ExportSource(Array(history.bytes()), name: "file"))
    #expect(try file.lines().map(\.document) == history.lines().map(\.document))
    #expect(try file.state(at: file.head) == story.cluster.withoutCommands)
    #expect(try file.bytes() == history.bytes())
    #expect(try Difference(history, history.head, file, file.head).isEmpty)
    try inFolder { folder in
      let path = folder.appending(path: "log").path
      try file.restore(to: path)
      let log = try EventLog.open(directory: path, mode: .readOnly)
      defer { log.close() }
      let restored = History(LogSource(log))
      #expect(try restored.bytes() == history.bytes())
      #expect(Examination(restored, log: log).isGood)
      #expect(throws: Fault.self) { try file.restore(to: path) }
    }
  }

  @Test("A history becomes another owner's log, unchanged, with one more entry that fits it")
  func goesOn() throws {
    var story = try Story.life()
    let file = History(try ExportSource(Array(story.history.bytes()), name: "file"))
    try story.importing(201, as: ClusterID(20))
    let owner = LogIdentity(cluster: 20, node: 201)
    try inFolder { folder in
      let path = folder.appending(path: "log").path
      try file.restore(
        to: path, as: owner,
        adding: { state, term in
          #expect(state == story.states[Int(file.head)])
          #expect(story.entries[Int(file.head)].term == term + 1)
          return story.entries[Int(file.head)]
        })
      let log = try EventLog.open(directory: path, mode: .readOnly, expecting: owner)
      defer { log.close() }
      let made = History(LogSource(log))
      #expect(made.head == file.head + 1)
      #expect(try made.lines().map(\.document) == story.history.lines().map(\.document))
      #expect(Examination(made, log: log).isGood)
    }
    try inFolder { folder -> Void in
      #expect(throws: HistoryFault.self, "a second one does not follow the same index") {
        try story.history.restore(
          to: folder.appending(path: "log").path,
          adding: { _, _ in
            var last = story.entries[Int(file.head)]
            last.index += 1
            return last
          })
      }
    }
  }

  @Test("A history whose terms are used up is not gone on from")
  func lastTerm() throws {
    var story = try Story.life()
    story.entries[story.entries.count - 1].term = .max
    let last = story.entries[0]
    try inFolder { folder -> Void in
      let error = #expect(throws: Unanswerable.self) {
        try story.history.restore(
          to: folder.appending(path: "log").path, adding: { _, _ in last })
      }
      #expect(error?.exitCode == 65)
    }
  }

  @Test("A history that holds an event of the future is not made a log, and says what is needed")
  func future() throws {
    var story = try Story.life()
    story.entries[9].payload = [0xea, 0x02, 0x00]
    try inFolder { folder in
      let error = #expect(throws: HistoryFault.self) {
        try story.history.restore(to: folder.appending(path: "log").path)
      }
      #expect(error?.index == 10)
      #expect(error?.description.contains("higher event schema") == true)
    }
  }

  @Test("An import that names another history than the one before it is found")
  func wrongOrigin() throws {
    var story = try Story.life()
    try story.importing(201, as: ClusterID(20))
    #expect(Examination(story.history).isGood)
    var earlier = story.entries
    earlier[0].term -= 1
    let found = Examination(History(MemorySource(earlier)))
    #expect(found.text.contains("follows another history"), "\(found.text)")
  }

  @Test("A log whose hashes all stand there whole, as the first version wrote it, is read and kept")
  func firstFormat() throws {
    let file = History(
      try ExportSource(path: Golden.root.appending(path: "histories/schema-1-imported.muster").path)
    )
    let archive = Golden.root.appending(path: "logs/format-1.tar.gz").path
    try inFolder { folder in
      let tar = Process()
      tar.executableURL = URL(filePath: "/usr/bin/env")
      tar.arguments = ["tar", "-xzf", archive, "-C", folder.path]
      try tar.run()
      tar.waitUntilExit()
      let path = folder.appending(path: "log").path
      // It is written on in its own format.
      let added = Entry(index: 42, term: 1 << 40, payload: [])
      for isWritten in [false, true] {
        let log = try EventLog.open(directory: path, mode: .readWrite)
        #expect(log.identity.layout == .whole)
        #expect(log.lastIndex == (isWritten ? 42 : 41))
        let history = History(LogSource(log))
        #expect(try history.bytes() == file.bytes())
        #expect(try history.state(at: 41) == file.state(at: 41))
        #expect(try log.verify().checked == log.lastIndex)
        if !isWritten { log.submit(LogWrite(entries: [added])) }
        log.close()
      }
    }
  }

  @Test("A part of a history tells its events, and does not make up a state")
  func part() throws {
    let history = try Story.life().history
    var bytes: [UInt8] = []
    try history.export(10...20) { bytes += $0 }
    let part = History(try ExportSource(Array(bytes), name: "part"))
    #expect(part.first == 10 && part.head == 20)
    #expect(
      try part.lines().map(\.recorded)
        == history.lines(EventFilter(from: 10, to: 20)).map(\.recorded))
    #expect(try part.lines().allSatisfy { $0.effect == nil })
    let error = #expect(throws: Unanswerable.self) { try part.state(at: 15) }
    #expect(error?.exitCode == 65)
    #expect(error?.description.contains("an export without --range") == true)
    #expect(throws: Unanswerable.self) { try part.event(at: 9) }
    // Nor does an archive of it, which has all the same what is known.
    let bundle = try SupportBundle(
      part, log: nil, isRedacted: false, made: Timestamp(milliseconds: 0), version: "0")
    #expect(bundle.problem == nil)
    #expect(bundle.manifest.contains("\nleft out: every view of the state"), "\(bundle.manifest)")
    #expect(bundle.manifest.contains("  history.muster  \(bytes.count) bytes"))
    #expect(bundle.manifest.contains("  events.txt  "))
    try inFolder { folder in
      let path = folder.appending(path: "log").path
      try part.restore(to: path)
      let log = try EventLog.open(directory: path, mode: .readOnly)
      defer { log.close() }
      #expect(try History(LogSource(log)).bytes() == bytes)
    }
  }

  @Test("A file with any one byte changed is refused; in an event, with its index")
  func everyByte() throws {
    let history = try Story.life().history
    let bytes = try history.bytes()
    let end = try #require(bytes.firstRange(of: Array("\n\n".utf8))).upperBound
    var refused = 0
    for offset in bytes.indices {
      var changed = bytes
      changed[offset] ^= 0x20
      let error = #expect(throws: Unanswerable.self, "byte \(offset)") {
        try ExportSource(Array(changed), name: "file")
      }
      #expect(error?.exitCode == 65)
      if offset >= end, offset < bytes.count - 36 {
        #expect(error?.description.contains("at index ") == true, "byte \(offset)")
      }
      refused += error == nil ? 0 : 1
    }
    #expect(refused == bytes.count)
  }

  @Test("A file cut anywhere, or longer than it says, is refused")
  func everyCut() throws {
    let bytes = try Story.life().history.bytes()
    for count in bytes.indices {
      #expect(throws: Unanswerable.self, "\(count) bytes") {
        try ExportSource(Array(bytes.prefix(count)), name: "file")
      }
    }
    #expect(throws: Unanswerable.self) { try ExportSource(Array(bytes + [0]), name: "file") }
  }

  @Test("A redacted file folds to the same roles, without any address or reason in it")
  func redacted() throws {
    let story = try Story.life()
    let bytes = try story.history.bytes(redacted: true)
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(!text.contains("burnt down") && !text.contains("10.9.8.7"))
    let file = History(try ExportSource(Array(bytes), name: "file"))
    let state = try file.state(at: file.head)
    #expect(state.nodes.map(\.datastoreRole) == story.cluster.nodes.map(\.datastoreRole))
    #expect(state.nodes.map(\.name) == story.cluster.nodes.map(\.name))
    let shown = Facts(state).text + (try file.lines().map { $0.document.line }.joined())
    #expect(!shown.contains("10.0.0.") && shown.contains("2001:db8::1"))
    // The same host is the same everywhere.
    let first = try #require(state.nodes.first?.record.endpoints)
    #expect(first.cluster.host == first.datastore?.host)
    #expect(file.source.redaction != nil)
  }

  @Test("Nothing that muster writes for others holds a secret, nor, redacted, an address")
  func bundle() throws {
    let story = try Story.life()
    for isRedacted in [false, true] {
      let bundle = try SupportBundle(
        story.history, log: nil, isRedacted: isRedacted, made: story.now, version: "0")
      var bytes: [UInt8] = []
      try bundle.write { bytes += $0 }
      #expect(bytes.count.isMultiple(of: 512))
      let text = String(decoding: bytes, as: UTF8.self)
      #expect(!text.contains("PRIVATE KEY"))
      #expect(text.contains("10.0.0.1:25000") == !isRedacted)
      #expect(text.contains("burnt down") == !isRedacted)
      #expect(text.contains(bundle.manifest))
      #expect(bundle.manifest.contains(isRedacted ? Redaction.words : "--redact takes them out"))
    }
  }
}
