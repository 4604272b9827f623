import Raft

/// The notation of etcd-io/raft's recorded data: one function for each type.
enum Renderer {
  // MARK: Values

  static func list(_ ids: [PeerID]) -> String {
    "[" + ids.map(String.init).joined(separator: " ") + "]"
  }

  static func set(_ ids: [PeerID]) -> String {
    "(" + ids.map(String.init).joined(separator: " ") + ")"
  }

  static func state(_ role: Role) -> String {
    switch role {
    case .follower: "StateFollower"
    case .preCandidate: "StatePreCandidate"
    case .candidate: "StateCandidate"
    case .leader: "StateLeader"
    }
  }

  static func hardState(_ state: HardState) -> String {
    "Term:\(state.term)" + (state.vote == 0 ? "" : " Vote:\(state.vote)")
      + " Commit:\(state.commit)"
  }

  static func configuration(_ c: Configuration) -> String {
    var text = "voters=\(set(c.voters))"
    if c.isJoint { text += "&&\(set(c.outgoing))" }
    if !c.learners.isEmpty { text += " learners=\(set(c.learners))" }
    if !c.learnersNext.isEmpty { text += " learners_next=\(set(c.learnersNext))" }
    if c.autoLeave { text += " autoleave" }
    return text
  }

  static func snapshot(_ s: Snapshot) -> String {
    let c = s.configuration
    return "Index:\(s.index) Term:\(s.term) ConfState:Voters:\(list(c.voters))"
      + " VotersOutgoing:\(list(c.outgoing)) Learners:\(list(c.learners))"
      + " LearnersNext:\(list(c.learnersNext)) AutoLeave:\(c.autoLeave)"
  }

  static func progress(_ p: Progress) -> String {
    let state =
      switch p.state {
      case .probe: "StateProbe"
      case .replicate: "StateReplicate"
      case .snapshot: "StateSnapshot"
      }
    var text = "\(p.id): \(state) match=\(p.match) next=\(p.next)"
    if p.isLearner { text += " learner" }
    if p.isPaused { text += " paused" }
    if p.pendingSnapshot > 0 { text += " pendingSnap=\(p.pendingSnapshot)" }
    if !p.isActive { text += " inactive" }
    if p.inflight > 0 { text += " inflight=\(p.inflight)" + (p.inflightIsFull ? "[full]" : "") }
    return text
  }

  // MARK: Entries

  /// A change in the older of the two notations carries this payload.
  static let singleChange: [UInt8] = [1]

  static func entry(_ entry: Entry) -> String {
    let place = "\(entry.term)/\(entry.index) "
    guard let change = entry.change else {
      return place + "EntryNormal " + quoted(entry.payload)
    }
    let kind = entry.payload == singleChange ? "EntryConfChange" : "EntryConfChangeV2"
    return place + ([kind] + change.steps.map(step)).joined(separator: " ")
  }

  private static func step(_ step: ConfigurationChange.Step) -> String {
    switch step {
    case .addVoter(let id): "v\(id)"
    case .addLearner(let id): "l\(id)"
    case .remove(let id): "r\(id)"
    case .update(let id): "u\(id)"
    }
  }

  private static func quoted(_ bytes: [UInt8]) -> String {
    var text = "\""
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += "\\" + String(UnicodeScalar(byte))
      case 0x20..<0x7F: text += String(UnicodeScalar(byte))
      case 0x0A: text += "\\n"
      case 0x09: text += "\\t"
      case 0x0D: text += "\\r"
      default: text += "\\x" + (byte < 16 ? "0" : "") + hex(UInt64(byte))
      }
    }
    return text + "\""
  }

  static func entries(_ entries: [Entry]) -> String { entries.map { entry($0) + "\n" }.joined() }

  private static func inline(_ entries: [Entry], _ indent: String) -> String {
    switch entries.count {
    case 0: ""
    case 1: " Entries:[\(entry(entries[0]))]"
    default: " Entries:[" + entries.map { "\n\(indent)  " + entry($0) }.joined() + "\n\(indent)]"
    }
  }

  // MARK: Messages

  static func kind(_ message: Message) -> String {
    switch message.body {
    case .append: "MsgApp"
    case .appendResponse: "MsgAppResp"
    case .vote(let vote): vote.isPreVote ? "MsgPreVote" : "MsgVote"
    case .voteResponse(let response): response.isPreVote ? "MsgPreVoteResp" : "MsgVoteResp"
    case .heartbeat: "MsgHeartbeat"
    case .heartbeatResponse: "MsgHeartbeatResp"
    case .snapshot: "MsgSnap"
    case .timeoutNow: "MsgTimeoutNow"
    case .transferLeader: "MsgTransferLeader"
    case .propose: "MsgProp"
    case .readIndex: "MsgReadIndex"
    case .readIndexResponse: "MsgReadIndexResp"
    }
  }

  private static func hex(_ id: UInt64) -> String { String(id, radix: 16) }

  private static func head(
    _ from: String, _ to: String, _ kind: String, _ term: Term, _ logTerm: Term = 0,
    _ index: Index = 0
  ) -> String {
    "\(from)->\(to) \(kind) Term:\(term) Log:\(logTerm)/\(index)"
  }

  static func message(_ message: Message, indent: String = "") -> String {
    var (logTerm, index): (Term, Index) = (0, 0)
    var from = message.from
    var tail = ""
    switch message.body {
    case .append(let append):
      (logTerm, index) = (append.previousTerm, append.previousIndex)
      tail = commit(append.commit) + inline(append.entries, indent)
    case .appendResponse(let response):
      (logTerm, index) = (response.hintTerm, response.index)
      if response.rejected { tail = " Rejected (Hint: \(response.hint))" }
    case .vote(let vote):
      (logTerm, index) = (vote.lastTerm, vote.lastIndex)
    case .voteResponse(let response):
      if response.rejected { tail = " Rejected (Hint: 0)" }
    case .heartbeat(let heartbeat):
      tail = commit(heartbeat.commit)
    case .snapshot(let snapshot):
      tail = "\n\(indent)  Snapshot: " + self.snapshot(snapshot)
    case .transferLeader(let target):
      from = target
    case .propose(let entries):
      tail = inline(entries, indent)
    case .readIndexResponse(let readIndex, _):
      index = readIndex
    case .heartbeatResponse, .timeoutNow, .readIndex:
      break
    }
    return indent
      + head(hex(from), hex(message.to), kind(message), message.term, logTerm, index) + tail
  }

  private static func commit(_ index: Index) -> String { index == 0 ? "" : " Commit:\(index)" }

  static func letter(_ letter: Letter, indent: String = "") -> String {
    switch letter.content {
    case .message(let message):
      return self.message(message, indent: indent)
    case .appended(let ack, let snapshot):
      if let message = ack.toSelf.first { return self.message(message, indent: indent) }
      let place = head(
        "AppendThread", hex(letter.to), letter.kind, ack.term, ack.lastTerm, ack.lastIndex)
      let tail =
        ack.snapshotIndex == 0
        ? "" : snapshot.map { "\n\(indent)  Snapshot: " + self.snapshot($0) } ?? ""
      return indent + place + tail
    case .applied(let entries):
      return indent + head("ApplyThread", hex(letter.to), letter.kind, 0) + inline(entries, indent)
    }
  }

  private static func responses(_ letters: [Letter]) -> String {
    if letters.isEmpty { return "" }
    return " Responses:[" + letters.map { "\n" + letter($0, indent: "  ") }.joined() + "\n]"
  }

  /// An append job as the message that it is with asynchronous storage.
  static func appendWork(_ job: AppendJob, of id: PeerID, withReplies: Bool) -> String {
    let state = job.hardState ?? HardState()
    return head(hex(id), "AppendThread", "MsgStorageAppend", state.term)
      + commit(state.commit) + (state.vote == 0 ? "" : " Vote:\(state.vote)")
      + inline(job.entries, "")
      + (job.snapshot.map { "\n  Snapshot: " + snapshot($0) } ?? "")
      + (withReplies ? responses(Letter.replies(of: job, to: id)) : "")
  }

  static func applyWork(_ entries: [Entry], of id: PeerID, withReplies: Bool) -> String {
    head(hex(id), "ApplyThread", "MsgStorageApply", 0) + inline(entries, "")
      + (withReplies ? responses([Letter(to: id, .applied(entries))]) : "")
  }

  // MARK: Quorums

  static func index(_ index: Index) -> String { index == .max ? "∞" : String(index) }

  static func vote(_ vote: Quorum.Vote) -> String {
    switch vote {
    case .pending: "VotePending"
    case .lost: "VoteLost"
    case .won: "VoteWon"
    }
  }

  /// A bar chart: a voter's bar is as long as the number of voters that are behind it.
  static func chart(_ voters: [PeerID], acked: [PeerID: Index]) -> String {
    if voters.isEmpty { return "<empty majority quorum>" }
    let space = { (count: Int) in String(repeating: " ", count: count) }
    var text = space(voters.count) + "    idx\n"
    for voter in voters {
      let index = acked[voter] ?? 0
      let rank = voters.count { (acked[$0] ?? 0) < index }
      let bar =
        acked[voter] == nil
        ? "?" + space(voters.count)
        : String(repeating: "x", count: rank) + ">" + space(voters.count - rank)
      let number = String(index)
      text += bar + " " + space(max(0, 5 - number.count)) + number + "    (id=\(hex(voter)))\n"
    }
    return text
  }
}
