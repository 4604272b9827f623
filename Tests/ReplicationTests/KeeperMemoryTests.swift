import Membership
import Replication
import Simulator
import Testing

@Suite struct KeeperMemoryTests {
  @Test("Roles are kept however long ago the cluster began to forget commands")
  func afterForgetting() {
    let bench = Bench(1)
    for hour in UInt8(100)..<126 {
      bench.walls[0] += 3_600_000
      bench.ask(0, .issueToken(bench.token(hour, uses: 1)))
      bench.settle()
    }
    bench.ask(0, .issueToken(bench.token(7, uses: 1)))
    bench.settle()
    #expect(bench.replicas[0].cluster.sessions.forgotten != nil)
    let record = Bench.record(2)
    bench.ask(0, .join(.init(node: record, secret: bench.secret)))
    bench.settle()
    for _ in 0..<8 { bench.advance(200_000_000) }
    #expect(bench.replicas[0].cluster.node(record.id)?.datastoreRole != nil)
  }

  @Test("A node that joins a new leader and falls silent at once is suspected after ten seconds")
  func suspectedInTime() {
    let bench = Bench(3)
    let silent = bench.now
    while bench.count(.nodeSuspected) == 0, bench.now < silent + 60 * second {
      bench.advance(200_000_000, among: [0, 1])
    }
    #expect(bench.now >= silent + 9 * second && bench.now <= silent + 11 * second)
  }

  @Test("A node that flapped all hour counts again once it is in contact, under any leader")
  func flapping() throws {
    let bench = Bench(3)
    let flapping = bench.ids[2]
    func advance(among nodes: Set<Int>, until isSuspected: Bool) -> Bool {
      let begun = bench.now
      while bench.replicas[0].cluster.node(flapping)?.isSuspected != isSuspected {
        guard bench.now < begun + 60 * second else { return false }
        bench.advance(200_000_000, among: nodes)
      }
      return true
    }
    // Leadership changes to and fro: the last leader begins with one who is suspected.
    #expect(advance(among: [0, 1], until: true))
    while !bench.replicas[1].isLeader { bench.advance(200_000_000, among: [1, 2]) }
    for _ in 0..<4 {
      #expect(advance(among: [0, 1], until: true))
      #expect(advance(among: [0, 1, 2], until: false))
    }
    // Enough for one hour, as far as suspicions go.
    #expect(!advance(among: [0, 1], until: true))
    bench.advance(3600 * second, among: [0, 1])
    #expect(advance(among: [0, 1], until: true))
    #expect(advance(among: [0, 1, 2], until: false))
  }

  @Test("What a leader saw in an earlier term of office makes nobody dead in this one")
  func formerOffice() throws {
    let bench = Bench(3)
    let worker = bench.ask(0, bench.join(9))
    bench.settle()
    #expect(bench.isCommitted(worker))
    bench.give(0, .handOver)
    bench.settle()
    try #require(bench.replicas[1].isLeader)
    for _ in 0..<200 { bench.advance(200_000_000) }
    // It dies with its last word.
    bench.give(1, .handOver)
    bench.deliver(among: [0, 1, 2])
    bench.settle(among: [0, 2])
    try #require(bench.replicas[0].isLeader)
    func remove(_ id: NodeID) -> Caller {
      defer { bench.settle(among: [0, 2]) }
      return bench.ask(0, .removeNode(.init(target: id.description, force: false)))
    }
    for id in [bench.ids[1], NodeID(9)] {
      #expect(bench.code(remove(id)) == "node-alive")
    }
    for _ in 0..<29 { bench.advance(second, among: [0, 2]) }
    #expect(bench.code(remove(NodeID(9))) == "node-alive")
    for _ in 0..<2 { bench.advance(second, among: [0, 2]) }
    #expect(bench.isCommitted(remove(NodeID(9))))
  }
}
