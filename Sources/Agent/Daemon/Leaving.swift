// Leaving, on the side of the leaver; and what a node does that was removed.
//
// The intent is durable before the wish is sent. Once the departure is known (by the answer, or
// told by a member that could be verified), the node gives up the cluster: the log goes to the
// archive, keys and what the cluster shared are deleted, a new identity forms a new cluster.

import EventLog
import FoundationEssentials
import History
import Logging
import Membership
import Projections
import Replication
import Schema
import Synchronization
import Transport

/// `leave.json`.
struct LeaveIntent: Codable, Sendable {
  var command: String
  /// The cluster that is left.
  var cluster: String
  /// The departure is known: nothing is asked any more.
  var departed: Bool
  /// Of the event, where that is known.
  var index: UInt64?
  /// Whose wish it is; nil if an earlier version kept it.
  var actor: String?

  static func load(_ directory: DataDirectory) throws(Failure) -> LeaveIntent? {
    guard let bytes = try directory.read(directory.leaveIntent) else { return nil }
    return try JSON.decode(LeaveIntent.self, bytes)
  }

  func save(_ directory: DataDirectory) throws(Failure) {
    try directory.write(try JSON.encode(self), to: directory.leaveIntent)
  }
}

extension Daemon {
  /// `muster leave`.
  func leave(_ wish: LocalLeave, actor: String, report: @escaping Report) async throws {
    try beginChange("a leave")
    defer { endChange() }
    var intent =
      try LeaveIntent.load(directory)
      ?? LeaveIntent(
        command: CommandID.drawn().description, cluster: file.cluster, departed: false,
        actor: actor)
    let name = settings.name
    if wish.cancel == true { return try takeBack(intent, report) }
    switch mode {
    case .starting:
      guard intent.departed else {
        throw Failure("the agent is starting; try again", exitCode: 7)
      }
    case .departed: intent.departed = true
    case .controlPlane, .worker:
      if wish.local {
        try await requireCompany()
        report(
          ProgressLine(
            progress: "leaving without asking: the others must run `muster remove-node \(name)`"))
        intent.departed = true
      }
    }
    let before = await viewForHooks()
    if !intent.departed {
      try await askToLeave(
        &intent, actor: intent.actor ?? actor,
        timeout: .milliseconds(Int64(wish.timeoutSeconds * 1000)), report: report)
    }
    intent.departed = true
    try intent.save(directory)
    let remains = credentials(of: name, isControlPlane: file.role == .controlPlane)
    report(ProgressLine(progress: "give up the cluster: archive the log, make a new identity"))
    try await becomeFresh(intent, before: before)
    report(
      ProgressLine(
        output: "This node has left the cluster and is a cluster of its own again.\n"
          + (["Workloads on \(name) run until the machine is stopped."] + remains)
          .joined(separator: "\n")))
    try await hooks.finish(
      .left, index: nil, standing: "this node has left its cluster and is one of its own",
      report: report)
  }

  /// Forgets a leave that nobody answered yet.
  private func takeBack(_ intent: LeaveIntent, _ report: Report) throws {
    guard try LeaveIntent.load(directory) != nil else {
      throw Failure("no leave waits on \(settings.name): there is nothing to take back")
    }
    guard !intent.departed else {
      throw Failure("\(settings.name) has left already; muster leave finishes what is left to do")
    }
    try directory.remove(directory.leaveIntent)
    report(
      ProgressLine(
        output: "\(settings.name) does not ask to leave any more. Where its wish was heard before, "
          + "it leaves still: see muster status once the cluster is in reach."))
  }

  /// A leave that nobody answered yet, in words; nil if none waits.
  var leaveTroubles: [Trouble] {
    guard let intent = (try? LeaveIntent.load(directory)) ?? nil, !intent.departed,
      state.withLock({ $0.changing }) == nil
    else { return [] }
    let who = intent.actor.map { " (asked for by \($0))" } ?? ""
    return [
      Trouble(
        name: settings.name, recorded: nil,
        observed: "a leave waits here\(who): it is asked for again when this agent starts next, or "
          + "by muster leave; muster leave --cancel takes it back")
    ]
  }

  /// A node whose own log has no other member has nothing to leave. One whose log has not arrived
  /// has, and so has a worker.
  private func requireCompany() async throws {
    guard case .controlPlane(let node) = mode else { return }
    let isAlone = await node.driver.look { replica in
      let cluster = replica.cluster
      return cluster.node(replica.options.node)?.isActive == true
        && !cluster.nodes.contains { $0.isActive && $0.id != replica.options.node }
    }
    if isAlone { throw Refusal.alone(settings.name) }
  }

  private func askToLeave(
    _ intent: inout LeaveIntent, actor: String, timeout: Duration, report: Report
  ) async throws {
    guard let id = CommandID(intent.command), let node = file.nodeID else {
      throw Failure("cannot leave: \(directory.leaveIntent) is damaged; remove it", exitCode: 65)
    }
    try intent.save(directory)
    report(ProgressLine(progress: "ask to leave"))
    let request = Membership.Request(id: id, command: .leave(node), actor: actor, origin: node)
    let outcome: Outcome
    switch mode {
    case .controlPlane(let running):
      outcome = await outcomeOfLeaving(running, request, timeout: timeout)
    case .worker(let worker):
      guard let told = try await outcomeOfLeaving(worker, request, timeout: timeout) else { return }
      outcome = told
    case .departed: return
    case .starting: throw Failure("the agent is starting; try again", exitCode: 7)
    }
    let next =
      "the same command again finishes it, and so does the agent when it starts next; `muster "
      + "leave --cancel` takes it back. To leave "
      + "without the others: `muster leave --local`; they must then run "
      + "`muster remove-node \(settings.name)`"
    switch outcome {
    case .committed(_, let last): intent.index = last
    case .refused("node-unknown", _, _):
      // It is gone already, and nobody has told it yet.
      return
    case .refused(let code, let exitCode, let message):
      try directory.remove(directory.leaveIntent)
      throw APIError(message, code: code, exitCode: exitCode)
    case .unknown(let reason):
      throw APIError(
        "timed out: \(reason); whether this node has left is unknown, and \(next)",
        code: "timed-out", exitCode: 7)
    case .notLeader:
      throw APIError(
        "timed out: no leader is known; \(next)", code: "no-leader", exitCode: 7)
    }
  }

  /// The answer; nil where the control plane says that this worker is gone.
  private func outcomeOfLeaving(
    _ worker: WorkerNode, _ request: Membership.Request, timeout: Duration
  ) async throws -> Outcome? {
    let end = ReplicaDriver.now() &+ timeout.nanoseconds
    while true {
      let now = ReplicaDriver.now()
      let left = Duration.nanoseconds(Int64(clamping: max(end, now) - now))
      do {
        let bytes = try await worker.submit(request.encoded(), timeout: max(left, .seconds(1)))
        guard case .answer(_, let told) = try Frame(decoding: bytes) else {
          throw Failure("the control plane's answer cannot be read")
        }
        return told
      } catch let error as APIError where error.code == "departed" {
        return nil
      } catch let error as Failure where [5, 7].contains(error.exitCode) {
        guard ReplicaDriver.now() < end, !Task.isCancelled else {
          return .unknown(reason: "\(error)")
        }
        try await Task.sleep(for: .milliseconds(500))
      }
    }
  }

  /// The answer, or the word of a member that this node is gone, whichever comes first.
  private func outcomeOfLeaving(
    _ node: ControlPlane, _ request: Membership.Request, timeout: Duration
  ) async -> Outcome {
    // Not a child task: who was told does not wait for an answer that may never come.
    let (answers, answer) = AsyncStream<Outcome>.makeStream()
    Task { answer.yield(await node.driver.submit(request, timeout: timeout)) }
    let listening = Task {
      while !Task.isCancelled {
        if let gone = self.state.withLock({ $0.told }) {
          answer.yield(.committed(first: gone.index, last: gone.index))
        }
        try? await Task.sleep(for: .milliseconds(20))
      }
    }
    defer { listening.cancel() }
    for await outcome in answers { return outcome }
    return .unknown(reason: "the agent is stopping")
  }

  /// A new identity and a cluster of its own. Every step may be done twice.
  /// - Parameter before: what hooks are told of the cluster as it was; nil if that is not known.
  func becomeFresh(_ intent: LeaveIntent, before: Document? = nil) async throws {
    let farewell = farewell(.left, index: intent.index, actor: settings.name, before: before)
    if file.cluster == intent.cluster { await keepWhatHooksWaitFor() }
    await stopNode()
    await stopClusterServers()
    if file.cluster == intent.cluster {
      try tellHooks(farewell)
      try directory.archive(directory.log, as: "log-\(intent.cluster)")
      for path in [
        directory.workerState, directory.joinIntent, directory.kubeconfig, directory.provider,
      ] {
        try directory.remove(path)
      }
      try KubernetesFiles(directory).remove()
      try directory.removeTree(directory.received)
      try Formation.removeIdentity(directory.newIdentity, directory)
      let identity = try NodeIdentity.loadOrCreate(in: directory.newIdentity)
      _ = try Formation.form(settings, identity: identity, into: directory.newIdentity)
      try Formation.removeIdentity(directory.identity, directory)
    }
    try Formation.recover(directory)
    guard let next = try NodeFile.load(directory) else {
      throw Failure("cannot go on: \(directory.nodeFile) is missing", exitCode: 65)
    }
    let identity = try NodeIdentity.load(from: directory.identity)
    state.withLock { state in
      state.file = next
      state.identity = identity
      state.told = nil
    }
    if let old = servers.withLock({ servers in
      defer { servers.client = nil }
      return servers.client
    }) {
      await old.shutdown()
    }
    try await startNode()
    try await startClusterServers()
    try directory.remove(directory.leaveIntent)
    await announceEndpoints()
  }

  /// A member that could be verified says that this node departed: stop, and remember it.
  func learnOfDeparture(_ gone: NodeFile.Departure) async {
    guard (try? LeaveIntent.load(directory)) ?? nil == nil else {
      // A leave is under way and finishes it.
      return state.withLock { $0.told = gone }
    }
    // What is not up yet cannot be stopped: this node dials again and is told again.
    if case .starting = mode { return }
    do {
      try beginChange("a departure")
    } catch {
      // A join that waits for its log waits in vain; everybody else is told again.
      return state.withLock { if $0.joining != nil { $0.told = gone } }
    }
    defer { endChange() }
    guard file.departed == nil else { return }
    logger.error("\(Self.departed(gone).error)")
    let farewell = farewell(
      gone.how == "left" ? .left : .removed, index: gone.index, actor: gone.actor, how: gone.how,
      before: await viewForHooks())
    await keepWhatHooksWaitFor()
    await stopNode()
    do { try tellHooks(farewell) } catch { logger.warning("hooks: \(error)") }
    state.withLock { state in
      state.file.departed = gone
      state.mode = .departed(gone)
    }
    try? file.save(directory)
    startHooks()
  }
}
