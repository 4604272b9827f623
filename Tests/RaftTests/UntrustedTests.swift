import Raft
import Testing

/// What comes from outside may be anything.
@Suite struct UntrustedTests {
  /// Numbers that break careless arithmetic, and some that do not.
  private func number(_ random: inout SplitMix64) -> UInt64 {
    let edges: [UInt64] = [0, 1, 2, 3, 4, 5, 6, 1 << 62, (1 << 62) - 1, 1 << 63, .max - 1, .max]
    return edges.randomElement(using: &random) ?? 0
  }

  private func body(_ random: inout SplitMix64) -> Message.Body {
    let flag = Bool.random(using: &random)
    switch Int.random(in: 0..<13, using: &random) {
    case 0:
      return .append(
        .init(
          previousIndex: number(&random), previousTerm: number(&random), commit: number(&random),
          entries: (0..<Int.random(in: 0..<3, using: &random)).map { _ in
            Entry(
              index: number(&random), term: number(&random),
              kind: Entry.Kind(rawValue: UInt8.random(in: 0...2, using: &random)) ?? .normal)
          }))
    case 1:
      return .appendResponse(
        .init(
          index: number(&random), rejected: flag, hint: number(&random), hintTerm: number(&random)))
    case 2, 3:
      return .vote(
        .init(
          isPreVote: flag, lastIndex: number(&random), lastTerm: number(&random),
          isTransfer: Bool.random(using: &random)))
    case 4: return .voteResponse(.init(isPreVote: flag, rejected: Bool.random(using: &random)))
    case 5: return .heartbeat(.init(commit: number(&random), context: number(&random)))
    case 6: return .heartbeatResponse(.init(context: number(&random)))
    case 7:
      return .snapshot(
        Snapshot(
          index: number(&random), term: number(&random),
          configuration: Configuration(
            voters: [number(&random), number(&random)], learners: [number(&random)])))
    case 8: return .timeoutNow
    case 9: return .transferLeader(target: number(&random))
    case 10: return .propose([Entry(index: number(&random), term: number(&random))])
    case 11: return .readIndex(context: number(&random))
    default: return .readIndexResponse(index: number(&random), context: number(&random))
    }
  }

  @Test(
    "no message traps, and none moves what is committed back", arguments: 0..<60 as Range<UInt64>)
  func anything(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var group = Group(voters: [1, 2, 3], learners: [4]) { $0.forwardsProposals = true }
    if seed.isMultiple(of: 2) { try group.elect(1) }
    var commit: Index = 0
    var term: Term = 0
    for _ in 0..<200 {
      let peers: [PeerID] = [0, 1, 2, 3, 4, 9, .max]
      let from = peers.randomElement(using: &random) ?? 0
      let terms: [Term] = [0, 1, group[1].machine.term, group[1].machine.term + 1, number(&random)]
      let message = Message(
        from: from, to: 1, term: terms.randomElement(using: &random) ?? 0, body(&random))
      do { try group.step(1, .receive(message)) } catch is Refused {}
      group.now += 1
      try group.step(1, .tick)
      _ = group[1].collect()
      while !group[1].jobs.isEmpty { _ = try group[1].write(at: group.now) }
      do { try group[1].apply(at: group.now) } catch is Refused {}
      let machine = group[1].machine
      #expect(machine.commitIndex >= commit)
      #expect(machine.commitIndex <= machine.lastIndex)
      #expect(machine.term >= term)
      #expect(machine.term < 1 << 62)
      (commit, term) = (machine.commitIndex, machine.term)
    }
  }

  @Test("a message that cannot be true is refused with the reason, and changes nothing")
  func impossible() throws {
    func entry(_ index: Index, _ term: Term) -> Entry { Entry(index: index, term: term) }
    func append(_ previous: Index, _ previousTerm: Term, _ entries: [Entry] = []) -> Message.Body {
      .append(
        .init(previousIndex: previous, previousTerm: previousTerm, commit: 0, entries: entries))
    }
    func snapshot(_ voters: [PeerID]) -> Message.Body {
      .snapshot(Snapshot(index: 3, term: 1, configuration: Configuration(voters: voters)))
    }
    let cases: [(Term, Message.Body, Message.Flaw)] = [
      (1 << 62, .heartbeat(.init(commit: 0)), .termOutOfRange),
      (0, append(0, 0), .termMissing), (0, .timeoutNow, .termMissing),
      (1, append(1 << 62, 0), .indexOutOfRange),
      (1, .appendResponse(.init(index: .max)), .indexOutOfRange),
      (1, append(1, 2), .termFromFuture), (1, append(0, 0, [entry(1, 2)]), .termFromFuture),
      (3, append(0, 0, [entry(2, 1)]), .entriesOutOfOrder),
      (3, append(0, 0, [entry(1, 2), entry(2, 1)]), .entriesOutOfOrder),
      (3, append(0, 0, [Entry(index: 1, term: 1, kind: .change)]), .changeMisplaced),
      (1, snapshot([1, 1]), .configurationIllegal), (1, snapshot([]), .configurationIllegal),
    ]
    var group = Group(voters: [1, 2, 3])
    let before = group[1].machine.term
    for (term, body, flaw) in cases {
      #expect(throws: Refused.impossible(flaw)) {
        try group.step(1, .receive(Message(from: 2, to: 1, term: term, body)))
      }
    }
    #expect(Set(cases.map(\.2)) == Set(Message.Flaw.allCases))
    #expect(group[1].machine.term == before && !group[1].machine.hasEffects)
  }

  @Test("local reports about strangers are refused")
  func strangers() {
    var group = Group(voters: [1, 2, 3])
    #expect(throws: Refused.unknownPeer(9)) { try group.step(1, .unreachable(9)) }
    #expect(throws: Refused.unknownPeer(9)) {
      try group.step(1, .snapshotReported(9, failed: true))
    }
  }

  @Test("a heartbeat that tells of commits beyond the log is answered, and not believed")
  func commitBeyondLog() throws {
    var group = Group(voters: [1, 2, 3])
    try group.step(1, .receive(Message(from: 2, to: 1, term: 1, .heartbeat(.init(commit: 7)))))
    #expect(group[1].machine.commitIndex == 0)
    #expect(group[1].collect().map(\.body) == [.heartbeatResponse(.init())])
  }
}
