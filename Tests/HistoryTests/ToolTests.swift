// What the tools say, held against golden transcripts of one cluster's life, and their laws.

import EventLog
import Foundation
import History
import Membership
import Projections
import Raft
import Schema
import Testing

@Suite struct ToolTests {
  @Test(
    "A log that an older version wrote is read by every newer one, byte for byte",
    arguments: ["schema-1", "schema-1-imported"])
  func goldenHistory(_ name: String) throws {
    let url = Golden.root.appending(path: "histories/\(name).muster")
    var story = try Story.life()
    if name.hasSuffix("imported") { try story.goOn() }
    let bytes = try story.history.bytes()
    if Golden.isUpdating {
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      if !FileManager.default.fileExists(atPath: url.path) { try Data(bytes).write(to: url) }
    }
    let file = History(try ExportSource(path: url.path))
    #expect(try Rebuild(file).difference == nil)
    #expect(try Array(Data(contentsOf: url)) == file.bytes())
    try Golden.expect(
      Facts(try file.state(at: file.head)).text, is: "histories/\(name).facts.txt")
    try Golden.expect(
      try file.lines().map { $0.document.line }.joined(), is: "histories/\(name).events.json")
  }

  @Test("The transcripts are what they were")
  func transcripts() throws {
    let story = try Story.life()
    let history = story.history
    let head = history.head
    let words = EventText(isJSON: false)
    var texts: [(String, String)] = [
      ("events", (words.header ?? "") + (try history.lines().map { words.line($0) }.joined())),
      ("graph", try EventGraph(history, history.lines()).text),
      ("diff-5-head", try Difference(history, 5, head).text),
      ("blame-n2", Blame.text(try Blame.lines(history, at: head, path: "nodes.n2"))),
      ("verify", Examination(history).text),
    ]
    for index in [UInt64(9), 18, head] {
      texts.append(("show-\(index)", try Showing(history, index: index).text))
    }
    for question in ["ha", "leader", "endpoints", "n2", "n4", "n5"] {
      texts.append(("why-\(question)", try Why(history, question, at: head).text))
    }
    for supposed in [
      ["remove", "n2"], ["fail", "n1,n3"], ["fail", "n1"], ["join", "2", "voters"],
      ["join", "worker"], ["lose-zone", "a"], ["leave", "n1"],
    ] {
      let finding = try WhatIf(
        Supposition(supposed), on: story.cluster, basis: "as recorded at index \(head)")
      texts.append(
        (
          "what-if-\(supposed.joined(separator: "-").replacing(",", with: "-"))",
          finding.text + "=> \(finding.exitCode)\n"
        ))
    }
    texts += try seam()
    for (name, text) in texts { try Golden.expect(text, is: "scenarios/history/\(name).txt") }
    let documents = [
      ("show-18", try Showing(history, index: 18).document),
      ("why-ha", try Why(history, "ha", at: head).document),
    ]
    for (name, document) in documents {
      try Golden.expect(document.json, is: "scenarios/history/\(name).json")
      try Golden.expect(document.yaml, is: "scenarios/history/\(name).yaml")
      let parsed = try JSONSerialization.jsonObject(with: Data(document.json.utf8))
      #expect((parsed as? [String: Any])?["schemaVersion"] as? Int == 1)
      #expect(try JSONSerialization.jsonObject(with: Data(document.line.utf8)) is [String: Any])
    }
  }

  /// What the tools say of a cluster that began with another one's log.
  private func seam() throws -> [(String, String)] {
    var story = try Story.life()
    let seam = story.history.head + 2
    try story.goOn()
    let history = story.history
    let words = EventText(isJSON: false)
    return [
      (
        "imported-events",
        try history.lines(EventFilter(from: seam - 2)).map { words.line($0) }.joined()
      ),
      ("imported-graph", try EventGraph(history, history.lines()).text),
      ("imported-show", try Showing(history, index: seam).text),
      ("imported-why-ha", try Why(history, "ha", at: history.head).text),
      ("imported-why-ha-lost", try Why(history, "ha", at: seam + 5).text),
      ("imported-why-leader", try Why(history, "leader", at: history.head).text),
      ("imported-why-n1", try Why(history, "n1", at: seam).text),
      ("imported-why-m1", try Why(history, "m1", at: history.head).text),
      ("imported-why-endpoints", try Why(history, "endpoints", at: seam).text),
      (
        "imported-blame-cluster",
        Blame.text(
          try Blame.lines(history, at: seam - 1, path: "cluster")
            + Blame.lines(history, at: history.head, path: "cluster"))
      ),
    ]
  }

  @Test("Why ha tells when high availability ended, however much changed since")
  func endOfAvailability() throws {
    var story = try Story.life()
    try story.goOn()
    var end: Int?
    for (index, state) in story.states.enumerated().dropFirst() {
      let isAvailable = HighAvailability(state).isHighlyAvailable
      if !isAvailable, HighAvailability(story.states[index - 1]).isHighlyAvailable { end = index }
      let why = try Why(story.history, "ha", at: UInt64(index))
      let told = why.verdict.filter { $0.contains("highly available") }
      if isAvailable {
        #expect(told.isEmpty, "at \(index)")
      } else if let end {
        #expect(told.first?.contains("until index \(end) (") == true, "\(told) at \(index)")
        #expect(why.chain.contains { $0.line.recorded.index == UInt64(end) }, "at \(index)")
      } else {
        #expect(told.first?.contains("never") == true, "\(told) at \(index)")
      }
    }
    #expect(end != nil)
  }

  @Test("Every cause that is told lies before its effect, and the effect tells it back")
  func causes() throws {
    var story = try Story.life()
    try story.goOn()
    let history = story.history
    var told = 0
    try history.walk(from: 1, through: history.head) { event, before, _ in
      for cause in try history.causes(of: event, before: before) {
        #expect(cause.index < event.index)
        #expect(try history.effects(of: cause.index).contains { $0.event.index == event.index })
        told += 1
      }
      return true
    }
    #expect(told > 15)
  }

  @Test("Blame names, for every fact, an event after which it was so, and has been ever since")
  func blame() throws {
    var story = try Story.life()
    try story.goOn()
    let lines = try Blame.lines(story.history, at: story.history.head, path: "")
    #expect(lines.count == Facts(story.cluster).all.count)
    for line in lines where !["endpoints.index", "leader.term"].contains(line.fact.path) {
      let origin = Int(line.origin.recorded.index)
      for index in origin..<story.states.count {
        #expect(
          Facts(story.states[index])[line.fact.path] == line.fact.value,
          "\(line.fact.path) at \(index), blamed on \(origin)")
      }
    }
  }

  @Test("Blame says the same wherever states are stored, and with what the events meant")
  func blameBesideStoredStates() throws {
    var story = try Story.life()
    try story.goOn()
    // One that acted under its id.
    story.append(
      Envelope(
        time: story.now, command: CommandID(high: 9, low: 9), fingerprint: 0,
        actor: NodeID(202).description,
        event: .nodeSuspected(NodeSuspected(node: NodeID(203)))))
    let plain = try Blame.lines(story.history, at: story.history.head, path: "")
    for spacing in [1, 3, 10, 40] {
      var source = story.source
      for index in stride(from: spacing, to: story.states.count, by: spacing) {
        source.stored[UInt64(index)] = story.states[index]
      }
      let history = History(source)
      for effects in [false, true] {
        let lines = try Blame.lines(history, at: history.head, path: "", effects: effects)
        #expect(Blame.text(lines) == Blame.text(plain))
        #expect(lines.allSatisfy { ($0.origin.effect != nil) == effects })
      }
    }
    #expect(Blame.text(plain).contains("n202  node.suspected"))
    let told = try story.history.lines()
    for line in try Blame.lines(story.history, at: story.history.head, path: "", effects: true) {
      #expect(line.origin.effect == told[Int(line.origin.recorded.index) - 1].effect)
    }
  }

  @Test("Two histories that part are told where, with both events")
  func fork() throws {
    let story = try Story.life()
    for place in [3, 10, story.entries.count] {
      var other = story.entries
      other[place - 1].term += 1
      for i in place..<other.count { other[i].term += 1 }
      let fork = try Fork(story.history, History(MemorySource(other)))
      #expect(fork.common == UInt64(place - 1))
      #expect(fork.forks?.a.recorded.index == UInt64(place))
      #expect(fork.text.contains("FORK after index \(place - 1)"))
    }
    let shorter = History(MemorySource(Array(story.entries.prefix(9))))
    let prefix = try Fork(shorter, story.history)
    #expect(prefix.common == 9 && prefix.forks == nil)
    var entries = story.entries
    entries[0].term += 1
    var foreign = MemorySource(entries)
    foreign.cluster = ClusterID(8)
    #expect(throws: Unanswerable.self) { try Fork(story.history, History(foreign)) }
    var (one, two) = (try Story.life(), try Story.life())
    try one.importing(201, as: ClusterID(20))
    try two.importing(202, as: ClusterID(21))
    let ends = try Fork(story.history, one.history)
    #expect(ends.common == story.history.head && ends.forks == nil)
    let twins = try Fork(one.history, two.history)
    #expect(twins.common == story.history.head && twins.forks != nil)
  }

  @Test("Bisecting finds the first index at which a condition changed")
  func bisect() throws {
    let story = try Story.life()
    let all = story.history.first...story.history.head
    for (text, holdsAfter) in [
      ("ha.voters=3", true), ("nodes.n2.id", true), ("ha.voters<2", false),
    ] {
      let expectation = try Expectation(text)
      let expected = story.states.indices.dropFirst(2).first {
        expectation.holds(story.states[$0]) == holdsAfter
      }
      for scan in [true, false] {
        let found = try Bisection(story.history, all, condition: text, scan: scan) {
          expectation.holds($0) ? .holds : .fails
        }
        #expect(found.event.recorded.index == UInt64(try #require(expected)))
        #expect(found.holdsAfter == holdsAfter)
      }
    }
    // Once lost and won again: halving may miss it, a scan does not.
    let lost = try Expectation("ha.canLose>=1")
    let scan = try Bisection(story.history, all, condition: "", scan: true) {
      lost.holds($0) ? .holds : .fails
    }
    let changes = story.states.indices.dropFirst(2).filter {
      lost.holds(story.states[$0]) != lost.holds(story.states[$0 - 1])
    }
    #expect(scan.changes == changes.map { UInt64($0) } && changes.count > 2)
    #expect(throws: Unanswerable.self) {
      try Bisection(story.history, all, condition: "never", scan: true) { _ in .fails }
    }
  }

  @Test("What is supposed obeys the rules that the cluster obeys, and changes nothing")
  func whatIf() throws {
    let story = try Story.life()
    for member in story.cluster.nodes where member.isActive {
      var copy = story
      let finding = try WhatIf(.leave(member.name), on: story.cluster, basis: "")
      do {
        try copy.ask(.leave(member.id))
        if let leader = copy.cluster.leader, copy.cluster.node(leader)?.datastoreRole != .voter {
          continue
        }
        try copy.keepRoles()
        #expect(finding.refusals.isEmpty)
        #expect(finding.after.voters == copy.cluster.nodes(.voter).map(\.name))
        #expect(
          finding.after.endpoints == EndpointList(copy.cluster).apiservers.map(\.description))
      } catch let refusal as Refusal {
        #expect(finding.refusals == [refusal])
        #expect(finding.exitCode == Int32(refusal.exitCode))
      }
    }
    // Any set of voters that may be lost, as Tolerance has it, costs no quorum; any other does.
    let voters = story.cluster.nodes(.voter)
    for mask in 1..<(1 << voters.count) {
      let lost = voters.indices.filter { mask >> $0 & 1 == 1 }.map { voters[$0] }
      let healthy = Set(voters.map(\.id)).subtracting(lost.map(\.id))
      let holds = Tolerance(voters: story.cluster.voters, healthy: healthy).quorumHeld
      let finding = try WhatIf(.fail(lost.map(\.name)), on: story.cluster, basis: "")
      #expect(finding.losesQuorum == !holds)
      #expect(finding.exitCode == (holds ? 0 : 3))
    }
    #expect(throws: Unanswerable.self) { try WhatIf(.fail(["n9"]), on: story.cluster, basis: "") }
  }

  @Test("Of several replicas the odd one is named")
  func odd() {
    func compare(_ hashes: [String?]) -> ReplicaComparison {
      ReplicaComparison(
        index: 5,
        replicas: hashes.enumerated().map {
          .init(name: "n\($0.offset + 1)", last: 5, hash: $0.element)
        })
    }
    #expect(compare(["a", "a", "a"]).odd == [])
    #expect(compare(["a", "b", "a"]).odd == ["n2"])
    #expect(compare(["a", nil, "a"]).check.isGood == true)
    #expect(compare(["a", nil, nil]).check.isGood == nil)
    #expect(compare(["a", "b", nil]).odd == ["n1", "n2"])
    #expect(compare(["a", "b", "a"]).check.words.contains("n2 differs"))
    #expect(compare(["a", "b", "c"]).check.words.contains("no two replicas agree"))
    let split = compare(["a", "b", "a", "b"])
    #expect(split.odd == ["n1", "n2", "n3", "n4"])
    #expect(split.check.words.hasPrefix("n1 and n3 differ from n2 and n4, and none has most"))
  }

  @Test("An examination finds time that goes back, a gap and a changed event")
  func examination() throws {
    let story = try Story.life()
    #expect(Examination(story.history).isGood)
    var late = story.entries
    var envelope = try Envelope(decoding: late[7].payload)
    envelope.time = envelope.time.adding(seconds: -3600)
    late[7].payload = envelope.encoded()
    let examined = Examination(History(MemorySource(late)))
    #expect(!examined.isGood && examined.text.contains("index 8"))
    var damaged = story.entries
    damaged[4].payload = [0xff]
    #expect(Examination(History(MemorySource(damaged))).text.contains("index 5"))
  }
}
