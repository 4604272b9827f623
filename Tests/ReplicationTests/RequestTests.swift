import Membership
import Raft
import Replication
import Schema
import Testing

@Suite struct RequestTests {
  private func reason(_ bench: Bench, _ caller: Caller) -> String? {
    if case .unknown(let reason)? = bench.answers[caller] { reason } else { nil }
  }

  @Test("A follower passes a request on and tells its caller what became of it")
  func forwards() {
    let bench = Bench(3)
    let caller = bench.ask(1, bench.join(7))
    #expect(
      bench.frames.contains { sent in
        if case .forward = sent.frame { sent.to == NodeID(1) } else { false }
      })
    bench.settle()
    #expect(bench.isCommitted(caller))
  }

  @Test("A node that does not lead says so to a peer, and takes nothing")
  func notLeader() {
    let bench = Bench(3)
    let request = Request(id: bench.drawID(), command: bench.join(7), actor: "test")
    bench.give(2, .frame(from: NodeID(2), .forward(id: 5, request: request)))
    guard case .answer(5, .notLeader(1))? = bench.frames.last?.frame else {
      Issue.record("\(bench.frames)")
      return
    }
    #expect(bench.count(.nodeJoined) == 2)
  }

  @Test("At the deadline the outcome is unknown, and the reason says what was pending")
  func deadline() {
    let bench = Bench(3)
    let here = bench.ask(0, bench.join(7), wait: 100_000_000)
    let there = bench.ask(1, bench.join(8), wait: 100_000_000)
    bench.restart(2)
    let nowhere = bench.ask(2, bench.join(9), wait: 100_000_000)
    bench.frames = []
    bench.now += 100_000_000
    for position in 0..<3 { bench.give(position, .tick) }
    #expect(reason(bench, here)?.contains("committed") == true)
    #expect(reason(bench, there)?.contains("n1") == true)
    #expect(reason(bench, nowhere)?.contains("no leader") == true)
  }

  @Test("An unknown outcome is asked for again under the same id, and happens once")
  func goesAgain() {
    let bench = Bench(3)
    let caller = bench.ask(1, bench.join(7))
    bench.deliver(among: [0, 1])
    bench.sync(0)
    bench.settle(among: [0, 2])
    // Committed, and the answer is lost with the link.
    bench.frames.removeAll { if case .answer = $0.frame { true } else { false } }
    bench.settle()
    #expect(bench.answers[caller] == nil)
    bench.give(1, .linkClosed(NodeID(1)))
    for _ in 0..<6 { bench.advance(50_000_000) }
    #expect(bench.isCommitted(caller))
    #expect(bench.count(.nodeJoined) == 3)
  }

  @Test("A leader that loses its office forgets nothing that its callers wait for")
  func lostOffice() {
    let bench = Bench(3)
    let caller = bench.ask(0, bench.join(7), wait: 60_000_000_000)
    bench.frames = []
    // The others elect one of their own, and the old leader hears of it.
    for _ in 0..<12 {
      bench.advance(500_000_000, among: [1, 2])
      bench.frames.removeAll { $0.from == NodeID(1) || $0.to == NodeID(1) }
    }
    #expect(bench.replicas[1].isLeader || bench.replicas[2].isLeader)
    for _ in 0..<4 { bench.advance(200_000_000) }
    #expect(!bench.replicas[0].isLeader)
    #expect(bench.isCommitted(caller))
    #expect(bench.count(.nodeJoined) == 3)
  }

  @Test("An answer to what an earlier start of a node forwarded is not taken for a later one's")
  func answersOfEarlierStarts() {
    let bench = Bench(3)
    bench.ask(1, bench.join(7))
    let forwarded = bench.frames.filter { if case .forward = $0.frame { true } else { false } }
    bench.frames = []
    bench.restart(1)
    bench.settle()
    bench.advance(200_000_000)
    bench.frames = forwarded
    let caller = bench.ask(1, bench.join(8))
    // Only the first start's request reaches the leader.
    bench.frames.removeAll { sent in
      if case .forward(_, let request) = sent.frame, case .join(let join) = request.command {
        join.node.id == NodeID(8)
      } else {
        false
      }
    }
    bench.settle()
    #expect(bench.count(.nodeJoined) == 3)
    #expect(bench.answers[caller] == nil)
  }

  @Test("With a full disk a leader refuses what is new and still answers what is not")
  func diskFull() {
    let bench = Bench()
    let id = bench.drawID()
    bench.ask(0, bench.join(7), id: id)
    bench.settle()
    bench.give(0, .disk(full: true))
    let new = bench.ask(0, bench.join(8))
    let known = bench.ask(0, bench.join(7), id: id)
    bench.settle()
    #expect(bench.code(new) == "disk-full")
    #expect(bench.isCommitted(known))
    bench.give(0, .disk(full: false))
    let after = bench.ask(0, bench.join(8))
    bench.settle()
    #expect(bench.isCommitted(after))
  }
}
