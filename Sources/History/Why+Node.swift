// Why a node is what it is: how it came in and got its role, what befell it, and, where it is gone,
// who took it out.

import Membership

extension Why {
  static func node(_ history: History, _ state: Cluster, _ name: String) throws -> Why {
    let member = state.node(named: name) ?? NodeID(name).flatMap { state.node($0) }
    let gone = state.departed.last { $0.name == name || $0.node.description == name }
    guard let id = member?.id ?? gone?.node else {
      var unknown = state.unknownNode(name)
      unknown.description +=
        "; or ask for \(words(topics, "or")), or for an invitation by its id: muster token list"
      throw unknown
    }
    let story = try story(history, state, id)
    let earlier = earlier(state, member?.name ?? gone?.name ?? name, before: id)
    if let member, member.isActive {
      return Why(
        verdict: active(state, member) + earlier, chain: try chain(history, story))
    }
    var verdict = ["\(name) is no member"]
    var ends: [(index: UInt64?, words: String)] = [(gone?.index, "\(gone?.name ?? name) went")]
    if let gone {
      verdict = [
        "\(gone.name) is no member: \(gone.how.words) at \(place(gone.index, gone.time)) "
          + "by \(gone.actor)" + (gone.reason.isEmpty ? "" : ", reason: \(gone.reason)")
      ]
      if gone.how == .left, state.node(id) == nil,
        let closing = try history.closing(of: gone, through: state.lastIndex)
      {
        let envelope = closing.envelope
        verdict.append(
          "the record of \(gone.name) was closed at \(place(closing.index, envelope.time)) "
            + "by \(envelope.actor)")
        ends.append((closing.index, "closed the record of \(gone.name)"))
      }
    }
    return Why(verdict: verdict + earlier, chain: try chain(history, ends + story))
  }

  /// The newest of those who had that name before it, in one line; empty if nobody had.
  private static func earlier(_ state: Cluster, _ name: String, before id: NodeID) -> [String] {
    let all = state.departed
    let end = all.firstIndex { $0.node == id } ?? all.endIndex
    let namesakes = all[..<end].filter { $0.name == name && $0.node != id }
    guard let last = namesakes.last else { return [] }
    let more = namesakes.count - 1
    return [
      "an earlier \(name), \(last.node), is gone: \(last.how.words) at "
        + "\(place(last.index, last.time)) by \(last.actor)"
        + (last.reason.isEmpty ? "" : ", reason: \(last.reason)")
        + (more == 0 ? "" : ", and \(more) before that")
    ]
  }

  private static func active(_ state: Cluster, _ member: Member) -> [String] {
    let duty = member.datastoreRole?.name ?? "no datastore role"
    var verdict = [
      "\(member.name) is a \(member.record.role.name) node"
        + (member.isControlPlane ? ": \(duty)" : "") + ", at \(member.record.endpoints.cluster)"
    ]
    if let since = member.suspectedSince {
      verdict.append(
        "\(member.name) is suspected since \(since.rfc3339): the leader had no contact to it")
    }
    if let since = member.lostSince {
      verdict.append(
        "\(member.name) lacks since \(since.rfc3339) what it had acknowledged: until it has that "
          + "again it neither votes nor counts")
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
    return verdict
  }

  /// How it came in and got its role, and what befell it.
  private static func story(
    _ history: History, _ state: Cluster, _ id: NodeID
  ) throws -> [(index: UInt64?, words: String)] {
    let name = state.name(of: id)
    let found = try history.newest(atOrBefore: state.lastIndex, Turn.allCases) { turn, recorded in
      turn.types.contains(recorded.envelope.event.type) && turn.fits(recorded, id)
    }
    let turns = Turn.allCases.compactMap { turn -> (index: UInt64?, words: String)? in
      found[turn].map { ($0.index, turn.words(name, $0.envelope.event.type)) }
    }
    let certificates = (state.node(id)?.certificates ?? []).map { certificate in
      (
        index: Optional(certificate.index),
        words: "\(name) got the certificate for \(certificate.subject), good until "
          + certificate.expires.rfc3339
      )
    }
    return turns + certificates
  }

  /// `index 7 (2026-10-24T03:12:06Z)`.
  static func place(_ index: UInt64, _ time: Timestamp) -> String {
    "index \(index) (\(time.rfc3339))"
  }
}

/// What can happen to a node; the newest event of each is told.
private enum Turn: CaseIterable {
  case joining, change, role, upkeep, health, replica

  var types: Set<EventType> {
    switch self {
    case .joining: [.nodeJoined, .nodeReplaced, .clusterFormed, .clusterImported]
    case .change: [.nodePromoted, .nodeDemoted]
    case .role: RecordedEvent.assigning
    case .upkeep: [.maintenanceEntered, .maintenanceExited]
    case .health: [.nodeSuspected, .nodeRecovered]
    case .replica: [.replicaLost, .replicaRefetched]
    }
  }

  /// Whether an event of these types is that for the node: an event may be about others besides.
  func fits(_ recorded: RecordedEvent, _ id: NodeID) -> Bool {
    switch self {
    case .joining: recorded.envelope.event.newcomer == id
    case .role: recorded.assigns(id)
    default: recorded.concerns(id)
    }
  }

  func words(_ name: String, _ type: EventType) -> String {
    switch self {
    case .joining: "\(name) became a member"
    case .change: "the last change between worker and control plane of \(name)"
    case .role: "the last change of the datastore role of \(name)"
    case .upkeep: "the last word on maintenance of \(name)"
    case .health: "what the leader last saw of \(name)"
    case .replica:
      type == .replicaLost
        ? "\(name) came back without what it had acknowledged"
        : "\(name) had again what it had acknowledged"
    }
  }
}

extension History {
  /// For each of some kinds the newest event at an index or before, in one pass back.
  fileprivate func newest(
    atOrBefore index: UInt64, _ turns: [Turn],
    where fits: (Turn, RecordedEvent) -> Bool
  ) throws -> [Turn: RecordedEvent] {
    var found: [Turn: RecordedEvent] = [:]
    let types = turns.reduce(into: Set()) { $0.formUnion($1.types) }
    try backwards(from: index, types: types) { events in
      for recorded in events.reversed() {
        for turn in turns where found[turn] == nil && fits(turn, recorded) {
          found[turn] = recorded
        }
      }
      // Nothing befell it before it was there.
      return found[.joining] == nil
    }
    return found
  }

  /// What closed the record of a node that had left.
  fileprivate func closing(of gone: Departed, through index: UInt64) throws -> RecordedEvent? {
    var found: RecordedEvent?
    try backwards(
      from: index, types: [.nodeRemoved, .nodeReplaced, .nodeJoined, .clusterImported]
    ) { events in
      for recorded in events.reversed() {
        guard recorded.index > gone.index else { return false }
        let closes =
          switch recorded.envelope.event {
          case .nodeRemoved(let removed): removed.node == gone.node
          case .nodeReplaced(let replaced):
            replaced.node == gone.node || replaced.joined.node.name == gone.name
          case .nodeJoined(let joined): joined.node.name == gone.name
          default: true
          }
        if closes { found = recorded }
      }
      return true
    }
    return found
  }
}

extension Event {
  /// Who became a member by it; nil if nobody did.
  fileprivate var newcomer: NodeID? {
    switch self {
    case .clusterFormed(let formed): formed.first.id
    case .clusterImported(let imported): imported.first.id
    default: joined?.node.id
    }
  }
}
