import Membership
import Raft
import Replication
import Schema
import Simulator
import Testing

@Suite struct ImportTests {
  /// What a leader sends to a newcomer: a cluster's log up to some index, the event with which
  /// another cluster begins there, and the first entry of that one's leader.
  private func imported(_ old: [Entry]) -> (entries: [Entry], term: UInt64)? {
    var cluster = Cluster()
    for entry in old {
      guard let event = try? RecordedEvent(decoding: entry), cluster.evolve(event) == nil else {
        return nil
      }
    }
    let term = old.last?.term ?? 0
    func entry(_ offset: UInt64, _ kind: Entry.Kind, _ event: Event) -> Entry {
      let envelope = Envelope(
        time: cluster.lastTime, command: CommandID(high: 1, low: offset), fingerprint: 0,
        actor: "root@m", event: event)
      return Entry(
        index: cluster.lastIndex + offset, term: term + offset, kind: kind,
        change: ConfigurationChange(of: event, in: cluster), payload: envelope.encoded())
    }
    let first = entry(
      1, .change,
      .clusterImported(
        ClusterImported(
          cluster: ClusterID(9), first: Bench.record(77), source: cluster.id,
          sourceIndex: cluster.lastIndex, sourceHash: Bench.digest(7), file: nil)))
    let second = entry(2, .newTerm, .leaderElected(LeaderElected(node: NodeID(77))))
    return (old + [first, second], second.term)
  }

  @Test("Wherever the old log ends, also while its voters change, a newcomer passes over the seam")
  func everyEnd() throws {
    let bench = Bench(4)
    let old = try #require(bench.replicas[0].raft.entries(from: 1))
    #expect(old.contains { $0.change?.transition == .jointExplicit })
    for count in 1...old.count {
      let sent = try #require(imported(Array(old.prefix(count))))
      let last = UInt64(sent.entries.count)
      let disk = SimulatedDisk()
      let clock = Clock(monotonic: 1_000_000_000, wall: Timestamp(milliseconds: Bench.start))
      var replica = Replica(
        options: .init(node: NodeID(78), name: "n78", raft: .init(id: 78, seed: 1)),
        cluster: Cluster(), hardState: HardState(), log: disk, at: clock)
      let append = Message.Append(
        previousIndex: 0, previousTerm: 0, commit: last, entries: sent.entries)
      replica.step(
        .frame(
          from: NodeID(77), .raft(Message(from: 77, to: 78, term: sent.term, .append(append)))),
        at: clock)
      var halt: String?
      for _ in 0..<4 {
        let effects = replica.takeEffects()
        halt = halt ?? effects.halt
        for job in effects.appends {
          _ = disk.write(job)
          replica.step(.appended(job.ack), at: clock)
        }
      }
      #expect(halt == nil, "cut after \(count)")
      #expect(replica.cluster.lastIndex == last && replica.cluster.id == ClusterID(9))
      #expect(replica.raft.configuration == Configuration(voters: [77]), "cut after \(count)")
    }
  }
}
