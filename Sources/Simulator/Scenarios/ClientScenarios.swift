// Reads, transfer, clients: 63 to 69.

import Membership
import Raft

enum ClientScenarios {
  static let all: [Scenario] = [
    .onStage(
      "63-read-of-a-new-leader",
      "An entry is committed and its leader dies before the others know; the next leader is asked "
        + "to read at once: it answers when that entry is applied, not before."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      let index = try stage.propose(1, "x")
      stage.holds = { $0.kind == .append && $0.carriesAny { _ in true } == false }
      try stage.settle()
      try stage.expect(stage[1].commitIndex == index && stage[2].commitIndex < index, "1 knows")
      stage.crash(1)
      stage.loseMail()
      stage.now += 30
      stage.holds = { $0.acknowledged > 0 }
      try stage.elect(2)
      try stage.step(2, .readIndex(context: 5))
      try stage.pass(2)
      try stage.expect(stage.reads(2) == [], "2 does not answer")
      stage.holds = { _ in false }
      try stage.pass(2)
      try stage.expect(stage.reads(2) == [5] && stage[2].appliedIndex >= index, "now it may")
    },
    .onStage(
      "64-same-context-twice",
      "A read is asked for twice with the same context, and the answers to the first one's beats "
        + "come late: they confirm the first one, and say nothing of the second."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      stage.holds = { $0.kind == .heartbeatResponse }
      try stage.step(1, .readIndex(context: 7))
      try stage.settle()
      try stage.step(1, .readIndex(context: 7))
      try stage.settle()
      try stage.deliver(.heartbeatResponse, from: 2, to: 1)
      try stage.work(1)
      try stage.expect(stage.reads(1) == [7], "the first is confirmed")
      try stage.deliver(.heartbeatResponse, from: 3, to: 1)
      try stage.work(1)
      try stage.expect(stage.reads(1) == [7], "the other beat of the first changes nothing")
      try stage.deliver(.heartbeatResponse, from: 2, to: 1)
      try stage.work(1)
      try stage.expect(stage.reads(1) == [7, 7], "the second needs its own")
    },
    .onStage(
      "65-no-lease-reads",
      "A leader has handed over without knowing, and is asked to read: there are no leases, so it "
        + "asks the others, and none of them is in its term any more."
    ) { stage in
      try stage.expect(Machine.Options(id: 1, seed: 1).readOnly == .safe, "reads ask a quorum")
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      try stage.step(1, .transferLeader(to: 2))
      stage.holds = { $0.to == 1 }
      try stage.settle()
      try stage.expect(stage.leaders == [1, 2], "1 does not know of 2")
      try stage.propose(2, "x")
      try stage.settle()
      try stage.step(1, .readIndex(context: 5))
      try stage.settle()
      stage.holds = { _ in false }
      try stage.pass(3)
      try stage.expect(stage.reads(1) == [] && stage.leaders == [2], "1 confirms nothing")
    },
    .onStage(
      "66-transfer-that-fails",
      "The target of a handover is cut off and reads go on all the time: the handover is given up "
        + "after an election timeout, and proposals are taken again."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      stage.cut = [3]
      try stage.step(1, .transferLeader(to: 3))
      let refused = try stage.refusal { try stage.propose(1, "x") }
      try stage.expect(refused == .transferring(to: 3), "nothing is taken meanwhile")
      for tick in 0..<15 as Range<UInt64> {
        try stage.step(1, .readIndex(context: tick + 1))
        try stage.pass(1)
      }
      try stage.expect(stage[1].transferTarget == nil && stage.leaders == [1], "it is given up")
      let index = try stage.propose(1, "x")
      try stage.settle()
      try stage.expect(stage[1].commitIndex == index, "and 1 commits")
    },
    .onStage(
      "67-timeout-now",
      "The order to take over waits until its target has everything; late, doubled, or sent to a "
        + "learner it elects nobody who lacks what is committed."
    ) { stage in
      try stage.cast([1, 2, 3], learners: [4])
      try stage.elect(1)
      stage.holds = { $0.to == 2 }
      try stage.propose(1, "x")
      try stage.step(1, .transferLeader(to: 2))
      try stage.settle()
      try stage.expect(!stage.sent.contains { $0.kind == .timeoutNow }, "2 lacks an entry")
      try stage.deliver(.append, from: 1, to: 2)
      try stage.settle()
      let order = try stage.take(.timeoutNow, from: 1, to: 2)
      try stage.pass(12)
      try stage.expect(stage[1].transferTarget == nil, "it is given up")
      let index = try stage.propose(1, "y")
      try stage.settle()
      stage.loseMail()
      try stage.hand(order)
      stage.holds = { _ in false }
      try stage.settle()
      try stage.expect(stage[2].role != .leader, "2 asks late, lacks y, and is not elected")
      try stage.pass(60)
      let leader = stage.leaders.first ?? 0
      try stage.expect(stage[leader].term(at: index) == 1, "whoever leads has y")
      let term = stage[leader].term
      try stage.hand(order)
      try stage.hand(.init(from: leader, to: 4, term: term, .timeoutNow))
      try stage.pass(3)
      try stage.expect(stage.leaders == [leader] && stage[leader].term == term, "nothing more")
    },
    .onStage(
      "68-leader-stopped-and-continued",
      "A leader's process is stopped for long, another is elected and commits, and it is continued "
        + "with a read in hand, and a clock that stood still: it confirms nothing."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      stage.cut = [1]
      stage.now += 30
      try stage.elect(2)
      let index = try stage.propose(2, "x")
      try stage.settle()
      try stage.expect(stage[2].commitIndex == index, "2 commits")
      stage.cut = []
      stage.now = 1
      try stage.step(1, .readIndex(context: 5))
      try stage.step(1, .tick)
      stage.now = 31
      try stage.pass(5)
      try stage.expect(stage.reads(1) == [], "1 confirms nothing")
      try stage.expect(stage.leaders == [2], "and follows")
    },
    .inWorld(
      "69-token-redeemed-at-two-leaders",
      "An invitation for one is shown to a cut-off leader and to its successor, again after a "
        + "retry, and after its time by another clock: it admits one, once."
    ) { script in
      let world = script.world
      let token = world.drawToken(uses: 1)
      try script.expect(script.isCommitted(.issueToken(token)), "there is an invitation")
      let old = try script.leader()
      world.isolate(old)
      func join(_ secret: Digest, at node: SimulatedNode) -> Int {
        world.ask(.join(.init(node: world.drawRecord(.worker), secret: secret)), asked: node.id)
      }
      let before = old.disk.lastIndex
      let atOld = join(token.secrets[0].hash, at: old)
      try script.wait(until: "the old leader redeems it") { _ in old.disk.lastIndex > before }
      let atNew = join(token.secrets[0].hash, at: script.followers()[0])
      let state = script.answer(to: atNew)
      guard case .committed(let index, _) = state else {
        throw Violation(.asTold, "the second was told \(state)")
      }
      world.mend()
      try script.expect(script.answer(to: atOld) == .refused(code: "token-used"), "one is refused")
      try script.expect(
        world.truth.token(token.id)?.redemptions.map(\.index) == [index], "one is in")
      world.askAgain(atNew)
      try script.expect(script.answer(to: atNew) == state, "asked again, it is told the same")
      try script.settle()

      let ends = NodeClock.wall(at: world.now).adding(seconds: 20)
      let brief = world.workload.drawToken(uses: 0, expires: ends)
      try script.expect(script.isCommitted(.issueToken(brief)), "another ends in 20 s")
      world.run(for: 25 * second)
      try script.expect(
        script.isCommitted(.issueToken(world.drawToken(uses: 1))), "time goes on in the log")
      let leader = try script.leader()
      for node in world.nodes where node.id != leader.id { node.clock.offset = -8_000 }
      world.isolate(leader)
      let late = join(brief.secrets[0].hash, at: script.followers()[0])
      try script.expect(
        script.answer(to: late) == .refused(code: "token-expired"), "a slow clock opens nothing")
      world.mend()
    },
  ]
}

extension World {
  /// The client of that operation has not heard the answer, and asks once more under the same id.
  fileprivate func askAgain(_ number: Int) {
    workload.note(.open, of: number)
    attempt(number)
  }
}
