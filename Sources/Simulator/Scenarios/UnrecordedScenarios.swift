// The ten bugs that no recorded file of a peer catches: 3.8.1 to 3.8.10.

import Raft

enum UnrecordedScenarios {
  private static let three = Configuration(voters: [1, 2, 3])

  static let all: [Scenario] = [
    .onStage(
      "3.8.1-older-term-by-counting",
      "Acknowledgements cover an entry of an older term and nothing of the leader's own: that "
        + "entry is committed only together with one of the present term."
    ) { stage in
      for id in three.voters {
        try stage.enter(id, three, log: id == 1 ? [1, 2] : [1], term: 3, commit: 1) {
          $0.maxMessageBytes = 1
        }
      }
      stage.stalled = [2, 3]
      try stage.campaign(1)
      for _ in 0..<4 {
        try stage.settle()
        for id in [2, 3] as [PeerID] where stage[1].role != .leader {
          while !stage.jobs(id).isEmpty { try stage.write(id) }
        }
      }
      stage.loses = { $0.acknowledged > 2 }
      stage.stalled = []
      try stage.pass(2)
      let matched = [2, 3].allSatisfy { stage[1].progress(of: $0)?.match == 2 }
      try stage.expect(matched, "both have acknowledged entry 2")
      try stage.expect(stage[1].commitIndex == 1, "it is not committed")
      stage.loses = { _ in false }
      try stage.pass(2)
      try stage.expect(stage[1].commitIndex == 3, "with entry 3 of term 4 it is")
    },
    .onStage(
      "3.8.2-commit-beyond-the-append",
      "An append carries two entries and a commit index beyond them, and the follower has an "
        + "unverified tail: it commits up to the second entry."
    ) { stage in
      try stage.enter(1, three, log: [1, 1, 1, 2, 2], commit: 1)
      let append = Message.Append(
        previousIndex: 1, previousTerm: 1, commit: 5,
        entries: [Entry(index: 2, term: 1), Entry(index: 3, term: 1)])
      try stage.hand(.init(from: 2, to: 1, term: 3, .append(append)))
      try stage.expect(stage[1].commitIndex == 3, "3 is committed")
    },
    .onStage(
      "3.8.3-low-pre-vote",
      "A pre-vote of a term long past is not dropped silently: it is answered with the present "
        + "term, which the one who asked enters."
    ) { stage in
      try stage.enter(1, three, log: [1], term: 1)
      try stage.enter(2, three, log: [1], term: 8)
      stage.crash(2)
      try stage.start(2)
      try stage.campaign(1)
      try stage.settle()
      try stage.expect(stage[1].term == 8, "1 is in term 8")
    },
    .onStage(
      "3.8.4-snapshot-at-commit",
      "A stale snapshot stands exactly at the commit index, with another term even: it is ignored, "
        + "and the log behind it stays."
    ) { stage in
      try stage.enter(1, three, log: [1, 1, 2, 2], commit: 2)
      for term in [1, 2] as [Term] {
        let stale = Snapshot(index: 2, term: term, configuration: Configuration(voters: [1, 9]))
        try stage.hand(.init(from: 2, to: 1, term: 2, .snapshot(stale)))
        try stage.settle()
        try stage.expect(stage.terms(1) == [1, 1, 2, 2], "the log is as it was")
        try stage.expect(stage[1].configuration == three, "and so are the voters")
      }
    },
    .onStage(
      "3.8.5-stale-rejection",
      "A rejection of a time long past arrives while a follower is probed: what it is sent next "
        + "stays behind what it has acknowledged."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      for text in ["a", "b", "c"] { try stage.propose(1, text) }
      try stage.settle()
      let match = stage[1].progress(of: 2)?.match ?? 0
      for isProbe in [false, true] {
        if isProbe { try stage.step(1, .unreachable(2)) }
        for index in 0...match + 1 {
          let no = Message.AppendResponse(index: index, rejected: true, hint: 0, hintTerm: 0)
          try stage.hand(.init(from: 2, to: 1, term: 1, .appendResponse(no)))
          let progress = stage[1].progress(of: 2)
          guard let progress, progress.match == match, progress.next > match else {
            throw Violation(.asTold, "next is \(progress?.next ?? 0), and \(match) is acknowledged")
          }
        }
      }
      try stage.expect(match == 4, "2 has 4 entries, and is sent none of them again")
    },
    .onStage(
      "3.8.6-learners-hold-no-office",
      "All voters but the leader are cut off and its learners answer: that is no quorum, and it "
        + "steps down."
    ) { stage in
      try stage.cast([1, 2, 3], learners: [4, 5])
      try stage.elect(1)
      stage.cut = [2, 3]
      try stage.pass(25)
      try stage.expect(stage[1].role != .leader, "1 has stepped down")
    },
    .onStage(
      "3.8.7-read-before-the-first-commit",
      "A new leader is asked to read, itself and for a follower, before it has committed in its "
        + "term: nobody is answered until it has."
    ) { stage in
      try stage.cast([1, 2, 3])
      stage.loses = { $0.acknowledged > 0 }
      try stage.elect(1)
      try stage.step(1, .readIndex(context: 7))
      try stage.step(2, .readIndex(context: 8))
      try stage.pass(3)
      try stage.expect(stage.reads(1) == [] && stage.reads(2) == [], "no answers")
      stage.loses = { _ in false }
      try stage.propose(1, "x")
      try stage.pass(2)
      try stage.expect(stage.reads(1) == [7] && stage.reads(2) == [8], "then both")
    },
    .onStage(
      "3.8.8-read-without-quorum",
      "A leader that nobody hears is asked to read: it confirms nothing, however long it believes "
        + "that it leads."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      stage.cut = [1]
      try stage.step(1, .readIndex(context: 7))
      try stage.pass(9, only: 1)
      try stage.expect(stage[1].role == .leader && stage.reads(1) == [], "no answer")
      try stage.pass(30)
      try stage.expect(stage.reads(1) == [], "not later either")
    },
    .onStage(
      "3.8.9-vote-remembered",
      "A node votes, loses power right after, and is asked by another candidate of the same term: "
        + "it knows that it has voted."
    ) { stage in
      try stage.cast([1, 2, 3]) { $0.preVote = false }
      stage.cut = [3]
      stage.holds = { $0.kind == .voteResponse }
      try stage.campaign(1)
      try stage.settle()
      stage.crash(2)
      try stage.start(2)
      stage.cut = [1]
      try stage.campaign(3)
      try stage.settle()
      try stage.deliver(.voteResponse, from: 2, to: 3)
      try stage.expect(stage[3].term == 1 && stage[3].role != .leader, "3 is refused")
      stage.cut = []
      try stage.deliver(.voteResponse, from: 2, to: 1)
      try stage.expect(stage[1].role == .leader, "1 has the vote")
    },
    .onStage(
      "3.8.10-uncommitted-tail",
      "A leader without quorum is given proposals: it takes them up to its limit, refuses the rest "
        + "with that limit, and takes some again once it has committed."
    ) { stage in
      try stage.cast([1, 2, 3]) { $0.maxUncommittedBytes = 100 }
      try stage.elect(1)
      stage.cut = [2, 3]
      let text = String(repeating: "x", count: 40)
      var refused: Refused?
      for _ in 0..<50 {
        refused = try stage.refusal { try stage.propose(1, text) } ?? refused
        try stage.settle()
      }
      try stage.expect(refused == .tailFull(limit: 100), "it is refused")
      try stage.expect(stage[1].lastIndex == 3, "and the tail is two entries long")
      stage.cut = []
      try stage.pass(2)
      try stage.expect(try stage.propose(1, text) == 4, "then it takes one again")
    },
  ]
}
