// Role keeping: what a leader does by itself.
//
// It looks at the state and at whom it hears from, and asks for one thing at a time, through the
// same door as everybody else: the events say what it did and why. Contacts are damped: a node is
// suspected after ten seconds of silence and has recovered after ten seconds of contact; a new
// leader suspects nobody before it has listened for as long. It suspects a node three times an
// hour at most: so these are six changes an hour, and whoever is in contact again recovers.

package import Membership
import Raft
import Schema

struct RoleKeeper: Sendable {
  var leadership = Leadership()
  var tickDue = false
  /// Signs of life of workers (monotonic nanoseconds), as told by whoever they asked.
  var seen: [NodeID: UInt64] = [:]
  /// Workers seen here that the leader has not been told of.
  var unsent: Set<NodeID> = []
  var lastSent: UInt64 = 0
  private var began: UInt64 = 0
  /// The last index of the log when this term of office began.
  private var led: UInt64 = 0
  /// Since when a node that joined in this term of office is listened for.
  private var listening: [NodeID: UInt64] = [:]
  /// Since when a suspected node is heard from without a gap.
  private var contactSince: [NodeID: UInt64] = [:]
  /// When a node was suspected within the last hour.
  private var suspicions: [NodeID: [UInt64]] = [:]
  /// When leadership was last offered to a successor.
  var offered: UInt64?
  /// When this leader last tried to hand over because it is not fit to lead.
  var handedOver: UInt64?
  /// Peers that told that their disk takes no writes.
  var fullDisks: Set<NodeID> = []

  /// How often the keeper looks, nanoseconds.
  static let interval: UInt64 = 200_000_000
  private(set) var nextLook: UInt64 = 0

  /// When the keeper wants to look again.
  var deadline: UInt64? { nextLook == 0 ? nil : nextLook }

  mutating func begin(at now: UInt64, after index: UInt64, peers: [NodeID]) {
    began = now
    led = index
    listening = [:]
    contactSince = [:]
    suspicions = [:]
    offered = nil
    handedOver = nil
    nextLook = now
    lastSent = 0
    // What was seen in an earlier term of office says nothing of now: each is given its time anew.
    for peer in peers { seen[peer] = now }
  }

  mutating func looked(at now: UInt64) {
    tickDue = false
    nextLook = now + Self.interval
  }

  /// When that control-plane node was last heard from, as a leader knows it.
  func lastContact(of node: NodeID, in replica: Replica) -> UInt64 {
    if node == replica.options.node { return replica.now.monotonic }
    return max(
      replica.raft.lastContact(of: node.rawValue) ?? 0, listening[node] ?? began)
  }

  /// What this leader sees.
  func observation(of replica: Replica) -> Observation {
    let now = replica.now.monotonic
    let own = replica.options.node
    var reachable: Set<NodeID> = [own]
    var caughtUp: Set<NodeID> = [own]
    var alive: Set<NodeID> = [own]
    for node in replica.cluster.nodes where node.id != own {
      let id = node.id
      if node.isControlPlane, let contact = replica.raft.lastContact(of: id.rawValue) {
        let silence = now - min(now, contact)
        let progress = replica.raft.progress(of: id.rawValue)
        // Whoever may have forgotten agrees to nothing: no majority may come to need it.
        let counts = progress?.abstains != true
        if silence < replica.options.raft.electionTimeout, counts { reachable.insert(id) }
        if silence < replica.options.aliveFor { alive.insert(id) }
        if reachable.contains(id), let progress, progress.state == .replicate,
          !fullDisks.contains(id),
          progress.match + 256 >= replica.raft.lastIndex
        {
          caughtUp.insert(id)
        }
      }
      if let sign = seen[id], now - min(now, sign) < replica.options.aliveFor { alive.insert(id) }
    }
    return Observation(reachable: reachable, caughtUp: caughtUp, alive: alive)
  }

  /// The next suspicion or recovery that has lasted long enough.
  mutating func judge(_ replica: Replica) -> Command? {
    let now = replica.now.monotonic
    let policy = replica.cluster.policy
    func time(_ milliseconds: UInt32?) -> UInt64 {
      milliseconds.map { UInt64($0) * 1_000_000 } ?? replica.options.damping
    }
    let suspectAfter = time(policy.suspectAfter)
    let controlPlane = Set(replica.cluster.controlPlane.map(\.id))
    listening = listening.filter { controlPlane.contains($0.key) }
    contactSince = contactSince.filter { controlPlane.contains($0.key) }
    let peers = replica.cluster.controlPlane.filter {
      $0.id != replica.options.node && $0.datastoreRole != nil
    }
    for node in peers where listening[node.id] == nil {
      listening[node.id] = node.roleIndex > led ? now : began
    }
    guard now >= began + suspectAfter else { return nil }
    for node in peers {
      let id = node.id
      let silence = now - min(now, lastContact(of: id, in: replica))
      if silence >= replica.options.raft.electionTimeout { contactSince[id] = nil }
      if node.isSuspected {
        guard silence < replica.options.raft.electionTimeout else { continue }
        let since = contactSince[id] ?? now
        contactSince[id] = since
        if now - since >= time(policy.recoverAfter) { return .recover(id) }
      } else if silence >= suspectAfter, maySuspect(id, at: now) {
        return .suspect(id)
      }
    }
    return nil
  }

  private mutating func maySuspect(_ node: NodeID, at now: UInt64) -> Bool {
    let hour: UInt64 = 3_600_000_000_000
    var recent = (suspicions[node] ?? []).filter { $0 + hour > now }
    guard recent.count < 3 else { return false }
    recent.append(now)
    suspicions[node] = recent
    return true
  }
}

extension Replica {
  /// Asks for the next thing that keeps the roles as they should be, if this node leads.
  mutating func keepRoles() {
    sendSightings()
    guard isLeader, keeper.tickDue || now.monotonic >= keeper.nextLook else { return }
    keeper.looked(at: now.monotonic)
    handOverIfUnfit()
    guard let state = tail, cluster.leader == options.node, cluster.term == raft.term, !diskFull,
      !changeInFlight, raft.transferTarget == nil,
      !requests.queue.contains(where: { $0.origin == .keeper })
    else { return }
    let observation = keeper.observation(of: self)
    if state.joint != nil || state.departure != nil {
      finishChange(state, observation)
    } else if let command = keeper.judge(self) {
      ask(command)
    } else if let over = state.maintenanceOver(at: max(now.wall, state.lastTime)) {
      ask(.exitMaintenance(over.id.description))
    } else if let roles = RolePolicy.next(
      state, leader: options.node, observation: observation)
    {
      ask(.assignRoles(roles))
    } else if RolePolicy.shouldYield(state, leader: options.node, observation: observation),
      let heir = successor(), state.node(heir)?.maintenance == nil
    {
      handOverAgain()
    }
  }

  /// Leaves the joint configuration, or closes a departure. A leader that goes itself hands over
  /// to a caught-up voter of the incoming half first, once per election timeout.
  private mutating func finishChange(_ state: Cluster, _ observation: Observation) {
    guard (cluster.joint != nil) == (state.joint != nil) else { return }
    let own = options.node
    if state.joint != nil, state.node(own)?.datastoreRole != .voter {
      let heirs = state.nodes.filter {
        $0.datastoreRole == .voter && observation.caughtUp.contains($0.id)
      }
      let waited = now.monotonic - min(now.monotonic, keeper.offered ?? 0)
      if let heir = heirs.first, keeper.offered == nil || waited < 3 * options.raft.electionTimeout
      {
        if keeper.offered == nil { keeper.offered = now.monotonic }
        return core(.transferLeader(to: heir.id.rawValue))
      }
      if heirs.isEmpty { return }
    }
    ask(.settle)
  }

  private mutating func ask(_ command: Command) {
    // Drawn now: an id that is older than what the cluster remembers would be refused.
    let id = CommandID(
      at: max(now.wall, tail?.lastTime ?? now.wall), random: (raft.term, raft.lastIndex + 1))
    requests.queue.append(
      .init(
        origin: .keeper,
        request: Request(id: id, command: command, actor: cluster.name(of: options.node))))
  }

  /// A worker was heard from: the leader is told, at most once a second.
  mutating func noteSeen(_ node: NodeID) {
    keeper.seen[node] = now.monotonic
    if !isLeader { keeper.unsent.insert(node) }
  }

  /// When the next sightings are due.
  var nextSightings: UInt64 { keeper.lastSent + 1_000_000_000 }

  /// Tells the leader of workers seen here and how this node is; a leader tells everybody what it
  /// sees. Once a second.
  private mutating func sendSightings() {
    guard now.monotonic >= nextSightings else { return }
    if isLeader {
      keeper.lastSent = now.monotonic
      guard cluster.nodes.count > 1 else { return }
      let sightings = self.sightings
      for node in cluster.controlPlane where node.id != options.node {
        effects.frames.append(.init(to: node.id, frame: .observed(sightings, clock: ownWall)))
      }
    } else if let leader {
      keeper.lastSent = now.monotonic
      var sightings = keeper.unsent.sorted().map { Sighting(node: $0, silence: 0) }
      sightings.append(Sighting(node: options.node, silence: 0, isHealthy: !isDiskUnfit))
      effects.frames.append(.init(to: leader, frame: .observed(sightings, clock: ownWall)))
      keeper.unsent = []
    }
  }

  /// Whether the disk takes no writes, or has not finished one within an election timeout.
  var isDiskUnfit: Bool {
    guard !diskFull, let oldest = writing.first else { return diskFull }
    return now.monotonic - min(now.monotonic, oldest) > options.raft.electionTimeout
  }

  /// Another should lead if the disk here is full or too slow, or the clock is not the others'.
  /// Tried again after a while: a handover that fails costs an election timeout of refused writes.
  private mutating func handOverIfUnfit() {
    if isDiskUnfit || clocks.isWrong, raft.transferTarget == nil { handOverAgain() }
  }

  /// Hands over unless it was tried a moment ago.
  private mutating func handOverAgain() {
    if let last = keeper.handedOver, now.monotonic < last + 3 * options.raft.electionTimeout {
      return
    }
    keeper.handedOver = now.monotonic
    handOver()
  }

  /// Hands leadership to the best voter, if there is one that is fit.
  mutating func handOver() {
    if let heir = successor() { core(.transferLeader(to: heir.rawValue)) }
  }

  /// The voter that should lead next: heard from, fit, and furthest in the log.
  package func successor() -> NodeID? {
    guard isLeader else { return nil }
    let reachable = keeper.observation(of: self).reachable
    return cluster.nodes
      .filter {
        $0.datastoreRole == .voter && $0.id != options.node && reachable.contains($0.id)
          && !keeper.fullDisks.contains($0.id) && !clocks.isWrong(of: $0.id)
      }
      .max { rank($0) < rank($1) }?.id
  }

  /// Who is meant to be there, and keeps its vote, goes first; then who is furthest in the log.
  private func rank(_ member: Member) -> (Int, UInt64) {
    let borrowed = cluster.nodes.contains { $0.lentTo == member.id }
    let stays = member.maintenance != nil ? 0 : borrowed ? 1 : 2
    return (stays, raft.progress(of: member.id.rawValue)?.match ?? 0)
  }
}
