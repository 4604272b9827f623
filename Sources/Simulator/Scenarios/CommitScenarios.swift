// Replication and commit: 16 to 29.

import Membership
import Raft

enum CommitScenarios {
  private static let three = Configuration(voters: [1, 2, 3])

  static let all: [Scenario] = [
    .onStage(
      "16-late-append",
      "An append arrives a second time, long after longer ones were acknowledged: it cuts nothing "
        + "off, and does not take the acknowledgement back."
    ) { stage in
      try stage.cast([1, 2, 3, 4, 5])
      try stage.elect(1)
      stage.cut = [3, 4, 5]
      stage.holds = { $0.to == 2 }
      try stage.propose(1, "a")
      try stage.work(1)
      let late = try stage.take(.append, from: 1, to: 2)
      stage.holds = { _ in false }
      try stage.hand(late)
      for text in ["b", "c"] { try stage.propose(1, text) }
      try stage.settle()
      try stage.expect(stage.disk(2).lastIndex == 4, "2 has 4 entries")
      try stage.hand(late)
      try stage.settle()
      try stage.expect(stage.disk(2).lastIndex == 4, "and has them still")
      try stage.expect(stage[1].progress(of: 2)?.match == 4, "as 1 knows")
    },
    .onStage(
      "17-commit-of-what-was-verified",
      "A follower with a tail of an old leader hears of a commit index beyond what the append in "
        + "hand has verified: it commits no further than that."
    ) { stage in
      try stage.enter(1, three, log: [1, 2, 2, 2], commit: 1)
      try stage.enter(2, three, log: [1, 3, 3, 3], commit: 1)
      try stage.enter(3, three, log: [1, 3, 3, 3], commit: 1)
      stage.cut = [1]
      try stage.elect(2)
      try stage.expect(stage[2].commitIndex == 5, "the others commit 5")
      stage.cut = []
      stage.loses = { $0.to == 1 && $0.carriesAny { _ in true } }
      let empty = Message.Append(previousIndex: 1, previousTerm: 1, commit: 5)
      try stage.hand(.init(from: 2, to: 1, term: 4, .append(empty)))
      try stage.settle()
      try stage.expect(stage[1].commitIndex == 1, "1 has verified entry 1 and no more")
      stage.loses = { _ in false }
      try stage.pass(3)
      try stage.expect(stage[1].commitIndex == 5, "in the end it has all")
    },
    .onStage(
      "18-heartbeat-commit",
      "The leader beats while a follower lags with a false tail: no beat tells it a commit index "
        + "beyond what it has acknowledged."
    ) { stage in
      try stage.enter(1, three, log: [1, 3, 3], commit: 1)
      try stage.enter(2, three, log: [1, 3, 3], commit: 1)
      try stage.enter(3, three, log: [1, 2, 2, 2], commit: 1)
      stage.loses = { $0.to == 3 && $0.kind == .append }
      try stage.elect(1)
      try stage.pass(5)
      try stage.expect(stage[1].commitIndex == 4, "the leader has committed 4")
      let beats = stage.sent.compactMap { letter -> Index? in
        guard letter.to == 3, case .heartbeat(let beat) = letter.body else { return nil }
        return beat.commit
      }
      try stage.expect(!beats.isEmpty && beats.allSatisfy { $0 == 0 }, "3 is told nothing of it")
      try stage.expect(stage[3].commitIndex == 1, "and believes nothing")
      let forged = Message.Heartbeat(commit: 99)
      try stage.hand(.init(from: 1, to: 3, term: stage[1].term, .heartbeat(forged)))
      try stage.expect(stage[3].commitIndex == 1, "not even what no leader can say")
    },
    .onStage(
      "19-quorum-scan",
      "What a quorum has is computed for all possible acknowledgements: it is what the naive "
        + "definition says, in one half and in two."
    ) { stage in
      func naive(_ voters: [PeerID], _ acked: [Index]) -> Index {
        (0...3).last { index in voters.count { acked[Int($0)] >= index } * 2 > voters.count } ?? 0
      }
      for case0 in 0..<1024 {
        let acked: [Index] = [0] + (0..<5).map { Index(case0 >> (2 * $0) & 3) }
        for size in 1...5 as ClosedRange<PeerID> {
          let voters = Array(1...size)
          let outgoing = Array(size...5)
          let whole = Quorum.committed(voters) { acked[Int($0)] }
          let both = Quorum.committed(Configuration(voters: voters, outgoing: outgoing)) {
            acked[Int($0)]
          }
          guard whole == naive(voters, acked),
            both == min(naive(voters, acked), naive(outgoing, acked))
          else {
            throw Violation(.asTold, "\(voters) and \(outgoing), \(acked): \(whole), \(both)")
          }
        }
      }
      try stage.expect(true, "1,024 times five are equal")
    },
    .onStage(
      "20-ack-of-a-former-log",
      "An acknowledgement is late, its entries are overwritten meanwhile, and its leader leads "
        + "again: what it said in an earlier term counts no more."
    ) { stage in
      try stage.cast([1, 2, 3, 4, 5])
      try stage.elect(1)
      stage.cut = [3, 4, 5]
      stage.holds = { $0.from == 2 }
      for text in ["a", "b", "c"] { try stage.propose(1, text) }
      try stage.settle()
      var acks: [Message] = []
      for _ in 0..<3 { acks.append(try stage.take(.appendResponse, from: 2, to: 1)) }
      stage.holds = { _ in false }
      stage.cut = [1, 2]
      stage.now += 30
      try stage.elect(3)
      stage.cut = []
      try stage.pass(3)
      try stage.expect(stage.terms(2) == stage.terms(3), "the three entries of 2 are gone")
      try stage.step(3, .transferLeader(to: 1))
      try stage.settle()
      stage.stalled = [2]
      for _ in 0..<3 { try stage.propose(1, "d") }
      let match = stage[1].progress(of: 2)?.match
      for ack in acks { try stage.hand(ack) }
      try stage.expect(stage[1].progress(of: 2)?.match == match, "2 is not thought to be further")
    },
    .onStage(
      "20-ack-of-a-former-disk",
      "A follower acknowledges, its disk is put back to how it was, and it says so before the "
        + "leader's own disk is done: what it had acknowledged counts for no majority."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      stage.cut = [3]
      stage.stalled = [1]
      let index = try stage.propose(1, "x")
      try stage.settle()
      try stage.expect(stage[1].progress(of: 2)?.match == index, "2 has acknowledged it")
      stage.crash(2)
      stage.disk(2).change { _ = $0.entries.removeLast() }
      try stage.start(2)
      try stage.step(2, .abstain(true))
      stage.loses = { $0.kind == .append }
      try stage.pass(2)
      try stage.step(2, .abstain(false))
      try stage.pass(1)
      stage.stalled = []
      try stage.settle()
      try stage.expect(stage.disk(1).lastIndex == index, "1 has it")
      try stage.expect(stage[1].commitIndex < index, "1 alone does not commit it")
    },
    .onStage(
      "21-unreadable-log",
      "The leader can not read its log while a follower needs it: it sends no suffix as if it were "
        + "what comes next, and stops when it must apply what it can not read."
    ) { stage in
      for id in [1, 2] as [PeerID] { try stage.enter(id, three, log: [1, 1, 1, 1]) }
      try stage.enter(3, three)
      stage.disk(1).spoil()
      stage.mayHalt = [1]
      stage.holds = { $0.acknowledged > 0 }
      try stage.elect(1)
      try stage.pass(3)
      let appends = stage.sent.compactMap { letter -> Message.Append? in
        if letter.to == 3, case .append(let append) = letter.body { append } else { nil }
      }
      let sound = appends.allSatisfy {
        $0.entries.isEmpty || $0.entries[0].index == $0.previousIndex + 1
      }
      try stage.expect(sound, "what was sent follows on what it names")
      try stage.expect(!appends.isEmpty && stage[3].lastIndex == 0, "3 has no suffix")
      stage.holds = { _ in false }
      try stage.settle()
      try stage.expect(stage[1].halted != nil, "1 stops: \(stage[1].halted ?? "")")
    },
    .onStage(
      "22-empty-append-finds-conflict",
      "An empty append stands behind an entry that the follower has of another term: that is a "
        + "conflict like any other, and is rejected."
    ) { stage in
      try stage.enter(1, three, log: [1, 3, 3], commit: 1)
      try stage.enter(2, three, log: [1, 2, 2], commit: 1)
      try stage.enter(3, three, log: [1, 3, 3], commit: 1)
      let empty = Message.Append(previousIndex: 3, previousTerm: 3, commit: 3)
      try stage.hand(.init(from: 1, to: 2, term: 4, .append(empty)))
      try stage.settle()
      let answer = stage.sent.last { $0.kind == .appendResponse && $0.from == 2 }
      try stage.expect(answer?.isRejection == true, "it is rejected")
      try stage.expect(stage[2].commitIndex == 1, "and commits nothing")
    },
    .onStage(
      "23-long-divergent-tail",
      "A follower has hundreds of entries where the leader has hundreds of others: they are "
        + "skipped by terms, not one by one."
    ) { stage in
      let common = [Term](repeating: 1, count: 10)
      let long = common + [Term](repeating: 4, count: 290)
      try stage.enter(1, three, log: long, commit: 1)
      try stage.enter(2, three, log: long, commit: 1)
      let tail = [Term](repeating: 2, count: 150) + [Term](repeating: 3, count: 150)
      try stage.enter(3, three, log: common + tail, commit: 1)
      try stage.elect(1)
      try stage.pass(2)
      let probes = stage.sent.count { $0.kind == .append && $0.to == 3 }
      try stage.expect(stage.terms(3) == stage.terms(1), "the logs are equal")
      try stage.expect(probes <= 6, "after \(probes) appends")
    },
    .onStage(
      "24-window-lost",
      "All appends in flight to a follower are lost and its window is full: an answered beat lets "
        + "one probe through, and the flow comes back."
    ) { stage in
      try stage.cast([1, 2, 3]) { $0.maxInflightMessages = 3 }
      try stage.elect(1)
      stage.loses = { $0.kind == .append && $0.to == 2 }
      for text in ["a", "b", "c", "d", "e"] { try stage.propose(1, text) }
      try stage.settle()
      try stage.expect(stage[1].progress(of: 2)?.inflightIsFull == true, "the window is full")
      stage.loses = { _ in false }
      try stage.pass(3)
      try stage.expect(stage[2].lastIndex == stage[1].lastIndex, "2 has everything")
    },
    .onStage(
      "25-probe-of-the-caught-up",
      "A follower that has everything is reported unreachable: the next beats bring it back from "
        + "probing to replication."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      try stage.step(1, .unreachable(2))
      try stage.expect(stage[1].progress(of: 2)?.state == .probe, "2 is probed")
      try stage.pass(2)
      try stage.expect(stage[1].progress(of: 2)?.state == .replicate, "and sent to again")
    },
    .onStage(
      "26-commit-reaches-the-slow",
      "A follower's window is full when an entry is committed, it acknowledges late, and no beat "
        + "comes: it is told the commit index all the same, so that reads there do not wait."
    ) { stage in
      try stage.cast([1, 2, 3]) { $0.maxInflightMessages = 1 }
      try stage.elect(1)
      stage.loses = { $0.kind == .heartbeat }
      stage.stalled = [3]
      let index = try stage.propose(1, "a")
      try stage.settle()
      try stage.expect(stage[1].commitIndex == index, "1 and 2 commit")
      try stage.expect(stage.applied(3).last?.index != index, "3 does not know")
      stage.stalled = []
      try stage.settle()
      try stage.expect(stage.applied(3).last?.index == index, "3 applies it")
    },
    .inWorld(
      "27-retries-without-quorum",
      "A client asks a leader without quorum again and again under one command id: its log grows "
        + "by one entry, not by one an attempt."
    ) { script in
      let world = script.world
      let old = try script.leader()
      world.isolate(old)
      let before = old.lastIndex
      let number = world.ask(.issueToken(world.drawToken(uses: 1)), asked: old.id)
      for _ in 0..<20 {
        world.run(for: 10 * millisecond)
        world.attempt(number)
      }
      try script.expect(old.isLeader, "it believes that it leads")
      try script.expect(old.lastIndex <= before + 1, "the log has grown by one at most")
      world.run(for: 20 * second)
      world.mend()
      let state = script.answer(to: number)
      let id = world.operations[number].request.id
      let found = world.history.filter { $0.envelope.command == id }.map(\.index)
      try script.expect(found.count == 1, "it is done once")
      try script.expect(state == .committed(first: found[0], last: found[0]), "and is told so")
    },
    .inWorld(
      "28-unknown-is-not-failed",
      "A leader takes a request and is cut off before the commit; its followers commit it: the "
        + "client that asks again is told of that one event."
    ) { script in
      let world = script.world
      let old = try script.leader()
      let last = world.truth.lastIndex
      let number = world.ask(.issueToken(world.drawToken(uses: 1)), asked: old.id)
      try script.wait(until: "a follower has the entry") { world in
        world.nodes.contains { $0.id != old.id && $0.disk.lastIndex > last }
      }
      try script.expect(world.operations[number].state == .open, "nobody was answered")
      world.isolate(old)
      try script.wait(until: "another leads") { $0.leader.map { $0.id != old.id } ?? false }
      world.mend()
      let state = script.answer(to: number)
      let id = world.operations[number].request.id
      let found = world.history.filter { $0.envelope.command == id }.map(\.index)
      try script.expect(found.count == 1, "it happened once")
      try script.expect(state == .committed(first: found[0], last: found[0]), "and is told so")
    },
    .inWorld(
      "29-callers-below-a-truncation",
      "A request stands in a part of a cut-off leader's log that another leader overwrites: its "
        + "caller is answered all the same, by its deadline."
    ) { script in
      let world = script.world
      let old = try script.leader()
      world.isolate(old)
      let number = world.ask(.issueToken(world.drawToken(uses: 1)), asked: old.id)
      try script.wait(until: "it is in the old leader's log") { _ in
        old.disk.lastIndex > world.truth.lastIndex
      }
      let place = Int(old.disk.lastIndex)
      try script.expect(
        script.isCommitted(.issueToken(world.drawToken(uses: 1)), at: script.followers()[0].id),
        "the others go on")
      world.mend()
      let state = script.answer(to: number)
      try script.expect(
        world.history[place - 1].envelope.command != world.operations[number].request.id,
        "its place went to another")
      if case .committed(let first, _) = state {
        try script.expect(first > place, "it is done, later")
      } else {
        try script.expect(false, "the caller was told \(state)")
      }
    },
  ]
}

extension Message {
  /// Whether it refuses an append.
  fileprivate var isRejection: Bool {
    if case .appendResponse(let response) = body { response.rejected } else { false }
  }
}
