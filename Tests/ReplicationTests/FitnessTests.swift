import Membership
import Raft
import Replication
import Schema
import Testing

@Suite("A leader that is not fit to lead hands over")
struct FitnessTests {
  private static let year: Int64 = 365 * 86_400_000

  private func leader(_ bench: Bench) -> Int? {
    bench.replicas.indices.filter { bench.replicas[$0].isLeader }.max {
      bench.replicas[$0].raft.term < bench.replicas[$1].raft.term
    }
  }

  @Test("when its disk is full, and leads no more while it is")
  func fullDisk() {
    let bench = Bench(3)
    for _ in 0..<12 { bench.advance(100_000_000) }
    bench.give(0, .disk(full: true))
    for _ in 0..<12 { bench.advance(100_000_000) }
    #expect(leader(bench).map { $0 != 0 } == true)
  }

  @Test("when its disk has not finished a write within an election timeout")
  func slowDisk() {
    let bench = Bench(3)
    for _ in 0..<12 { bench.advance(100_000_000) }
    bench.ask(0, .issueToken(bench.token(9, uses: 1)))
    // Its disk does nothing any more; the others' do.
    for _ in 0..<30 where leader(bench) == 0 {
      bench.now += 100_000_000
      for position in 0..<3 { bench.give(position, .tick) }
      for _ in 0..<20 {
        bench.deliver(among: [0, 1, 2])
        bench.sync(1)
        bench.sync(2)
      }
    }
    #expect(leader(bench).map { $0 != 0 } == true)
  }

  @Test("when its clock is a year ahead of the others', and recorded time stays with them")
  func clockAhead() {
    let bench = Bench(3)
    for _ in 0..<12 { bench.advance(100_000_000) }
    bench.walls[0] += Self.year
    for _ in 0..<40 where leader(bench) == 0 { bench.advance(100_000_000) }
    #expect(leader(bench).map { $0 != 0 } == true)
    let caller = bench.ask(1, .issueToken(bench.token(9, uses: 1)))
    for _ in 0..<12 { bench.advance(100_000_000) }
    #expect(bench.isCommitted(caller))
    let newest = bench.replicas[1].cluster.lastTime.milliseconds
    #expect(newest < bench.walls[1] + 10_000)
  }

  @Test("when its clock is set a year ahead, and what it decides at once has the others' time")
  func clockSet() {
    let bench = Bench(3)
    for _ in 0..<12 { bench.advance(100_000_000) }
    #expect(leader(bench) == 0)
    bench.walls[0] += Self.year
    // Before anybody can have told it.
    let caller = bench.ask(0, .issueToken(bench.token(9, uses: 1)))
    for _ in 0..<12 { bench.advance(100_000_000) }
    #expect(bench.isCommitted(caller))
    #expect(bench.replicas[1].cluster.lastTime.milliseconds < bench.walls[1] + 10_000)
    #expect(leader(bench).map { $0 != 0 } == true)
  }

  @Test("A node with a wrong clock that is elected all the same stamps with the others' time")
  func electedWithWrongClock() {
    let bench = Bench(3)
    bench.walls[2] += Self.year
    for _ in 0..<30 { bench.advance(100_000_000) }
    bench.give(
      2,
      .frame(
        from: bench.ids[0],
        .raft(
          Message(from: 1, to: 3, term: bench.replicas[0].raft.term, .timeoutNow))))
    bench.settle()
    #expect(bench.count(.leaderElected, at: 2) >= 1)
    #expect(bench.replicas[2].cluster.lastTime.milliseconds < bench.walls[1] + 10_000)
  }

  @Test("One of three clocks that is behind is not followed")
  func oneBehind() {
    let bench = Bench(3)
    bench.walls[1] -= Self.year
    for _ in 0..<30 { bench.advance(100_000_000) }
    #expect(bench.replicas[0].isLeader)
  }
}
