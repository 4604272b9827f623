// What disks do to whole nodes: the side of 52 to 61 that a single core can not show.

import Membership
import Raft
import Replication

enum DiskScenarios {
  static let all: [Scenario] = [
    .inWorld(
      "53-disk-put-back",
      "A voter's disk is put back to before what it acknowledged, and the leader dies: the two "
        + "that are left elect nobody by a vote that rests on less, and nothing told is lost."
    ) { script in
      let world = script.world
      let leader = try script.leader()
      let voter = script.followers()[0]
      let old = voter.disk.synced
      let token = world.drawToken(uses: 1)
      try script.expect(script.isCommitted(.issueToken(token)), "an invitation is acknowledged")
      try script.wait(until: "the voter has it") { _ in voter.disk.syncedLast > old.lastIndex }
      // Once a second the leader tells everybody what it knows of the others.
      world.run(for: 2 * second)
      world.kill(voter)
      voter.disk.install(old)
      world.restart(voter)
      world.kill(leader)
      world.run(for: 10 * second)
      try script.expect(world.leader == nil, "nobody leads")
      world.restart(leader)
      try script.settle()
      try script.expect(voter.cluster.token(token.id) != nil, "the voter knows of it again")
    },
    .inWorld(
      "54-answer-and-own-disk",
      "A lone node is asked while its disk is full, and then slow: it says no or nothing until its "
        + "own disk has the event, and a crash after its answer takes nothing back.", size: 1
    ) { script in
      let world = script.world
      let node = try script.leader()
      node.diskFullUntil = world.now + 3 * second
      let token = world.drawToken(uses: 1)
      let number = world.ask(.issueToken(token), asked: node.id)
      world.run(for: 2 * second)
      try script.expect(world.operations[number].state == .open, "nothing is promised")
      node.diskSlowUntil = world.now + 10 * second
      guard case .committed(let index, _) = script.answer(to: number) else {
        throw Violation(.asTold, "it is not done: \(world.operations[number].state)")
      }
      try script.expect(node.disk.syncedLast >= index, "it is answered once it is durable")
      world.kill(node)
      world.restart(node)
      try script.settle()
      try script.expect(node.cluster.token(token.id)?.index == index, "and there after a crash")
    },
    .inWorld(
      "61-disk-full-while-overwritten",
      "A former leader's disk is full when its tail is to be replaced: the old tail stays whole, "
        + "and once there is room it is replaced whole; the log never has a hole."
    ) { script in
      let world = script.world
      let old = try script.leader()
      world.isolate(old)
      let number = world.ask(.issueToken(world.drawToken(uses: 1)), asked: old.id)
      try script.wait(until: "its log has a tail of its own") { world in
        old.disk.syncedLast > world.truth.lastIndex
      }
      let tail = old.disk.synced.entries
      try script.expect(
        script.isCommitted(
          .issueToken(world.drawToken(uses: 1)), at: script.followers()[0].id), "others go on")
      old.diskFullUntil = world.now + 20 * second
      world.mend()
      world.run(for: 10 * second)
      try script.expect(old.disk.synced.entries == tail, "the old tail is there, all of it")
      old.diskFullUntil = 0
      _ = script.answer(to: number)
      try script.settle()
      try script.expect(old.disk.syncedLast == world.truth.lastIndex, "the new one took its place")
    },
  ]
}
