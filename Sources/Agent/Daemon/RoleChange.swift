// `muster role`: has the role of a node changed, and waits until the node serves in it.
//
// It runs on a control-plane node, which may be the one that is demoted: then its own switch is the
// answer, since whoever is out of the configuration is not told how that ended.

import FoundationEssentials
import Logging
import Membership
import NIOCore
import NIOHTTP1
import Replication
import Schema
import Synchronization
import Transport

extension Daemon {
  /// Reports phases as a join does.
  /// - Throws: `APIError`: refused (3, 6), not reachable (5), or still under way when the time was
  ///   over (7).
  func changeRole(
    _ wish: LocalRoleChange, actor: String, report: @escaping Report
  ) async throws {
    guard let role = NodeRole(named: wish.role) else {
      throw Failure("unknown role \"\(wish.role)\": worker or control-plane", exitCode: 2)
    }
    guard let id = CommandID(wish.command) else { throw Query.noCommand }
    let end =
      ReplicaDriver.now()
      &+ Duration.milliseconds(Int64(wish.timeoutSeconds * 1000))
      .nanoseconds
    let node = try controlPlane("change what nodes are")
    let (member, isMoving) = try await node.driver.look { replica in
      Result { () throws(Refusal) in
        let member = try replica.cluster.activeMember(wish.target)
        return (member, replica.cluster.departure?.node == member.id)
      }
    }.get()
    if member.record.role == role, !isMoving {
      let pending = try? await running(member, as: role)
      return report(
        ProgressLine(
          output: "\(member.name) is a \(role.name) node already (since index "
            + "\(member.roleIndex)); nothing was changed."
            + (pending.flatMap { $0 }.map { "\nIt does not serve yet: \($0)" } ?? "")))
    }
    var change = Command.ChangeRole(target: member.id.description, role: role)
    if role == .controlPlane {
      if member.record.isKeyless { throw Refusal.staysWorker(member) }
      change.endpoints = try await ask(member, report: report)
      change.bundle = try bundle(for: role, wish: "promote \(member.name)").digest
    }
    let command = Command.changeRole(change)
    report(ProgressLine(progress: "ask the cluster: \(member.name) \(role.name)"))
    let request = Membership.Request(
      id: id, command: command, actor: actor, reason: wish.reason, origin: file.nodeID)
    let index = try await record(request, of: member, on: node, until: end)
    report(
      ProgressLine(
        progress: "recorded: \(member.name) is a \(role.name) node"
          + (index.map { " since index \($0)" } ?? "")))
    try await wait(for: member, as: role, until: end, report: report)
    report(ProgressLine(output: "\(member.name) is a \(role.name) node now."))
  }

  /// Where the worker would be as a control-plane node.
  private func ask(_ member: Member, report: Report) async throws -> Endpoints {
    let address = member.record.endpoints.cluster
    report(ProgressLine(progress: "contact: \(member.name), \(address)"))
    let answer: RoleAnswer
    do {
      answer = try await firstAnswer(of: member)
    } catch let failure as Failure where failure.exitCode == 4 {
      throw APIError("cannot promote \(member.name): \(failure)", code: "identity", exitCode: 4)
    } catch {
      throw APIError(
        "cannot promote \(member.name): \(APIError(describing: error).error). Nothing was changed;"
          + " see to it that its agent runs and can be reached at \(address), and try again",
        code: "node-unreachable", exitCode: 5)
    }
    guard answer.eventFormat == Version.eventFormat else {
      throw APIError(
        "cannot promote \(member.name): it understands events of format \(answer.eventFormat), "
          + "this cluster writes \(Version.eventFormat); use the same version of muster",
        code: "version", exitCode: 6)
    }
    return try answer.endpoints(with: member.record.endpoints)
  }

  /// Asks for three seconds: it may be restarting.
  private func firstAnswer(of member: Member) async throws -> RoleAnswer {
    let end = ReplicaDriver.now() &+ 3_000_000_000
    while true {
      do {
        return try await roleAnswer(of: member)
      } catch {
        let isFinal = ![5, 7].contains(APIError(describing: error).exitCode)
        guard !isFinal, ReplicaDriver.now() < end else { throw error }
        try await Task.sleep(for: .milliseconds(200))
      }
    }
  }

  /// What that node says of itself, over its cluster port.
  private func roleAnswer(of member: Member) async throws -> RoleAnswer {
    if member.id == file.nodeID { return try roleAnswer() }
    let bytes = try await client.call(
      .GET, "/v1/role", at: member.record.endpoints.cluster, key: member.record.key,
      timeout: .seconds(3))
    return try JSON.decode(RoleAnswer.self, bytes)
  }

  /// Why the node does not serve in that role yet; nil if it does.
  private func running(_ member: Member, as role: NodeRole) async throws -> String? {
    let answer = try await roleAnswer(of: member)
    guard answer.role == role.name else { return "it still runs as a \(answer.role) node" }
    return answer.pending
  }

  /// Has the leader decide, again and again under the same id while the outcome is unknown.
  /// - Returns: the index of the event that gave the role, where that was told.
  private func record(
    _ request: Membership.Request, of member: Member, on node: ControlPlane, until end: UInt64
  ) async throws -> UInt64? {
    while true {
      let now = ReplicaDriver.now()
      let left = Duration.nanoseconds(Int64(clamping: max(end, now) - now))
      let outcome = await outcome(
        of: request, on: node, isOwn: member.id == file.nodeID, timeout: left)
      switch outcome {
      case .committed(_, let last):
        if case .controlPlane(let running) = mode, running === node {
          _ = await node.board.applied.wait(above: last - 1, timeout: .seconds(1))
        }
        return last
      case nil: return file.roleIndex
      case .refused(let code, let exitCode, let message):
        throw APIError(message, code: code, exitCode: exitCode)
      case .unknown, .notLeader:
        guard ReplicaDriver.now() < end, !Task.isCancelled else {
          _ = try outcome.map(Self.appended)
          return nil
        }
        try await Task.sleep(for: .milliseconds(100))
      }
    }
  }

  /// The answer, or nil once this node, if it is about itself, is no control-plane node any more.
  private func outcome(
    of request: Membership.Request, on node: ControlPlane, isOwn: Bool, timeout: Duration
  ) async -> Outcome? {
    let (answers, answer) = AsyncStream<Outcome?>.makeStream()
    Task { answer.yield(await node.driver.submit(request, timeout: timeout)) }
    let listening = Task {
      while !Task.isCancelled {
        if isOwn, self.file.role == .worker { answer.yield(nil) }
        try? await Task.sleep(for: .milliseconds(20))
      }
    }
    defer { listening.cancel() }
    for await outcome in answers { return outcome }
    return .unknown(reason: "the agent is stopping")
  }

  private func wait(
    for member: Member, as role: NodeRole, until end: UInt64, report: Report
  ) async throws {
    var told = ""
    while true {
      let pending: String?
      do {
        let running = try await running(member, as: role)
        pending = if let running { running } else { await duty(of: member, role) }
      } catch {
        pending = APIError(describing: error).error
      }
      guard let pending else { return }
      if told != pending { report(ProgressLine(progress: "take up role: \(pending)")) }
      told = pending
      guard ReplicaDriver.now() < end else {
        throw APIError(
          "timed out: \(member.name) is recorded as a \(role.name) node and does not serve as one "
            + "yet (\(pending)); it goes on by itself as soon as it can, see muster status",
          code: "timed-out", exitCode: 7)
      }
      try await Task.sleep(for: .milliseconds(200))
    }
  }

  /// Whether a control-plane node has its datastore role, as the log here has it; nil if it has.
  private func duty(of member: Member, _ role: NodeRole) async -> String? {
    guard role == .controlPlane, case .controlPlane(let node) = mode else { return nil }
    let duty = await node.driver.look { $0.cluster.node(member.id)?.datastoreRole }
    return duty == nil ? "it has no datastore role yet" : nil
  }
}
