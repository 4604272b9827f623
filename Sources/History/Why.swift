// Why things are as they are: the shortest chain of events, each cited by its index, in plain
// words. Nothing is concluded that the log does not say.

package import Membership
import Projections

/// The answer to a question of why.
package struct Why: Sendable {
  package struct Step: Sendable {
    package var line: EventLine
    /// What this event has to do with the question.
    package var words: String
  }
  /// How things are.
  package var verdict: [String]
  /// What led there, in order.
  package var chain: [Step]

  /// - Parameters:
  ///   - question: `ha`, `endpoints`, a node's name or id, departed ones included, or the id of an
  ///     invitation.
  ///   - now: whether an invitation has expired is told as of then; nil for the time of the index.
  package init(
    _ history: History, _ question: String, at index: UInt64, now: Timestamp? = nil
  ) throws {
    let state = try history.state(at: index)
    guard state.isFormed else {
      throw Unanswerable("there is no cluster at index \(index) yet")
    }
    switch question {
    case "ha", "high-availability": self = try Why.availability(history, state)
    case "endpoints", "provider": self = try Why.endpoints(history, state)
    default:
      if !state.knows(question), let token = TokenID(question).flatMap({ state.token($0) }) {
        self = try Why.invitation(history, token, now: now ?? state.lastTime)
      } else {
        self = try Why.node(history, state, question)
      }
    }
  }

  init(verdict: [String], chain: [Step]) {
    self.verdict = verdict
    self.chain = chain
  }

  /// The events in order, each once, with what led to them as far back as the log says.
  static func chain(
    _ history: History, _ ends: [(index: UInt64?, words: String)], depth: Int = 4
  ) throws -> [Step] {
    var known: [UInt64: Step] = [:]
    var told: [UInt64: [String]] = [:]
    for end in ends {
      guard let index = end.index, index >= history.first else { continue }
      if told[index]?.contains(end.words) != true { told[index, default: []].append(end.words) }
    }
    var open = told.sorted { $0.key < $1.key }.map { index, words in
      (index: index, words: words.joined(separator: "; "), depth: 0)
    }
    while let next = open.popLast() {
      if known[next.index] != nil { continue }
      let hash = try history.source.hash(at: next.index)
      try history.walk(from: next.index, through: next.index) { recorded, before, after in
        known[next.index] = Step(
          line: EventLine(recorded, hash: hash, before: before, after: after), words: next.words)
        guard next.depth < depth else { return false }
        for cause in try history.causes(of: recorded, before: before)
        where known[cause.index] == nil && told[cause.index] == nil {
          open.append((cause.index, cause.words, next.depth + 1))
        }
        return false
      }
    }
    return known.sorted { $0.key < $1.key }.map(\.value)
  }

  // MARK: High availability

  /// Adds what a running agent sees at the moment, where that is not what the log recorded: only a
  /// leader records, and there may be none.
  package mutating func add(isHigh: Bool, isQuorumHeld: Bool, by name: String) {
    let recorded = verdict.first == "high-availability: yes"
    guard recorded != isHigh || !isQuorumHeld else { return }
    verdict.insert(
      "high-availability now: \(isHigh ? "yes" : "no"), as \(name) sees it"
        + (isQuorumHeld ? "" : "; no quorum is in its reach, so nothing newer is recorded here")
        + ". The log, which does not know of that yet, says:", at: 0)
  }

  private static func availability(_ history: History, _ state: Cluster) throws -> Why {
    let available = HighAvailability(state)
    var verdict = [
      "high-availability: \(available.isHighlyAvailable ? "yes" : "no")", available.sentence,
    ]
    let change = try history.lastChange(ofAvailabilityAtOrBefore: state.lastIndex)
    if let change {
      verdict.append(
        "what can be lost has been so since index \(change.index) "
          + "(\(change.envelope.time.rfc3339)), as recorded")
    }
    if state.voters.count < 3 {
      let more = 3 - state.controlPlane.count
      verdict.append(
        "\(counted(state.voters.count, "node")) of \(state.controlPlane.count) in the control plane"
          + (state.voters.count == 1 ? " votes" : " vote")
          + (more > 0
            ? "; three must: join \(counted(more, "more control-plane node"))"
            : "; three must vote"))
    }
    var ends: [(index: UInt64?, words: String)] = [
      (change?.index, "the last change of what can be lost")
    ]
    if !available.isHighlyAvailable {
      // What may be lost can change more than once after high availability is gone.
      let loss = try history.lastChange(ofAvailabilityAtOrBefore: state.lastIndex) {
        $0.isHighlyAvailable && !$1.isHighlyAvailable
      }
      if let loss {
        verdict.append(
          "the cluster was highly available until index \(loss.index) "
            + "(\(loss.envelope.time.rfc3339)), as recorded")
        ends.append((loss.index, "high availability ended here"))
      } else if history.first == 1 {
        verdict.append("the cluster has never been highly available, as recorded")
      }
    }
    if !available.isHighlyAvailable {
      let vote = try history.last(
        atOrBefore: state.lastIndex,
        types: RecordedEvent.assigning.union([.clusterFormed, .clusterImported])
      ) { $0.changesVoters }
      ends.append((vote?.index, "the last change of who votes"))
    }
    let roles = try history.roleOrigins(of: state.voters, atOrBefore: state.lastIndex)
    for voter in state.nodes(.voter) {
      ends.append((roles[voter.id] ?? voter.joinIndex, "\(voter.name) votes from here on"))
      if voter.isSuspected {
        let suspected = try history.lastSuspicion(of: voter.id, before: state.lastIndex + 1)
        ends.append((suspected?.index, "\(voter.name) does not count from here on"))
      }
    }
    return Why(verdict: verdict, chain: try chain(history, ends, depth: 1))
  }

  // MARK: Endpoints

  private static func endpoints(_ history: History, _ state: Cluster) throws -> Why {
    let serving = Set(state.servingAPI.map(\.id))
    var verdict: [String] = []
    var ends: [(index: UInt64?, words: String)] = [
      (state.endpointIndex, "the last change of what workers are told")
    ]
    for member in state.controlPlane {
      guard let address = member.record.endpoints.apiserver else {
        verdict.append("\(member.name) has no api server")
        continue
      }
      if serving.contains(member.id) {
        let alone = member.isSuspected || !member.apiserverReady
        verdict.append(
          "\(address) (\(member.name)) is listed"
            + (alone ? " although it is not fit: no other is" : ""))
        ends.append((member.endpointIndex, "\(member.name) told where it serves"))
      } else if member.isSuspected {
        verdict.append("\(address) (\(member.name)) is not listed: it is suspected")
        let found = try history.lastSuspicion(of: member.id, before: state.lastIndex + 1)
        ends.append((found?.index, "\(member.name) is not listed from here on"))
      } else {
        verdict.append("\(address) (\(member.name)) is not listed: its api server is not ready")
        ends.append((member.endpointIndex, "\(member.name) told that it does not serve"))
      }
    }
    for gone in state.departed.suffix(3) {
      ends.append(
        (
          gone.index,
          gone.how == .leftBehind
            ? "nobody of the cluster before is listed from here on"
            : "\(gone.name) is not listed from here on"
        ))
    }
    return Why(verdict: verdict, chain: try chain(history, ends, depth: 1))
  }

  // MARK: A node

  private static func node(_ history: History, _ state: Cluster, _ name: String) throws -> Why {
    let member = state.node(named: name) ?? NodeID(name).flatMap { state.node($0) }
    let gone = state.departed.last { $0.name == name || $0.node.description == name }
    guard let id = member?.id ?? gone?.node else {
      var unknown = state.unknownNode(name)
      unknown.description += "; or ask for ha or endpoints"
      throw unknown
    }
    if let member, member.isActive { return try active(history, state, member) }
    let left = gone.map { gone in
      "\(gone.name) is no member: \(gone.how.words) at index \(gone.index) "
        + "(\(gone.time.rfc3339)) by \(gone.actor)"
        + (gone.reason.isEmpty ? "" : ", reason: \(gone.reason)")
    }
    return Why(
      verdict: [left ?? "\(name) is no member"],
      chain: try chain(
        history,
        [(gone?.index, "\(gone?.name ?? name) went")] + story(history, state, id)))
  }

  private static func active(_ history: History, _ state: Cluster, _ member: Member) throws -> Why {
    let duty = member.datastoreRole?.name ?? "no datastore role"
    var verdict = [
      "\(member.name) is a \(member.record.role.name) node"
        + (member.isControlPlane ? ": \(duty)" : "") + ", at \(member.record.endpoints.cluster)"
    ]
    if let since = member.suspectedSince {
      verdict.append(
        "\(member.name) is suspected since \(since.rfc3339): the leader had no contact to it")
    }
    if let departure = state.departure, departure.node == member.id {
      let verb = departure.kind == .demote ? departure.kind.verb : "is on its way out"
      verdict.append("\(member.name) \(verb) since index \(departure.index)")
    }
    if let upkeep = member.maintenance {
      verdict.append(
        "\(member.name) may be away "
          + (upkeep.until.map { "until \($0.rfc3339)" } ?? "until it is told to be back")
          + ": it is in maintenance")
    }
    if let heir = member.lentTo {
      verdict.append("\(state.name(of: heir)) votes in the place of \(member.name)")
    }
    return Why(verdict: verdict, chain: try chain(history, story(history, state, member.id)))
  }

  /// How it came in and got its role, and whether it is suspected.
  private static func story(
    _ history: History, _ state: Cluster, _ id: NodeID
  ) throws -> [(index: UInt64?, words: String)] {
    let joined = try history.last(
      atOrBefore: state.lastIndex,
      types: [.nodeJoined, .nodeReplaced, .clusterFormed, .clusterImported]
    ) { $0.concerns(id) }
    let changed = try history.last(
      atOrBefore: state.lastIndex, types: [.nodePromoted, .nodeDemoted]
    ) { $0.concerns(id) }
    let role = try history.last(atOrBefore: state.lastIndex, types: RecordedEvent.assigning) {
      $0.assigns(id)
    }
    let health = try history.last(
      atOrBefore: state.lastIndex, types: [.nodeSuspected, .nodeRecovered]
    ) { $0.concerns(id) }
    let upkeep = try history.last(
      atOrBefore: state.lastIndex, types: [.maintenanceEntered, .maintenanceExited]
    ) { $0.concerns(id) }
    let name = state.name(of: id)
    let certificates = (state.node(id)?.certificates ?? []).map { certificate in
      (
        index: Optional(certificate.index),
        words: "\(name) got the certificate for \(certificate.subject), good until "
          + certificate.expires.rfc3339
      )
    }
    return [
      (joined?.index, "\(name) became a member"),
      (changed?.index, "the last change between worker and control plane of \(name)"),
      (role?.index, "the last change of the datastore role of \(name)"),
      (upkeep?.index, "the last word on maintenance of \(name)"),
      (health?.index, "what the leader last saw of \(name)"),
    ]
      + certificates
  }

  // MARK: Words

  package var text: String {
    verdict.map { $0 + "\n" }.joined() + "because\n"
      + chain.map { step in
        let envelope = step.line.recorded.envelope
        let effect = step.line.effect ?? envelope.event.type.name
        return EventText.printable(
          "  \(step.line.recorded.index)  \(envelope.time.rfc3339)  "
            + "\(step.line.actorName ?? envelope.actor)  "
            + "\(envelope.event.type.name): \(effect) (\(step.words))"
            + (envelope.reason.isEmpty ? "" : " (reason: \(envelope.reason))")) + "\n"
      }.joined()
  }

  package var document: Document {
    .answer([
      ("verdict", .texts(verdict)),
      (
        "chain",
        .list(
          chain.map { .object([("event", $0.line.document), ("words", .text($0.words))]) })
      ),
    ])
  }
}

extension History {
  /// For each of the nodes the newest event that gave it its role, in one pass back over history.
  fileprivate func roleOrigins(
    of nodes: [NodeID], atOrBefore index: UInt64
  ) throws -> [NodeID: UInt64] {
    var origins: [NodeID: UInt64] = [:]
    try backwards(from: index, types: RecordedEvent.assigning) { events in
      for recorded in events.reversed() {
        for node in nodes where origins[node] == nil && recorded.assigns(node) {
          origins[node] = recorded.index
        }
      }
      return origins.count < nodes.count
    }
    return origins
  }
}

extension RecordedEvent {
  /// The kinds that give and take datastore roles.
  static let assigning: Set<EventType> = [.roleAssigned, .nodeReplaced]

  /// Whether other nodes vote after it.
  fileprivate var changesVoters: Bool {
    switch envelope.event {
    case .roleAssigned(let assigned): assigned.joint
    case .nodeReplaced(let replaced): replaced.joint
    case .clusterFormed, .clusterImported: true
    default: false
    }
  }

  /// Whether it gives that node a datastore role or takes it.
  func assigns(_ node: NodeID) -> Bool {
    switch envelope.event {
    case .roleAssigned(let assigned): assigned.assignments.contains { $0.node == node }
    case .nodeReplaced(let replaced): replaced.assignments.contains { $0.node == node }
    default: false
    }
  }
}
