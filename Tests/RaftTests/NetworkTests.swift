import Testing

@Suite struct NetworkTests {
  @Test(
    "whatever is lost, late or crashes: one leader a term, one history, and then progress",
    arguments: 0..<60 as Range<UInt64>)
  func laws(seed: UInt64) throws {
    var network = Network(seed: seed)
    for _ in 0..<3_000 { try network.event() }
    if network.removesLeaders { return }
    try network.heal(within: 400)
    #expect(!network.history.isEmpty)
  }

  @Test("the same seed gives the same run")
  func deterministic() throws {
    var runs: [String] = []
    for _ in 0..<2 {
      var network = Network(seed: 7)
      for _ in 0..<2_000 { try network.event() }
      runs.append(network.summary + "\(network.counts.sorted { $0.key < $1.key })")
    }
    #expect(runs[0] == runs[1])
  }

  @Test("the runs reach what they are for: leaders, changes, crashes, compactions")
  func coverage() throws {
    var counts: [String: Int] = [:]
    for seed in 0..<10 as Range<UInt64> {
      var network = Network(seed: seed)
      for _ in 0..<2_000 { try network.event() }
      counts.merge(network.counts, uniquingKeysWith: +)
    }
    for what in ["leader", "change", "crash", "compaction", "refused"] {
      #expect(counts[what, default: 0] > 9, "\(what): \(counts)")
    }
  }
}
