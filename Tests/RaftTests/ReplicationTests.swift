import Raft
import Testing

@Suite struct ReplicationTests {
  private let five = Configuration(voters: [1, 2, 3, 4, 5])

  /// Hands an append to node 1, stores what comes of it, and returns the answers.
  private func append(
    _ group: inout Group, from leader: PeerID, term: Term, _ append: Message.Append
  ) throws -> [Message.Body] {
    try group.step(1, .receive(Message(from: leader, to: 1, term: term, .append(append))))
    var answers = group[1].collect().map(\.body)
    while !group[1].jobs.isEmpty { answers += try group[1].write(at: group.now).map(\.body) }
    return answers
  }

  @Test("an entry of an earlier term is not committed by counting (figure 8 of the paper)")
  func figureEight() throws {
    var group = Group(voters: [])
    let state = HardState(term: 3, vote: 0, commit: 1)
    for id in five.voters {
      // Entry 2 of term 2 reached this leader only, in its first term.
      group.add(id, five, log: id == 1 ? [1, 2] : [1], hardState: state) { $0.maxMessageBytes = 1 }
    }
    // Others acknowledge what is of earlier terms, and nothing of the leader's own.
    group.loses = { message in
      guard case .appendResponse(let response) = message.body else { return false }
      return !response.rejected && response.index > 2
    }
    try group.elect(1)
    #expect(group.leaders == [1])
    try group.pass(3)
    let holders = group[1].machine.progress.filter { $0.match >= 2 }
    #expect(holders.count == 5)
    #expect(group[1].machine.commitIndex == 1)
    group.loses = { _ in false }
    try group.pass(3)
    #expect(group[1].machine.commitIndex == 3)
  }

  @Test("a follower commits no further than the append has verified")
  func commitIsVerified() throws {
    var group = Group(voters: [])
    group.add(1, five, log: [1, 1, 2, 2], hardState: HardState(term: 2, vote: 0, commit: 1))
    let answers = try append(
      &group, from: 2, term: 3, .init(previousIndex: 2, previousTerm: 1, commit: 4))
    #expect(group[1].machine.commitIndex == 2)
    #expect(answers == [.appendResponse(.init(index: 2))])
  }

  @Test("a late, shorter append cuts nothing off")
  func lateAppend() throws {
    var group = Group(voters: [])
    group.add(1, five)
    let entries = (1...3).map { Entry(index: $0, term: 1) }
    let whole = Message.Append(previousIndex: 0, previousTerm: 0, commit: 0, entries: entries)
    var part = whole
    part.entries.removeLast(2)
    _ = try append(&group, from: 2, term: 1, whole)
    let answers = try append(&group, from: 2, term: 1, part)
    #expect(answers == [.appendResponse(.init(index: 1))])
    #expect(group[1].machine.lastIndex == 3)
  }

  @Test("a diverging tail is replaced from the first conflict on")
  func conflict() throws {
    var group = Group(voters: [])
    group.add(1, five, log: [1, 2, 2, 2])
    let entries = [Entry(index: 2, term: 2), Entry(index: 3, term: 3)]
    _ = try append(
      &group, from: 2, term: 3,
      .init(previousIndex: 1, previousTerm: 1, commit: 0, entries: entries))
    #expect(group.terms(1) == [1, 2, 3])
    #expect(group[1].store.now.entries.map(\.term) == [1, 2, 3])
  }

  @Test("a rejection names where the logs may match, skipping whole terms")
  func hint() throws {
    var group = Group(voters: [])
    group.add(1, five, log: [1, 3, 3, 4, 4, 5, 5, 5, 6])
    let answers = try append(
      &group, from: 2, term: 8, .init(previousIndex: 8, previousTerm: 3, commit: 0))
    #expect(
      answers == [.appendResponse(.init(index: 8, rejected: true, hint: 3, hintTerm: 3))])
  }

  @Test("an entry is acknowledged only once it is durable")
  func ackWaits() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    try group.propose(1, "x")
    let index = group[1].machine.lastIndex
    group.post(group[1].collect())
    for message in group.mail where message.to == 2 { try group.step(2, .receive(message)) }
    let early = group[2].collect()
    #expect(!early.contains { $0.body == .appendResponse(.init(index: index)) })
    let released = try group[2].write(at: 0)
    #expect(released.contains { $0.body == .appendResponse(.init(index: index)) })
  }

  @Test("a stale rejection does not lower what is sent next to what is acknowledged")
  func staleRejection() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    for text in ["a", "b", "c"] { try group.propose(1, text) }
    try group.settle()
    let match = try #require(group[1].machine.progress(of: 2)).match
    #expect(match == 4)
    try group.step(1, .unreachable(2))
    for rejected in [match - 1, match, match + 1] {
      try group.step(
        1,
        .receive(
          Message(
            from: 2, to: 1, term: group[1].machine.term,
            .appendResponse(.init(index: rejected, rejected: true, hint: 0, hintTerm: 0)))))
      let progress = try #require(group[1].machine.progress(of: 2))
      #expect(progress.match == match)
      #expect(progress.next > match)
    }
  }

  @Test("an acknowledgement beyond the leader's own log is not believed")
  func impossibleAck() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    try group.step(
      1, .receive(Message(from: 2, to: 1, term: 1, .appendResponse(.init(index: 1_000)))))
    #expect(try #require(group[1].machine.progress(of: 2)).match == 1)
    #expect(group[1].machine.commitIndex == 1)
    #expect(group[1].machine.halted == nil)
  }

  @Test("an old snapshot, even of exactly what is committed, takes nothing back")
  func oldSnapshot() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(2)
    for text in ["a", "b", "c"] { try group.propose(2, text) }
    try group.settle()
    let commit = group[1].machine.commitIndex
    #expect(commit == 4)
    for index in [commit - 1, commit] {
      let snapshot = Snapshot(
        index: index, term: 1, configuration: Configuration(voters: [1, 2, 3]))
      try group.step(1, .receive(Message(from: 2, to: 1, term: 1, .snapshot(snapshot))))
      let effects = group[1].machine.takeEffects()
      #expect(effects.append?.snapshot == nil)
      #expect(
        effects.append?.released.map(\.body) == [.appendResponse(.init(index: commit))])
      #expect(group[1].machine.lastIndex == commit)
    }
  }

  @Test("a follower whose entries are gone gets a snapshot, and goes on behind it")
  func snapshot() throws {
    var group = Group(voters: [1, 2, 3])
    group.cut = [3]
    try group.elect(1)
    for text in ["a", "b", "c"] { try group.propose(1, text) }
    try group.settle()
    group[1].store.change { content in
      content.baseTerm = 1
      content.entries.removeFirst(Int(content.applied - content.baseIndex))
      content.baseIndex = content.applied
    }
    group.cut = []
    try group.pass(12)
    try group.propose(1, "d")
    try group.settle()
    #expect(group[3].machine.lastIndex == 5)
    #expect(group[3].machine.commitIndex == 5)
    #expect(group[3].store.now.baseIndex == 4)
  }

  @Test("the uncommitted tail is bounded, with a reason, and is free again once it is applied")
  func tail() throws {
    var group = Group(voters: [1, 2, 3]) { $0.maxUncommittedBytes = 100 }
    try group.elect(1)
    group.cut = [2, 3]
    let text = String(repeating: "x", count: 60)
    try group.propose(1, text)
    #expect(group[1].machine.uncommittedBytes == 60)
    #expect(throws: Refused.tailFull(limit: 100)) { try group.propose(1, text) }
    #expect(group[1].machine.lastIndex == 2)
    group.cut = []
    try group.pass(3)
    #expect(group[1].machine.uncommittedBytes == 0)
    try group.propose(1, text)
  }

  @Test("a batch of proposals is taken whole, and is one message to each peer and one job")
  func batch() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    let batch = (0..<50).map { Entry(payload: [UInt8($0)]) }
    let range = try group[1].machine.propose(batch, at: Time(monotonic: 0, stamp: 0))
    #expect(range == 2..<52)
    let effects = group[1].machine.takeEffects()
    #expect(effects.messages.count == 2)
    #expect(effects.append?.entries.count == 50)
    #expect(effects.append?.entries.map(\.index) == Array(2..<52))
  }

  @Test("a lost window of appends does not stop the flow for ever")
  func lostWindow() throws {
    var group = Group(voters: [1, 2, 3]) { $0.maxInflightMessages = 2 }
    try group.elect(1)
    group.cut = [3]
    for number in 0..<10 {
      try group.propose(1, "\(number)")
      try group.settle()
    }
    #expect(try #require(group[1].machine.progress(of: 3)).inflightIsFull)
    group.cut = []
    try group.pass(5)
    #expect(group[3].machine.lastIndex == group[1].machine.lastIndex)
  }

  @Test("an entry is applied only once it is durable here")
  func appliesDurable() throws {
    var group = Group(voters: [1, 2, 3])
    try group.elect(1)
    try group.propose(1, "x")
    group.post(group[1].collect())
    // The others have it, this disk is slow.
    for message in group.mail { try group.step(message.to, .receive(message)) }
    group.mail = []
    for id in [2, 3] as [PeerID] {
      _ = group[id].collect()
      for message in try group[id].write(at: 0) { try group.step(1, .receive(message)) }
    }
    #expect(group[1].machine.commitIndex == 2)
    _ = group[1].collect()
    #expect(group[1].toApply.isEmpty)
    while !group[1].jobs.isEmpty { _ = try group[1].write(at: 0) }
    _ = group[1].collect()
    #expect(group[1].toApply.map(\.index) == [2])
  }
}
