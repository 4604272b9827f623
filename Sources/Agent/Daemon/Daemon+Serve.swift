// What the routes ask for: commands to the log, questions to the state.

import Crypto
import EventLog
import FoundationEssentials
import Hummingbird
import Logging
import Membership
import NIOCore
import Projections
import Replication
import Schema
import Transport

extension Daemon {
  // MARK: Commands

  /// Appends through the leader, wherever it is, and waits until that is committed and applied
  /// here.
  func append(
    _ command: Command, id: CommandID, actor: String, reason: String = "", timeout: Duration
  ) async throws -> Appended {
    let node = try controlPlane("change the cluster")
    let outcome = await node.driver.submit(
      Membership.Request(
        id: id, command: command, actor: actor, reason: reason, origin: file.nodeID),
      timeout: timeout)
    let appended = try Self.appended(outcome)
    _ = await node.board.applied.wait(above: appended.last - 1, timeout: .seconds(1))
    return appended
  }

  static func appended(_ outcome: Outcome) throws -> Appended {
    switch outcome {
    case .committed(let first, let last): return Appended(first: first, last: last)
    case .refused(let code, let exitCode, let message):
      throw APIError(message, code: code, exitCode: exitCode)
    case .unknown(let reason):
      throw APIError(
        "timed out: \(reason); whether it happened is unknown, the same command again is safe",
        code: "timed-out", exitCode: 7)
    case .notLeader:
      throw APIError(
        "timed out: no leader is known; nothing was changed, try again", code: "no-leader",
        exitCode: 7)
    }
  }

  static func digest(_ secret: String) -> Membership.Digest {
    guard let digest = Membership.Digest(bytes: Array(SHA256.hash(data: Array(secret.utf8)))) else {
      preconditionFailure("a SHA-256 value has 32 bytes")
    }
    return digest
  }

  /// A node asks to become a member, with the key that its connection proved.
  func admit(_ wish: JoinRequest, key: Membership.Digest) async throws -> JoinAnswer {
    let node = try controlPlane("admit nodes")
    let record = try Self.record(wish, key: key)
    guard let id = CommandID(wish.command) else { throw Query.noCommand }
    let (offset, isAbsurd) = wish.clock.subtractingReportingOverflow(Timestamp.now.milliseconds)
    guard !isAbsurd, offset.magnitude <= 3_600_000 else {
      throw APIError(
        "cannot join: the clocks of the two machines differ by \(offset.magnitude / 1000) s, more "
          + "than an "
          + "hour; set them right first", code: "clock", exitCode: 6)
    }
    guard wish.eventFormat == Version.eventFormat else {
      throw APIError(
        "cannot join: \(wish.name) understands events of format \(wish.eventFormat), this cluster "
          + "writes \(Version.eventFormat); use the same version of muster", code: "version",
        exitCode: 6)
    }
    let secret = Self.digest(wish.token)
    let (token, isMember) = await node.driver.look { replica in
      (replica.cluster.token(secret: secret)?.token.id, replica.cluster.activeNode(key: key) != nil)
    }
    // A stranger is told nothing of what is on this node's disk.
    guard token != nil || isMember else { throw Refusal.tokenUnknown }
    let actor = token.map { "token \($0)" } ?? wish.name
    // Judged before it is a member: it becomes one with all that it is to be given, or not at all.
    let bundle = try bundle(for: record.role, wish: "join")
    let command = Command.join(
      .init(node: record, secret: secret, replaces: wish.replaces, bundle: bundle.digest))
    var index: UInt64 = 0
    let request = Membership.Request(id: id, command: command, actor: actor)
    let forecast = await forecast(request, on: node)
    if wish.dryRun { _ = try forecast.get() }
    // Who would be refused anyhow is told why, not that nobody is there.
    let isNew = !isMember && (try? forecast.get()) != nil
    let warning = isNew ? try await reach(record) : nil
    if wish.dryRun {
      var answer = try joinAnswer(node, record: record, index: index)
      answer.warning = warning
      return answer
    }
    let outcome = await node.driver.submit(request, timeout: .seconds(10))
    index = try Self.appended(outcome).first
    _ = await node.board.applied.wait(above: index - 1, timeout: .seconds(5))
    // What it is given follows from what the log says that it is now, never from what it asks for.
    guard let member = await node.driver.look({ $0.cluster.activeNode(key: key) }) else {
      _ = try self.member(key)
      throw APIError("this node's log is not so far yet; try again", code: "starting", exitCode: 7)
    }
    guard record.role == .worker || member.isControlPlane else { throw Routes.forbidden }
    var answer = try joinAnswer(node, record: record, index: index)
    if !bundle.isEmpty { answer.bundle = bundle.encoded }
    answer.warning = warning
    return answer
  }

  /// A line in the log about who was turned away, with the words that it was given; none about who
  /// may ask the same again in a moment.
  func noteRefusal(_ wish: String, _ error: any Error) {
    let refusal = error as? MicroK8sRefusal
    let described = APIError(describing: error)
    guard refusal != nil || described.exitCode != 7 else { return }
    logger.warning("refused to \(wish): \(refusal?.text ?? described.error)")
  }

  /// What would be decided here; nothing is appended.
  private func forecast(
    _ request: Membership.Request, on node: ControlPlane
  ) async -> Result<Decision, Refusal> {
    await node.driver.look { replica in
      Result { () throws(Refusal) in
        try replica.cluster.decide(
          request, fingerprint: request.command.fingerprint,
          at: max(.now, replica.cluster.lastTime), observation: replica.presumption)
      }
    }
  }

  private static func record(_ wish: JoinRequest, key: Membership.Digest) throws -> NodeRecord {
    func address(_ text: String, _ what: String) throws -> Address {
      do throws(Address.Invalid) {
        return try Address(parsing: text)
      } catch {
        throw APIError(
          "cannot join: the \(what) address is wrong: \(error)", code: "address-invalid",
          exitCode: 6)
      }
    }
    guard let id = NodeID(wish.node), let role = NodeRole(named: wish.role) else {
      throw Failure("cannot join: the request names no node or no known role", exitCode: 2)
    }
    return NodeRecord(
      id: id, name: wish.name, role: role,
      endpoints: Endpoints(
        cluster: try address(wish.clusterAddress, "cluster"),
        datastore: try wish.datastoreAddress.map { try address($0, "datastore") },
        apiserver: try wish.apiserverAddress.map { try address($0, "API server") },
        extra: try wish.extraAddresses.map { try address($0, "further") }),
      key: key, failureDomain: wish.failureDomain, version: wish.version)
  }

  /// What a new member starts from. The Kubernetes CA's key goes to a control-plane node only.
  func joinAnswer(
    _ node: ControlPlane, record: NodeRecord, index: UInt64
  ) throws -> JoinAnswer {
    let directory = node.board.directory
    let isControlPlane = record.role == .controlPlane
    let members =
      directory.peers(without: record.id) + [directory.members[record.key]].compactMap { $0 }
    let introductions =
      isControlPlane && index > 0
      ? try node.board.introduction(of: record.id, key: record.key, index: index) : []
    let authority = try KubernetesFiles(self.directory).texts()
    var known = members.filter { $0.id != record.id && $0.role == .controlPlane }
    if let own = directory.members[context.key ?? record.key], !known.contains(own) {
      known.append(own)
    }
    return JoinAnswer(
      cluster: directory.cluster.description, incarnation: directory.incarnation, index: index,
      name: settings.name, endpoints: directory.endpoints,
      members: known.sorted { $0.id < $1.id }.compactMap { member in
        member.datastore.map {
          MemberAddress(
            node: member.id.description, name: member.name, datastore: $0.description,
            cluster: member.cluster.description, key: member.key.description,
            since: member.since)
        }
      },
      introductions: introductions.map { hex($0.encoded()) },
      kubernetesCA: authority?.certificate,
      kubernetesKey: isControlPlane && index > 0 ? authority?.key : nil,
      clock: Timestamp.now.milliseconds)
  }

  // MARK: Reads

  func status(_ query: Query) async throws -> Response {
    let format = query.text("format") ?? "pretty"
    if case .worker(let worker) = mode {
      let told = try await worker.ask("/v1/status?format=\(format)")
      guard format == "pretty" else { return Answer.text(told) }
      let troubles = hookTroubles + leaveTroubles
      return Answer.text(told + troubles.map { $0.sentence + "\n" }.joined())
    }
    let node = try controlPlane("tell the state")
    if let seconds = try query.number("wait") {
      let end = ReplicaDriver.now() &+ min(seconds, 86400) * 1_000_000_000
      while await !node.driver.confirm(timeout: .milliseconds(500)) {
        guard ReplicaDriver.now() < end, !node.board.isClosed else {
          throw APIError(
            "timed out: \(unreadiness ?? "no leader confirmed its state in time")",
            code: "timed-out", exitCode: 7)
        }
      }
    }
    let sight = try await sight(node, consistent: query.flag("consistent"), query)
    var report = sight.report(realAPIServers: settings.apiserverEndpoint != nil)
    report.troubles += hookTroubles + leaveTroubles
    return Answer.text(try Rendering.status(report, format: format))
  }

  func nodes(_ query: Query) async throws -> Response {
    let format = query.text("format") ?? "table"
    if case .worker(let worker) = mode {
      return Answer.text(try await worker.ask("/v1/nodes?format=\(format)"))
    }
    let node = try controlPlane("list nodes")
    let sight = try await sight(node, consistent: query.flag("consistent"), query)
    return Answer.text(
      try Rendering.nodes(sight.report(realAPIServers: false), format: format))
  }

  private func sight(_ node: ControlPlane, consistent: Bool, _ query: Query) async throws -> Sight {
    let patience: Duration = consistent ? query.timeout : .milliseconds(250)
    let sight = await Sight.take(node, patience: patience)
    guard !consistent || sight.basis == .confirmed else {
      throw APIError(
        "timed out: no leader confirmed that this is the latest state; without --consistent it is "
          + "told as this node knows it", code: "timed-out", exitCode: 7)
    }
    guard sight.state.isFormed else {
      throw APIError(
        "this node has not received the cluster's log yet; wait a moment", code: "no-log",
        exitCode: 7)
    }
    return sight
  }

  /// The endpoints, at once or when they change (`after`, `wait`).
  func endpoints(_ query: Query) async throws -> Response {
    let node = try controlPlane("tell endpoints")
    let after = try query.number("after") ?? 0
    let wait = min(try query.number("wait") ?? 0, 60)
    guard node.board.leaderless < .seconds(5) else {
      throw APIError(
        "this node has had no contact to a leader for 5 s; ask another", code: "no-leader",
        exitCode: 7)
    }
    if wait > 0, node.board.endpoints.version <= after {
      _ = await node.board.endpoints.wait(above: after, timeout: .seconds(Int64(wait)))
    }
    let (answer, body) = try node.board.endpointsAnswer()
    return Response(
      status: .ok,
      headers: [
        .contentType: "application/json", .eTag: "\"\(answer.incarnation)-\(answer.index)\"",
      ], body: .init(byteBuffer: body))
  }

  /// Prometheus' text format.
  func metrics() async -> String {
    var text = Metrics()
    text.add("muster_info", 1, labels: ["version": Version.program, "node": settings.name])
    addHooks(&text)
    guard case .controlPlane(let node) = mode else { return text.rendered }
    let sight = await Sight.take(node, patience: .milliseconds(50))
    let report = sight.report(realAPIServers: false)
    text.add("muster_ha_can_lose", report.highAvailability.canLose)
    text.add("muster_high_availability", report.highAvailability.isHighlyAvailable ? 1 : 0)
    text.add("muster_voters", report.datastore.masters.count)
    text.add("muster_standbys", report.datastore.standbys.count)
    text.add("muster_has_leader", node.board.leader == nil ? 0 : 1)
    text.add("muster_is_leader", node.board.leader == file.nodeID ? 1 : 0)
    text.add("muster_raft_term", report.term)
    text.add("muster_applied_index", report.index)
    text.add("muster_last_index", node.log.lastIndex)
    text.add("muster_endpoint_index", sight.state.endpointIndex)
    text.add("muster_nodes", report.nodes.rows.count)
    let (refused, abstains) = await node.driver.look { ($0.refused, $0.abstains) }
    text.add("muster_abstains", abstains ? 1 : 0)
    for (reason, count) in refused.sorted(by: { $0.key < $1.key }) {
      text.add("muster_raft_refused_total", count, labels: ["reason": reason])
    }
    text.add("muster_frames_malformed_total", node.driver.malformedFrames)
    let links = node.links.counters
    text.add("muster_link_frames_sent_total", links.framesSent)
    text.add("muster_link_frames_received_total", links.framesReceived)
    text.add("muster_link_frames_dropped_total", links.framesDropped)
    for (reason, count) in links.closed.sorted(by: { $0.key < $1.key }) {
      text.add("muster_link_closed_total", count, labels: ["reason": reason])
    }
    return text.rendered
  }
}

/// Lines of Prometheus' exposition format.
struct Metrics {
  private var lines: [String] = []

  mutating func add(
    _ name: String, _ value: some BinaryInteger, labels: KeyValuePairs<String, String> = [:]
  ) {
    let inside = labels.map { key, value in
      let escaped = value.map { $0 == "\\" || $0 == "\"" ? "\\\($0)" : "\($0)" }.joined()
      return "\(key)=\"\(escaped)\""
    }
    lines.append(
      inside.isEmpty ? "\(name) \(value)" : "\(name){\(inside.joined(separator: ","))} \(value)")
  }

  var rendered: String { lines.joined(separator: "\n") + "\n" }
}

extension NodeRole {
  init?(named name: String) {
    guard let role = NodeRole.allCases.first(where: { $0.name == name }) else { return nil }
    self = role
  }
}
