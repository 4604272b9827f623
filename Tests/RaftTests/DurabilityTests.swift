import Raft
import Testing

@Suite struct DurabilityTests {
  private let three = Configuration(voters: [1, 2, 3])

  private func append(_ machine: inout Machine, term: Term, entryTerm: Term, _ leader: PeerID)
    throws
  {
    let entries = [Entry(index: 1, term: entryTerm)]
    try machine.step(
      .receive(
        Message(
          from: leader, to: 1, term: term,
          .append(.init(previousIndex: 0, previousTerm: 0, commit: 0, entries: entries)))),
      at: Time(monotonic: 0, stamp: 0))
  }

  @Test("the ack of entries that were replaced, and came back, does not make them durable")
  func replacedAndBack() throws {
    var group = Group(voters: [])
    group.add(1, three)
    var machine = group[1].machine
    var jobs: [AppendJob] = []
    // The same entry is written, replaced by another leader's, and written again by the first one.
    for (term, entryTerm, leader) in [(1, 1, 2), (2, 2, 3), (3, 1, 2)] as [(Term, Term, PeerID)] {
      try append(&machine, term: term, entryTerm: entryTerm, leader)
      jobs.append(try #require(machine.takeEffects().append))
    }
    #expect(jobs.map { $0.entries.map(\.term) } == [[1], [2], [1]])
    for job in jobs.prefix(2) {
      try machine.step(.appended(job.ack), at: Time(monotonic: 0, stamp: 0))
      #expect(machine.firstUnstableIndex == 1)
    }
    group[1].store.write(jobs[2])
    try machine.step(.appended(jobs[2].ack), at: Time(monotonic: 0, stamp: 0))
    #expect(machine.firstUnstableIndex == 2)
  }

  @Test("entries whose ack was dropped for a new term become durable with the next job's")
  func attestedAgain() throws {
    var group = Group(voters: [])
    group.add(1, three)
    var machine = group[1].machine
    try append(&machine, term: 1, entryTerm: 1, 2)
    let first = try #require(machine.takeEffects().append)
    try machine.step(
      .receive(Message(from: 3, to: 1, term: 2, .heartbeat(.init(commit: 0)))),
      at: Time(monotonic: 0, stamp: 0))
    let second = try #require(machine.takeEffects().append)
    #expect(second.entries.isEmpty)
    group[1].store.write(first)
    try machine.step(.appended(first.ack), at: Time(monotonic: 0, stamp: 0))
    #expect(machine.firstUnstableIndex == 1)
    try machine.step(.appended(second.ack), at: Time(monotonic: 0, stamp: 0))
    #expect(machine.firstUnstableIndex == 2)
  }

  @Test("a commit index alone needs no sync")
  func commitNeedsNoSync() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    try group.propose(1, "x")
    var synced: [Bool] = []
    group.post(group[1].collect())
    synced.append(group[1].jobs[0].mustSync)
    while !group[1].jobs.isEmpty { _ = try group[1].write(at: 0) }
    try group.step(1, .receive(Message(from: 2, to: 1, term: 1, .appendResponse(.init(index: 2)))))
    _ = group[1].collect()
    synced.append(group[1].jobs[0].mustSync)
    #expect(synced == [true, false])
    #expect(group[1].jobs[0].hardState?.commit == 2)
  }

  @Test("jobs of several inputs are merged into one")
  func merged() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    for text in ["a", "b", "c"] { try group.propose(1, text) }
    let job = try #require(group[1].machine.takeEffects().append)
    #expect(job.entries.map(\.index) == [2, 3, 4])
    #expect(group[1].machine.takeEffects().isEmpty)
  }

  @Test("a single node commits nothing before its own disk has it")
  func aloneWaitsForDisk() throws {
    var group = Group(voters: [1])
    try group.elect(1)
    try group.propose(1, "x")
    _ = group[1].collect()
    #expect(group[1].machine.commitIndex == 1)
    _ = try group[1].write(at: 0)
    #expect(group[1].machine.commitIndex == 2)
  }

  @Test("a log that is shorter than what it had committed halts the node")
  func lostLog() throws {
    var group = Group(voters: [])
    group.add(1, three, log: [1, 1], hardState: HardState(term: 1, vote: 0, commit: 5))
    let effects = group[1].machine.takeEffects()
    #expect(effects.halt != nil)
    try group.step(1, .campaign)
    #expect(group[1].machine.role == .follower)
    #expect(group[1].machine.deadline == .max)
  }

  @Test("what can not be halts the node, and nothing leaves it any more")
  func impossible() throws {
    var group = Group(voters: [])
    group.add(1, three, log: [1, 1, 1], hardState: HardState(term: 2, vote: 0, commit: 1))
    let append = { (commit: Index, entries: [Entry]) in
      Input.receive(
        Message(
          from: 2, to: 1, term: 2,
          .append(.init(previousIndex: 1, previousTerm: 1, commit: commit, entries: entries))))
    }
    try group.step(1, append(1, [Entry(index: 2, term: 1)]))
    #expect(group[1].machine.halted == nil)
    // It commits 2 and 3 here, so that entry 2 may never change again.
    try group.step(1, .receive(Message(from: 2, to: 1, term: 2, .heartbeat(.init(commit: 3)))))
    try group.step(
      1,
      .receive(
        Message(
          from: 2, to: 1, term: 2,
          .append(
            .init(
              previousIndex: 3, previousTerm: 1, commit: 3, entries: [Entry(index: 4, term: 2)])))))
    #expect(group[1].machine.halted == nil)
    #expect(group[1].machine.commitIndex == 3)
    try group.step(1, .applied(9))
    #expect(group[1].machine.halted != nil)
    let effects = group[1].machine.takeEffects()
    #expect(effects.halt != nil && effects.messages.isEmpty && effects.append == nil)
  }

  @Test(
    "entries that the core makes by itself carry the host's payload for that kind, term and index")
  func ownPayload() throws {
    let store = Store(Configuration(voters: [1]))
    var machine = Machine(
      options: Node.options(1), configuration: Configuration(voters: [1]), hardState: HardState(),
      applied: 0, log: store,
      payload: { kind, term, index, time in
        [kind.rawValue, UInt8(term), UInt8(index), UInt8(time.stamp)]
      }, at: Time(monotonic: 0, stamp: 0))
    try machine.step(.campaign, at: Time(monotonic: 0, stamp: 42))
    while machine.role != .leader {
      let ack = try #require(machine.takeEffects().append?.ack)
      try machine.step(.appended(ack), at: Time(monotonic: 0, stamp: 42))
    }
    #expect(machine.entries(from: 1)?.map(\.payload) == [[1, 1, 1, 42]])
  }
}
