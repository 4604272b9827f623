// Letters and players in words, for traces.

import Raft

extension Message {
  /// What a letter is, without what is in it.
  enum Kind: String, Sendable {
    case append, appendResponse, preVote, preVoteResponse, vote, voteResponse, heartbeat
    case heartbeatResponse, snapshot, timeoutNow, transferLeader, propose, readIndex
    case readIndexResponse
  }

  var kind: Kind {
    switch body {
    case .append: .append
    case .appendResponse: .appendResponse
    case .vote(let vote): vote.isPreVote ? .preVote : .vote
    case .voteResponse(let response): response.isPreVote ? .preVoteResponse : .voteResponse
    case .heartbeat: .heartbeat
    case .heartbeatResponse: .heartbeatResponse
    case .snapshot: .snapshot
    case .timeoutNow: .timeoutNow
    case .transferLeader: .transferLeader
    case .propose: .propose
    case .readIndex: .readIndex
    case .readIndexResponse: .readIndexResponse
    }
  }

  var text: String { "\(from) → \(to) \(kind.rawValue) term \(term)\(details)" }

  private var details: String {
    switch body {
    case .append(let append):
      " after \(append.previousIndex)/\(append.previousTerm) commit \(append.commit): "
        + "\(append.entries.map(\.term))"
    case .appendResponse(let response):
      response.rejected
        ? " no: not at \(response.index), perhaps at \(response.hint)" : " up to \(response.index)"
    case .vote(let vote): " log ends \(vote.lastIndex)/\(vote.lastTerm)"
    case .voteResponse(let response): response.rejected ? " no" : " yes"
    case .heartbeat(let beat): " commit \(beat.commit) read \(beat.context)"
    case .heartbeatResponse(let response): " read \(response.context)"
    case .snapshot(let snapshot): " \(snapshot.index)/\(snapshot.term)"
    case .readIndexResponse(let index, let context): " \(context) at \(index)"
    case .readIndex(let context): " \(context)"
    case .timeoutNow, .transferLeader, .propose: ""
    }
  }
}

extension Entry {
  var text: String { "\(index)/\(term) \(String(decoding: payload, as: UTF8.self))" }
}

extension HardState {
  var text: String { "term \(term) vote \(vote) commit \(commit)" }
}

extension Configuration {
  var text: String {
    "voters \(voters)" + (outgoing.isEmpty ? "" : " and \(outgoing)")
      + (learners.isEmpty ? "" : " learners \(learners)")
  }
}

extension Machine {
  var text: String {
    "\(role) term \(term) commit \(commitIndex) last \(lastIndex)"
  }
}

extension Message {
  /// Whether it is an append with such an entry.
  func carriesAny(_ isSuch: (Entry) -> Bool) -> Bool {
    if case .append(let append) = body { append.entries.contains(where: isSuch) } else { false }
  }

  /// Up to where it acknowledges appends; 0 for other letters.
  var acknowledged: Index {
    guard case .appendResponse(let response) = body, !response.rejected else { return 0 }
    return response.index
  }

  /// Whether it grants a vote or a pre-vote.
  var grants: Bool {
    if case .voteResponse(let response) = body { !response.rejected } else { false }
  }
}
