import Schema
import Simulator

@testable import Membership
@testable import Raft
@testable import Replication

/// Bugs inside the core and the replica, done by reaching in from outside: the product has no
/// switches for them.
enum CorePlants {
  /// A change of a replica after every input.
  static func after(
    _ change: @escaping @Sendable (ReplicaInput, inout Replica) -> Void
  ) -> Tamper {
    var tamper = Tamper()
    tamper.after = change
    return tamper
  }

  /// A change of what a leader knows, after every input.
  static func leading(
    _ change: @escaping @Sendable (inout Machine, Raft.Leadership) -> Void
  ) -> Tamper {
    after { _, replica in
      guard case .leader(let leadership) = replica.raft.office else { return }
      change(&replica.raft, leadership)
    }
  }

  /// A change of a message before it is received; nil drops it.
  static func hearing(
    _ change: @escaping @Sendable (inout Message, inout Machine) -> Bool
  ) -> Tamper {
    var tamper = Tamper()
    tamper.before = { input, replica in
      guard case .frame(let from, .raft(var message)) = input else { return input }
      return change(&message, &replica.raft) ? .frame(from: from, .raft(message)) : nil
    }
    return tamper
  }

  /// What follows the receipt of an append that a follower has accepted.
  static func accepting(
    _ change: @escaping @Sendable (Message.Append, inout Machine) -> Void
  ) -> Tamper {
    after { input, replica in
      guard case .frame(_, .raft(let message)) = input, case .append(let append) = message.body,
        message.term == replica.raft.term, replica.raft.role == .follower,
        replica.raft.log.matches(append.previousIndex, append.previousTerm)
      else { return }
      change(append, &replica.raft)
    }
  }

  /// What follows the receipt of an answer by a leader.
  static func answered(
    _ change: @escaping @Sendable (Message.AppendResponse, inout Progress) -> Void
  ) -> Tamper {
    after { input, replica in
      guard case .frame(_, .raft(let message)) = input, message.term == replica.raft.term,
        case .appendResponse(let response) = message.body,
        let position = replica.raft.position(of: message.from)
      else { return }
      change(response, &replica.raft.leadership.members[position])
    }
  }

  // MARK: Replication

  static let countsOlderTerms = leading { raft, leadership in
    let index = Quorum.committed(raft.configuration) { leadership.members.member($0)?.match }
    _ = raft.log.commit(to: index)
  }

  static let beatsCommitUnverified: Tamper = {
    var tamper = Tamper()
    tamper.effects = { effects, replica in
      for place in effects.frames.indices {
        guard case .raft(var message) = effects.frames[place].frame,
          case .heartbeat(var beat) = message.body
        else { continue }
        beat.commit = replica.raft.commitIndex
        message.body = .heartbeat(beat)
        effects.frames[place].frame = .raft(message)
      }
    }
    return tamper
  }()

  static let stepsBackBelowMatch = answered { response, progress in
    guard response.rejected, response.index <= progress.match else { return }
    progress.next = max(1, min(response.index, response.hint + 1))
  }

  static let matchFalls = answered { response, progress in
    guard !response.rejected, response.index > 0, response.index < progress.match else { return }
    progress.match = response.index
  }

  static let duplicatesTruncate = accepting { append, raft in
    guard let first = append.entries.first, let last = append.entries.last,
      first.index > raft.log.committed, last.index < raft.log.lastIndex
    else { return }
    raft.log.replace(from: append.entries[...])
  }

  static let ignoresPrevious = hearing { message, raft in
    if case .append(var append) = message.body, message.term >= raft.term,
      append.previousIndex >= raft.commitIndex, let own = raft.term(at: append.previousIndex)
    {
      append.previousTerm = own
      message.body = .append(append)
    }
    return true
  }

  static let learnersCommit = leading { raft, leadership in
    let matches = leadership.members.map(\.match).sorted()
    let index = matches[(matches.count - 1) / 2]
    if index > raft.log.committed, raft.log.matches(index, raft.term) {
      _ = raft.log.commit(to: index)
    }
  }

  static let halfOfJointCommits = leading { raft, leadership in
    let half = Configuration(voters: raft.configuration.voters)
    let index = Quorum.committed(half) { leadership.members.member($0)?.match }
    if index > raft.log.committed, raft.log.matches(index, raft.term) {
      _ = raft.log.commit(to: index)
    }
  }

  static let tailHasNoEnd = leading { raft, _ in raft.leadership.uncommittedBytes = 0 }

  static let appliesEarly: Tamper = {
    var tamper = Tamper()
    tamper.options = { $0.raft.asynchronous = false }
    return tamper
  }()

  // MARK: Elections

  static let votesTwice = hearing { message, raft in
    if case .vote(let vote) = message.body, !vote.isPreVote, message.term == raft.term,
      raft.role == .follower
    {
      raft.vote = 0
      raft.leader = nil
    }
    return true
  }

  static let ignoresLogs = hearing { message, _ in
    if case .vote(var vote) = message.body {
      vote.lastIndex = 1 << 60
      vote.lastTerm = message.term
      message.body = .vote(vote)
    }
    return true
  }

  static let countsPreVotes = hearing { message, raft in
    if case .voteResponse(let response) = message.body, response.isPreVote, !response.rejected,
      raft.role == .candidate
    {
      message.body = .voteResponse(.init(isPreVote: false))
    }
    return true
  }

  static let learnersKeepLeader: Tamper = {
    var tamper = Tamper()
    tamper.before = { input, replica in
      guard case .tick = input, case .leader(let leadership) = replica.raft.office else {
        return input
      }
      let active = leadership.members.count(where: \.isActive)
      if active * 2 > leadership.members.count {
        for place in leadership.members.indices {
          replica.raft.leadership.members[place].isActive = true
        }
      }
      return input
    }
    return tamper
  }()

  static let campaignsUnapplied = after { input, replica in
    let raft = replica.raft
    guard case .tick = input, raft.role == .follower, raft.isPromotable,
      raft.electionStart == raft.now.monotonic, raft.commitIndex > raft.appliedIndex
    else { return }
    replica.raft.leader = nil
    replica.raft.office = .candidate(Ballot(isPreVote: true))
    for voter in raft.configuration.electors {
      let body =
        voter == raft.id
        ? Message.Body.voteResponse(.init(isPreVote: true))
        : .vote(.init(isPreVote: true, lastIndex: raft.lastIndex, lastTerm: raft.log.lastTerm))
      replica.raft.send(body, to: voter, term: raft.term + 1)
    }
  }

  static let twoChanges = leading { raft, _ in raft.leadership.pendingChange = 0 }

  // MARK: Reads and answers

  static let readsBeforeFirstCommit = leading { raft, leadership in
    raft.leadership.reads.early = []
    for request in leadership.reads.early { raft.take(request) }
  }

  static let readsUnconfirmed = leading { raft, leadership in
    let context = leadership.reads.context
    guard context > 0 else { return }
    for voter in raft.configuration.electors { raft.handleReadAck(context, from: voter) }
  }

  static let refusesAtOnce = after { _, replica in
    for (context, purposes) in replica.reads.unconfirmed {
      for case .refusal(let origin, let outcome, _) in purposes {
        replica.reads.confirmed.append((0, .refusal(origin, outcome, basis: 0)))
      }
      replica.reads.unconfirmed[context]?.removeAll {
        if case .refusal = $0 { true } else { false }
      }
    }
  }

  static let answersBeforeCommit: Tamper = {
    var tamper = Tamper()
    tamper.effects = { effects, replica in
      for (last, waiting) in replica.requests.waiting {
        for case (.local(let caller), let first) in waiting
        where replica.requests.local.removeValue(forKey: caller) != nil {
          effects.answers.append(
            .init(caller: caller, outcome: .committed(first: first, last: last)))
        }
      }
    }
    return tamper
  }()

  // MARK: Rules

  static let tokensWithoutCount = after { _, replica in
    for token in replica.tail?.tokens ?? [] where !token.redemptions.isEmpty {
      replica.tail?.invitations.update(token.id) { $0.redemptions = [] }
    }
  }

  static let forgetsCommands = after { _, replica in replica.tail?.sessions = Sessions() }

  static let foldsByOwnClock = after { _, replica in
    replica.cluster.lastTime = replica.now.wall
  }
}
