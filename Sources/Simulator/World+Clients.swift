// Clients at work: they ask any node, wait, and ask again under the same id if they cannot know.

package import Membership
import Raft
import Replication
import Schema

extension World {
  /// What clients have asked for so far, in order.
  package var operations: [Operation] { workload.operations }
  /// The state after everything that is committed.
  package var truth: Cluster { laws.truth }
  /// Every event that was applied somewhere, in order.
  package var history: [RecordedEvent] { laws.history }
  /// How many reads were confirmed.
  package var confirmedReads: Int { workload.reads.count }
  /// The reads that were confirmed, in order.
  package var readRecords: [ReadRecord] { workload.reads }

  // MARK: Asking

  func newRequest() {
    guard isStormy else { return }
    let mean = options.requestInterval
    schedule(.newRequest, after: workload.dice.between(mean / 4, 2 * mean))
    guard workload.openCount < 64, operations.count < options.requestLimit else { return }
    guard let (command, asked) = workload.drawCommand(truth, options, at: now) else {
      if let node = workload.dice.pick(nodes.filter(\.isUp)) { read(at: node) }
      return
    }
    // Until a disk is made good, no one is sent away: who goes may take with it what the last
    // majority knew.
    if command.departs, isMakingGood() { return }
    // A worker takes up a role only once it has given up the one before.
    if case .changeRole(let wish) = command, wish.role == .controlPlane,
      let index = NodeID(wish.target).flatMap({ indexes[$0] }), !nodes[index].isGone
    {
      return
    }
    ask(command, asked: asked, patience: command.mayBeAbandoned ? 10 : nil)
  }

  /// A client begins to ask for that.
  /// - Parameters:
  ///   - asked: The only node that is asked; nil for any.
  ///   - patience: After so many attempts the client gives up; nil for never.
  /// - Returns: its number among `operations`.
  @discardableResult
  package func ask(_ command: Command, asked: NodeID? = nil, patience: Int? = nil) -> Int {
    let request = Request(
      id: workload.drawID(at: now), command: command, actor: "client", reason: "it was time")
    workload.add(Operation(request: request, asked: asked, patience: patience, begun: now))
    schedule(.attempt(workload.operations.count - 1), after: 0)
    return workload.operations.count - 1
  }

  /// Asks a node to confirm that it is up to date.
  package func read(at node: SimulatedNode) {
    guard node.isUp else { return }
    let (caller, deadline) = drawCaller(at: node)
    workload.calls[caller] = .read(known: laws.acknowledged, begun: now)
    post(.read(caller, deadline: deadline), to: node)
  }

  func attempt(_ number: Int) {
    let operation = workload.operations[number]
    guard operation.state == .open else { return }
    if let patience = operation.patience, operation.attempts >= patience {
      return workload.note(.abandoned, of: number, at: now)
    }
    let up = nodes.filter(\.isUp)
    var node = workload.dice.pick(up)
    if let asked = operation.asked.flatMap({ indexes[$0] }), !nodes[asked].isGone {
      node = nodes[asked]
    }
    guard let node, node.isUp else {
      return schedule(.attempt(number), after: 200 * millisecond)
    }
    workload.countAttempt(of: number)
    var request = operation.request
    if operation.asked != nil { request.origin = node.id }
    if options.plant == .redrawsCommands { request.id = workload.drawID(at: now) }
    let (caller, deadline) = drawCaller(at: node)
    workload.calls[caller] = .operation(number, known: laws.acknowledged)
    if options.plant == .losesRequests, workload.dice.chance(percent: 5) { return }
    post(.request(caller, request, deadline: deadline), to: node)
  }

  private func drawCaller(at node: SimulatedNode) -> (Caller, deadline: UInt64) {
    let caller = workload.nextCaller
    workload.nextCaller += 1
    let wait = workload.dice.spread(200 * millisecond, 15 * second)
    let deadline = node.clock.monotonic(at: now + wait)
    node.calls.append((caller, deadline))
    return (caller, deadline)
  }

  /// A worker was seen somewhere.
  func signOfLife() {
    guard isStormy else { return }
    schedule(.signOfLife, after: second)
    let workers = truth.nodes.filter { $0.isActive && !$0.isControlPlane }
    for worker in workers where workload.dice.chance(percent: 70) {
      if let node = workload.dice.pick(nodes.filter(\.isUp)) { post(.seen(worker.id), to: node) }
    }
  }

  // MARK: Being answered

  private func take(_ caller: Caller, at node: SimulatedNode) throws(Violation) -> Workload.Call {
    guard let call = workload.calls.removeValue(forKey: caller) else {
      throw Violation(.oneAnswer, "\(node.name) answers caller \(caller), who waits for nothing")
    }
    node.calls.removeAll { $0.caller == caller }
    return call
  }

  func answered(
    _ caller: Caller, _ outcome: Outcome, by node: SimulatedNode
  ) throws(Violation) {
    guard case .operation(let number, let known) = try take(caller, at: node) else {
      throw Violation(.oneAnswer, "\(node.name) answers a read as if it were a request")
    }
    let request = workload.operations[number].request
    note(7, caller, UInt64(node.index), 0) { "\(node.name) answers \(request.command): \(outcome)" }
    var outcome = outcome
    if options.plant == .claimsSuccess, case .unknown = outcome {
      outcome = .committed(first: laws.truth.lastIndex, last: laws.truth.lastIndex)
    }
    switch outcome {
    case .committed(let first, let last):
      try laws.acknowledge(request, first: first, last: last, by: node)
      statistics.acknowledged += 1
      finish(number, .committed(first: first, last: last))
    case .refused(let code, _, _):
      try laws.refuse(request, code: code, known: known, by: node)
      statistics.refusals[code, default: 0] += 1
      // These say: not now.
      if code == "disk-full" { return again(number) }
      finish(number, .refused(code: code))
    case .unknown:
      statistics.unknown += 1
      again(number)
    case .notLeader:
      throw Violation(.oneAnswer, "\(node.name) tells a caller that it does not lead")
    }
  }

  private func finish(_ number: Int, _ state: Operation.State) {
    guard workload.operations[number].state == .open else { return }
    workload.note(state, of: number, at: now)
    guard case .join(let join) = workload.operations[number].request.command else { return }
    guard case .committed = state else {
      if truth.node(join.node.id) != nil { workload.lost.append(join.node.id) }
      return
    }
    guard join.node.role == .controlPlane, indexes[join.node.id] == nil else { return }
    let node = addNode(join.node)
    schedule(.start(node.index), after: workload.dice.spread(millisecond, 2 * second))
  }

  private func again(_ number: Int) {
    schedule(.attempt(number), after: workload.dice.spread(5 * millisecond, second))
  }

  func readAnswered(
    _ caller: Caller, confirmed: Bool, by node: SimulatedNode
  ) throws(Violation) {
    guard case .read(let known, let begun) = try take(caller, at: node) else {
      throw Violation(.oneAnswer, "\(node.name) answers a request as if it were a read")
    }
    note(8, caller, UInt64(node.index), confirmed ? 1 : 0) {
      "\(node.name) answers a read: \(confirmed)"
    }
    guard confirmed || options.plant == .answersReadsAtOnce else {
      statistics.unknown += 1
      return
    }
    statistics.reads += 1
    workload.reads.append(
      ReadRecord(
        begun: begun, ended: now, members: node.cluster.nodes.filter(\.isActive).map(\.id)))
    if options.judgesReads, node.cluster.lastIndex < known {
      throw Violation(
        .linearizable,
        "\(node.name) confirms a read at \(node.cluster.lastIndex), and \(known) was acknowledged "
          + "before it was asked")
    }
  }

  /// Nobody waits longer than was agreed.
  func checkDeadlines(of node: SimulatedNode, at reading: UInt64) throws(Violation) {
    guard let late = node.calls.first(where: { $0.deadline <= reading }) else { return }
    throw Violation(
      .oneAnswer,
      "caller \(late.caller) of \(node.name) waits, and its deadline \(late.deadline) is over at "
        + "\(reading)")
  }

  /// The host is gone: its callers see their connection break.
  func dismissCalls(of node: SimulatedNode) {
    for call in node.calls {
      guard let known = workload.calls.removeValue(forKey: call.caller),
        case .operation(let number, _) = known
      else { continue }
      again(number)
    }
    node.calls = []
  }
}

extension Command {
  /// A joiner that may have been let in must know.
  fileprivate var mayBeAbandoned: Bool {
    if case .join = self { false } else { true }
  }
}
