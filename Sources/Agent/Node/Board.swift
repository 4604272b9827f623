// The notice board of a control-plane node: what its replica has applied, for everybody else.
//
// The replica's loop writes; HTTP handlers, links and followers read, from any thread. Whoever
// wants to wait for news waits on one of the two numbers.

import EventLog
import Logging
import Membership
import NIOCore
import Raft
import Replication
import Schema
import Synchronization
import Transport

final class Board: Sendable {
  /// Grows with the applied index.
  let applied: Versioned
  /// Grows with the endpoints' index.
  let endpoints: Versioned
  private let leadershipChanges: Versioned

  private struct State {
    var directory: Directory
    var leader: NodeID?
    /// When a leader was last known; nil while one is.
    var leaderLost: UInt64?
    /// Whether any leader was known since this start.
    var knewLeader = false
    var appliedIndex: UInt64 = 0
    var peers: [PeerTarget] = []
    /// How peers presented themselves when they were last admitted, the latest first, at most two.
    var greetings: [UInt64: [(greeting: Greeting, address: Address?)]] = [:]
    /// Where a peer says that it is, until the log says so too: one that moved cannot tell the log
    /// before the others find it.
    var moved: [UInt64: Address] = [:]
    /// The endpoint list that each worker has, by what it last asked here with, and when.
    var polls: [NodeID: (index: UInt64, at: UInt64)] = [:]
    var onPeers: (@Sendable ([PeerTarget]) -> Void)?
    var isClosed = false
  }
  private let state: Mutex<State>
  /// The answer to followers of the endpoints, as it was encoded last.
  private let told = Mutex<(answer: EndpointsAnswer, body: ByteBuffer)?>(nil)
  private let context: NodeContext
  private let own: NodeID
  private let hello: Hello
  private let log: EventLog

  init(context: NodeContext, log: EventLog) throws {
    guard let cluster = context.file.clusterID, let own = context.file.nodeID else {
      throw Failure("cannot start: \(context.directory.nodeFile) names no node", exitCode: 65)
    }
    self.context = context
    self.log = log
    self.own = own
    // Those who wait are HTTP's; ten thousand timers are no business of the replica's loop.
    let loop = context.group.next()
    applied = Versioned(loop: loop)
    endpoints = Versioned(loop: loop)
    leadershipChanges = Versioned(loop: loop)
    var directory = Directory(cluster: cluster)
    let letter = try IntroductionLetter.load(context.directory)
    for member in letter.members {
      guard let entry = Directory.Entry(member), entry.id != own else { continue }
      directory.introduced[entry.key] = entry
    }
    state = Mutex(State(directory: directory, leaderLost: ReplicaDriver.now()))
    hello = Hello(
      protocolVersion: Version.protocolNumber, cluster: cluster, incarnation: 1, node: own,
      boot: log.bootNumber, nonce: Random.number(), lastIndex: 0, appliedIndex: 0,
      format: UInt32(Version.eventFormat), introductions: letter.introductions,
      datastore: context.settings.datastoreAddress)
  }

  var directory: Directory { state.withLock { $0.directory } }
  /// What followers are told of the endpoints, encoded once for all of them.
  func endpointsAnswer() throws -> (answer: EndpointsAnswer, body: ByteBuffer) {
    let answer = state.withLock { $0.directory.endpoints }
    return try told.withLock { told in
      if let told, told.answer == answer { return told }
      let new = (answer, ByteBuffer(bytes: try JSON.encode(answer)))
      told = new
      return new
    }
  }

  var appliedIndex: UInt64 { state.withLock { $0.appliedIndex } }
  var leader: NodeID? { state.withLock { $0.leader } }
  /// Whether the node is about to stop: whoever follows it ends.
  var isClosed: Bool { state.withLock { $0.isClosed } }

  /// Seconds since a leader was last known; 0 while one is.
  var leaderless: Duration {
    guard let since = state.withLock({ $0.leaderLost }) else { return .zero }
    return .nanoseconds(Int64(clamping: ReplicaDriver.now() - min(since, ReplicaDriver.now())))
  }

  /// The same; nil where none was known since this start.
  var sinceLeader: Duration? { state.withLock(\.knewLeader) ? leaderless : nil }

  // MARK: Written by the replica's loop

  /// Events were applied, the last of them giving `cluster`.
  func publish(_ events: [RecordedEvent], _ cluster: Cluster, everything: Bool = false) {
    let membership = everything || events.contains { $0.envelope.event.changesMembership }
    let news = state.withLock { state -> ([PeerTarget], (@Sendable ([PeerTarget]) -> Void)?) in
      state.appliedIndex = cluster.lastIndex
      guard membership else { return ([], nil) }
      let before = state.directory
      state.directory = before.following(cluster)
      state.moved = state.moved.filter { id, _ in
        before.datastore(of: id) == state.directory.datastore(of: id)
      }
      return (refreshPeers(&state), state.onPeers)
    }
    if let tell = news.1 { tellPeers(news.0, tell) }
    endpoints.advance(to: cluster.endpointIndex)
    applied.advance(to: cluster.lastIndex)
  }

  func leadership(of replica: Replica, _ logger: Logger) {
    let leader = replica.leader
    let changed = state.withLock { state in
      let before = state.leader
      state.leader = leader
      state.leaderLost = leader == nil ? (state.leaderLost ?? ReplicaDriver.now()) : nil
      if leader != nil { state.knewLeader = true }
      return before != leader
    }
    leadershipChanges.advance(to: leadershipChanges.version + 1)
    guard changed else { return }
    if let leader {
      logger.info(
        "\(leader == own ? "this node" : replica.cluster.name(of: leader)) leads",
        metadata: ["term": "\(replica.raft.term)"])
    } else {
      logger.info("no leader is known", metadata: ["term": "\(replica.raft.term)"])
    }
  }

  /// Calls `tell` with the peers to keep links with, now and whenever they change.
  func onPeersChanged(_ tell: @escaping @Sendable ([PeerTarget]) -> Void) {
    let peers = state.withLock { state in
      state.onPeers = tell
      return refreshPeers(&state)
    }
    tell(peers)
  }

  /// A peer dialled: what was not reachable a moment ago is, so waiting redials happen now.
  func redial() {
    let (peers, tell) = state.withLock { ($0.peers, $0.onPeers) }
    tell?(peers)
  }

  private func refreshPeers(_ state: inout State) -> [PeerTarget] {
    state.peers = state.directory.peers(without: own).compactMap { entry in
      place(of: entry, state).map {
        PeerTarget(
          id: entry.id.rawValue, address: HostPort($0.host.description, Int($0.port)),
          keyDigest: entry.key.bytes)
      }
    }
    return state.peers
  }

  /// Where to dial a peer: where it greets from, else where an operator says, else as recorded.
  private func place(of peer: Directory.Entry, _ state: State) -> Address? {
    if let moved = state.moved[peer.id.rawValue] { return moved }
    guard let recorded = peer.datastore, state.greetings[peer.id.rawValue] == nil else {
      return peer.datastore
    }
    return context.settings.moved(recorded, of: peer.name) ?? recorded
  }

  /// A peer that departed keeps its link for half a second, so that it has its answer.
  private func tellPeers(
    _ peers: [PeerTarget], _ tell: @escaping @Sendable ([PeerTarget]) -> Void
  ) {
    let before = Set(peers.map(\.id))
    let grace = directory.departed.values.contains { !before.contains($0.node.rawValue) }
    guard grace else { return tell(peers) }
    context.coreLoop.scheduleTask(in: .milliseconds(500)) {
      let current = self.state.withLock { $0.peers }
      tell(current)
    }
  }

  /// Nobody waits here any more.
  func close() {
    state.withLock { $0.isClosed = true }
    applied.wakeAll()
    endpoints.wakeAll()
    leadershipChanges.wakeAll()
  }

  // MARK: Asked by the links

  /// What this node opens a connection with.
  var greeting: [UInt8] {
    var hello = hello
    hello.incarnation = max(1, directory.incarnation)
    hello.lastIndex = log.lastIndex
    hello.appliedIndex = appliedIndex
    return hello.encoded()
  }

  /// Judges a peer by its key and what it says: a member of the applied log, or one introduced.
  func admit(key bytes: [UInt8], greeting: [UInt8]) -> PeerAdmission {
    guard let key = Digest(bytes: bytes) else {
      return .refuse(reply: [0], reason: "its key has no digest")
    }
    let directory = directory
    if let gone = directory.departed[key] {
      let reply = NodeFile.Departure(gone)
      return .refuse(
        reply: (try? JSON.encode(reply)) ?? [0],
        reason: "\(gone.name) departed at index \(gone.index)")
    }
    guard let hello = try? Hello(decoding: greeting) else {
      return .refuse(reply: [0], reason: "its greeting is malformed")
    }
    guard hello.cluster == directory.cluster else {
      return .refuse(reply: [0], reason: "it is of cluster \(hello.cluster)")
    }
    let known = directory.entry(key)
    if let known, known.role == .controlPlane || known.id != hello.node {
      guard known.role == .controlPlane, known.id == hello.node else {
        return .refuse(reply: [0], reason: "\(known.name) is not the control-plane node it says")
      }
      note(hello)
      return .accept(peer: known.id.rawValue)
    }
    guard let entry = directory.entry(introducedBy: hello, key: key),
      entry.since > known?.since ?? 0
    else {
      if let known {
        let reply = DemotionNotice(workerSince: known.since)
        return .refuse(
          reply: (try? JSON.encode(reply)) ?? [0],
          reason: "\(known.name) is a worker since index \(known.since)")
      }
      return .refuse(reply: [0], reason: "its key is not known here")
    }
    let news = state.withLock { state -> ([PeerTarget], (@Sendable ([PeerTarget]) -> Void)?) in
      state.directory.introduced[key] = entry
      return (refreshPeers(&state), state.onPeers)
    }
    if let tell = news.1 { context.coreLoop.execute { tell(news.0) } }
    note(hello)
    return .accept(peer: entry.id.rawValue)
  }

  /// A peer that greets from elsewhere than the log has it is dialled there.
  private func follow(_ hello: Hello) {
    guard let address = hello.datastore else { return }
    let id = hello.node.rawValue
    let news = state.withLock { state -> ([PeerTarget], (@Sendable ([PeerTarget]) -> Void)?) in
      let moved = state.directory.datastore(of: id) == address ? nil : address
      guard state.moved[id] != moved else { return ([], nil) }
      state.moved[id] = moved
      return (refreshPeers(&state), state.onPeers)
    }
    if let tell = news.1 { context.coreLoop.execute { tell(news.0) } }
  }

  private func note(_ hello: Hello) {
    follow(hello)
    let greeting = Greeting(boot: hello.boot, nonce: hello.nonce)
    let other = state.withLock { state -> Address?? in
      let known = state.greetings[hello.node.rawValue] ?? []
      if known.first?.greeting == greeting { return nil }
      state.greetings[hello.node.rawValue] =
        [(greeting, hello.datastore)] + known.prefix(1)
      // The one before the last is here again, so both are alive.
      return known.count == 2 && known[1].greeting == greeting ? .some(known[0].address) : nil
    }
    guard let other else { return }
    func text(_ address: Address?) -> String { address?.description ?? "an unknown address" }
    context.logger.warning(
      """
      two agents run as \(directory.name(of: hello.node)) at once, at \(text(hello.datastore)) and \
      at \(text(other)), as after copying a disk: neither counts. End one of them, move its data \
      dir aside, and restart the other
      """)
  }

  /// How a peer presented itself when it was last admitted.
  func greeting(of peer: UInt64) -> Greeting? {
    state.withLock { $0.greetings[peer]?.first?.greeting }
  }

  /// How this start of the node presents itself.
  var start: Greeting { Greeting(boot: hello.boot, nonce: hello.nonce) }

  /// This node's word that another is a member, and what that word rests on.
  func introduction(of node: NodeID, key: Digest, index: UInt64) throws -> [Introduction] {
    var introduction = Introduction(
      cluster: directory.cluster, incarnation: directory.incarnation, node: node, key: key,
      index: index, signer: context.identity.publicKeyDER, signature: [])
    introduction.signature = try context.identity.sign(introduction.statement)
    return hello.introductions.suffix(Introduction.chainLimit - 1) + [introduction]
  }

  // MARK: Told by workers

  /// A worker asked for endpoints newer than those of `index`.
  func notePoll(_ worker: NodeID, index: UInt64) {
    state.withLock { $0.polls[worker] = (index, ReplicaDriver.now()) }
  }

  /// What members that are workers last asked here with.
  var polls: [String: ReplicaAnswer.Poll] {
    let now = ReplicaDriver.now()
    return state.withLock { state in
      let members = Set(state.directory.members.values.map(\.id))
      state.polls = state.polls.filter { members.contains($0.key) }
      var out: [String: ReplicaAnswer.Poll] = [:]
      for (worker, poll) in state.polls {
        let age = Int64(clamping: (now - min(now, poll.at)) / 1_000_000)
        out[worker.description] = .init(index: poll.index, age: age)
      }
      return out
    }
  }

  // MARK: Waiting

  /// Waits until the leader known here fits, at most `timeout`.
  func waitForLeadership(
    timeout: Duration, until fits: @Sendable (NodeID?) -> Bool
  ) async -> Bool {
    let end = ReplicaDriver.now() &+ timeout.nanoseconds
    while !fits(leader) {
      let version = leadershipChanges.version
      let now = ReplicaDriver.now()
      guard now < end, !Task.isCancelled else { return false }
      _ = await leadershipChanges.wait(
        above: version, timeout: .nanoseconds(Int64(clamping: min(end - now, 50_000_000))))
    }
    return true
  }
}

extension Event {
  /// Whether it changes who is a member, by what key or at which address.
  fileprivate var changesMembership: Bool {
    switch self {
    case .clusterFormed, .clusterImported, .nodeJoined, .nodeLeft, .nodeRemoved, .nodeReplaced,
      .nodePromoted, .nodeDemoted, .endpointRefreshed, .nodeSuspected, .nodeRecovered,
      .roleAssigned:
      true
    case .leaderElected, .tokenIssued, .tokenRevoked, .rolesSettled, .replicaLost,
      .replicaRefetched, .maintenanceEntered, .maintenanceExited, .policyChanged,
      .certificateIssued:
      false
    }
  }
}

extension NodeFile.Departure {
  init(_ gone: Departed) {
    let how =
      switch gone.how {
      case .left: "left"
      case .removed(let forced): forced ? "removed by force" : "removed"
      case .replaced: "replaced by another machine"
      case .leftBehind: "left behind"
      }
    self.init(
      index: gone.index, actor: gone.actor, how: how, time: gone.time.rfc3339)
  }
}
