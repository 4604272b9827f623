// What diff and bisect list of the events they are about, and what is said to those who ask amiss.

import EventLog
import History
import Membership
import Raft
import Testing

@Suite("Findings")
struct FindingTests {
  private func refusal<R>(_ body: () throws -> R) -> Unanswerable? {
    #expect(throws: Unanswerable.self) { _ = try body() }
  }

  private func indexes(_ lines: [EventLine]) -> [UInt64] { lines.map(\.recorded.index) }

  @Test("Of two histories that are one the events between are listed, whichever holds more")
  func oneChain() throws {
    let story = try Story.life()
    let whole = story.history
    let part = History(MemorySource(Array(story.entries.prefix(9))))
    for (a, i, b, j) in [(part, 9, whole, 14), (whole, 14, part, 9), (whole, 14, part, 3)]
      as [(History, UInt64, History, UInt64)]
    {
      let (low, high) = (min(i, j), max(i, j))
      let difference = try Difference(a, i, b, j)
      #expect(indexes(difference.events) == Array(low + 1...high))
      let moments = try Difference(whole, i, j)
      #expect(indexes(moments.events) == indexes(difference.events))
      let list = difference.text.components(after: "events between\n")
      #expect(list != nil && list == moments.text.components(after: "events between\n"))
    }
    #expect(try Difference(whole, 9, part, 9).events.isEmpty)
  }

  @Test("Of many events some are listed, then a count and the command that lists the others")
  func many() throws {
    var story = try Story.life()
    while story.entries.count < 100 {
      story.append(.nodeSuspected(NodeSuspected(node: NodeID(2))))
      story.append(.nodeRecovered(NodeRecovered(node: NodeID(2))))
    }
    let words = "and 20 more: muster events 71..90 --file x\n"
    for (a, b) in [(20, 90), (90, 20)] as [(UInt64, UInt64)] {
      let moments = try Difference(story.history, a, b, option: " --file x")
      #expect(moments.text.hasSuffix(words), "\(moments.text)")
    }
    let part = History(MemorySource(Array(story.entries.prefix(20))))
    let files = try Difference(part, 20, story.history, 90, options: ("", " --file x"))
    #expect(files.text.hasSuffix(words))
    let reversed = try Difference(story.history, 90, part, 20, options: (" --file x", ""))
    #expect(reversed.text.hasSuffix(words))
  }

  @Test("Of a fork the first events of each side are shown, and how to list the others")
  func fork() throws {
    let story = try Story.life()
    let head = UInt64(story.entries.count)
    for common in [head - 1, head - 3, head - 5, head - 12] {
      var other = story.entries
      for i in Int(common)..<other.count { other[i].term += 1 }
      let branch = History(MemorySource(Array(other.prefix(Int(common) + 1))))
      let difference = try Difference(
        story.history, head, branch, branch.head, options: ("", " --file x"))
      let fork = try #require(difference.fork)
      let lines = difference.text.split(separator: "\n")
      #expect(fork.common == common && !difference.isEmpty)
      let told = min(head - common, 5)
      #expect(indexes(fork.since?.a.events ?? []) == Array(common + 1...common + told))
      #expect(indexes(fork.since?.b.events ?? []) == [common + 1])
      // Facts stand beside their sign, indexes in a column.
      #expect(lines.count { $0.hasPrefix("-  ") } == told)
      #expect(lines.count { $0.hasPrefix("+  ") } == 1)
      let more = "- and \(head - common - told) more: muster events \(common + 6)..\(head)"
      #expect(lines.contains(more[...]) == (head - common > 5), "\(difference.text)")
    }
  }

  @Test("A scan tells every change with its event, up to twenty, and how it is at the end")
  func scan() throws {
    var story = try Story.life()
    let start = story.history.head
    for _ in 0..<15 {
      story.append(.nodeSuspected(NodeSuspected(node: NodeID(2))))
      story.append(.nodeRecovered(NodeRecovered(node: NodeID(2))))
    }
    let expectation = try Expectation("ha.canLose>=1")
    for changes in [1, 2, 7, 20, 21, 30] as [UInt64] {
      let found = try Bisection(
        story.history, start...start + changes, condition: "x", scan: true
      ) { expectation.holds($0) ? .holds : .fails }
      #expect(found.changes == Array(start + 1...start + changes))
      #expect(indexes(found.events) == Array(start + 1...start + min(changes, 20)))
      let rows = found.text.split(separator: "\n").filter { $0.contains(" 2026-") }
      #expect(rows.count == Int(min(changes, 20)))
      for (row, k) in zip(rows.dropFirst(), 2...) {
        #expect(row.hasPrefix(k % 2 == 0 ? "begins " : "ceases "), "\(row)")
        #expect(row.contains(k % 2 == 0 ? "node.recovered" : "node.suspected"), "\(row)")
      }
      #expect(found.text.contains("and \(changes - min(changes, 20)) more") == (changes > 20))
      #expect(
        found.text.contains("at the end it \(changes % 2 == 0 ? "holds" : "does not hold")\n")
          == (changes > 1), "\(found.text)")
    }
  }

  @Test("Who asks why of what nobody knows is told everything that can be asked for")
  func unknown() throws {
    let history = try Story.life().history
    for question in ["82f2", "lead", "HB"] {
      let words = refusal { try Why(history, question, at: history.head) }?.description ?? ""
      #expect(
        words.contains("ha, leader, endpoints or policy")
          && words.contains("an invitation by its id: muster token list"), "\(words)")
    }
    #expect(
      try Why(history, "HA", at: history.head).text == Why(history, "ha", at: history.head).text)
  }

  @Test("Blame of a node that is gone points to why, of a slip to the nearest path")
  func blame() throws {
    let history = try Story.life().history
    func words(_ path: String) -> String {
      refusal { try Blame.lines(history, at: history.head, path: path) }?.description ?? ""
    }
    for path in ["nodes.n5", "nodes.n5.role"] {
      #expect(words(path).contains("n5 is no member") && words(path).contains("muster why n5"))
    }
    #expect(words("ha.canlose").contains("Nearest: ha.canLose"), "\(words("ha.canlose"))")
    #expect(words("node.n2").contains("Nearest: nodes.n2, "), "\(words("node.n2"))")
    #expect(words("nodes.n9").contains("muster blame without a path lists all"))
  }

  @Test(
    "Signs in a wrong order are refused with what is meant",
    arguments: [
      ("ha.canLose=>1", "ha.canLose>=1"), ("ha.canLose=<1", "ha.canLose<=1"),
      ("leader.name=!n1", "leader.name!=n1"), ("ha.canLose<>1", "ha.canLose!=1"),
      ("ha.canLose = > 1", "ha.canLose>=1"), ("ha.canLose===1", "ha.canLose==1"),
    ])
  func signs(_ text: String, _ meant: String) {
    let error = refusal { try Expectation(text) }
    #expect(
      error?.description.contains("did you mean \(meant)?") == true && error?.exitCode == 2,
      "\(error?.description ?? "")")
  }

  @Test(
    "An order is one of numbers: anything else is refused with what can be written",
    arguments: [
      ("ha.canLose>=zz", "ha.canLose=VALUE"), ("ha.canLose<1.5", "ha.canLose!=VALUE"),
      ("leader.name>3", "leader.name=VALUE"), ("nodes.n2.role<=2", "nodes.n2.role=VALUE"),
    ])
  func order(_ text: String, _ form: String) throws {
    let history = try Story.life().history
    let error = refusal { try Expectation(text).check(history) }
    let words = error?.description ?? ""
    #expect(words.contains("compares numbers") && words.contains(form), "\(words)")
    #expect(words.contains("ha.canLose>=1") && error?.exitCode == 2, "\(words)")
  }

  @Test("What is no number is neither more nor less than one, and may be equal")
  func unordered() throws {
    let state = try Story.life().cluster
    for (text, holds) in [
      ("leader.name>=0", false), ("leader.name<9", false), ("leader.name=n1", true),
      ("leader.name!=n1", false), ("leader.name!=n2", true), ("ha.voters=03", true),
    ] {
      #expect(try Expectation(text).holds(state) == holds, "\(text)")
    }
  }

  @Test("The newest event of a type that there is none of is refused with the nearest types")
  func newest() throws {
    let story = try Story.life()
    for (type, near) in [
      ("suspected", "node.suspected"), ("node.joind", "node.joined"), ("leader.elect", "elected"),
    ] {
      let error = refusal {
        try Selector("last:\(type)").index(in: story.history, now: story.now)
      }
      #expect(
        error?.description.contains("no event") == true
          && error?.description.contains(near) == true && error?.exitCode == 2,
        "\(error?.description ?? "")")
    }
    let absent = refusal {
      try Selector("last:policy.changed").index(in: story.history, now: story.now)
    }
    #expect(absent?.description.hasPrefix("no event here is of type") == true)
  }
}

extension String {
  /// What follows the first such part.
  fileprivate func components(after part: String) -> Substring? {
    firstRange(of: part).map { self[$0.upperBound...] }
  }
}
