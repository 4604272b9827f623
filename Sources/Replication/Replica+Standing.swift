// Finding out that something was forgotten, and getting it back.

import Membership
import Raft
import Schema

extension Replica {
  /// The caller that stands for this node itself; hosts draw others.
  static let ownCaller: Caller = 0

  /// A peer greeted on a new link: it is told what is remembered of it.
  mutating func greeted(_ peer: NodeID, _ greeting: Greeting) {
    let told = acquaintances.met(peer, greeting)
    effects.frames.append(.init(to: peer, frame: .recollection(told)))
  }

  /// A peer told what it remembers of this node.
  mutating func recall(_ told: Recollection, by peer: NodeID) {
    guard told.node == options.node else { return }
    let found = standing.judge(
      told, by: peer, greeting: options.greeting, term: raft.term, lastIndex: raft.lastIndex)
    if let found { doubt(found) }
  }

  /// This node may have forgotten promises: from now on it abstains.
  mutating func doubt(_ doubt: Standing.Doubt) {
    let before = standing.doubt
    let wasSure = before == nil
    standing.begin(doubt, at: now.monotonic)
    core(.abstain(true))
    if wasSure || before != .contested, standing.doubt == .contested {
      effects.doubt =
        "another agent runs with this node's identity, as after copying a disk: neither of them "
        + "counts. End one of them, move its data dir aside, and restart the other"
    } else if wasSure {
      let why =
        raft.lastIndex == 0
        ? "this node begins with an empty log, and had acknowledged something before"
        : "this node lacks something that it had acknowledged, as after an old copy of its disk "
          + "was restored"
      effects.doubt = why + ": it does not vote before it has it again"
    }
    guard wasSure, case .lost(let acknowledged)? = standing.doubt else { return }
    tell(
      .loseReplica(
        ReplicaLost(
          node: options.node, acknowledged: max(acknowledged, raft.lastIndex),
          found: raft.lastIndex, boot: options.greeting.boot)), 1)
  }

  /// What of this node's log others are known to have had from it.
  mutating func remember(_ message: Message) {
    guard !message.abstains else { return }
    let peer = NodeID(message.from)
    switch message.body {
    case .appendResponse(let response) where !response.rejected:
      acquaintances.heard(peer, term: message.term, acknowledged: response.index)
    case .appendResponse, .append, .heartbeat:
      acquaintances.heard(peer, term: message.term)
    case .voteResponse(let response) where !response.isPreVote:
      acquaintances.heard(peer, term: message.term)
    default: break
    }
  }

  /// In doubt: asks a leader, now and then, for a confirmation that does not rest on this node.
  mutating func seekStanding() {
    guard case .lost = standing.doubt, now.monotonic >= standing.nextBarrier else { return }
    standing.nextBarrier = now.monotonic + options.raft.electionTimeout
    guard raft.leader != nil else { return }
    startBarrier()
  }

  /// Everything up to `index`, which a leader confirmed after the doubt began, is applied here.
  mutating func regain(at index: UInt64) {
    guard case .lost(let acknowledged) = standing.doubt else { return }
    // Nobody counts votes of one election for longer than two timeouts: a vote that this node may
    // have cast and forgotten means nothing any more.
    guard now.monotonic >= standing.since + 2 * options.raft.electionTimeout,
      raft.term >= standing.term, raft.lastIndex >= acknowledged
    else { return }
    standing.end()
    core(.abstain(false))
    effects.isSettled = true
    effects.knownBoot = standing.knownBoot
    tellRefetched(at: index)
  }

  mutating func tellRefetched(at index: UInt64) {
    tell(.refetchReplica(ReplicaRefetched(node: options.node, index: index)), 2)
  }

  /// Has something about this node recorded, however long that takes.
  private mutating func tell(_ command: Command, _ number: UInt64) {
    let id = CommandID(
      at: max(now.wall, cluster.lastTime), random: (options.raft.seed, options.raft.seed &+ number))
    let caller = Self.ownCaller
    if requests.local[caller] != nil { requests.drop(caller) }
    requests.add(
      caller, Request(id: id, command: command, actor: options.name, origin: options.node),
      deadline: .max / 2)
  }

  /// What the host should store with its next write, when that is worth it.
  mutating func keepMemory() {
    let isOld = now.monotonic >= memoryStored + 10_000_000_000
    guard acquaintances.isChanged || standing.isChanged || isOld else { return }
    for record in acquaintances.all where cluster.isFormed && cluster.node(record.node) == nil {
      if cluster.departed(record.node) != nil { acquaintances.forget(record.node) }
    }
    memoryStored = now.monotonic
    acquaintances.stored()
    standing.stored()
    effects.memory = acquaintances.all + [standing.memory(of: options.node)].compactMap(\.self)
  }
}
