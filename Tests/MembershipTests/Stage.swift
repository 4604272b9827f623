// A cluster and its log, driven by requests: what a leader does, without Raft.

import Membership
import Testing

struct Stage {
  var cluster = Cluster()
  var log: [RecordedEvent] = []
  var now = Timestamp(milliseconds: 1_792_811_520_000)
  /// The leader's clock, where it is not what decisions are stamped with.
  var clock: Timestamp?
  var drawn: UInt64 = 0
  /// Control-plane nodes within reach and caught up; nil for all.
  var up: Set<NodeID>?
  var caughtUp: Set<NodeID>?
  var alive: Set<NodeID>?

  /// A cluster of one node, n1, that leads.
  static func formed() -> Stage {
    var stage = Stage()
    stage.append(.clusterFormed(ClusterFormed(cluster: ClusterID(7), first: record(1))))
    stage.elect(NodeID(1))
    return stage
  }

  /// A cluster of so many control-plane nodes, roles as the policy has them.
  static func controlPlane(_ count: Int) throws -> Stage {
    var stage = formed()
    for n in 2..<max(2, count + 1) where count > 1 { try stage.join(n) }
    stage.keepRoles()
    return stage
  }

  var observation: Observation {
    let all = Set(cluster.controlPlane.map(\.id))
    let leader = cluster.leader.map { [$0] } ?? []
    let up = (self.up ?? all).union(leader)
    return Observation(
      reachable: up, caughtUp: (caughtUp ?? up).union(leader),
      alive: alive ?? Set(cluster.nodes.map(\.id)), clock: clock)
  }

  /// The event that admitted node n.
  func since(_ n: UInt64) -> UInt64 { cluster.node(NodeID(n))?.joinIndex ?? 0 }

  mutating func freshID() -> CommandID {
    drawn += 1
    return CommandID(at: now, random: (0, drawn))
  }

  /// Appends and applies an event; the state must take it.
  mutating func append(_ envelope: Envelope, term: UInt64? = nil) {
    let recorded = RecordedEvent(
      index: cluster.lastIndex + 1, term: term ?? max(1, cluster.term), envelope: envelope)
    let inconsistency = cluster.evolve(recorded)
    #expect(inconsistency == nil)
    log.append(recorded)
  }

  mutating func append(_ event: Event, term: UInt64? = nil) {
    let id = CommandID(high: cluster.term, low: cluster.lastIndex + 1)
    append(
      Envelope(time: now, command: id, fingerprint: 0, actor: "core", event: event), term: term)
  }

  mutating func elect(_ node: NodeID) {
    append(.leaderElected(LeaderElected(node: node)), term: cluster.term + 1)
  }

  /// Decides, and appends what was decided.
  @discardableResult
  mutating func ask(
    _ command: Command, id: CommandID? = nil, fingerprint: UInt64 = 1, actor: String = "root@n1",
    reason: String = "", origin: NodeID? = nil
  ) throws(Refusal) -> Decision {
    let request = Request(
      id: id ?? freshID(), command: command, actor: actor, reason: reason, origin: origin)
    let decision = try cluster.decide(
      request, fingerprint: fingerprint, at: now, observation: observation)
    if case .append(let envelope, _) = decision { append(envelope) }
    return decision
  }

  /// An invitation whose secrets are `secret(n)` (both roles) and `secret(n + 1000)` (workers).
  @discardableResult
  mutating func invite(_ n: Int, uses: UInt32 = 1, expires: Timestamp? = nil) throws(Refusal)
    -> TokenID
  {
    let id = TokenID(UInt64(n))
    try ask(
      .issueToken(
        TokenIssued(
          id: id,
          secrets: [
            TokenIssued.Secret(hash: secret(n), roles: [.controlPlane]),
            TokenIssued.Secret(hash: secret(n + 1000), roles: [.worker]),
          ], uses: uses, expires: expires)))
    return id
  }

  /// Joins node n by an invitation of its own.
  mutating func join(_ n: Int, _ role: NodeRole = .controlPlane, domain: String = "1")
    throws(Refusal)
  {
    try invite(n)
    try ask(
      .join(
        Command.Join(
          node: record(n, role, domain: domain), secret: secret(role == .worker ? n + 1000 : n))))
  }

  /// Lets the role policy and settling run until there is nothing to do.
  mutating func keepRoles() {
    for _ in 0..<20 {
      if cluster.joint != nil || cluster.departure != nil {
        _ = try? ask(.settle)
        continue
      }
      guard let leader = cluster.leader,
        let next = RolePolicy.next(cluster, leader: leader, observation: observation)
      else { return }
      #expect(throws: Never.self) { try ask(.assignRoles(next)) }
    }
    Issue.record("roles do not come to rest")
  }

  func roles() -> [String] {
    cluster.nodes.map { "\($0.name) \($0.datastoreRole?.name ?? "-")" }
  }
}

func secret(_ n: Int) -> Digest { digest(1, n) }

func key(_ n: Int) -> Digest { digest(2, n) }

private func digest(_ kind: UInt8, _ n: Int) -> Digest {
  var bytes = [UInt8](repeating: 0, count: 32)
  bytes[0] = kind
  bytes[30] = UInt8(n >> 8 & 255)
  bytes[31] = UInt8(n & 255)
  guard let digest = Digest(bytes: bytes) else { preconditionFailure("32 bytes") }
  return digest
}

func address(_ text: String) -> Address {
  guard let address = Address(text) else { preconditionFailure("address \(text)") }
  return address
}

func endpoints(_ n: Int, _ role: NodeRole = .controlPlane) -> Endpoints {
  let isWorker = role == .worker
  return Endpoints(
    cluster: address("127.0.0.\(n):25000"),
    datastore: isWorker ? nil : address("127.0.0.\(n):19001"),
    apiserver: isWorker ? nil : address("127.0.0.\(n):16443"))
}

func record(_ n: Int, _ role: NodeRole = .controlPlane, domain: String = "1") -> NodeRecord {
  NodeRecord(
    id: NodeID(UInt64(n)), name: "n\(n)", role: role, endpoints: endpoints(n, role), key: key(n),
    failureDomain: domain, version: "0.1.0")
}

/// SplitMix64: the same seed, the same sequence, everywhere.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
