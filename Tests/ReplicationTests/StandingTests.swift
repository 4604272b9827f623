import Membership
import Raft
import Replication
import Schema
import Simulator
import Testing

@Suite("A disk that was put back or copied does not vote")
struct StandingTests {
  /// Three voters; the third one's disk is put back to how it was before the last five events.
  private func rolledBack(boot: UInt64 = 2) -> Bench {
    let bench = Bench(3)
    for position in 1...2 { bench.link(0, position) }
    bench.link(1, 2)
    bench.settle()
    let old = bench.disks[2].synced
    for number in 10..<15 as Range<UInt8> {
      bench.ask(0, .issueToken(bench.token(number, uses: 1)))
    }
    bench.settle()
    for _ in 0..<12 { bench.advance(100_000_000) }
    bench.disks[2].install(old)
    bench.restart(2, boot: boot)
    return bench
  }

  @Test("whose peers remember more than it has, it grants no vote")
  func noVote() {
    let bench = rolledBack()
    // The leader is gone for good; the other two may not decide without it.
    bench.link(1, 2)
    for _ in 0..<100 { bench.advance(100_000_000, among: [1, 2]) }
    #expect(!bench.replicas[1].isLeader && !bench.replicas[2].isLeader)
    #expect(bench.abstains(2))
  }

  @Test("and it votes again once it holds everything, which the log records")
  func refetches() {
    let bench = rolledBack()
    bench.link(0, 2)
    bench.link(1, 2)
    bench.settle()
    #expect(bench.abstains(2))
    for _ in 0..<100 where !bench.settled[2] { bench.advance(100_000_000) }
    for _ in 0..<5 { bench.advance(100_000_000) }
    #expect(bench.settled[2] && !bench.abstains(2))
    #expect(bench.replicas[2].raft.lastIndex == bench.replicas[0].raft.lastIndex)
    #expect(bench.count(.replicaLost) == 1 && bench.count(.replicaRefetched) == 1)
    #expect(bench.replicas[0].cluster.nodes.allSatisfy { $0.lostSince == nil })
    // Now the leader may be lost.
    for _ in 0..<100 { bench.advance(100_000_000, among: [1, 2]) }
    #expect(bench.replicas[1].isLeader || bench.replicas[2].isLeader)
  }

  @Test("that only the newest start can have, however short the log is behind")
  func olderBoot() {
    let bench = Bench(3)
    bench.link(0, 2)
    bench.settle()
    bench.restart(2, boot: 5)
    bench.link(0, 2)
    bench.settle()
    #expect(!bench.abstains(2))
    bench.restart(2, boot: 3)
    bench.link(0, 2)
    bench.settle()
    #expect(bench.abstains(2))
  }

  @Test("and doubts it once, not at every start until its numbers have caught up")
  func olderBootSettles() {
    let bench = Bench(3)
    bench.link(0, 2)
    bench.link(1, 2)
    bench.settle()
    bench.restart(2, boot: 50)
    bench.link(0, 2)
    bench.link(1, 2)
    bench.settle()
    // Its disk is put back, and only one peer can tell.
    bench.restart(2, boot: 3)
    bench.link(0, 2)
    for _ in 0..<100 where !bench.settled[2] { bench.advance(100_000_000) }
    #expect(bench.settled[2] && bench.knownBoots[2] == 50)
    // The other one tells of the same start, later.
    bench.link(1, 2)
    bench.settle()
    #expect(!bench.abstains(2))
    bench.restart(2, boot: bench.knownBoots[2] + 1)
    bench.link(0, 2)
    bench.link(1, 2)
    bench.settle()
    #expect(!bench.abstains(2))
  }

  @Test("A disk that knows by itself that it lost something starts without a vote")
  func knowsItself() {
    let bench = Bench(3)
    bench.restart(2, lostUpTo: bench.replicas[2].raft.lastIndex + 1)
    #expect(bench.abstains(2))
    bench.ask(0, .issueToken(bench.token(9, uses: 1)))
    bench.settle()
    for _ in 0..<100 where !bench.settled[2] { bench.advance(100_000_000) }
    #expect(bench.settled[2])
  }

  @Test("What ended before it could say that it has everything again says so when it starts")
  func saysItLater() {
    let bench = Bench(3)
    let lost = ReplicaLost(node: bench.ids[2], acknowledged: 9, found: 5, boot: 1)
    bench.ask(0, .loseReplica(lost))
    bench.settle()
    func isLost() -> Bool {
      bench.replicas[0].cluster.node(bench.ids[2])?.lostSince != nil
    }
    #expect(isLost())
    bench.restart(2)
    bench.link(0, 2)
    bench.link(1, 2)
    for _ in 0..<20 where isLost() { bench.advance(100_000_000) }
    #expect(!isLost() && !bench.abstains(2))
  }

  @Test("What is remembered of peers outlives those who remember")
  func memoryIsKept() {
    let bench = rolledBack()
    #expect(bench.memories[1].contains { $0.node == NodeID(3) && $0.nonce != 0 })
    for _ in 0..<110 { bench.advance(100_000_000, among: [0, 1]) }
    bench.restart(1)
    bench.link(1, 2)
    bench.settle(among: [1, 2])
    #expect(bench.abstains(2))
  }

  @Test("What it said before it doubted is void to whoever has heard of the doubt")
  func voidsWhatWasSaid() {
    let bench = Bench(3)
    bench.link(0, 2)
    bench.settle()
    // An acknowledgement is on its way; the doubt overtakes it.
    bench.ask(0, .issueToken(bench.token(9, uses: 1)))
    bench.deliver(among: [0, 2])
    bench.sync(2)
    let late = bench.frames.filter { $0.from == bench.ids[2] }
    bench.frames.removeAll { $0.from == bench.ids[2] }
    #expect(late.count == 1)
    let lost = Recollection(
      node: bench.ids[2], term: bench.replicas[2].raft.term,
      acknowledged: bench.replicas[2].raft.lastIndex + 1)
    bench.give(2, .frame(from: bench.ids[1], .recollection(lost)))
    bench.advance(100_000_000, among: [0, 2])
    let before = bench.replicas[0].raft.progress(of: 3)
    #expect(before?.abstains == true)
    for sent in late { bench.give(0, .frame(from: sent.from, sent.frame)) }
    #expect(bench.replicas[0].raft.progress(of: 3) == before)
    // A new start begins anew.
    bench.restart(2)
    bench.link(0, 2)
    for _ in 0..<100 where !bench.settled[2] { bench.advance(100_000_000) }
    bench.advance(100_000_000)
    #expect(!bench.abstains(2))
    #expect(bench.replicas[0].raft.progress(of: 3)?.abstains == false)
  }

  @Test("Who departs leaves nobody behind who needs it, and nothing is asked of it alone")
  func isNotNeeded() {
    let bench = rolledBack()
    bench.link(0, 2)
    bench.settle()
    bench.advance(100_000_000)
    #expect(bench.abstains(2))
    // The other voter is silent: two of three are heard, and one of them agrees to nothing.
    for _ in 0..<10 { bench.advance(100_000_000, among: [0, 2]) }
    #expect(bench.abstains(2) && bench.replicas[0].isLeader)
    let early = bench.ask(0, .leave(bench.ids[1]))
    bench.settle()
    #expect(bench.code(early) == "quorum-loss")
    let leave = bench.ask(0, .leave(bench.ids[1]))
    for _ in 0..<5 { bench.advance(200_000_000) }
    #expect(bench.isCommitted(leave))
    #expect(bench.replicas[0].cluster.voters == [bench.ids[0]])
  }

  @Test("Restarted before it has everything again, it does not take an old state for its own")
  func remembersItself() {
    let bench = rolledBack()
    bench.link(0, 2)
    bench.deliver(among: [0, 2])
    #expect(bench.abstains(2))
    let last = bench.replicas[2].raft.lastIndex
    bench.restart(2, boot: 9)
    // Nobody has told it anything yet.
    #expect(bench.abstains(2) && bench.replicas[2].raft.lastIndex == last)
    bench.link(0, 2)
    bench.link(1, 2)
    for _ in 0..<100 where !bench.settled[2] { bench.advance(100_000_000) }
    for _ in 0..<5 { bench.advance(100_000_000) }
    #expect(bench.settled[2] && bench.memories[2].allSatisfy { $0.node != bench.ids[2] })
    bench.restart(2, boot: 10)
    #expect(!bench.abstains(2))
  }

  @Test("Two copies of one node that are alive at once both lose their vote")
  func copies() {
    let bench = Bench(3)
    bench.link(0, 2)
    bench.settle()
    let first = bench.greetings[2]
    // The copy starts, and greets; then the first one again, which was alive all the time.
    let copy = Greeting(boot: first.boot + 1, nonce: 0xc0b1)
    bench.give(0, .greeted(bench.ids[2], copy))
    bench.frames = []
    bench.give(0, .greeted(bench.ids[2], first))
    let told = bench.frames.compactMap { sent -> Recollection? in
      if case .recollection(let told) = sent.frame { told } else { nil }
    }
    #expect(told.map(\.isContested) == [true])
    bench.settle()
    #expect(bench.abstains(2))
    bench.frames = []
    bench.give(0, .greeted(bench.ids[2], copy))
    #expect(
      bench.frames.contains { sent in
        if case .recollection(let told) = sent.frame { told.isContested } else { false }
      })
    // Nothing but a new start ends it, and until then it has nothing to do at once.
    for _ in 0..<100 { bench.advance(100_000_000) }
    #expect(bench.abstains(2))
    #expect(bench.replicas[2].raft.leader != nil && bench.replicas[2].deadline > bench.now)
    bench.restart(2, boot: first.boot + 2)
    bench.link(0, 2)
    for _ in 0..<100 { bench.advance(100_000_000) }
    #expect(!bench.abstains(2))
  }

  @Test("An ordinary restart keeps its vote")
  func ordinary() {
    let bench = Bench(3)
    bench.link(0, 2)
    bench.ask(0, .issueToken(bench.token(9, uses: 1)))
    bench.settle()
    for _ in 0..<12 { bench.advance(100_000_000) }
    bench.restart(2)
    bench.link(0, 2)
    bench.link(1, 2)
    for _ in 0..<12 { bench.advance(100_000_000) }
    #expect(!bench.abstains(2))
    #expect(bench.count(.replicaLost) == 0)
  }
}
