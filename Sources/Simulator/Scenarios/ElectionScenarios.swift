// Elections and terms: 1 to 15.

import Raft

enum ElectionScenarios {
  private static let three = Configuration(voters: [1, 2, 3])
  private static let five = Configuration(voters: [1, 2, 3, 4, 5])

  static let all: [Scenario] = [
    .onStage(
      "01-figure-8",
      "A leader replicates an entry of an older term to a majority and crashes, and a node with a "
        + "newer tail overwrites it: it was never committed."
    ) { stage in
      for id in five.voters {
        let log: [Term] = id == 1 ? [1, 2] : id == 5 ? [1, 3] : [1]
        try stage.enter(id, five, log: log, term: 3, commit: 1) { $0.maxMessageBytes = 1 }
      }
      stage.cut = [5]
      stage.loses = { [unowned stage] letter in
        letter.carriesAny { $0.term == 4 } && stage.disk(letter.to).lastIndex == 2
      }
      try stage.elect(1)
      try stage.pass(2)
      let holders = [1, 2, 3, 4].filter { stage.disk($0).now.term(at: 2) == 2 }
      try stage.expect(holders.count == 4, "four have the entry of term 2")
      try stage.expect(stage[1].commitIndex == 1, "and it is not committed")
      stage.crash(1)
      stage.cut = []
      stage.loses = { _ in false }
      try stage.pass(12)
      try stage.elect(5)
      try stage.expect(stage.terms(2).prefix(2) == [1, 3], "the node with term 3 overwrote it")
    },
    .onStage(
      "02-vote-crash-vote",
      "A node votes, crashes before that is durable, and is asked by another in the same term: no "
        + "two votes of one term ever leave it."
    ) { stage in
      try stage.cast([1, 2, 3]) { $0.preVote = false }
      stage.stalled = [2]
      stage.cut = [3]
      try stage.campaign(1)
      try stage.settle()
      try stage.expect(!stage.jobs(2).isEmpty, "2 has voted for 1, and its disk does not know")
      try stage.expect(!stage.sent.contains { $0.kind == .voteResponse }, "so it says nothing")
      stage.crash(2)
      stage.stalled = []
      stage.cut = [1]
      try stage.start(2)
      try stage.elect(3)
      try stage.expect(stage[3].term == 1 && stage[2].vote == 3, "it votes for 3 in that term")
      try stage.hand(.init(from: 1, to: 2, term: 1, .vote(.request(lastIndex: 9, lastTerm: 1))))
      try stage.settle()
      let granted = stage.sent.filter { $0.kind == .voteResponse && $0.from == 2 && $0.grants }
      try stage.expect(granted.map(\.to) == [3], "and for nobody else")
    },
    .onStage(
      "03-logs-by-term-then-index",
      "A candidate with a long log of an old term and one with a short log of a newer term both "
        + "ask: the newer last term wins, whatever the lengths and the terms of office are."
    ) { stage in
      try stage.enter(1, three, log: [1, 1, 1, 1, 1], term: 9)
      try stage.enter(2, three, log: [1, 2], term: 2)
      try stage.enter(3, three, log: [1, 2, 2], term: 2)
      try stage.campaign(1)
      try stage.settle()
      try stage.expect(stage.leaders == [], "five entries of term 1 win nobody's vote")
      stage.cut = [3]
      try stage.campaign(2)
      try stage.settle()
      try stage.elect(2)
      try stage.expect(stage.terms(1).prefix(2) == [1, 2], "two entries, one of term 2, do")
    },
    .onStage(
      "04-late-grants",
      "A grant of a pre-vote arrives during the election after it, and a grant of an older term "
        + "during a later one: only grants of the present phase and term count."
    ) { stage in
      try stage.cast([1, 2, 3, 4, 5])
      stage.holds = { $0.to == 1 }
      try stage.campaign(1)
      try stage.settle()
      for id in [2, 3] as [PeerID] { try stage.deliver(.preVoteResponse, from: id, to: 1) }
      try stage.settle()
      try stage.deliver(.voteResponse, from: 2, to: 1)
      for id in [4, 5] as [PeerID] { try stage.deliver(.preVoteResponse, from: id, to: 1) }
      try stage.expect(stage[1].role == .candidate, "with 2 of 5 votes, 4 pre-votes do not help")
      let late = try stage.take(.voteResponse, from: 3, to: 1)
      stage.loseMail()
      try stage.pass(25, only: 1)
      for id in [2, 3] as [PeerID] { try stage.deliver(.preVoteResponse, from: id, to: 1) }
      try stage.settle()
      try stage.deliver(.voteResponse, from: 2, to: 1)
      let old = stage[1].term
      try stage.hand(late)
      try stage.expect(late.term < old && stage[1].role == .candidate, "nor does one of term 1")
      try stage.deliver(.voteResponse, from: 4, to: 1)
      try stage.expect(stage[1].role == .leader, "the third vote of this term does")
    },
    .onStage(
      "05-one-leader-a-term",
      "A candidate's disk is slow, it loses power, and campaigns again in what is the same term "
        + "for it: had it led before, two entries would share an index and a term, so it asks "
        + "nobody before its own vote is durable."
    ) { stage in
      try stage.cast([1, 2, 3])
      stage.stalled = [1]
      stage.loses = { $0.kind == .append && $0.to == 3 }
      try stage.campaign(1)
      try stage.settle()
      stage.crash(1)
      stage.stalled = []
      stage.loses = { letter in
        letter.to == 3
          ? letter.kind == .append : letter.from == 2 && letter.kind == .preVoteResponse
      }
      try stage.start(1)
      stage.now += 1
      try stage.campaign(1)
      try stage.settle()
      if stage.leaders == [1] { try stage.propose(1, "y") }
      stage.loses = { _ in false }
      try stage.pass(60)
      try stage.expect(stage.leaders.count == 1, "one leads")
      let asked = stage.sent.contains { $0.kind == .vote }
      try stage.expect(asked, "having asked for votes")
    },
    .onStage(
      "05-grant-of-a-former-start",
      "A candidate with an unsynced log is granted votes, loses power and that log, asks again, "
        + "and the old grants arrive: it never leads without what the others have committed."
    ) { stage in
      try stage.cast([1, 2, 3]) { $0.preVote = false }
      try stage.elect(2)
      stage.stalled = [1]
      let index = try stage.propose(2, "x")
      try stage.settle()
      try stage.expect(stage[2].commitIndex == index, "2 and 3 have committed it")
      try stage.expect(stage[1].lastIndex == index, "1 has it in memory")
      stage.crash(2)
      try stage.start(2)
      stage.now += 30
      stage.holds = { $0.kind == .voteResponse && $0.to == 1 }
      try stage.campaign(1)
      try stage.settle()
      let grants = stage.mail.filter(\.grants)
      stage.crash(1)
      stage.stalled = []
      stage.loses = { $0.kind == .voteResponse && !$0.grants }
      try stage.start(1)
      try stage.expect(stage[1].lastIndex < index, "1 has lost it")
      try stage.campaign(1)
      try stage.settle()
      for grant in grants { try stage.hand(grant) }
      try stage.settle()
      try stage.expect(stage[1].role != .leader, "1 does not lead")
      stage.loseMail()
      (stage.holds, stage.loses) = ({ _ in false }, { _ in false })
      try stage.pass(60)
      try stage.expect(stage.leaders.count == 1, "and in the end one does")
    },
    .onStage(
      "06-low-term-node-rejoins",
      "The leader is dead, one survivor has the longer log and the other the higher term: the "
        + "low-term one is told of the higher term, and wins."
    ) { stage in
      try stage.enter(1, three, log: [1])
      try stage.enter(2, three, log: [1], term: 7)
      try stage.enter(3, three, log: [1, 1], term: 1)
      stage.crash(1)
      try stage.pass(60)
      try stage.expect(stage.leaders == [3] && stage[3].term > 7, "3 leads")
    },
    .onStage(
      "07-higher-term-in-a-lease",
      "Without pre-vote a cut-off node comes back with a high term that nobody votes for while the "
        + "leader is heard: it answers the leader's beats, and is taken in again."
    ) { stage in
      try stage.cast([1, 2, 3]) { $0.preVote = false }
      try stage.elect(1)
      stage.cut = [3]
      try stage.pass(60)
      let high = stage[3].term
      try stage.expect(high > 3, "3 went up to term \(high)")
      stage.cut = []
      try stage.pass(60)
      try stage.expect(stage.leaders.count == 1, "one leads")
      let leader = stage.leaders[0]
      let same = [1, 2, 3].allSatisfy { stage[$0].term == stage[leader].term }
      try stage.expect(same && stage[leader].term >= high, "and all are in its term")
    },
    .onStage(
      "08-pre-vote-of-a-former-leader",
      "One of three is dead, and the leader, which has the longer log, restarts without office: "
        + "the follower that still takes it for the leader lets it win within a few timeouts."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      stage.loses = { $0.carriesAny { _ in true } }
      let index = try stage.propose(1, "x")
      try stage.settle()
      stage.loses = { _ in false }
      stage.crash(3)
      stage.crash(1)
      try stage.start(1)
      try stage.expect(stage[2].leader == 1, "2 believes in 1 still")
      try stage.pass(50)
      try stage.expect(stage.leaders == [1], "1 leads")
      try stage.expect(stage[2].commitIndex > index, "and commits what it had")
    },
    .onStage(
      "09-prober-blocks-nobody",
      "A misconfigured node asks for pre-votes all the time and is granted them: granting one is "
        + "not hearing from a leader, so others campaign when their time has come."
    ) { stage in
      try stage.cast([1, 2, 3])
      try stage.elect(1)
      stage.crash(1)
      for _ in 0..<100 where stage.leaders.isEmpty {
        let term = stage[2].term + 1
        for id in [2, 3] as [PeerID] {
          let request = Message.Vote.request(isPreVote: true, lastIndex: 99, lastTerm: 1)
          try stage.hand(.init(from: 9, to: id, term: term, .vote(request)))
        }
        try stage.pass(1)
      }
      let granted = stage.sent.filter { $0.kind == .preVoteResponse && $0.to == 9 && $0.grants }
      try stage.expect(!granted.isEmpty, "the prober is granted pre-votes")
      try stage.expect(!stage.leaders.isEmpty, "and a leader is elected all the same")
    },
    .onStage(
      "10-racing-pre-candidates",
      "Two ask for pre-votes at the same moment, one with the better log: that one wins without "
        + "either waiting for a timeout."
    ) { stage in
      try stage.enter(1, three, log: [1, 1])
      try stage.enter(2, three, log: [1, 1])
      try stage.enter(3, three, log: [1, 1, 1])
      stage.crash(1)
      try stage.campaign(2)
      try stage.campaign(3)
      try stage.settle()
      try stage.expect(stage.leaders == [3] && stage.now == 0, "3 leads at once")
    },
    .onStage(
      "11-partial-connectivity",
      "Links are cut so that not everybody sees everybody (chained, quorum lost to all but one, "
        + "constrained): terms do not climb, nothing is lost, and healing brings a leader back."
    ) { stage in
      try stage.cast([1, 2, 3, 4, 5])
      try stage.elect(1)
      func play(_ name: String, _ links: Set<Set<PeerID>>, stable: Bool) throws {
        stage.loses = { !links.contains([$0.from, $0.to]) }
        try stage.pass(100)
        let term = stage.players.values.map(\.machine.term).max() ?? 0
        try stage.pass(200)
        let later = stage.players.values.map(\.machine.term).max() ?? 0
        if stable {
          try stage.expect(stage.leaders.count == 1, "\(name): one leads")
          try stage.expect(later == term, "\(name): in one term")
        }
        stage.loses = { _ in false }
        try stage.pass(60)
        try stage.expect(stage.leaders.count == 1, "\(name), healed: one leads")
        try stage.propose(stage.leaders[0], name)
        try stage.settle()
      }
      try play("chained", [[1, 2], [2, 3], [3, 4], [4, 5]].asLinks, stable: true)
      try play("quorum loss", [[3, 1], [3, 2], [3, 4], [3, 5]].asLinks, stable: true)
      // The only node with a quorum lacks the newest entry: a known limit, safe all the same.
      try stage.step(stage.leaders[0], .transferLeader(to: 1))
      try stage.settle()
      stage.cut = [3]
      try stage.propose(1, "z")
      try stage.settle()
      stage.cut = []
      try play("constrained", [[3, 2], [3, 4], [3, 5]].asLinks, stable: false)
    },
    .onStage(
      "12-self-vote-in-the-old-half",
      "A node that is demoted in the incoming half of a joint configuration stands for election: "
        + "its own vote counts in the outgoing half."
    ) { stage in
      let joint = Configuration(voters: [2, 3, 4], outgoing: [1, 2, 3], learnersNext: [1])
      for id in joint.members { try stage.enter(id, joint, log: [1]) }
      stage.cut = [3]
      try stage.elect(1)
    },
    .onStage(
      "13-forced-election-of-a-leader",
      "The leader is told to campaign, gets a late grant and a late order to take over: it goes on "
        + "leading in the same term."
    ) { stage in
      try stage.cast([1, 2, 3])
      stage.holds = { $0.from == 3 }
      try stage.elect(1)
      let term = stage[1].term
      try stage.campaign(1)
      try stage.deliver(.preVoteResponse, from: 3, to: 1)
      try stage.deliver(.voteResponse, from: 3, to: 1)
      try stage.hand(.init(from: 2, to: 1, term: term, .timeoutNow))
      try stage.settle()
      try stage.expect(stage[1].role == .leader && stage[1].term == term, "nothing has changed")
    },
    .onStage(
      "14-strangers-answers",
      "A removed node and one that never was a member send answers and requests with a far higher "
        + "term: the leader stays."
    ) { stage in
      try stage.cast([1, 2, 3, 4])
      try stage.elect(1)
      try stage.change(1, [.remove(4)])
      try stage.settle()
      try stage.expect(!stage[1].configuration.contains(4), "4 is removed")
      let bodies: [Message.Body] = [
        .appendResponse(.init(index: 1)), .appendResponse(.init(index: 1, rejected: true)),
        .heartbeatResponse(.init()), .voteResponse(.init(isPreVote: false)),
        .voteResponse(.init(isPreVote: true, rejected: true)),
        .readIndexResponse(index: 1, context: 1),
        .vote(.request(lastIndex: 99, lastTerm: 99)),
        .vote(.request(isPreVote: true, lastIndex: 99, lastTerm: 99)),
      ]
      for from in [4, 9] as [PeerID] {
        for body in bodies {
          for to in [1, 2] as [PeerID] {
            try stage.hand(.init(from: from, to: to, term: 99, body))
          }
        }
      }
      try stage.pass(3)
      try stage.expect(stage.leaders == [1] && stage[1].term == 1, "1 leads term 1")
    },
    .onStage(
      "15-split-votes",
      "Two survivors time out at the same moment and split the votes: every election draws a wait "
        + "of its own, so that one of them is first soon."
    ) { stage in
      for seed in 0..<8 as Range<UInt64> {
        let round = Stage { _ in }
        try round.cast([1, 2, 3]) {
          $0.preVote = false
          $0.seed = seed &* 100 + $0.id
        }
        try round.elect(1)
        round.crash(1)
        // A beat late enough that both count from the same moment, and for the same time.
        for id in [2, 3] as [PeerID] { round.setElectionWait(12, of: id) }
        try round.pass(100)
        try stage.expect(round.leaders.count == 1, "seed \(seed): one leads")
      }
      let alone = Stage { _ in }
      try alone.cast([1, 2, 3]) { $0.preVote = false }
      alone.cut = [1]
      var waits: Set<UInt64> = []
      for _ in 0..<200 {
        let term = alone[1].term
        try alone.pass(1, only: 1)
        if alone[1].term > term { waits.insert(alone[1].deadline - alone.now) }
      }
      try stage.expect(waits.count > 3, "waits are drawn anew: \(waits.sorted())")
    },
  ]
}

extension Message.Vote {
  fileprivate static func request(
    isPreVote: Bool = false, lastIndex: Index, lastTerm: Term
  ) -> Message.Vote {
    Message.Vote(isPreVote: isPreVote, lastIndex: lastIndex, lastTerm: lastTerm)
  }
}

extension [[PeerID]] {
  /// Which pairs see one another.
  fileprivate var asLinks: Set<Set<PeerID>> { Set(map(Set.init)) }
}
