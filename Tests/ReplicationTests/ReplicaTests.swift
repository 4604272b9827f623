import Membership
import Raft
import Replication
import Schema
import Testing

@Suite struct ReplicaTests {
  @Test("A node that formed a cluster leads it at once, and its first entry says so")
  func forms() {
    let bench = Bench()
    #expect(bench.replicas[0].isLeader)
    #expect(bench.events[0].first?.envelope.event == .leaderElected(.init(node: NodeID(1))))
  }

  @Test("Time in the log never goes back, whatever a new leader's clock says")
  func time() {
    let bench = Bench()
    bench.walls[0] -= 3_600_000
    bench.restart(0)
    bench.give(0, .campaign)
    bench.settle()
    #expect(bench.halted == [nil])
    let times = bench.events[0].map(\.envelope.time)
    #expect(times == times.sorted())
    #expect(bench.count(.leaderElected) == 2)
  }

  @Test("When a node has had its turn, nothing is due that was due before")
  func deadlines() {
    let bench = Bench()
    bench.restart(0)
    bench.give(0, .campaign)
    for _ in 0..<3 where !bench.replicas[0].isLeader { bench.sync(0) }
    // It leads, and its first entry is not durable yet.
    #expect(bench.replicas[0].isLeader)
    #expect(bench.replicas[0].deadline > bench.now)
    bench.give(0, .disk(full: true))
    bench.give(0, .tick)
    #expect(bench.replicas[0].deadline > bench.now)
  }

  @Test("Several learners come at once without a joint configuration")
  func learners() {
    let bench = Bench(1)
    let joins = (2...4).map { Command.join(.init(node: Bench.record($0), secret: bench.secret)) }
    let callers = bench.askAtOnce(0, joins)
    bench.settle()
    bench.advance(200_000_000)
    #expect(callers.allSatisfy(bench.isCommitted))
    #expect(bench.halted == [nil])
    let configuration = bench.replicas[0].raft.configuration
    #expect(configuration.learners == [2, 3, 4])
    #expect(!configuration.isJoint)
    #expect(bench.count(.roleAssigned) == 1)
  }

  @Test("Who joined a moment ago counts as alive before it is heard from, and no longer for ever")
  func newcomers() {
    let bench = Bench(1)
    bench.ask(0, bench.join(7))
    bench.settle()
    let removal = Command.removeNode(.init(target: "n7", force: false))
    let early = bench.ask(0, removal)
    bench.settle()
    #expect(bench.code(early) == "node-alive")
    bench.advance(31_000_000_000)
    let late = bench.ask(0, removal)
    bench.settle()
    #expect(bench.isCommitted(late))
  }

  @Test("A restarted node folds what is committed into the state it had")
  func restart() {
    let bench = Bench(3)
    bench.ask(0, bench.join(7))
    bench.settle()
    for _ in 0..<3 { bench.advance(200_000_000) }
    let before = bench.replicas[2].cluster
    bench.restart(2)
    for _ in 0..<3 { bench.advance(200_000_000) }
    #expect(bench.replicas[2].cluster == before)
    #expect(before == bench.replicas[0].cluster)
  }

  @Test("A committed entry that no event is in halts the replica, and says which entry")
  func unreadable() {
    let bench = Bench(3)
    let leader = bench.replicas[0].raft
    let append = Message.Append(
      previousIndex: leader.lastIndex, previousTerm: leader.term, commit: leader.lastIndex + 1,
      entries: [Entry(index: leader.lastIndex + 1, term: leader.term, payload: [0xff])])
    let message = Message(from: 1, to: 2, term: leader.term, .append(append))
    bench.give(1, .frame(from: NodeID(1), .raft(message)))
    bench.sync(1)
    #expect(bench.halted[1]?.contains("\(leader.lastIndex + 1)") == true)
  }

  @Test("A frame in another node's name is ignored")
  func impostor() {
    let bench = Bench(3)
    let term = bench.replicas[1].raft.term
    let message = Message(from: 1, to: 2, term: term + 5, .heartbeat(.init(commit: 0)))
    bench.give(1, .frame(from: NodeID(3), .raft(message)))
    #expect(bench.replicas[1].raft.term == term)
  }

  @Test("Commands that are the leader's own are not taken from peers")
  func ownCommands() {
    let bench = Bench(3)
    let request = Request(id: bench.drawID(), command: .suspect(NodeID(2)), actor: "test")
    bench.give(0, .frame(from: NodeID(2), .forward(id: 5, request: request)))
    bench.settle()
    #expect(bench.count(.nodeSuspected) == 0)
  }

  @Test("A leader that is about to stop hands over to a voter that is up to date")
  func handOver() {
    let bench = Bench(3)
    bench.give(0, .handOver)
    bench.settle()
    bench.advance(200_000_000)
    #expect(!bench.replicas[0].isLeader)
    #expect(bench.replicas[1].isLeader || bench.replicas[2].isLeader)
  }

  @Test("A sole voter that crashed before it knew that it is one learns it from those it asks")
  func soleVoter() {
    let bench = Bench(3)
    bench.ask(0, .leave(NodeID(3)))
    // Up to the moment at which the first node lets go of the others' votes ...
    for _ in 0..<40
    where bench.replicas[0].raft.configuration.voters != [1]
      || bench.replicas[0].raft.configuration.isJoint
    {
      bench.now += 20_000_000
      bench.give(0, .tick)
      bench.sync(0)
      bench.deliver(among: [0, 1, 2])
      for follower in 1...2 { bench.sync(follower) }
      bench.deliver(among: [0, 1, 2])
    }
    let configuration = bench.replicas[0].raft.configuration
    #expect(configuration.voters == [1] && !configuration.isJoint)
    // ... and tells them, with one more entry. It crashes before its disk has either.
    bench.ask(0, bench.join(7))
    for _ in 0..<3 {
      bench.deliver(among: [0, 1, 2])
      for follower in 1...2 { bench.sync(follower) }
    }
    #expect(bench.replicas[1].raft.configuration == configuration)
    bench.restart(0)
    let restarted = bench.replicas[0].raft
    #expect(restarted.configuration.isJoint)
    #expect(restarted.lastIndex < bench.replicas[1].raft.lastIndex)
    // The third one has left and is switched off.
    for _ in 0..<20 { bench.advance(500_000_000, among: [0, 1]) }
    #expect(bench.replicas[0].isLeader)
  }
}
