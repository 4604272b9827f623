// Snapshots and storage: 45 to 62.
//
// The agent trims no log yet, so that no snapshot is ever sent between muster's nodes; the core
// takes and sends them, and is held to it here. What only a real disk can show (a failed sync, a
// torn or a corrupt page, a full disk) is told in EventLogTests as well.

import Raft

enum StorageScenarios {
  private static let three = Configuration(voters: [1, 2, 3])
  private static let four = Configuration(voters: [1, 2, 3, 4])

  /// Three nodes of which the third has missed what the others have trimmed away.
  private static func behind(
    _ stage: Stage, entries: Int = 3, change: [ConfigurationChange.Step] = []
  ) throws {
    try stage.cast([1, 2, 3])
    try stage.elect(1)
    stage.cut = [3]
    for number in 0..<entries { try stage.propose(1, "\(number)") }
    try stage.settle()
    if !change.isEmpty { try stage.change(1, change) }
    try stage.pass(1)
    stage.disk(1).trim(to: stage[1].appliedIndex)
    try stage.expect(stage[1].firstIndex > 2, "1 has trimmed its log")
  }

  static let all: [Scenario] = [
    .onStage(
      "45-old-snapshot",
      "A snapshot arrives that stands below the commit index, and one that stands within the log: "
        + "neither takes anything back, nor cuts off the entries behind it."
    ) { stage in
      try stage.enter(1, three, log: [1, 1, 1, 2, 2], commit: 4)
      try stage.settle()
      stage.disk(1).trim(to: 3)
      for index in 1...4 as ClosedRange<Index> {
        let old = Snapshot(index: index, term: index < 4 ? 1 : 2, configuration: four)
        try stage.hand(.init(from: 2, to: 1, term: 2, .snapshot(old)))
        try stage.settle()
        try stage.expect(stage[1].appliedIndex == 4, "the state is as of 4")
        try stage.expect(stage.terms(1) == [2, 2] && stage[1].configuration == three, "as before")
      }
      try stage.enter(3, three, log: [1, 1, 1, 2, 2], commit: 2)
      let inside = Snapshot(index: 4, term: 2, configuration: three)
      try stage.hand(.init(from: 2, to: 3, term: 2, .snapshot(inside)))
      try stage.settle()
      try stage.expect(stage.terms(3) == [1, 1, 1, 2, 2], "what is behind a snapshot stays")
      try stage.expect(stage[3].commitIndex == 4, "and what it stands for is committed")
    },
    .onStage(
      "46-configuration-of-a-snapshot",
      "A node that missed a change of the voters gets a snapshot: the voters are the snapshot's, "
        + "also after a restart, and no older change in its log counts any more."
    ) { stage in
      try behind(stage, change: [.addVoter(4)])
      stage.cut = []
      try stage.pass(1)
      for id in stage[1].progress.filter({ $0.state == .snapshot }).map(\.id) {
        try stage.step(1, .snapshotReported(id, failed: false))
      }
      try stage.pass(2)
      try stage.expect(stage.sent.contains { $0.kind == .snapshot && $0.to == 3 }, "it was sent")
      try stage.expect(stage[3].configuration == four, "3 counts four voters")
      stage.crash(3)
      try stage.start(3)
      try stage.expect(stage[3].configuration == four, "and does so after a restart")
    },
    .onStage(
      "47-snapshot-while-applying",
      "A snapshot comes while the host still applies entries from before it: what it applies then "
        + "is void, and neither the state nor the voters go back."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      stage.busy = [3]
      try stage.change(1, [.addLearner(9)])
      try stage.pass(1)
      let commit = stage[3].commitIndex
      try stage.expect(stage[3].appliedIndex < commit, "3 has not applied \(commit)")
      let snapshot = Snapshot(index: 9, term: 1, configuration: four)
      stage.stalled = [3]
      try stage.hand(.init(from: 1, to: 3, term: 1, .snapshot(snapshot)))
      try stage.collect(3, heedless: true)
      stage.busy = []
      try stage.apply(3)
      try stage.expect(stage[3].configuration == four, "the voters are the snapshot's")
      stage.stalled = []
      try stage.work(3)
      try stage.expect(stage[3].appliedIndex == 9, "and so is the state")
      try stage.step(3, .applied(commit))
      try stage.expect(stage[3].appliedIndex == 9, "which does not go back")
    },
    .onStage(
      "48-log-trimmed-to-its-tip",
      "The leader has trimmed its log to the last entry and a follower has nothing: it gets a "
        + "snapshot at once and follows, instead of being probed for ever."
    ) { stage in
      try behind(stage)
      try stage.expect(stage[1].firstIndex == stage[1].lastIndex + 1, "to the last entry")
      stage.cut = []
      try stage.pass(2)
      try stage.step(1, .snapshotReported(3, failed: false))
      try stage.propose(1, "more")
      try stage.pass(2)
      try stage.expect(stage[3].commitIndex == stage[1].lastIndex, "3 has everything")
    },
    .onStage(
      "49-older-snapshot-will-do",
      "A follower has taken an older snapshot than the one on its way, and says so: as the log "
        + "reaches down to it, that is progress."
    ) { stage in
      try behind(stage)
      let base = stage[1].firstIndex - 1
      try stage.propose(1, "more")
      try stage.settle()
      stage.holds = { $0.kind == .snapshot }
      stage.cut = []
      try stage.pass(2)
      let pending = stage[1].progress(of: 3)?.pendingSnapshot ?? 0
      try stage.expect(pending > base, "a snapshot at \(pending) is on its way")
      stage.loseMail()
      let old = Snapshot(index: base, term: 1, configuration: three)
      try stage.hand(.init(from: 1, to: 3, term: 1, .snapshot(old)))
      try stage.settle()
      try stage.expect(stage[1].progress(of: 3)?.state == .replicate, "3 is sent entries")
      try stage.expect(stage[3].lastIndex == stage[1].lastIndex, "and has them")
    },
    .onStage(
      "50-snapshot-ack-lost",
      "A snapshot arrives and its acknowledgement is lost: once the host reports what became of "
        + "it, the next beats bring the follower back."
    ) { stage in
      try behind(stage)
      stage.cut = []
      stage.loses = { $0.from == 3 && $0.acknowledged > 0 }
      try stage.pass(2)
      try stage.expect(stage[3].commitIndex > 1, "3 has the snapshot")
      try stage.expect(stage[1].progress(of: 3)?.state == .snapshot, "1 does not know")
      stage.loses = { _ in false }
      try stage.step(1, .snapshotReported(3, failed: false))
      try stage.pass(2)
      try stage.propose(1, "more")
      try stage.settle()
      try stage.expect(stage[3].lastIndex == stage[1].lastIndex, "3 follows")
    },
    .onStage(
      "51-start-behind-a-snapshot",
      "A node with a trimmed log restarts, and one whose log ends before what it had committed: "
        + "the first has its tail, the second stops instead of leaving a gap."
    ) { stage in
      try behind(stage)
      try stage.propose(1, "tail")
      try stage.settle()
      let before = stage.terms(1)
      stage.crash(1)
      try stage.start(1)
      try stage.expect(stage.terms(1) == before && before.count == 1, "the tail is there")
      stage.crash(2)
      stage.disk(2).change { $0.entries.removeLast(2) }
      stage.mayHalt = [2]
      try stage.start(2)
      try stage.expect(stage[2].halted != nil, "2 stops: \(stage[2].halted ?? "")")
      try stage.campaign(2)
      try stage.pass(30)
      try stage.expect(stage.leaders.allSatisfy { $0 != 2 }, "and never leads")
    },
    .onStage(
      "52-one-transaction",
      "There is one store: a snapshot, entries, term and vote that came together are one job, and "
        + "a crash before it is written leaves all of the state from before."
    ) { stage in
      try stage.enter(3, three, log: [1], commit: 1)
      try stage.settle()
      let before = stage.disk(3).now
      stage.stalled = [3]
      let snapshot = Snapshot(index: 5, term: 2, configuration: four)
      try stage.hand(.init(from: 1, to: 3, term: 3, .snapshot(snapshot)))
      let append = Message.Append(
        previousIndex: 5, previousTerm: 2, commit: 5, entries: [Entry(index: 6, term: 3)])
      try stage.hand(.init(from: 1, to: 3, term: 3, .append(append)))
      try stage.collect(3)
      let job = stage.jobs(3).first
      try stage.expect(
        job?.snapshot == snapshot && job?.hardState?.term == 3 && job?.hardState?.commit == 5
          && job?.entries.count == 1 && stage.jobs(3).count == 1, "it is one job")
      stage.crash(3)
      try stage.expect(stage.disk(3).now == before, "nothing of it is there")
      try stage.start(3)
      try stage.expect(stage[3].term == 1 && stage[3].commitIndex == 1, "3 is where it was")
    },
    .onStage(
      "53-word-before-sync",
      "Two of three lose power before entries are synced: they had acknowledged nothing, so "
        + "nothing was committed, and nothing committed is lost."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      stage.stalled = [2, 3]
      let index = try stage.propose(1, "x")
      try stage.settle()
      try stage.expect(stage[2].lastIndex == index, "2 and 3 have it in memory")
      try stage.expect(stage[1].commitIndex < index, "it is not committed")
      for id in [2, 3] as [PeerID] { stage.crash(id) }
      stage.stalled = []
      for id in [2, 3] as [PeerID] { try stage.start(id) }
      try stage.expect(stage[2].lastIndex < index, "it is gone there")
      try stage.pass(3)
      try stage.expect(stage[1].commitIndex == index, "and comes again")
    },
    .onStage(
      "54-alone-and-not-yet-durable",
      "A single voter takes a proposal and its disk is slow: it is committed when its own disk has "
        + "it, not before, and a crash before that takes back nothing that was told."
    ) { stage in
      try stage.cast([1])
      try stage.elect(1)
      stage.stalled = [1]
      let index = try stage.propose(1, "x")
      try stage.pass(3)
      try stage.expect(stage[1].commitIndex < index, "it is not committed")
      try stage.expect(!stage.applied(1).contains { $0.index == index }, "nor applied")
      stage.stalled = []
      try stage.settle()
      try stage.expect(stage.applied(1).last?.index == index, "once it is durable it is")
    },
    .onStage(
      "55-failed-sync",
      "A sync fails and its pages are dropped: the process ends there (EventLog), nothing that "
        + "rested on it has left, and the restarted node is sent everything again."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      stage.stalled = [2]
      for text in ["a", "b"] {
        try stage.propose(1, text)
        try stage.settle()
      }
      let words = stage.sent.count { $0.from == 2 && $0.acknowledged > 1 }
      try stage.expect(stage.jobs(2).count > 1 && words == 0, "2 promised nothing in several jobs")
      stage.crash(2)
      try stage.start(2)
      try stage.expect(stage[2].lastIndex == 1, "what failed is not there")
      stage.stalled = []
      try stage.pass(3)
      try stage.expect(stage.disk(2).lastIndex == stage[1].lastIndex, "then it is")
    },
    .onStage(
      "56-commit-index-not-synced",
      "All lose power when entries and votes are synced and the commit index is not: they come "
        + "back with a lower one, and decide nothing else."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      try stage.propose(1, "x")
      try stage.settle()
      for id in three.voters {
        stage.crash(id)
        stage.disk(id).change {
          $0.hardState.commit = 1
          $0.applied = 1
        }
        try stage.start(id)
      }
      try stage.expect(stage[1].commitIndex == 1, "1 knows less than it did")
      try stage.pass(60)
      let leader = stage.leaders.first ?? 0
      try stage.expect(leader > 0 && stage[leader].commitIndex == 3, "the same is committed again")
      try stage.expect(stage[leader].term(at: 2) == 1, "by the same entries")
    },
    .onStage(
      "57-aba",
      "An entry is written, replaced and written again, and the first write reports late: that "
        + "says nothing of the second one."
    ) { stage in
      try stage.enter(1, three)
      stage.stalled = [1]
      for (term, entryTerm, leader) in [(1, 1, 2), (2, 2, 3), (3, 1, 2)] as [(Term, Term, PeerID)] {
        let append = Message.Append(
          previousIndex: 0, previousTerm: 0, commit: 0,
          entries: [Entry(index: 1, term: entryTerm)])
        try stage.hand(.init(from: leader, to: 1, term: term, .append(append)))
        try stage.collect(1)
      }
      for _ in 0..<2 {
        try stage.write(1)
        try stage.expect(stage[1].firstUnstableIndex == 1, "entry 1 of now is not durable")
      }
      try stage.write(1)
      try stage.expect(stage[1].firstUnstableIndex == 2, "with the third write it is")
    },
    .onStage(
      "58-completions-out-of-order",
      "Two writes are reported done in the wrong order: what is known to be durable does not go "
        + "back with the later report of the earlier one."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      stage.stalled = [1]
      for text in ["a", "b"] {
        try stage.propose(1, text)
        try stage.collect(1)
      }
      let acks = stage.jobs(1).map(\.ack)
      for _ in 0..<2 { try stage.write(1, acking: false) }
      for ack in acks.reversed() {
        try stage.step(1, .appended(ack))
        try stage.expect(stage[1].firstUnstableIndex == 4, "all is durable")
        try stage.expect(stage[1].progress(of: 1)?.match == 3, "and counted")
      }
    },
    .onStage(
      "59-committed-not-durable-here",
      "The others commit an entry that the leader's own disk does not have yet: it applies nothing "
        + "that a crash could take from it."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      stage.stalled = [1]
      let index = try stage.propose(1, "x")
      try stage.settle()
      try stage.expect(stage[1].commitIndex == index, "it is committed")
      try stage.expect(stage[1].appliedIndex < index, "and not applied by 1")
      try stage.expect(stage[2].commitIndex == index, "the others need not wait")
      stage.stalled = []
      try stage.settle()
      try stage.expect(stage[1].appliedIndex == index, "then it is")
    },
    .onStage(
      "60-corrupt-is-not-torn",
      "A corrupt entry is cut off as if it were a torn tail: the log then ends before what is "
        + "known to be committed, and the node stops and neither votes nor leads."
    ) { stage in
      try stage.enter(1, three, log: [1, 1, 1], commit: 3)
      stage.crash(1)
      stage.disk(1).change { $0.entries.removeLast(2) }
      stage.mayHalt = [1]
      try stage.start(1)
      try stage.expect(stage[1].halted != nil, "it stops: \(stage[1].halted ?? "")")
      let vote = Message.Vote(isPreVote: false, lastIndex: 1, lastTerm: 1)
      try stage.hand(.init(from: 2, to: 1, term: 2, .vote(vote)))
      try stage.campaign(1)
      try stage.settle()
      try stage.expect(stage.sent.isEmpty, "nothing leaves it")
    },
    .onStage(
      "61-disk-full-in-a-replacement",
      "The disk is full when old entries are to be replaced by new ones: either the old ones are "
        + "there or the new ones, and nothing between."
    ) { stage in
      try stage.enter(1, three, log: [1, 2, 2, 2], commit: 1)
      try stage.enter(2, three, log: [1, 3], commit: 1)
      try stage.enter(3, three, log: [1, 3], commit: 1)
      stage.holds = { $0.to == 1 && $0.carriesAny { $0.term == 3 } }
      try stage.elect(2)
      stage.stalled = [1]
      try stage.deliver(.append, from: 2, to: 1)
      try stage.settle()
      try stage.expect(stage.jobs(1).contains { !$0.entries.isEmpty }, "1 is to replace three")
      stage.holds = { _ in false }
      stage.crash(1)
      try stage.start(1)
      try stage.expect(stage.terms(1) == [1, 2, 2, 2], "the old ones are there")
      stage.stalled = []
      try stage.pass(3)
      try stage.expect(stage.terms(1) == [1, 3, 4], "then the new ones")
    },
    .onStage(
      "62-truncate-and-apply",
      "One append replaces entries and commits them: what is handed out to be applied is what "
        + "stands there afterwards, and once committed it is never replaced."
    ) { stage in
      try stage.enter(1, three, log: [1, 2, 2], commit: 1)
      let new = [2, 3].map { Entry(index: $0, term: 3, payload: [7]) }
      let append = Message.Append(previousIndex: 1, previousTerm: 1, commit: 3, entries: new)
      try stage.hand(.init(from: 2, to: 1, term: 3, .append(append)))
      try stage.settle()
      try stage.expect(stage.applied(1).suffix(2) == new[...], "the new ones were applied")
      stage.mayHalt = [1]
      let late = Message.Append(
        previousIndex: 3, previousTerm: 3, commit: 3, entries: [Entry(index: 4, term: 4)])
      try stage.hand(.init(from: 3, to: 1, term: 4, .append(late)))
      let false0 = Message.Append(
        previousIndex: 1, previousTerm: 1, commit: 3, entries: [Entry(index: 2, term: 4)])
      try stage.hand(.init(from: 3, to: 1, term: 4, .append(false0)))
      try stage.expect(stage[1].term(at: 2) == 3, "they are not replaced")
    },
  ]
}
