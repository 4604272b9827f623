// A world that does what it is told.

package import Membership
import Replication

/// A quiet world with one node that leads, and short words for what scenarios do to it.
package struct Script {
  /// Where nothing happens by itself.
  package let world: World
  /// An invitation for any number of nodes.
  package let secret: Digest
  private let tell: (String) -> Void

  /// - Parameters:
  ///   - size: How many control-plane nodes have joined when the script begins.
  ///   - trace: Told everything that happens.
  /// - Throws: The law that was broken meanwhile.
  package init(
    seed: UInt64, size: Int = 1, trace: @escaping (String) -> Void = { _ in }
  ) throws(Violation) {
    var options = WorldOptions(seed: seed)
    options.damping = 2 * second
    tell = trace
    world = World(options)
    let token = world.drawToken(uses: 0)
    secret = token.secrets[0].hash
    try expect(isCommitted(.issueToken(token)), "a token is issued")
    for _ in 1..<size { try grow() }
    try settle()
    tell("\(size) nodes: \(roles.map { "\($0.value) \($0.key)" }.sorted())")
    world.trace = trace
  }

  /// Asks and waits for the answer, thirty simulated seconds at most.
  /// - Parameter node: Who is asked; any if nil.
  package func outcome(_ command: Command, at node: NodeID? = nil) -> Operation.State {
    answer(to: world.ask(command, asked: node))
  }

  /// Waits for the answer to an operation, thirty simulated seconds at most.
  package func answer(to number: Int) -> Operation.State {
    world.run(for: 30 * second) { $0.operations[number].state != .open }
    return world.operations[number].state
  }

  /// Whether that request is carried out within thirty simulated seconds.
  package func isCommitted(_ command: Command, at node: NodeID? = nil) -> Bool {
    if case .committed = outcome(command, at: node) { true } else { false }
  }

  /// A control-plane node joins.
  /// - Throws: What was broken, or that it did not get in.
  @discardableResult
  package func grow() throws(Violation) -> SimulatedNode {
    let record = world.drawRecord(.controlPlane)
    try expect(isCommitted(.join(.init(node: record, secret: secret))), "\(record.name) joins")
    guard let node = world.node(record.id) else {
      throw Violation(.asTold, "\(record.name) has joined and has no machine")
    }
    return node
  }

  /// Waits until everything is as it should be, for a minute at most.
  /// - Throws: What was broken, or what is still to be complained of.
  package func settle() throws(Violation) {
    if !world.settle(within: 60 * second) {
      throw world.violation ?? Violation(.liveness, world.complaint ?? "it does not settle")
    }
  }

  /// Lets time pass until that is so.
  /// - Parameter limit: Simulated nanoseconds.
  /// - Throws: What was broken, or that it never came to be.
  package func wait(
    _ limit: UInt64 = 30 * second, until claim: String, _ condition: (World) -> Bool
  ) throws(Violation) {
    let came = world.run(for: limit, until: condition)
    if let violation = world.violation { throw violation }
    try expect(came, claim)
  }

  /// Who leads in the newest term.
  /// - Throws: If nobody does.
  package func leader() throws(Violation) -> SimulatedNode {
    guard let leader = world.leader else { throw Violation(.asTold, "nobody leads") }
    return leader
  }

  /// The others that are up, in the order of joining.
  package func followers() -> [SimulatedNode] {
    world.nodes.filter { $0.isUp && !$0.isLeader }
  }

  /// How many members there are of each role.
  package var roles: [DatastoreRole: Int] {
    var counts: [DatastoreRole: Int] = [:]
    for member in world.truth.controlPlane {
      if let role = member.datastoreRole { counts[role, default: 0] += 1 }
    }
    return counts
  }

  /// What the scenario is about must hold.
  /// - Throws: The claim, if it does not.
  package func expect(_ isSo: Bool, _ claim: String) throws(Violation) {
    guard isSo else {
      throw world.violation ?? Violation(.asTold, "not so: \(claim)")
    }
    tell("so it is: \(claim)")
  }

  /// Heals the world and waits until it rests.
  /// - Throws: What was broken, before or meanwhile.
  package func end() throws(Violation) {
    world.heal()
    world.recover()
    if let violation = world.violation { throw violation }
  }
}
