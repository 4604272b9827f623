import Membership
import Projections
import Replication
import Testing

@Suite struct OutlookTests {
  @Test(
    "Before a leader has told of the others, and while it is new, they are not silent but unseen"
  )
  func unseen() throws {
    let bench = Bench(3)
    bench.advance(1_000_000_000)
    #expect(bench.replicas.allSatisfy { $0.outlook.unseen.isEmpty })
    bench.restart(2)
    bench.link(0, 2)
    bench.link(1, 2)
    for _ in 0..<20 where bench.replicas[2].leader == nil { bench.advance(10_000_000) }
    try #require(bench.replicas[2].leader == bench.ids[0] && bench.replicas[2].awaitsSightings)
    #expect(bench.replicas[2].outlook.unseen == [bench.ids[1]])
    for _ in 0..<12 { bench.advance(100_000_000) }
    #expect(bench.replicas[2].outlook.unseen.isEmpty)
    #expect(bench.replicas[2].outlook.healthyVoters == Set(bench.ids))

    for _ in 0..<200 where !bench.replicas[1].isLeader && !bench.replicas[2].isLeader {
      bench.advance(50_000_000, among: [1, 2])
    }
    let leader = try #require([1, 2].first { bench.replicas[$0].isLeader })
    #expect(bench.replicas[leader].outlook.unseen == [bench.ids[0]])
    for _ in 0..<100 { bench.advance(50_000_000, among: [1, 2]) }
    for position in [1, 2] {
      let outlook = bench.replicas[position].outlook
      #expect(outlook.unseen.isEmpty && outlook.sightings[bench.ids[0]] == nil)
      #expect(!bench.replicas[position].awaitsSightings, "nobody waits for word of the dead")
    }
  }
}
