// What somebody is told who asks for what is not there, or asks while nothing can be decided.

import EventLog
import Foundation
import History
import Membership
import Projections
import Raft
import Testing

@Suite struct AnswerTests {
  private func refusal<R>(_ body: () throws -> R) -> String {
    let error = #expect(throws: Unanswerable.self) { _ = try body() }
    return error?.description ?? ""
  }

  private func part(
    _ history: History, _ range: ClosedRange<UInt64>, in folder: URL
  ) throws -> History {
    let url = folder.appending(path: "part-\(range.lowerBound)-\(range.upperBound)")
    var bytes: [UInt8] = []
    try history.export(range) { bytes += $0 }
    try Data(bytes).write(to: url)
    return History(try ExportSource(path: url.path))
  }

  @Test("A node that nobody knows is refused with the names there are and were")
  func unknownNode() throws {
    let history = try Story.life().history
    for name in ["n1", "n4", "n5", NodeID(5).description] {
      try history.check(EventFilter(node: name))
    }
    let words = refusal { try history.check(EventFilter(node: "n9")) }
    #expect(words.contains("there are: n1 n2 n3 n4; gone are: n5"), "\(words)")
    #expect(refusal { try Why(history, "n9", at: history.head) }.contains("gone are: n5"))
  }

  @Test("Of thousands of names only the nearest are told")
  func manyNames() throws {
    var source = try Story.life().source
    let head = source.lastIndex
    source.stored[head] = Cluster(
      id: ClusterID(7), incarnation: 1, formed: Timestamp(milliseconds: 0),
      departed: (1...3000).map {
        Departed(
          node: NodeID(UInt64(1000 + $0)), name: "w\($0)",
          key: Digest(words: [UInt64($0), 0, 0, 0]), how: .left,
          index: 9, time: Timestamp(milliseconds: 0), actor: "w\($0)", reason: "")
      }, lastIndex: head)
    let words = refusal { try Why(History(source), "w277x", at: head) }
    #expect(words.contains("gone are: w277 ") && words.contains("and 2990 others"), "\(words)")
    #expect(words.utf8.count < 400)
  }

  @Test("Of a part of history, whose names are not known, nodes are asked for by id")
  func unknownNames() throws {
    let story = try Story.life()
    try inFolder { folder in
      let part = try part(story.history, 9...20, in: folder)
      #expect(refusal { try part.check(EventFilter(node: "n2")) }.contains("ask by id"))
      try part.check(EventFilter(node: NodeID(2).description))
    }
  }

  @Test("An actor who never did anything is said so, with those who did")
  func unknownActor() throws {
    let history = try Story.life().history
    let nobody = try history.absence(EventFilter(actor: "nobody"))
    #expect(nobody.contains("nobody") && nobody.contains("root@n1") && nobody.contains("root@n4"))
    #expect(try history.absence(EventFilter(from: 2, to: 3, actor: "root@n4")).contains("2..3"))
    #expect(try history.absence(EventFilter(from: 5, to: 4)).contains("no event lies"))
  }

  @Test("Every fact has a path that is known, and any that is known may be expected")
  func shapes() throws {
    var story = try Story.life()
    try story.goOn()
    for state in story.states {
      for fact in Facts(state).all {
        try Expectation(fact.path).check(story.history)
        let isKnown = Facts.shapes.contains { shape in
          let parts = shape.split(separator: "*", omittingEmptySubsequences: false)
          return parts.count == 1
            ? fact.path == shape : fact.path.hasPrefix(parts[0]) && fact.path.hasSuffix(parts[1])
        }
        #expect(isKnown, "\(fact.path)")
      }
    }
  }

  @Test(
    "A fact that there cannot be is refused with the nearest",
    arguments: [
      ("ha.canLoose>=1", "ha.canLose"), ("nodes.n2.datastorRole=voter", "nodes.n2.datastoreRole"),
      ("leader=n1", "leader."), ("nodes.n99.role=worker", "nodes.n"), ("HA.voters>1", "ha.voters"),
    ])
  func misspelled(_ text: String, _ near: String) throws {
    let history = try Story.life().history
    let words = refusal { try Expectation(text).check(history) }
    #expect(words.contains(near), "\(words)")
  }

  @Test("Bisecting says so where there is nothing to find, and asks for more than it knows not")
  func nothingToFind() throws {
    let history = try Story.life().history
    func bisect(
      _ range: ClosedRange<UInt64>, scan: Bool, _ verdict: Bisection.Verdict?, _ text: String = "x"
    ) -> String {
      refusal {
        let expectation = try Expectation(text)
        return try Bisection(history, range, condition: text, scan: scan) {
          verdict ?? (expectation.holds($0) ? .holds : .fails)
        }
      }
    }
    let all = 1...history.head
    #expect(
      bisect(all, scan: false, .holds).contains(
        "nothing to find by halving: x holds at both ends, index 1 and index \(history.head)"))
    #expect(bisect(all, scan: false, .fails).contains("x holds at neither end"))
    #expect(bisect(3...7, scan: true, .holds).contains("x holds at every index from 3 to 7"))
    #expect(bisect(all, scan: true, .fails).contains("does not hold at any index"))
    #expect(bisect(all, scan: false, .skip).contains("cannot be told at index 1 and index"))
    // A node is there, or is not, by its path alone.
    #expect(try Expectation("nodes.n4").holds(history.state(at: history.head)))
    #expect(try !Expectation("nodes.n5").holds(history.state(at: history.head)))
  }

  @Test("Where the quorum is lost already every supposition says so and exits with 3")
  func lostQuorum() throws {
    let story = try Story.life()
    let lost: Set<String> = ["n1", "n2"]
    for words in [
      ["remove", "n3"], ["leave", "n3"], ["promote", "n3"], ["demote", "n3"], ["fail", "n1"],
      ["fail", "n3"], ["join", "2", "voters"], ["join", "worker"], ["lose-zone", "b"],
    ] {
      let finding = try WhatIf(
        Supposition(words), on: story.cluster, unreachable: lost, basis: "")
      #expect(finding.exitCode == 3, "\(words)")
      #expect(finding.text.contains("The quorum is lost already"), "\(finding.text)")
      #expect(finding.after.voters == finding.before.voters)
    }
    // The only voter, which led, is lost.
    var alone = Story()
    alone.append(.clusterFormed(ClusterFormed(cluster: ClusterID(7), first: record(1))))
    alone.append(.leaderElected(LeaderElected(node: NodeID(1))), term: 2)
    try alone.join(2)
    for words in [["remove", "n1"], ["leave", "n2"], ["demote", "n2"], ["remove", "n2"]] {
      let finding = try WhatIf(
        Supposition(words), on: alone.cluster, unreachable: ["n1"], basis: "")
      #expect(finding.exitCode == 3 && finding.steps.isEmpty, "\(finding.text)")
    }
    let more = try WhatIf(
      Supposition(["fail", "n3"]), on: story.cluster, unreachable: lost, basis: "")
    #expect(more.text.contains("n3 lost: there is no quorum without that either"), "\(more.text)")
    // Whoever comes back brings it back.
    let back = try WhatIf(
      Supposition(["reboot", "n1"]), on: story.cluster, unreachable: lost, basis: "")
    #expect(back.after.quorumHeld && back.exitCode == 0, "\(back.text)")
  }

  @Test("Who does not count now is lost already, though nobody gave it up")
  func uncounted() throws {
    var story = try Story.life()
    let voters = story.cluster.nodes(.voter).map(\.name)
    try #require(voters.count == 3)
    func fail(uncounted: Set<String> = []) throws -> WhatIf {
      try WhatIf(
        .fail([voters[1]]), on: story.cluster, uncounted: uncounted, basis: "")
    }
    #expect(try fail().before.canLose == 1 && fail().exitCode == 0)
    let silent = try fail(uncounted: [voters[2]])
    #expect(silent.before.canLose == 0 && silent.before.quorumHeld, "\(silent.text)")
    #expect(silent.exitCode == 3 && !silent.after.quorumHeld, "\(silent.text)")
    // Whoever lost its copy of the log, which the log knows, does not count either.
    let last = try #require(story.cluster.node(named: voters[2]))
    story.append(.replicaLost(ReplicaLost(node: last.id, acknowledged: 9, found: 5, boot: 2)))
    let lost = try fail()
    #expect(lost.before.canLose == 0 && lost.exitCode == 3, "\(lost.text)")
  }

  @Test("A reboot is a loss and a return")
  func reboot() throws {
    let story = try Story.life()
    let voters = story.cluster.nodes(.voter).map(\.name)
    for name in voters {
      let finding = try WhatIf(Supposition(["reboot", name]), on: story.cluster, basis: "")
      let gone = try WhatIf(Supposition(["fail", name]), on: story.cluster, basis: "")
      #expect(finding.meanwhile?.canLose == gone.after.canLose)
      #expect(finding.after.canLose == finding.before.canLose && finding.exitCode == 0)
    }
    let all = try WhatIf(
      Supposition(["reboot"] + voters.prefix(2)), on: story.cluster, basis: "")
    #expect(all.meanwhile?.quorumHeld == false && all.after.quorumHeld && all.exitCode == 3)
    #expect(all.text.contains("would cost the quorum while it lasts"), "\(all.text)")
  }

  @Test("Before remove-node acts it is told what comes of it as it was typed")
  func typedRemoval() throws {
    let story = try Story.life()
    func preview(_ forced: Bool, unreachable: Set<String> = [], alive: Set<String> = []) throws
      -> WhatIf
    {
      try WhatIf(
        .removeNode("n3", forced: forced), on: story.cluster, unreachable: unreachable,
        alive: alive, basis: "")
    }
    // Alive, by contact or by what was heard lately: refused without force, and nothing happens.
    for (unreachable, alive) in [([], []), (["n3"], ["n3"])] as [(Set<String>, Set<String>)] {
      let plain = try preview(false, unreachable: unreachable, alive: alive)
      #expect(plain.refusals == [.alive("n3")] && plain.steps.isEmpty, "\(plain.text)")
      #expect(!plain.text.contains("cost the quorum"), "\(plain.text)")
      let forced = try preview(true, unreachable: unreachable, alive: alive)
      #expect(forced.refusals.isEmpty && forced.text.contains("n3 removed by force"))
      #expect(forced.text.contains("what if n3 is removed by force?"))
    }
    let itself = try WhatIf(
      .removeNode("n3", forced: true, by: NodeID(3)), on: story.cluster, basis: "")
    #expect(itself.refusals == [.itself("n3")] && itself.steps.isEmpty, "\(itself.text)")
    let leader = try WhatIf(
      .removeNode("n1", forced: true, by: NodeID(1)), on: story.cluster, basis: "")
    #expect(leader.refusals == [.itself("n1")] && leader.leaderMoves == nil, "\(leader.text)")
    let gone = try preview(false, unreachable: ["n3"])
    #expect(gone.refusals.isEmpty && gone.steps.last?.hasSuffix("n3 removed") == true)
  }

  @Test("Every sentence of why stands alone: it names what it is about")
  func whole() throws {
    var story = try Story.life()
    try story.ask(.enterMaintenance(.init(target: "n2", seconds: 600)))
    try story.keepRoles()
    try story.ask(.enterMaintenance(.init(target: "n2", seconds: nil)))
    let upkeep = try Why(story.history, "n2", at: story.history.head)
    #expect(upkeep.verdict.contains { $0.hasPrefix("n2 may be away until it is told") })
    #expect(upkeep.chain.last?.words == "the last word on maintenance of n2")
    try story.ask(.exitMaintenance("n2"))
    try story.keepRoles()
    try story.goOn()
    let history = story.history
    var told = 0
    for index in stride(from: history.first, through: history.head, by: 2) {
      let state = try history.state(at: index)
      let names = state.nodes.map(\.name) + state.departed.map(\.name)
      for question in ["ha", "leader", "endpoints"] + names + state.tokens.map(\.id.description) {
        let why = try Why(history, question, at: index)
        for sentence in why.verdict + why.chain.map(\.words) {
          #expect(
            !["it ", "so ", "its ", "they "].contains { sentence.hasPrefix($0) }, "\(sentence)")
          #expect(!sentence.contains("since then") && !sentence.contains(" it spent"))
          told += 1
        }
      }
    }
    #expect(told > 500)
  }

  @Test("Why of an invitation tells who issued it, who joined with it, and what it is good for")
  func invitation() throws {
    var story = try Story.life()
    let id = TokenID(40)
    let end = story.now.adding(seconds: 60)
    try story.ask(
      .issueToken(
        TokenIssued(
          id: id, secrets: [.init(hash: digest(1, 40), roles: [.worker])], uses: 2, expires: end)))
    let issued = story.history.head
    func says(_ words: String, now: Timestamp? = nil) throws {
      let why = try Why(story.history, id.description, at: story.history.head, now: now)
      let verdict = why.verdict
      #expect(verdict.contains { $0.contains(words) }, "\(verdict)")
    }
    try says("issued at index \(issued) (")
    try says("by root@n1, for worker nodes, 2 uses")
    try says("nobody joined with")
    try says("admits 2 more nodes, until")
    try says("it expired at \(end.rfc3339)", now: end)
    let record = record(40, .worker)
    try story.ask(.join(.init(node: record, secret: digest(1, 40))), actor: "token \(id)")
    try says("n40 joined with invitation \(id) at index \(issued + 1)")
    try says("admits 1 more node")
    try story.ask(.revokeToken(id), actor: "root@n2")
    try says("revoked at index \(issued + 2)")
    try says("by root@n2")
    let why = try Why(story.history, id.description, at: story.history.head)
    #expect(why.chain.map(\.line.recorded.index) == [issued, issued + 1, issued + 2])
    let spent = try Why(story.history, TokenID(4).description, at: story.history.head)
    #expect(spent.verdict.last?.hasSuffix("it is used up") == true)
  }

  @Test("Tables keep their columns, and tell in words what they do not know")
  func tables() throws {
    var story = try Story.life()
    try story.ask(.enterMaintenance(.init(target: "n2", seconds: 600)))
    let history = story.history
    let names = ["a-machine-with-a-name-of-some-length"]
    for text in [EventText(isJSON: false), EventText(isJSON: false, names: names)] {
      let header = try #require(text.header)
      let event = try #require(header.firstRange(of: "EVENT")).lowerBound
      let effect = try #require(header.firstRange(of: "EFFECT")).lowerBound
      for line in try history.lines().map({ text.line($0) }) {
        #expect(line[line.index(before: event)] == " " && line[event] != " ", "\(line)")
        #expect(line[line.index(before: effect)] == " " && line[effect] != " ", "\(line)")
      }
    }
    var line = try history.line(at: 5)
    line.effect = nil
    #expect(EventText(isJSON: false).line(line).contains("unknown: the state before it"))
  }

  @Test("Who is in maintenance already and enters again changes the end")
  func prolonged() throws {
    var story = try Story.life()
    func effect() throws -> String { try story.history.lines().last?.effect ?? "" }
    try story.ask(.enterMaintenance(.init(target: "n3", seconds: nil)))
    try story.ask(.enterMaintenance(.init(target: "n3", seconds: 60)))
    #expect(
      try effect()
        == "n3 may stay away until 2026-10-24T03:13:29Z instead of until it is told to be back")
  }

  @Test("Durations are told in the unit that fits")
  func durations() {
    #expect(span(milliseconds: 5000) == "5 s")
    #expect(span(milliseconds: 90_000) == "90 s")
    #expect(span(milliseconds: 120_000) == "2 min")
    #expect(span(milliseconds: 3_600_000) == "1 h")
    #expect(span(milliseconds: 1250) == "1250 ms")
    #expect(span(milliseconds: 0) == "0 ms")
    #expect(PolicyChanged(suspectAfter: 5000).words == "suspect after 5 s")
  }

  @Test("A part of history is compared by hash, and by facts where the other side knows them")
  func parts() throws {
    let story = try Story.life()
    let whole = story.history
    try inFolder { folder in
      let part = try part(whole, 9...20, in: folder)
      // The state of the part's end is the whole's, for the hashes are.
      let ends = try Difference(part, 20, whole, whole.head)
      #expect(try ends.changes == Difference(whole, 20, whole.head).changes)
      #expect(ends.text.contains("through index 20, what lies before index 9 included"))
      #expect(try Difference(whole, 12, part, 20).changes == Difference(whole, 12, 20).changes)
      // Two parts know neither state, but the same hash is the same state.
      let later = try self.part(whole, 15...25, in: folder)
      let apart = try Difference(part, 20, later, 25)
      #expect(apart.changes == nil && !apart.isEmpty)
      #expect(apart.text.contains("which facts differ is not known"), "\(apart.text)")
      #expect(try Difference(part, 20, later, 20).isEmpty)
      // One event is shown without what it changed.
      let shown = try Showing(part, index: 12).text
      #expect(shown.contains("event 12  roles.settled") && !shown.contains("nothing but"))
      #expect(shown.hasSuffix("changed\n  unknown: the state before it is not held\n"))
      // Within one part what happened is told.
      let within = try Difference(part, 10, 14)
      #expect(within.changes == nil && within.events.count == 4)
      #expect(within.text.contains("which facts differ is not known"))
      // Where they part, the state on the other side of the fork is nobody's but its own.
      var other = story.entries
      for i in 17..<other.count { other[i].term += 1 }
      let fork = try Difference(part, 20, History(MemorySource(other)), 20)
      #expect(fork.changes == nil && fork.text.contains("FORK after index 17"), "\(fork.text)")
    }
  }
}
