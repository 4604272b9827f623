import Membership
import Raft
import Replication
import Schema
import Testing

@Suite struct AnswerTests {
  @Test("A request is answered once its entry is committed, not before")
  func answersOnCommit() {
    let bench = Bench()
    let caller = bench.ask(0, bench.join(7))
    #expect(bench.answers[caller] == nil)
    #expect(bench.jobs[0].flatMap(\.entries).count == 1)
    bench.sync(0)
    #expect(bench.isCommitted(caller))
    #expect(bench.count(.nodeJoined) == 1)
  }

  @Test("A leader's own disk is not a quorum of three")
  func needsQuorum() {
    let bench = Bench(3)
    #expect(bench.replicas[0].cluster.voters.count == 3)
    let caller = bench.ask(0, bench.join(7))
    bench.sync(0)
    #expect(bench.answers[caller] == nil)
    bench.settle(among: [0, 1])
    #expect(bench.isCommitted(caller))
  }

  @Test("What comes later in a batch is decided on what came before it")
  func decidesOnTail() {
    let bench = Bench()
    let callers = bench.askAtOnce(
      0,
      [
        .issueToken(bench.token(2, uses: 1)), bench.join(7, with: 2), bench.join(8, with: 2),
        bench.join(7, with: 2),
      ])
    bench.settle()
    #expect(bench.isCommitted(callers[0]))
    #expect(bench.isCommitted(callers[1]))
    #expect(bench.code(callers[2]) == "token-used")
    #expect(bench.answers[callers[3]] == bench.answers[callers[1]])
    #expect(bench.count(.nodeJoined) == 1)
  }

  @Test("A refusal waits until what it rests on is committed")
  func refusalWaitsForItsBasis() {
    let bench = Bench()
    let callers = bench.askAtOnce(
      0, [.issueToken(bench.token(2, uses: 1)), bench.join(7, with: 2), bench.join(8, with: 2)])
    #expect(bench.answers[callers[2]] == nil)
    bench.sync(0)
    #expect(bench.code(callers[2]) == "token-used")
  }

  @Test("A refusal waits until a quorum has confirmed the leader")
  func refusalWaitsForConfirmation() {
    let bench = Bench(3)
    let caller = bench.ask(0, bench.join(7, with: 99))
    bench.settle(among: [0])
    #expect(bench.answers[caller] == nil)
    bench.settle(among: [0, 2])
    #expect(bench.code(caller) == "token-unknown")
  }

  @Test("A read waits until a quorum has confirmed the leader, also on a follower")
  func readWaitsForConfirmation() {
    let bench = Bench(3)
    bench.give(0, .read(1001, deadline: bench.now + 5_000_000_000))
    bench.give(1, .read(1002, deadline: bench.now + 5_000_000_000))
    bench.settle(among: [0])
    #expect(bench.reads.isEmpty)
    bench.settle(among: [0, 1])
    #expect(bench.reads == [1001: true, 1002: true])
  }

  @Test("A confirmed read waits until this node has applied what was committed before it")
  func readWaitsForApplied() {
    let bench = Bench(3)
    bench.ask(0, bench.join(7))
    bench.settle(among: [0, 2])
    // The second node hears of nothing but its read.
    func keep(_ isWanted: (Message.Body) -> Bool) {
      bench.frames.removeAll { sent in
        guard sent.from == NodeID(2) || sent.to == NodeID(2) else { return false }
        if case .raft(let message) = sent.frame { return !isWanted(message.body) }
        return true
      }
    }
    bench.give(1, .read(1001, deadline: bench.now + 60_000_000_000))
    keep { if case .readIndex = $0 { true } else { false } }
    bench.deliver(among: [0, 1])
    bench.settle(among: [0, 2])
    keep { if case .readIndexResponse = $0 { true } else { false } }
    bench.deliver(among: [0, 1])
    #expect(bench.reads.isEmpty)
    for _ in 0..<4 { bench.advance(200_000_000) }
    #expect(bench.reads == [1001: true])
    #expect(bench.replicas[1].cluster.node(NodeID(7)) != nil)
  }

  @Test("A read that cannot be confirmed is answered at its deadline")
  func readExpires() {
    let bench = Bench(3)
    bench.give(0, .read(1001, deadline: bench.now + 100_000_000))
    bench.advance(100_000_000, among: [0])
    #expect(bench.reads == [1001: false])
  }

  @Test("The same command twice is one event, and both callers are told where it stands")
  func exactlyOnce() {
    let bench = Bench()
    let id = bench.drawID()
    let first = bench.ask(0, bench.join(7), id: id)
    let second = bench.ask(0, bench.join(7), id: id)
    bench.settle()
    let third = bench.ask(0, bench.join(7), id: id)
    bench.settle()
    #expect(bench.isCommitted(first))
    #expect(bench.answers[second] == bench.answers[first])
    #expect(bench.answers[third] == bench.answers[first])
    #expect(bench.count(.nodeJoined) == 1)
  }

  @Test("A known command id with another body is refused")
  func reused() {
    let bench = Bench()
    let id = bench.drawID()
    bench.ask(0, bench.join(7), id: id)
    let other = bench.ask(0, bench.join(8), id: id)
    bench.settle()
    #expect(bench.code(other) == "command-reused")
  }

  @Test("A departure is answered when it is over, and asking again joins the wait")
  func departure() {
    let bench = Bench(3)
    let id = bench.drawID()
    let first = bench.ask(0, .leave(NodeID(3)), id: id)
    let again = bench.ask(0, .leave(NodeID(3)), id: id)
    #expect(bench.answers.isEmpty == false)
    #expect(bench.answers[first] == nil && bench.answers[again] == nil)
    for _ in 0..<10 { bench.advance(200_000_000) }
    #expect(bench.isCommitted(first))
    #expect(bench.answers[again] == bench.answers[first])
    #expect(bench.count(.nodeLeft) == 1)
    #expect(bench.replicas[0].cluster.voters.count == 1)
  }
}
