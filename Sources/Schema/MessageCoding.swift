// Raft's messages. The core believes what it is handed, so what cannot be true of any member's
// message is refused here: entries that do not follow one another, numbers near the end of the
// range, members called 0.

package import Raft
import SwiftProtobuf

extension Raft.Message {
  /// The same bytes for equal values. A frame wraps them (`Frame.raft`).
  package func encoded() -> [UInt8] { serialized(WireRaftMessage(self)) }

  /// Reads one message. Throws `Malformed`.
  package init(decoding bytes: [UInt8]) throws(Malformed) {
    try self.init(try WireRaftMessage(parsing: bytes))
  }
}

extension WireRaftMessage {
  init(_ message: Raft.Message) {
    self.init()
    from = message.from
    to = message.to
    term = message.term
    abstains = message.abstains
    standing = message.standing
    body = OneOf_Body(message.body)
  }
}

extension WireRaftMessage.OneOf_Body {
  init(_ body: Raft.Message.Body) {
    switch body {
    case .append(let append):
      self = .append(
        .with {
          $0.previousIndex = append.previousIndex
          $0.previousTerm = append.previousTerm
          $0.commit = append.commit
          $0.entries = append.entries.map(WireEntry.init)
        })
    case .appendResponse(let response):
      self = .appendResponse(
        .with {
          $0.index = response.index
          $0.rejected = response.rejected
          $0.hint = response.hint
          $0.hintTerm = response.hintTerm
        })
    case .vote(let vote):
      self = .vote(
        .with {
          $0.preVote = vote.isPreVote
          $0.lastIndex = vote.lastIndex
          $0.lastTerm = vote.lastTerm
          $0.transfer = vote.isTransfer
        })
    case .voteResponse(let response):
      self = .voteResponse(
        .with {
          $0.preVote = response.isPreVote
          $0.rejected = response.rejected
          $0.commit = response.commit
          $0.commitTerm = response.commitTerm
        })
    case .heartbeat(let beat):
      self = .heartbeat(
        .with {
          $0.commit = beat.commit
          $0.context = beat.context
        })
    case .heartbeatResponse(let response):
      self = .heartbeatResponse(.with { $0.context = response.context })
    case .snapshot(let snapshot): self = .snapshot(WireSnapshot(snapshot))
    case .timeoutNow: self = .timeoutNow(WireRaftMessage.TimeoutNow())
    case .transferLeader(let target): self = .transferLeader(.with { $0.target = target })
    case .propose(let entries):
      self = .propose(.with { $0.entries = entries.map(WireEntry.init) })
    case .readIndex(let context): self = .readIndex(.with { $0.context = context })
    case .readIndexResponse(let index, let context):
      self = .readIndexResponse(
        .with {
          $0.index = index
          $0.context = context
        })
    }
  }
}

extension Raft.Message {
  init(_ wire: WireRaftMessage) throws(Malformed) {
    let body = try Body(try present(wire.body, "RaftMessage.body"))
    self.init(
      from: try peer(wire.from, "RaftMessage.from"), to: try peer(wire.to, "RaftMessage.to"),
      term: try bounded(wire.term, "RaftMessage.term"), body)
    abstains = wire.abstains
    standing = wire.standing
  }
}

extension Raft.Message.Body {
  init(_ wire: WireRaftMessage.OneOf_Body) throws(Malformed) {
    switch wire {
    case .append(let wire): self = .append(try Raft.Message.Append(wire))
    case .appendResponse(let wire):
      self = .appendResponse(
        Raft.Message.AppendResponse(
          index: try bounded(wire.index, "AppendResponse.index"), rejected: wire.rejected,
          hint: try bounded(wire.hint, "AppendResponse.hint"),
          hintTerm: try bounded(wire.hintTerm, "AppendResponse.hint_term")))
    case .vote(let wire):
      self = .vote(
        Raft.Message.Vote(
          isPreVote: wire.preVote, lastIndex: try bounded(wire.lastIndex, "Vote.last_index"),
          lastTerm: try bounded(wire.lastTerm, "Vote.last_term"), isTransfer: wire.transfer))
    case .voteResponse(let wire):
      self = .voteResponse(
        Raft.Message.VoteResponse(
          isPreVote: wire.preVote, rejected: wire.rejected,
          commit: try bounded(wire.commit, "VoteResponse.commit"),
          commitTerm: try bounded(wire.commitTerm, "VoteResponse.commit_term")))
    case .heartbeat(let wire):
      self = .heartbeat(
        Raft.Message.Heartbeat(
          commit: try bounded(wire.commit, "Heartbeat.commit"), context: wire.context))
    case .heartbeatResponse(let wire):
      self = .heartbeatResponse(Raft.Message.HeartbeatResponse(context: wire.context))
    case .snapshot(let wire): self = .snapshot(try Snapshot(wire))
    case .timeoutNow: self = .timeoutNow
    case .transferLeader(let wire):
      self = .transferLeader(target: try peer(wire.target, "TransferLeader.target"))
    case .propose(let wire): self = .propose(try wire.entries.map(Entry.decoded))
    case .readIndex(let wire): self = .readIndex(context: wire.context)
    case .readIndexResponse(let wire):
      self = .readIndexResponse(
        index: try bounded(wire.index, "ReadIndexResponse.index"), context: wire.context)
    }
  }
}

extension Raft.Message.Append {
  init(_ wire: WireRaftMessage.Append) throws(Malformed) {
    self.init(
      previousIndex: try bounded(wire.previousIndex, "Append.previous_index"),
      previousTerm: try bounded(wire.previousTerm, "Append.previous_term"),
      commit: try bounded(wire.commit, "Append.commit"),
      entries: try wire.entries.map(Entry.decoded))
    var (index, term) = (previousIndex, previousTerm)
    for entry in entries {
      guard entry.index == index + 1, entry.term >= term else {
        throw .invalid(
          "Append.entries",
          why: "go from (\(index), term \(term)) to (\(entry.index), term \(entry.term))")
      }
      (index, term) = (entry.index, entry.term)
    }
  }
}

extension Entry {
  fileprivate static func decoded(_ wire: WireEntry) throws(Malformed) -> Entry {
    try Entry(wire)
  }
}
