// What clients want, and what they remember of it.

package import Membership
import Raft
import Replication

/// One wish of a client, under one command id for as long as its outcome is unknown.
package struct Operation: Sendable {
  /// What became of it so far.
  package enum State: Sendable, Equatable {
    case open
    case committed(first: UInt64, last: UInt64)
    case refused(code: String)
    /// The client gave up; it may or may not have happened.
    case abandoned
  }
  /// The same at every attempt.
  package let request: Request
  /// Only this node is asked, if any: it is its own wish.
  var asked: NodeID?
  /// Only so many attempts, if not nil.
  var patience: Int?
  /// What its client knows.
  package internal(set) var state = State.open
  /// How many times it was asked.
  package internal(set) var attempts = 0
  /// When it was first asked, in simulated nanoseconds.
  package internal(set) var begun: UInt64 = 0
  /// When its client knew its outcome.
  package internal(set) var ended: UInt64?
}

/// A read that was confirmed, and what it showed.
package struct ReadRecord: Sendable {
  /// In simulated nanoseconds.
  package let begun: UInt64
  /// In simulated nanoseconds.
  package let ended: UInt64
  /// The active members, in the order of joining.
  package let members: [NodeID]
}

struct Workload {
  enum Call {
    /// What had been acknowledged anywhere when it was asked.
    case operation(Int, known: UInt64)
    case read(known: UInt64, begun: UInt64)
  }
  struct Invitation {
    var id: TokenID
    var secret: Digest
  }

  var dice: SplitMix64
  private(set) var operations: [Operation] = []
  // Looked up, never iterated.
  private(set) var numbers: [CommandID: Int] = [:]
  var calls: [Caller: Call] = [:]
  var nextCaller: Caller = 1
  var invitations: [Invitation] = []
  /// Nodes that will not come back.
  var lost: [NodeID] = []
  /// Reads that were confirmed.
  var reads: [ReadRecord] = []
  private var names = 0

  init(dice: SplitMix64) { self.dice = dice }

  mutating func add(_ operation: Operation) {
    numbers[operation.request.id] = operations.count
    operations.append(operation)
  }

  mutating func note(_ state: Operation.State, of number: Int, at time: UInt64? = nil) {
    operations[number].state = state
    operations[number].ended = time
  }

  mutating func countAttempt(of number: Int) { operations[number].attempts += 1 }

  /// Whether somebody may be on its way out: what its client gave up on may still be on the way.
  func isDeparting(at now: UInt64) -> Bool {
    operations.contains { operation in
      switch operation.state {
      case .open: break
      case .abandoned where now < (operation.ended ?? now) + 6 * second: break
      default: return false
      }
      return operation.request.command.departs
    }
  }

  var openCount: Int { operations.count { $0.state == .open } }

  /// A machine that is like no other.
  mutating func drawRecord(_ role: NodeRole) -> NodeRecord {
    names += 1
    let host = Host.ipv4(0x7f00_0000 | UInt32(names))
    let isServer = role == .controlPlane
    func address(_ port: UInt16) -> Address {
      guard let address = Address(host: host, port: port) else {
        preconditionFailure("port \(port) is not 0")
      }
      return address
    }
    return NodeRecord(
      id: NodeID(dice.next() | 1), name: "n\(names)", role: role,
      endpoints: Endpoints(
        cluster: address(25_000),
        datastore: isServer ? address(19_001) : nil,
        apiserver: isServer ? address(16_443) : nil),
      key: drawDigest(), failureDomain: "zone-\(dice.below(4))", version: "1.0")
  }

  mutating func drawDigest() -> Digest {
    var bytes: [UInt8] = []
    for _ in 0..<4 {
      let word = dice.next()
      for shift in stride(from: UInt64(0), to: 64, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: word >> shift))
      }
    }
    guard let digest = Digest(bytes: bytes) else { preconditionFailure("32 bytes are a digest") }
    return digest
  }

  mutating func drawID(at time: UInt64) -> CommandID {
    CommandID(at: NodeClock.wall(at: time), random: (dice.next(), dice.next()))
  }

  /// A new invitation.
  mutating func drawToken(uses: UInt32, expires: Timestamp?) -> TokenIssued {
    let issued = TokenIssued(
      id: TokenID(dice.next()),
      secrets: [.init(hash: drawDigest(), roles: [.controlPlane, .worker])], uses: uses,
      expires: expires)
    invitations.append(Invitation(id: issued.id, secret: issued.secrets[0].hash))
    return issued
  }

  // MARK: What to want next

  /// Something that somebody might want in this state; nil for a read.
  mutating func drawCommand(
    _ truth: Cluster, _ options: WorldOptions, at time: UInt64
  ) -> (command: Command, asked: NodeID?)? {
    let servers = truth.controlPlane
    let active = truth.nodes.filter(\.isActive)
    if dice.chance(percent: options.readShare) { return nil }
    switch dice.between(20, 99) {
    case ..<32:
      let expires =
        dice.chance(percent: 30)
        ? NodeClock.wall(at: time).adding(seconds: Int64(1 + dice.below(30))) : nil
      return (.issueToken(drawToken(uses: UInt32(dice.below(4)), expires: expires)), nil)
    case ..<37:
      return dice.pick(invitations).map { (.revokeToken($0.id), nil) }
    case ..<70:
      let wantsServer =
        servers.count < options.controlPlane
        && (active.count - servers.count >= options.workers || dice.chance(percent: 70))
      if !wantsServer, active.count - servers.count >= options.workers {
        return drawRefresh(active)
      }
      guard let invitation = dice.pick(Array(invitations.suffix(6))) else { return nil }
      var record = drawRecord(wantsServer ? .controlPlane : .worker)
      if dice.chance(percent: 5), let other = dice.pick(active) { record.name = other.name }
      if dice.chance(percent: 5), let other = dice.pick(active) {
        record.endpoints.cluster = other.record.endpoints.cluster
      }
      let replaced = options.upkeep ? drawReplaced(active) : nil
      return (
        .join(.init(node: record, secret: invitation.secret, replaces: replaced)), nil
      )
    case ..<82:
      return drawRefresh(active)
    case ..<85:
      return options.upkeep ? drawUpkeep(active, options) : drawRefresh(active)
    default:
      return drawDeparture(truth, servers, active)
    }
  }

  /// Whose place a joiner wants: often that of a machine that is gone, seldom of one that is not.
  private mutating func drawReplaced(_ active: [Member]) -> String? {
    if let dead = active.first(where: { lost.contains($0.id) }), dice.chance(percent: 50) {
      return dead.id.description
    }
    return dice.chance(percent: 5) ? dice.pick(active)?.name : nil
  }

  private mutating func drawUpkeep(
    _ active: [Member], _ options: WorldOptions
  ) -> (command: Command, asked: NodeID?)? {
    if dice.chance(percent: 40) { return drawRole(active, options) }
    if dice.chance(percent: 15) {
      let voters: [UInt32] = [1, 3, 3, 3, 5]
      return (.changePolicy(PolicyChanged(voters: dice.pick(voters))), nil)
    }
    if let away = active.first(where: { $0.maintenance != nil }), dice.chance(percent: 60) {
      return (.exitMaintenance(away.name), nil)
    }
    return dice.pick(active).map {
      (.enterMaintenance(.init(target: $0.name, seconds: Int64(1 + dice.below(20)))), nil)
    }
  }

  /// Promotes a worker where the control plane may grow, else demotes one of it.
  private mutating func drawRole(
    _ active: [Member], _ options: WorldOptions
  ) -> (command: Command, asked: NodeID?)? {
    let there = active.filter { !lost.contains($0.id) }
    let servers = there.filter(\.isControlPlane)
    let workers = there.filter { !$0.isControlPlane }
    if servers.count <= options.controlPlane, dice.chance(percent: 60),
      let worker = dice.pick(workers)
    {
      var place = worker.record.endpoints
      place.datastore = Address(host: place.cluster.host, port: 19_001)
      place.apiserver = Address(host: place.cluster.host, port: 16_443)
      let wish = Command.ChangeRole(
        target: worker.id.description, role: .controlPlane, endpoints: place)
      return (.changeRole(wish), nil)
    }
    return dice.pick(servers).map {
      (.changeRole(.init(target: $0.id.description, role: .worker)), nil)
    }
  }

  private mutating func drawRefresh(_ active: [Member]) -> (command: Command, asked: NodeID?)? {
    dice.pick(active).map { member in
      (
        .refreshEndpoints(
          EndpointRefreshed(
            node: member.id, endpoints: member.record.endpoints,
            apiserverReady: member.isControlPlane && dice.chance(percent: 50),
            version: "1.\(dice.below(5))")), nil
      )
    }
  }

  private mutating func drawDeparture(
    _ truth: Cluster, _ servers: [Member], _ active: [Member]
  ) -> (command: Command, asked: NodeID?)? {
    let gone = lost.filter { truth.node($0)?.isActive == true }
    if let dead = gone.first {
      // While a lost machine still counts, nobody else is sent away.
      let force = dice.chance(percent: 30)
      return (.removeNode(.init(target: dead.description, force: force)), nil)
    }
    guard let member = dice.pick(active), dice.chance(percent: 50) else { return nil }
    if dice.chance(percent: 60) {
      return (.leave(member.id), member.isControlPlane ? member.id : nil)
    }
    let target = dice.chance(percent: 50) ? member.name : member.id.description
    return (.removeNode(.init(target: target, force: dice.chance(percent: 60))), nil)
  }
}

extension Command {
  /// Whether it sends somebody away from the control plane.
  var departs: Bool {
    switch self {
    case .leave, .removeNode: true
    case .changeRole(let wish): wish.role == .worker
    default: false
    }
  }
}

extension Event {
  /// Whether it says where the node is, or said so first: then there was nothing to refresh.
  func places(_ wanted: EndpointRefreshed) -> Bool {
    switch self {
    case .endpointRefreshed(let refreshed):
      wanted.node == refreshed.node && wanted.endpoints == refreshed.endpoints
    case .nodePromoted(let promoted):
      wanted.node == promoted.node && wanted.endpoints == promoted.endpoints
    case .nodeDemoted(let demoted):
      wanted.node == demoted.node && wanted.endpoints == demoted.endpoints
    case .clusterFormed(let formed): wanted.node == formed.first.id
    default: wanted.node == joined?.node.id
    }
  }

  /// Whether it made the node what was wished for.
  func gives(_ wish: Command.ChangeRole) -> Bool {
    switch self {
    case .nodePromoted(let promoted):
      wish.role == .controlPlane && wish.target == promoted.node.description
    case .nodeDemoted(let demoted):
      wish.role == .worker && wish.target == demoted.node.description
    case .clusterFormed(let formed):
      wish.role == formed.first.role && wish.target == formed.first.id.description
    default: wish.role == joined?.node.role && wish.target == joined?.node.id.description
    }
  }
}
