import Membership
import Simulator
import Testing

/// A quiet world with one node that leads, and short words for what scenarios do to it.
struct Script {
  let world: World
  /// An invitation for any number of nodes.
  private(set) var secret: Digest

  init(seed: UInt64, size: Int = 1) throws {
    var options = WorldOptions(seed: seed)
    options.damping = 2 * second
    world = World(options)
    let token = world.drawToken(uses: 0)
    secret = token.secrets[0].hash
    try #require(isCommitted(.issueToken(token)))
    for _ in 1..<size { try grow() }
    try settle()
  }

  /// Asks and waits for the answer, thirty simulated seconds at most.
  func outcome(_ command: Command, at node: NodeID? = nil) -> Operation.State {
    let number = world.ask(command, asked: node)
    world.run(for: 30 * second) { $0.operations[number].state != .open }
    return world.operations[number].state
  }

  func isCommitted(_ command: Command, at node: NodeID? = nil) -> Bool {
    if case .committed = outcome(command, at: node) { true } else { false }
  }

  /// A control-plane node joins.
  @discardableResult
  func grow() throws -> SimulatedNode {
    let record = world.drawRecord(.controlPlane)
    try #require(isCommitted(.join(.init(node: record, secret: secret))))
    return try #require(world.node(record.id))
  }

  func settle(_ comment: Comment? = nil) throws {
    let settled = world.settle(within: 60 * second)
    try #require(
      settled, comment ?? "\(world.violation?.description ?? world.complaint ?? "")")
  }

  func leader() throws -> SimulatedNode { try #require(world.leader) }

  /// How many members there are of each role.
  var roles: [DatastoreRole: Int] {
    var counts: [DatastoreRole: Int] = [:]
    for member in world.truth.controlPlane {
      if let role = member.datastoreRole { counts[role, default: 0] += 1 }
    }
    return counts
  }

  /// Nothing was broken, now or before, and nothing is while the world comes to rest.
  func finish() {
    world.heal()
    world.recover()
    #expect(world.violation == nil)
  }
}
