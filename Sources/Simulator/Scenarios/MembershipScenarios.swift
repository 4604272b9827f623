// Membership: 30 to 44.

import Membership
import Raft
import Replication
import Schema

enum MembershipScenarios {
  private static let three = Configuration(voters: [1, 2, 3])

  static let all: [Scenario] = [
    .onStage(
      "30-changes-across-leaders",
      "A leader of four adds one and dies, and the next leader removes one: not before what it has "
        + "in its log is applied, and with no majority that the former could go round."
    ) { stage in
      try stage.cast([1, 2, 3, 4])
      try stage.enter(5, Configuration(voters: [1, 2, 3, 4]))
      try stage.elect(1)
      stage.cut = [3, 4]
      let index = try stage.change(1, [.addVoter(5)])
      try stage.settle()
      stage.cut = [1]
      stage.now += 30
      stage.holds = { $0.acknowledged > 0 }
      try stage.elect(2)
      let early = try stage.refusal { try stage.change(2, [.remove(1)]) }
      try stage.expect(early == .changeInFlight(index), "2 has that change in its log and waits")
      stage.holds = { _ in false }
      try stage.pass(1)
      try stage.expect(stage[2].configuration.voters.count == 5, "five vote")
      try stage.change(2, [.remove(1)])
      try stage.pass(1)
      try stage.expect(stage[2].configuration.voters == [2, 3, 4, 5], "then 2 removes 1")
      stage.cut = []
      try stage.campaign(1)
      try stage.pass(5)
      try stage.expect(stage.leaders == [2], "1 can go round nobody")
    },
    .onStage(
      "30-change-that-one-has",
      "A leader of four adds one, which nobody else hears of, and the next leader removes it: "
        + "neither change counts before it is committed, so the former never wins with the fifth."
    ) { stage in
      try stage.cast([1, 2, 3, 4])
      try stage.enter(5, Configuration(voters: [1, 2, 3, 4]))
      try stage.elect(1)
      stage.cut = [2, 3, 4]
      try stage.change(1, [.addVoter(5)])
      try stage.settle()
      try stage.expect(stage[1].configuration.voters == [1, 2, 3, 4], "four vote, for 1 too")
      stage.cut = [1]
      stage.now += 30
      try stage.elect(2)
      try stage.change(2, [.remove(1)])
      try stage.settle()
      try stage.expect(stage[2].configuration.voters == [2, 3, 4], "for the others, three")
      stage.cut = [2, 3, 4]
      try stage.pass(60)
      try stage.expect(stage[1].role != .leader, "1 and 5 alone elect nobody")
      stage.cut = []
      try stage.pass(60)
      try stage.expect(stage.leaders.count == 1 && stage.leaders != [1], "and 1 is out")
    },
    .onStage(
      "31-campaign-with-an-unapplied-change",
      "A node knows that a change to five voters is committed and has not applied it: it does not "
        + "campaign with the configuration of before."
    ) { stage in
      try stage.cast([1, 2, 3])
      for id in [4, 5] as [PeerID] { try stage.enter(id, three) }
      try stage.elect(1)
      stage.busy = [3]
      try stage.change(1, [.addVoter(4), .addVoter(5)], .jointExplicit)
      try stage.pass(2)
      try stage.expect(stage[1].configuration.isJoint, "1 is in the joint configuration")
      try stage.expect(stage[3].configuration == three, "3 is not, and knows that it will be")
      stage.crash(1)
      stage.now += 30
      try stage.campaign(3)
      try stage.step(3, .receive(.init(from: 1, to: 3, term: stage[3].term, .timeoutNow)))
      try stage.settle()
      try stage.expect(stage[3].role == .follower, "it does not campaign, not even when told to")
      stage.busy = []
      try stage.settle()
      try stage.elect(3)
      try stage.expect(stage[3].configuration.isJoint, "by the joint configuration it may")
    },
    .onStage(
      "32-two-changes-in-flight",
      "A second change is proposed while one is uncommitted, while it is committed and not "
        + "applied, and in one batch with another: it is refused."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      stage.busy = [1]
      stage.loses = { $0.acknowledged > 1 }
      let index = try stage.change(1, [.addLearner(4)])
      let wanted = Refused.changeInFlight(index)
      let first = try stage.refusal { try stage.change(1, [.addLearner(5)]) }
      try stage.expect(first == wanted, "refused while uncommitted")
      stage.loses = { _ in false }
      try stage.pass(2)
      try stage.expect(stage[1].commitIndex >= index, "it is committed")
      let second = try stage.refusal { try stage.change(1, [.addLearner(5)]) }
      try stage.expect(second == wanted, "refused while unapplied")
      stage.busy = []
      try stage.settle()
      let last = stage[1].lastIndex
      let batch = try stage.refusal {
        let changes = [.addLearner(5), .addLearner(6)].map { ConfigurationChange(steps: [$0]) }
        try stage.propose(1, changes.map { Entry(kind: .change, change: $0) })
      }
      try stage.expect(batch == .changeInFlight(last + 1), "refused as a batch")
      try stage.expect(stage[1].lastIndex == last, "all of it")
    },
    .onStage(
      "33-truncated-change",
      "A change that was never committed is overwritten by the next leader: nobody had switched to "
        + "it, so there is nothing to roll back, in the state or in a snapshot of it."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      stage.cut = [2, 3]
      let index = try stage.change(1, [.remove(3)])
      try stage.settle()
      try stage.expect(stage[1].configuration == three, "the change is not in force on 1")
      try stage.expect(stage.disk(1).snapshot()?.configuration == three, "nor in its snapshot")
      stage.cut = [1]
      stage.now += 30
      try stage.elect(2)
      stage.cut = []
      try stage.pass(2)
      try stage.expect(stage[1].term(at: index) == stage[2].term, "it is overwritten")
      let same = [1, 2, 3].allSatisfy { stage[$0].configuration == three }
      try stage.expect(same, "and all have the voters of before")
    },
    .onStage(
      "34-voter-that-does-not-know",
      "A learner was made a voter and has not heard of it when the leader dies: it votes when it "
        + "is asked, or there would be no quorum."
    ) { stage in
      try stage.cast([1, 2], learners: [3])
      try stage.elect(1)
      stage.cut = [3]
      try stage.change(1, [.addVoter(3)])
      try stage.pass(1)
      try stage.expect(stage[2].configuration.voters == [1, 2, 3], "2 knows")
      try stage.expect(stage[3].configuration.learners == [3], "3 does not")
      stage.crash(1)
      stage.cut = []
      stage.now += 30
      try stage.elect(2)
    },
    .onStage(
      "35-leader-removes-itself",
      "A leader removes itself: it leads until that is committed by the others, steps down, and "
        + "does not keep them from electing another."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      try stage.change(1, [.remove(1)])
      try stage.settle()
      try stage.expect(stage[1].role == .follower, "1 has stepped down")
      try stage.expect(try stage.refusal { try stage.propose(1, "x") } != nil, "and takes nothing")
      try stage.pass(60)
      try stage.expect(stage.leaders.count == 1 && stage.leaders != [1], "another leads")
      try stage.expect(stage[1].term <= 2, "and 1 disturbs nobody")
    },
    .inWorld(
      "36-leader-of-two-leaves",
      "In a cluster of two the leader leaves and is gone the moment that the others may do without "
        + "it: it has handed over before, so the other knows, and goes on alone.",
      size: 2
    ) { script in
      let world = script.world
      let old = try script.leader()
      world.ask(.leave(old.id), asked: old.id)
      try script.wait(until: "the configuration is joint") { $0.truth.joint != nil }
      try script.wait(until: "it is joint no more") { $0.truth.joint == nil }
      world.lose(old)
      try script.wait(10 * second, until: "it has left") { $0.truth.departed(old.id) != nil }
      let events = world.history.map(\.envelope.event)
      let heir = events.lastIndex { $0.leader.map { $0 != old.id } ?? false } ?? .max
      let settled = events.lastIndex { if case .rolesSettled = $0 { true } else { false } } ?? 0
      try script.expect(heir < settled, "the heir led before the old half was let go")
      try script.expect(
        script.isCommitted(.issueToken(world.drawToken(uses: 1))), "and commits what is asked")
    },
    .onStage(
      "37-who-counts",
      "Learners acknowledge everything and count for nothing; in a joint configuration that makes "
        + "them voters both halves must agree."
    ) { stage in
      try stage.cast([1, 2, 3], learners: [4, 5])
      try stage.elect(1)
      stage.cut = [2, 3]
      let index = try stage.propose(1, "x")
      try stage.settle()
      try stage.expect(stage[1].progress(of: 4)?.match == index, "the learners have it")
      try stage.expect(stage[1].commitIndex < index, "it is not committed")
      stage.cut = []
      try stage.pass(2)
      try stage.change(1, [.addVoter(4), .addVoter(5)], .jointExplicit)
      try stage.pass(1)
      stage.cut = [2, 3]
      let second = try stage.propose(1, "y")
      try stage.settle()
      try stage.expect(stage[1].commitIndex < second, "three of five are not two of three")
      stage.cut = [2, 4]
      stage.loses = { $0.to == 4 || $0.to == 2 }
      try stage.pass(1)
      try stage.expect(stage[1].commitIndex >= second, "with 3 both halves have it")
    },
    .onStage(
      "38-change-nobody-has",
      "A leader that nobody hears proposes to remove the others: the change is counted with the "
        + "configuration that it changes, and is not committed."
    ) { stage in
      try stage.cast([1, 2])
      try stage.elect(1)
      stage.cut = [2]
      let index = try stage.change(1, [.remove(2)])
      try stage.pass(5)
      try stage.expect(stage[1].commitIndex < index, "it is not committed")
      try stage.expect(stage[1].configuration.voters == [1, 2], "and not in force")
    },
    .onStage(
      "39-fresh-progress",
      "A member is removed and the same id comes back with an empty disk: nothing that it had "
        + "acknowledged before counts (and muster never gives an id twice: see 42)."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      for text in ["a", "b", "c"] { try stage.propose(1, text) }
      try stage.settle()
      try stage.change(1, [.remove(3)])
      try stage.settle()
      stage.crash(3)
      try stage.change(1, [.addLearner(3)])
      try stage.settle()
      try stage.expect(stage[1].progress(of: 3)?.match == 0, "3 is thought to have nothing")
      try stage.enter(3, three)
      try stage.pass(3)
      try stage.expect(stage[3].lastIndex == stage[1].lastIndex, "and is given everything")
    },
    .inWorld(
      "40-joint-configuration-left-behind",
      "The leader dies when the configuration has just become joint: whoever leads next leaves the "
        + "joint configuration.", size: 2
    ) { script in
      let world = script.world
      let record = world.drawRecord(.controlPlane)
      let number = world.ask(.join(.init(node: record, secret: script.secret)))
      try script.wait(until: "the configuration is joint") { $0.truth.joint != nil }
      let old = try script.leader()
      world.kill(old)
      world.run(for: 5 * second)
      if !old.isUp { world.restart(old) }
      _ = script.answer(to: number)
      try script.settle()
      try script.expect(script.roles == [.voter: 3] && world.truth.joint == nil, "three vote")
    },
    .inWorld(
      "41-never-a-fourth-voter",
      "One of three voters is dead and a fourth node joins: it learns first and then takes the "
        + "dead one's place in one joint change, so that no step needs three of four."
    ) { script in
      let world = script.world
      let leader = try script.leader()
      guard let dead = script.followers().first else { throw Violation(.asTold, "it is alone") }
      world.lose(dead)
      let new = try script.grow()
      try script.wait(until: "it votes") { $0.truth.node(new.id)?.datastoreRole == .voter }
      try script.settle()
      var state = Cluster()
      var roles: [DatastoreRole] = []
      for event in world.history {
        _ = state.evolve(event)
        for voters in [state.voters, state.outgoingVoters] {
          try script.expect(
            voters.count != 2 && voters.count < 4, "\(event.index): \(voters.count)")
        }
        if let role = state.node(new.id)?.datastoreRole, roles.last != role { roles.append(role) }
      }
      try script.expect(roles == [.standby, .voter], "it was a standby first")
      try script.expect(world.truth.voters.contains(leader.id), "and the leader votes still")
    },
    .inWorld(
      "42-one-store-of-members",
      "A node is removed and all others restart: there is one log and nothing else to remember "
        + "members by, so it stays removed, and its id and key are never taken again.", size: 4
    ) { script in
      let world = script.world
      let gone = script.followers()[0]
      world.lose(gone)
      world.run(for: 8 * second)
      try script.expect(
        script.isCommitted(.removeNode(.init(target: gone.name, force: true))), "it is removed")
      try script.settle()
      for node in world.nodes where node.isUp {
        world.kill(node)
        world.restart(node)
      }
      try script.settle()
      for node in world.nodes where node.isUp {
        let raft = node.running?.raft.configuration
        try script.expect(
          raft == node.cluster.configuration && raft?.contains(gone.id.rawValue) == false,
          "\(node.name): the configuration is what the events say")
      }
      let again = script.outcome(.join(.init(node: gone.record, secret: script.secret)))
      try script.expect(again == .refused(code: "key-departed"), "it can not come back: \(again)")
    },
    .inWorld(
      "43-one-role-keeper",
      "A node has joined and waits for its role when the leader is cut off: both the old leader "
        + "and its successor give it one, each in its own log, and it is given one once."
    ) { script in
      let world = script.world
      let record = world.drawRecord(.controlPlane)
      world.ask(.join(.init(node: record, secret: script.secret)))
      try script.wait(until: "it has joined") { $0.truth.node(record.id) != nil }
      let old = try script.leader()
      try script.expect(world.truth.node(record.id)?.datastoreRole == nil, "it has no role")
      world.isolate(old)
      func isGiven(_ event: Event) -> Bool {
        guard case .roleAssigned(let roles) = event else { return false }
        return roles.cause == .joined && roles.assignments.contains { $0.node == record.id }
      }
      try script.wait(until: "the old leader gives it one") { world in
        old.disk.synced.entries.dropFirst(world.history.count).contains { entry in
          (try? RecordedEvent(decoding: entry)).map { isGiven($0.envelope.event) } ?? false
        }
      }
      try script.wait(until: "and so does its successor") { world in
        world.history.last { isGiven($0.envelope.event) }.map { $0.envelope.actor != old.name }
          ?? false
      }
      world.mend()
      try script.settle()
      try script.expect(
        world.history.count { isGiven($0.envelope.event) } == 1, "it was given a role once")
      try script.expect(script.roles == [.voter: 3, .standby: 1], "and is a standby")
    },
    .inWorld(
      "44-one-handover",
      "The leader is told twice to hand over, in a cluster with standbys: one voter takes over, "
        + "once, and never a standby.", size: 5
    ) { script in
      let world = script.world
      let old = try script.leader()
      let term = old.running?.raft.term ?? 0
      for _ in 0..<2 { world.post(.handOver, to: old) }
      try script.wait(until: "another leads") { $0.leader.map { $0.id != old.id } ?? false }
      world.post(.handOver, to: old)
      world.run(for: 5 * second)
      let heir = try script.leader()
      try script.expect(heir.running?.raft.term == term + 1, "in the next term")
      try script.expect(world.truth.node(heir.id)?.datastoreRole == .voter, "it is a voter")
    },
  ]
}

extension Event {
  /// Who was elected, if that is what happened.
  fileprivate var leader: NodeID? {
    if case .leaderElected(let elected) = self { elected.node } else { nil }
  }
}
