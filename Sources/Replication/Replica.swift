// One control-plane node, entire, without I/O.
//
// A replica joins agreement (Raft) to rules (Membership): it decides requests against the tail of
// the leader's log, folds what is committed, keeps the datastore roles, answers callers exactly
// once, and passes requests on to the leader. It is a value: inputs go in with the time, effects
// come out, nothing else is touched. What production runs is what the simulator runs.
//
// Laws. A request is decided on the tail and answered on commit; a refusal is an answer, too, and
// waits for the commit of what it rests on and for a confirmed leadership. Every entry is an event.
// Folding never refuses: an event that contradicts the state halts the replica.

package import Membership
package import Raft
package import Schema

package struct Replica: Sendable {
  package struct Options: Sendable {
    package var node: NodeID
    /// How this node is called in the events that it makes by itself.
    package var name: String
    package var raft: Machine.Options
    /// Without contact for so long a control-plane node is suspected; with contact for so long a
    /// suspected one has recovered. Nanoseconds.
    package var damping: UInt64 = 10_000_000_000
    /// A sign of life counts for so long when a removal is asked for. Nanoseconds.
    package var aliveFor: UInt64 = 30_000_000_000
    /// How many requests one batch decides at most.
    package var batch = 512
    /// How this start of the node greets its peers.
    package var greeting = Greeting(boot: 0, nonce: 0)
    /// A log that is known to lack what the node had acknowledged up to that index; nil if it is
    /// whole as far as the disk can tell.
    package var lostUpTo: UInt64?

    package init(node: NodeID, name: String, raft: Machine.Options) {
      self.node = node
      self.name = name
      self.raft = raft
      // Links are up within some 50 ms, so that nodes which start together have a leader soon.
      self.raft.firstElectionDelay = 100_000_000
    }
  }

  package let options: Options
  package internal(set) var raft: Machine
  /// The state after the last applied event.
  package internal(set) var cluster: Cluster
  /// The state after the last event of the log, committed or not; only while leading.
  var tail: Cluster?
  let log: any StableLog

  package internal(set) var now = Clock(monotonic: 0, wall: Timestamp(milliseconds: 0))
  var effects = ReplicaEffects()
  var requests = Requests()
  var reads = Reads()
  var keeper = RoleKeeper()
  var diskFull = false
  /// Events appended here as the leader and not yet applied: what is applied need not be decoded.
  var decided: ArraySlice<RecordedEvent> = []
  var stoppedBy: String?
  /// How many messages of peers were refused, by reason.
  package private(set) var refused: [String: UInt64] = [:]
  /// What the leader last told of the others, and when.
  var told: (sightings: [Sighting], at: UInt64)?
  /// When the present leader was first known here, or was lost.
  var leaderSince: UInt64 = 0
  var standing = Standing()
  var acquaintances: Acquaintances
  /// When what is remembered of peers was last handed out to be stored.
  var memoryStored: UInt64
  var clocks = Clocks()
  /// What the own clock said at the last input; `now` has it corrected.
  var ownWall = Timestamp(milliseconds: 0)
  /// When the append jobs that are not durable yet were handed out, oldest first.
  var writing: ArraySlice<UInt64> = []

  /// A replica over a log whose events up to `cluster.lastIndex` are folded into `cluster`.
  /// - Parameters:
  ///   - hardState: as read from the disk, with its commit index at or above the applied one.
  ///   - log: the durable log; reads are synchronous.
  ///   - memory: what was stored of peers (`ReplicaEffects.memory`).
  package init(
    options: Options, cluster: Cluster, hardState: HardState, log: any StableLog,
    memory: [Recollection] = [], at clock: Clock
  ) {
    self.options = options
    acquaintances = Acquaintances(memory.filter { $0.node != options.node })
    memoryStored = clock.monotonic
    self.cluster = cluster
    now = clock
    self.log = log
    // An answer to what an earlier start of this node forwarded must not be taken for one of now.
    requests.nextForward = options.raft.seed
    let (node, name) = (options.node, options.name)
    raft = Machine(
      options: options.raft, configuration: cluster.configuration, hardState: hardState,
      applied: cluster.lastIndex, log: log,
      payload: { kind, term, index, time in
        precondition(kind == .newTerm, "the core made an entry of kind \(kind) by itself")
        return Envelope(
          time: Timestamp(milliseconds: time.stamp), command: CommandID(high: term, low: index),
          fingerprint: 0, actor: name,
          event: .leaderElected(LeaderElected(node: node))
        ).encoded()
      }, at: Time(monotonic: clock.monotonic, stamp: clock.wall.milliseconds))
    if let own = memory.first(where: { $0.node == node }) {
      standing.restore(own)
      doubt(.lost(acknowledged: own.acknowledged))
    }
    if let index = options.lostUpTo { doubt(.lost(acknowledged: index)) }
    // The start before this one may have had everything again, and ended before it could say so.
    if standing.doubt == nil, cluster.node(node)?.lostSince != nil {
      tellRefetched(at: cluster.lastIndex)
    }
  }

  /// Whether this node is the only voter: it may campaign at once.
  package var isAlone: Bool { cluster.voters == [options.node] && cluster.joint == nil }
  /// Whether this node may have forgotten promises, so that nothing it says counts.
  package var abstains: Bool { raft.abstains }
  /// Whether this node leads.
  package var isLeader: Bool { raft.role == .leader }
  /// The leader this node knows of.
  package var leader: NodeID? { raft.leader.map { NodeID($0) } }
  /// Monotonic nanoseconds at which `tick` is due at the latest.
  package var deadline: UInt64 {
    var due = min(raft.deadline, requests.deadline ?? .max, reads.deadline ?? .max)
    if isLeader, let keeperDue = keeper.deadline { due = min(due, keeperDue) }
    if raft.leader != nil { due = min(due, standing.nextBarrier, nextSightings) }
    return due
  }

  /// Takes one input. What follows from it comes out of `takeEffects`, so several inputs may be
  /// taken first: requests of one batch become one append and one message per peer.
  package mutating func step(_ input: ReplicaInput, at clock: Clock) {
    guard stoppedBy == nil else { return }
    ownWall = clock.wall
    clocks.look(clock)
    now = Clock(monotonic: clock.monotonic, wall: clocks.corrected(clock.wall))
    switch input {
    case .tick:
      core(.tick)
      keeper.tickDue = true
    case .frame(let from, .raft(let message)):
      guard message.from == from.rawValue, message.to == options.node.rawValue else {
        refused["misaddressed", default: 0] += 1
        return
      }
      guard !acquaintances.isVoid(message.standing, of: from) else {
        refused["void", default: 0] += 1
        return
      }
      remember(message)
      core(.receive(message))
    case .frame(let from, .forward(let id, let request)):
      // Frames do not say who took the request in; if nobody else did, the sender did.
      var request = request
      if request.origin == nil { request.origin = from }
      admit(request, from: .peer(from, id))
    case .frame(_, .answer(let id, let outcome)):
      answered(id, outcome)
    case .frame(let from, .observed(let sightings, let time)):
      clocks.heard(time, of: from, at: clock)
      observed(sightings, by: from)
    case .frame(let from, .recollection(let told)):
      acquaintances.spoke(from)
      recall(told, by: from)
    case .greeted(let peer, let greeting):
      greeted(peer, greeting)
    case .request(let caller, let request, let deadline):
      requests.add(caller, request, deadline: deadline)
    case .read(let caller, let deadline):
      startRead(caller, deadline: deadline)
    case .appended(let ack):
      _ = writing.popFirst()
      core(.appended(ack))
    case .disk(let full):
      diskFull = full
    case .linkClosed(let peer):
      linkClosed(peer)
    case .seen(let node):
      noteSeen(node)
    case .campaign:
      if raft.leader == nil { core(.campaign) }
    case .handOver:
      handOver()
    }
  }

  /// Everything to be done since the last time. Loops until nothing follows from anything.
  package mutating func takeEffects() -> ReplicaEffects {
    var rounds = 0
    repeat {
      followLeadership()
      expire()
      dispatchRequests()
      seekStanding()
      keepRoles()
      decideBatch()
      drainCore()
      confirmReads()
      rounds += 1
    } while stoppedBy == nil && rounds < 64 && (raft.hasEffects || requests.hasWork(self))
    keepMemory()
    defer { effects = ReplicaEffects() }
    effects.halt = stoppedBy
    return effects
  }

  /// Gives an input to the core. A refusal of one is not an error here, for Raft repeats itself;
  /// what peers sent and was refused is counted.
  mutating func core(_ input: Input) {
    do throws(Refused) {
      try raft.step(input, at: Time(monotonic: now.monotonic, stamp: stamp))
    } catch {
      guard case .receive = input else { return }
      refused[error.reason, default: 0] += 1
    }
  }

  /// The time to stamp on the entry that a candidate makes when it wins: never before the log's
  /// last one. A vote can come with any input, the own one with the ack of an append job.
  private var stamp: Int64 {
    let wall = now.wall.milliseconds
    guard raft.role == .candidate else { return wall }
    guard let last = raft.entries(from: raft.lastIndex)?.first,
      let envelope = try? Envelope(decoding: last.payload)
    else { return max(wall, cluster.lastTime.milliseconds) }
    return max(wall, envelope.time.milliseconds)
  }

  /// Moves what the core wants done into the effects, and folds what is committed.
  private mutating func drainCore() {
    while raft.hasEffects {
      let out = raft.takeEffects()
      if let reason = out.halt { return halt(reason) }
      for message in out.messages {
        effects.frames.append(.init(to: NodeID(message.to), frame: .raft(message)))
      }
      for read in out.reads { reads.confirmed(read) }
      if let job = out.append {
        effects.appends.append(job)
        writing.append(now.monotonic)
      }
      fold(out.committed)
      if stoppedBy != nil { return }
    }
  }

  mutating func halt(_ reason: String) {
    if stoppedBy == nil { stoppedBy = reason }
  }
}

extension Refused {
  /// A word for it, to count by.
  fileprivate var reason: String {
    switch self {
    case .notLeader: "not-leader"
    case .notMember: "not-member"
    case .transferring: "transferring"
    case .tailFull: "tail-full"
    case .changeInFlight: "change-in-flight"
    case .alreadyJoint, .notJoint, .invalidChange: "change-invalid"
    case .unknownPeer: "unknown-peer"
    case .impossible(let flaw): flaw.rawValue
    }
  }
}
