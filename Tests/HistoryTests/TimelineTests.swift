// The page of history as a text, without a browser: what it may load, and whether what it draws
// from is what happened. Tests/ProgramTests/BrowserTests opens it in a browser.

import Crypto
import Foundation
import History
import Membership
import Testing

@Suite("The page of history")
struct TimelineTests {
  private static func between(_ start: String, _ end: String, _ page: String) throws -> String {
    let rest = try #require(page.range(of: start)).upperBound
    let stop = try #require(page.range(of: end, range: rest..<page.endIndex)).lowerBound
    return String(page[rest..<stop])
  }

  @Test("It loads nothing, and its policy admits only the script and the style that are in it")
  func policy() throws {
    for live in [nil, "events"] {
      let page = try TimelinePage(Story.life().history, live: live)
      let html = page.html.replacing("http://www.w3.org/2000/svg", with: "")
      for text in ["src=", "href=", "http:", "https:", "@import", "import(", "XMLHttp", "fetch("] {
        #expect(!html.contains(text), "\(text)")
      }
      #expect(html.replacing("url(#", with: "").contains("url(") == false)
      let script = try Self.between("<script>", "</script>", page.html)
      let style = try Self.between("<style>", "</style>", page.html)
      for (kind, text) in [("script-src", script), ("style-src", style)] {
        let hash = Data(SHA256.hash(data: Data(text.utf8))).base64EncodedString()
        #expect(page.policy.contains("\(kind) 'sha256-\(hash)'"))
      }
      #expect(page.policy.hasPrefix("default-src 'none'; "))
      #expect(!page.policy.contains("unsafe"))
      #expect(page.policy.contains("connect-src") == (live != nil))
      #expect(page.html.contains("content=\"\(page.policy)\""))
      #expect(!page.html.contains(" style=") && !page.html.contains(" onclick="))
      #expect(!page.html.contains("@RECORDS@") && !page.html.contains("@SCRIPT@"))
    }
  }

  @Test("What names and reasons hold is data and never markup")
  func inert() throws {
    var story = try Story.life()
    let evil = "</script><script>alert(1)</script><!--"
    try story.ask(.removeNode(.init(target: "n4", force: false)), actor: evil, reason: evil)
    let page = try TimelinePage(story.history, option: " --file '\(evil)'").html
    #expect(!page.contains("<script>alert"))
    #expect(page.components(separatedBy: "</script>").count == 4)
    let records = try Self.between("id=\"records\">", "</script>", page)
    let parsed = try JSONDecoder().decode([Record].self, from: Data(records.utf8))
    #expect(parsed.last?.a == evil && parsed.last?.r == evil)
  }

  @Test("The records, folded from wherever one begins, are the states of the log")
  func records() throws {
    var story = try Story.life()
    // That n1 votes and leads no more is told by an event that names n3 alone.
    story.append(.leaderElected(LeaderElected(node: NodeID(3))), term: 3)
    // The records of n4, which left, and of those whom another cluster leaves behind are closed by
    // events that do not name them.
    try story.join(9, named: "n4")
    try story.join(6, .worker)
    try story.goOn()
    let history = story.history
    for first in history.first...history.head {
      var recorder = TimelineRecorder()
      var shown: [String: String] = [:]
      var servers: String?
      var available: String?
      try history.walk(from: first, through: history.head) { recorded, before, after in
        let line = recorder.record(recorded, before: before, after: after).line
        let record = try JSONDecoder().decode(Record.self, from: Data(line.utf8))
        for node in record.n ?? [] { shown[node[0]] = node[2] == "." ? nil : node[2] }
        servers = record.p ?? servers
        available = record.h?.words ?? available
        var expected: [String: String] = [:]
        for member in after.nodes { expected[member.id.description] = Self.code(member, after) }
        #expect(record.i == recorded.index && shown == expected, "\(record.i) from \(first)")
        let serving = after.servingAPI.compactMap { $0.record.endpoints.apiserver?.description }
        #expect(servers == serving.joined(separator: "\n"))
        let canLose = Tolerance(
          voters: after.voters, outgoing: after.outgoingVoters, healthy: after.soundVoters
        ).canLose
        let isAvailable = after.voters.count >= 3 && canLose > 0
        #expect(available?.hasPrefix("high-availability: \(isAvailable ? "yes" : "no")\n") == true)
        return true
      }
    }
  }

  @Test("Maintenance and removal by force are marked on the lanes of their nodes")
  func marks() throws {
    var story = try Story.life()
    try story.ask(.enterMaintenance(.init(target: "n3", seconds: nil)))
    try story.ask(.exitMaintenance("n3"))
    let page = try TimelinePage(story.history).html
    let records = try Self.between("id=\"records\">", "</script>", page)
    let parsed = try JSONDecoder().decode([Record].self, from: Data(records.utf8))
    let n3 = NodeID(3).description
    #expect(
      parsed.compactMap(\.m) == [
        [NodeID(5).description, "force"], [n3, "away"], [n3, "back"],
      ])
    let script = try Self.between("const marks = {", "};", page)
    for kind in ["away:", "back:", "force:"] { #expect(script.contains(kind)) }
  }

  @Test("A page holds the newest events up to its limit, and of a shorter history all")
  func limit() throws {
    let limit = TimelinePage.limit
    for (range, first) in [
      (1...limit, 1), (1...(limit + 1), 2), (7...10, 7), (1...100_000, 100_001 - limit),
      (UInt64.max - 3...UInt64.max, UInt64.max - 3), (0...UInt64.max, UInt64.max - limit + 1),
    ] as [(ClosedRange<UInt64>, UInt64)] {
      #expect(TimelinePage.first(of: range) == first)
    }
  }

  @Test("In light and in dark every text can be read, and every mark can be seen")
  func contrast() throws {
    let style = try Self.between("<style>", "</style>", TimelinePage(Story.life().history).html)
    let parts = style.components(separatedBy: "@media screen and (prefers-color-scheme: dark)")
    try #require(parts.count == 2)
    for part in [parts[0], try #require(parts[1].components(separatedBy: "* {").first)] {
      var colours: [String: String] = [:]
      for match in part.matches(of: /--([a-z]+): #([0-9a-f]{6}|[0-9a-f]{3});/) {
        colours[String(match.1)] = String(match.2)
      }
      func contrast(_ a: String, _ b: String) throws -> Double {
        let lights = try [a, b].map { Self.light(try #require(colours[$0], "\($0)")) }.sorted()
        return (lights[1] + 0.05) / (lights[0] + 0.05)
      }
      for (text, ground) in [
        ("fg", "bg"), ("fg", "panel"), ("fg", "pick"), ("soft", "bg"), ("soft", "panel"),
        ("accent", "bg"), ("accent", "panel"), ("onlead", "lead"), ("onvote", "vote"),
        ("onsafe", "safe"),
      ] {
        #expect(try contrast(text, ground) >= 4.5, "\(text) on \(ground)")
      }
      for mark in ["lead", "vote", "stand", "spare", "work", "bad", "safe", "warn"] {
        #expect(try contrast(mark, "bg") >= 3, "\(mark)")
      }
    }
  }

  /// Relative luminance of a colour in hex, as WCAG 2 defines it.
  private static func light(_ hex: String) -> Double {
    let digits = hex.count == 3 ? hex.map { "\($0)\($0)" }.joined() : hex
    let value = Int(digits, radix: 16) ?? 0
    let parts = [16, 8, 0].map { shift -> Double in
      let part = Double(value >> shift & 255) / 255
      return part <= 0.03928 ? part / 12.92 : pow((part + 0.055) / 1.055, 2.4)
    }
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
  }

  @Test("In a terminal no line is wider than the screen, and colours change nothing but colour")
  func graph() throws {
    let history = try Story.life().history
    let lines = try history.lines()
    let piped = try EventGraph(history, lines).text
    #expect(!piped.contains("\u{1B}") && !piped.contains("…"))
    for width in [40, 80, 119, 120, 200] {
      let plain = try EventGraph(history, lines, style: .init(width: width)).text
      let painted = try EventGraph(
        history, lines, style: .init(width: width, isColoured: true)
      ).text
      let rows = plain.split(separator: "\n")
      #expect(rows.allSatisfy { $0.count <= width } && !plain.contains("\u{1B}"), "\(width)")
      #expect(painted.contains("\u{1B}[35m◆\u{1B}[0m"))
      #expect(painted.replacing(/\u{1B}\[[0-9]+m/, with: "") == plain)
      for line in lines {
        let index = " \(line.recorded.index)  "
        #expect(rows.contains { $0.contains(index) }, "\(index) at \(width)")
      }
    }
  }

  /// As the legend has it.
  private static func code(_ member: Member, _ cluster: Cluster) -> String {
    guard member.isActive else { return "-" }
    let letter =
      switch (member.record.role, member.datastoreRole) {
      case (.worker, _): "W"
      case (_, .voter): cluster.leader == member.id ? "L" : "V"
      case (_, .standby): "S"
      case (_, .spare): "P"
      case (_, nil): "N"
      }
    return member.isSuspected ? letter.lowercased() : letter
  }
}

/// What the page reads of an event.
private struct Record: Decodable {
  struct Availability: Decodable {
    var words: String
    init(from decoder: any Decoder) throws {
      var list = try decoder.unkeyedContainer()
      _ = try list.decode(Int.self)
      _ = try list.decode(Bool.self)
      words = try list.decode(String.self)
    }
  }
  var i: UInt64
  var a: String
  var r: String?
  var n: [[String]]?
  var m: [String]?
  var p: String?
  var h: Availability?
}
