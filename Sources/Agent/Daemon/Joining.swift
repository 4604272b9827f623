// Joining, on the side of the joiner.
//
// Before the first request the intent is durable, with the command's id: however often the
// connection or a process breaks, asking again under that id finds what happened. The token is
// spent by the event that makes the node a member. Anything that fails before that event leaves
// the node as it was; everything after it is only switching over, which a restart finishes.

import FoundationEssentials
import Logging
import Membership
import NIOCore
import NIOHTTP1
import Replication
import Synchronization
import Transport

/// `join.json`, mode 0600: it holds the invitation's secret until the join is through.
struct JoinIntent: Codable, Sendable {
  var command: String
  var connection: String
  var worker: Bool
  /// The member whose place it takes, as it was typed.
  var replaces: String?
  /// DER of the verified certificate, so that each later call is verified too.
  var certificate: [UInt8]
  /// Set once the node is a member: nothing is asked any more, only switched.
  var answer: JoinAnswer?

  static func load(_ directory: DataDirectory) throws(Failure) -> JoinIntent? {
    guard let bytes = try directory.read(directory.joinIntent) else { return nil }
    return try JSON.decode(JoinIntent.self, bytes)
  }

  func save(_ directory: DataDirectory) throws(Failure) {
    try directory.write(try JSON.encode(self), to: directory.joinIntent)
  }
}

extension Daemon {
  /// `muster join`: runs or attaches to a join, with its phases reported.
  func join(_ wish: LocalJoin, report: @escaping Report) async throws {
    let connection = try JoinString(parsing: wish.connection)
    let digest = Self.digest(connection.address + "/" + connection.token).description
    let end =
      ReplicaDriver.now() &+ Duration.milliseconds(Int64(wish.timeoutSeconds * 1000)).nanoseconds
    if file.joinedBy != digest {
      report(ProgressLine(output: "Contacting cluster at \(connection.host)"))
      try await waitForTwin(digest, until: end, report: report)
    }
    if file.joinedBy == digest {
      try await attachToJoin(until: end)
      try await finishJoinHooks(report)
      if wish.worker { report(ProgressLine(output: Self.workerUsage(directory))) }
      return report(ProgressLine(output: "Successfully joined the cluster."))
    }
    try beginChange("a join", joining: wish.dryRun ? nil : digest)
    defer { endChange() }
    let accepted = try JoinIntent.load(directory)
    if let accepted, let answer = accepted.answer, accepted.connection == wish.connection {
      // A member already; what is left is to switch over.
      return try await finish(accepted, answer, digest, until: end, report: report)
    }
    try await requireAlone()
    let intent = try await prepare(wish, connection, report: report)
    let answer = try await request(
      intent, connection, dryRun: wish.dryRun, until: end, report: report)
    if let warning = answer.warning { report(ProgressLine(progress: "warning: \(warning)")) }
    if wish.dryRun {
      return report(
        ProgressLine(
          output:
            "\(answer.name) would admit this node to cluster \(answer.cluster); "
            + "nothing was changed."
        ))
    }
    var member = intent
    member.answer = answer
    try member.save(directory)
    try await finish(member, answer, digest, until: end, report: report)
  }

  /// Waits where the same join is under way already: whoever typed it may have gone away.
  private func waitForTwin(_ digest: String, until end: UInt64, report: Report) async throws {
    guard state.withLock({ $0.joining }) == digest else { return }
    report(ProgressLine(progress: "this join is under way already: wait for it"))
    while state.withLock({ $0.joining }) == digest {
      guard ReplicaDriver.now() < end else {
        throw APIError(
          "timed out: the join is still under way; the same command again attaches to it",
          code: "timed-out", exitCode: 7)
      }
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  private func finish(
    _ intent: JoinIntent, _ answer: JoinAnswer, _ digest: String, until end: UInt64,
    report: @escaping Report
  ) async throws {
    try await switchOver(intent, answer, joinedBy: digest, until: end, report: report)
    try await finishJoinHooks(report)
    report(ProgressLine(progress: "note: local (hostpath) volumes stay on their node"))
    if intent.worker { report(ProgressLine(output: Self.workerUsage(directory))) }
    report(ProgressLine(output: "Successfully joined the cluster."))
  }

  /// A node whose own cluster has other members cannot join another.
  private func requireAlone() async throws {
    switch mode {
    case .starting: throw Failure("the agent is starting; try again", exitCode: 7)
    case .departed(let gone): throw Self.departed(gone)
    case .worker:
      throw APIError(
        "cannot join: this node is a worker of a cluster; run `muster leave` first",
        code: "member", exitCode: 3)
    case .controlPlane(let node):
      let others = await node.driver.look { replica in
        replica.cluster.nodes.filter { $0.isActive && $0.id != replica.options.node }.map(\.name)
      }
      guard others.isEmpty else {
        throw APIError(
          "cannot join: this node's own cluster has other members ("
            + "\(others.joined(separator: ", "))); "
            + "run `muster leave` first", code: "member", exitCode: 3)
      }
    }
  }

  /// Looks at the other side and makes the intent durable; nothing secret has left this node yet.
  private func prepare(
    _ wish: LocalJoin, _ connection: JoinString, report: Report
  ) async throws -> JoinIntent {
    report(ProgressLine(progress: "contact: \(connection.address)"))
    let certificate: [UInt8]
    do {
      certificate = try await PinnedProbe.fetchCertificate(
        HostPort(connection.host.description, Int(connection.port)),
        expectedFingerprint: connection.check, timeout: .seconds(5), group: group)
    } catch {
      let transport = TransportError(error, subject: connection.address)
      if transport.kind == .unexpectedKey {
        throw APIError(
          "Joining cluster failed. Could not verify the identity of \(connection.host): it "
            + "presents another certificate than CHECK says; nothing was sent to it. Take a fresh "
            + "string from add-node, and make sure that the address is right", code: "identity",
          exitCode: 4)
      }
      throw APIError("cannot join: \(transport)", code: "connect", exitCode: 5)
    }
    report(ProgressLine(progress: "verify identity: the certificate is the one that CHECK names"))
    guard NodeIdentity.fingerprint(ofCertificate: certificate) != identity.certificateFingerprint
    else {
      throw APIError(
        "cannot join: \(connection.address) is this node itself; run the command on the node that "
          + "is to join", code: "itself", exitCode: 3)
    }
    if let earlier = try JoinIntent.load(directory), earlier.connection == wish.connection,
      earlier.worker == wish.worker, earlier.replaces == wish.replaces
    {
      return earlier
    }
    let intent = JoinIntent(
      command: CommandID.drawn().description, connection: wish.connection, worker: wish.worker,
      replaces: wish.replaces, certificate: certificate)
    if !wish.dryRun { try intent.save(directory) }
    return intent
  }

  /// Asks for membership until there is an answer; a refusal ends the intent.
  private func request(
    _ intent: JoinIntent, _ connection: JoinString, dryRun: Bool, until end: UInt64, report: Report
  ) async throws -> JoinAnswer {
    if let answer = intent.answer { return answer }
    let role: NodeRole = intent.worker ? .worker : .controlPlane
    report(
      ProgressLine(progress: "check: \(settings.name), \(settings.clusterAddress), \(role.name)"))
    guard let address = Address(host: connection.host, port: connection.port) else {
      throw Failure("cannot join: the port is 0", exitCode: 2)
    }
    var told = false
    report(ProgressLine(progress: "request membership"))
    while true {
      do {
        let body = try JSON.encode(
          wish(intent, token: connection.token, role: role, dryRun: dryRun))
        let bytes = try await client.call(
          .POST, "/v1/join", at: address, certificate: intent.certificate, body: body,
          timeout: .seconds(15))
        return try JSON.decode(JoinAnswer.self, bytes)
      } catch let error as APIError
        where error.exitCode != 7 && error.code != "starting" && !isStopping
      {
        if !dryRun { try directory.remove(directory.joinIntent) }
        throw error
      } catch {
        let isUndecided = ["timed-out", "no-leader"].contains((error as? APIError)?.code)
        let why = isUndecided ? "\(connection.host) found no leader to decide it" : "\(error)"
        guard ReplicaDriver.now() < end, !Task.isCancelled, !isStopping else {
          throw APIError(
            "timed out: \(why); whether this node is a member is unknown, and the same command "
              + "again finishes it", code: "timed-out", exitCode: 7)
        }
        if !told { report(ProgressLine(progress: "no answer yet (\(why)), asking again")) }
        told = true
        try await Task.sleep(for: .milliseconds(200))
      }
    }
  }

  private func wish(_ intent: JoinIntent, token: String, role: NodeRole, dryRun: Bool)
    -> JoinRequest
  {
    let endpoints = settings.endpoints(for: role)
    return JoinRequest(
      command: intent.command, token: token, node: file.node, name: settings.name,
      role: role.name, clusterAddress: endpoints.cluster.description,
      datastoreAddress: endpoints.datastore?.description,
      apiserverAddress: endpoints.apiserver?.description,
      extraAddresses: endpoints.extra.map(\.description), failureDomain: settings.failureDomain,
      version: Version.program, eventFormat: Version.eventFormat,
      clock: Timestamp.now.milliseconds, dryRun: dryRun, replaces: intent.replaces)
  }

  /// The node is a member: give up the old cluster and take up the new role. Every step may be done
  /// twice.
  /// - Parameter end: how long to wait for the log; nil for a minute.
  func switchOver(
    _ intent: JoinIntent, _ answer: JoinAnswer, joinedBy: String, until end: UInt64? = nil,
    report: Report
  ) async throws {
    let offset = answer.clock - Timestamp.now.milliseconds
    if abs(offset) > 1000 {
      report(ProgressLine(progress: "warning: the clocks differ by \(offset) ms"))
    }
    let old = file
    if old.cluster != answer.cluster { await keepWhatHooksWaitFor() }
    await stopNode()
    let role: NodeFile.Role = intent.worker ? .worker : .controlPlane
    if old.cluster != answer.cluster {
      if let path = try directory.archive(directory.log, as: "log-\(old.cluster)") {
        report(
          ProgressLine(
            progress: "archive the log of this node's own cluster, its invitations with it: \(path)"
          ))
      }
      try KubernetesFiles(directory).remove()
    }
    if let certificate = answer.kubernetesCA {
      try KubernetesFiles(directory).store(certificate: certificate, key: answer.kubernetesKey)
    }
    try IntroductionLetter(members: answer.members, chain: answer.introductions).save(directory)
    var next = old
    next.cluster = answer.cluster
    next.role = role
    next.joinedBy = joinedBy
    next.departed = nil
    next.roleIndex = nil
    if role == .worker {
      try directory.write(try JSON.encode(answer.endpoints), to: directory.workerState)
      try ProxyArguments.writeDefaults(directory)
    } else if !directory.exists(directory.log) {
      try prepareEmptyLog(next)
    }
    try receive(answer, report: report)
    try enterForHooks(next, answer)
    try next.save(directory)
    try Formation.recover(directory)
    state.withLock { state in
      state.file = next
      state.told = nil
    }
    try await startNode()
    try directory.remove(directory.joinIntent)
    try await takeUpRole(
      answer, until: end ?? ReplicaDriver.now() &+ 60_000_000_000, report: report)
    await announceEndpoints()
  }

  func prepareEmptyLog(_ next: NodeFile) throws {
    guard let cluster = next.clusterID, let node = next.nodeID else {
      throw Failure("cannot begin a log: node.json names no cluster", exitCode: 1)
    }
    try Formation.removeTree(directory.newLog, directory)
    try Formation.createLog(directory, cluster: cluster, node: node, first: nil)
  }

  /// Waits until this node has the event that made it a member.
  private func takeUpRole(
    _ answer: JoinAnswer, until end: UInt64, report: Report
  ) async throws {
    guard case .controlPlane(let node) = mode else {
      return report(ProgressLine(progress: "take up role: worker"))
    }
    var told: UInt64?
    while node.board.appliedIndex < answer.index {
      let applied = node.board.appliedIndex
      if let gone = state.withLock({ $0.told }) { throw Self.departed(gone) }
      guard ReplicaDriver.now() < end else {
        throw APIError(
          "timed out: this node is a member since index \(answer.index), but the log has not "
            + "arrived (\(applied) of \(answer.index) events). It goes on by itself, and the same "
            + "command again waits for it; `muster doctor` says what keeps this node and the "
            + "others apart", code: "timed-out", exitCode: 7)
      }
      if told != applied {
        report(
          ProgressLine(progress: "receive the log: \(applied) of \(answer.index) events"))
      }
      told = applied
      _ = await node.board.applied.wait(above: node.board.appliedIndex, timeout: .seconds(1))
    }
    report(ProgressLine(progress: "receive the log: \(node.board.appliedIndex) events"))
    report(ProgressLine(progress: "take up role: control plane"))
  }

  static func workerUsage(_ directory: DataDirectory) -> String {
    """
    The node has joined the cluster and will appear in the nodes list in a few seconds.

    This worker reaches the API servers through its proxy, which follows changes by itself.
    If a load balancer stands in front of the API servers, put its address into
    \(directory.provider)
    and set --refresh-interval 0 in
    \(directory.proxyArguments)
    """
  }
}
