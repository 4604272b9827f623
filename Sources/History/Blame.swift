// For each fact that is so now: which event made it so, when, and who. Found backwards from the
// state itself, which remembers most of these indexes; nothing is folded twice.

import Membership

/// A fact and the event it goes back to.
package struct Blame: Sendable {
  package var fact: Fact
  package var origin: EventLine

  /// The facts at or below `path` (all if empty) at an index.
  /// - Parameter effects: whether to tell what each event meant too, for which all of history
  ///   around these events is folded.
  /// - Throws: `Unanswerable` if there is no such path.
  package static func lines(
    _ history: History, at index: UInt64, path: String, effects: Bool = false
  ) throws -> [Blame] {
    let state = try history.state(at: index)
    let facts = Facts(state).under(path)
    guard !facts.isEmpty else {
      throw absence(of: path, state)
    }
    var search = OriginSearch(of: facts, history: history, state: state, index: index)
    let origins = try facts.map { try search.origin(of: $0.path) }
    let indexes = Set(origins.compactMap { $0 }.filter { $0 >= history.first })
    let lines =
      effects
      ? try history.lines(at: indexes) : try history.plainLines(at: indexes, names: state)
    return zip(facts, origins).compactMap { fact, origin in
      origin.flatMap { lines[$0] }.map { Blame(fact: fact, origin: $0) }
    }
  }

  /// Why there is nothing at a path: the node is gone, or it is no path.
  private static func absence(of path: String, _ state: Cluster) -> Unanswerable {
    let gone = state.departed.last {
      path == "nodes.\($0.name)" || path.hasPrefix("nodes.\($0.name).")
    }
    if let gone, state.node(named: gone.name) == nil {
      return Unanswerable(
        "nothing is known at the path \(quoted(path)): \(gone.name) is no member, "
          + "\(gone.how.words) at index \(gone.index). See: muster why \(gone.name)")
    }
    return Unanswerable(
      "nothing is known at the path \(quoted(path)). Nearest: "
        + "\(Facts(state).near(path, parts: true)); muster blame without a path lists all")
  }

  package static func text(_ lines: [Blame]) -> String {
    let width = lines.map { "\($0.fact.path) = \($0.fact.value)".count }.max() ?? 0
    return lines.map { line in
      let envelope = line.origin.recorded.envelope
      let fact = "\(line.fact.path) = \(line.fact.value)"
      let actor = line.origin.actorName ?? envelope.actor
      return EventText.printable(
        fact + String(repeating: " ", count: min(width, 60) - min(fact.count, min(width, 60)))
          + "  \(line.origin.recorded.index)  \(envelope.time.rfc3339)  \(actor)  "
          + "\(envelope.event.type.name)"
          + (envelope.reason.isEmpty ? "" : "  (reason: \(envelope.reason))")) + "\n"
    }.joined()
  }

  package static func document(_ lines: [Blame]) -> Document {
    .answer([
      (
        "facts",
        .list(
          lines.map {
            .object([
              ("path", .text($0.fact.path)), ("value", .text($0.fact.value)),
              ("origin", $0.origin.document),
            ])
          })
      )
    ])
  }
}

/// What a state says of a node without saying since which event.
private enum Matter: CaseIterable {
  case role, suspicion, loss

  init?(field: Substring) {
    switch field {
    case "datastoreRole", "voteLentTo": self = .role
    case "suspectedSince": self = .suspicion
    case "lostSince": self = .loss
    default: return nil
    }
  }

  /// The kinds of events that it goes back to.
  var types: Set<EventType> {
    switch self {
    case .role: RecordedEvent.assigning
    case .suspicion: [.nodeSuspected, .nodeRecovered, .nodeDemoted, .nodeLeft]
    case .loss: [.replicaLost, .replicaRefetched, .nodeDemoted]
    }
  }
}

private struct Question: Hashable {
  var matter: Matter
  var node: NodeID
}

/// Finds where facts of one state come from.
private struct OriginSearch {
  let history: History
  let state: Cluster
  let index: UInt64
  /// Found by what stands in a path: there may be thousands of each.
  private let members: [String: Member]
  private let departures: [NodeID: UInt64]
  /// What the state does not remember of nodes; looked for together, once it is needed.
  private var questions: Set<Question> = []
  private var answers: [Question: UInt64]?
  /// Of the records of the nodes that are asked about, once one was asked for.
  private var told: Set<NodeID> = []
  private var records: [NodeID: [RecordField: UInt64]]?
  /// Of all facts about availability, once one was asked for.
  private var availability: [String: UInt64?] = [:]
  /// Of settings that were changed, once one was asked for.
  private var settings: [String: UInt64]?

  /// - Parameter facts: what will be asked for.
  init(of facts: [Fact], history: History, state: Cluster, index: UInt64) {
    self.history = history
    self.state = state
    self.index = index
    members = Dictionary(state.nodes.map { ($0.name, $0) }) { $1.isActive ? $1 : $0 }
    departures = Dictionary(state.departed.map { ($0.node, $0.index) }) { first, _ in first }
    for fact in facts {
      guard let (member, field) = node(fact.path) else { continue }
      if RecordField(rawValue: String(field)) != nil { told.insert(member.id) }
      guard member.wasControlPlane, let matter = Matter(field: field) else { continue }
      questions.insert(Question(matter: matter, node: member.id))
    }
  }

  /// The index of the event that a fact goes back to; nil if it is older than what is held.
  mutating func origin(of path: String) throws -> UInt64? {
    let parts = path.split(separator: ".").map(String.init)
    switch parts.first {
    case "cluster":
      if state.incarnation == 1 { return history.first == 1 ? 1 : nil }
      return try history.last(atOrBefore: index, types: [.clusterImported])?.index
    case "leader":
      return try history.last(atOrBefore: index, types: [.leaderElected, .clusterImported])?.index
    case "endpoints":
      return path == "endpoints.index"
        ? state.endpointIndex : try history.lastChange(ofListing: state)
    case "change": return state.joint?.index
    case "policy":
      if settings == nil { settings = try history.policyOrigins(state) }
      return settings?[path] ?? (history.first == 1 ? 1 : nil)
    case "departure": return state.departure?.index
    case "ha": return try availabilityOrigin(path)
    case "nodes" where path == "nodes.count":
      return try history.last(
        atOrBefore: index,
        types: [
          .clusterFormed, .clusterImported, .nodeJoined, .nodeLeft, .nodeRemoved, .nodeReplaced,
        ]
      ) { recorded in
        // Whoever is replaced was there or had left; whoever is removed, too.
        switch recorded.envelope.event {
        case .nodeRemoved(let removed): departures[removed.node] == recorded.index
        case .nodeReplaced(let replaced): departures[replaced.node] != recorded.index
        default: true
        }
      }?.index
    case "nodes": return try nodeOrigin(path)
    case "departed":
      return parts.dropFirst().first.flatMap { NodeID($0) }.flatMap { departures[$0] }
    case "tokens":
      guard let token = parts.dropFirst().first.flatMap({ TokenID($0) }).flatMap(state.token)
      else { return nil }
      switch parts.last {
      case "usesLeft", "admitted": return token.redemptions.last?.index ?? token.index
      case "revoked": return token.revocation?.index ?? token.index
      default: return token.index
      }
    default: return nil
    }
  }

  /// The node that a path is about, and what of it. Names may have dots: the field is what follows
  /// the last one.
  private func node(_ path: String) -> (member: Member, field: Substring)? {
    guard path.hasPrefix("nodes."), path != "nodes.count", let dot = path.lastIndex(of: ".") else {
      return nil
    }
    let name = path[..<dot].dropFirst("nodes.".count)
    return members[String(name)].map { ($0, path[path.index(after: dot)...]) }
  }

  private mutating func nodeOrigin(_ path: String) throws -> UInt64? {
    guard let (member, field) = node(path) else { return nil }
    if let matter = Matter(field: field) { return try origin(of: matter, member) }
    switch field {
    case "state":
      if case .left(let index, _) = member.state { return index }
      return member.joinIndex
    case "role": return member.roleIndex
    case "maintenance": return member.maintenance?.index
    case "kubeletCertificate": return member.certificate(.kubelet)?.index
    case "proxyCertificate": return member.certificate(.proxy)?.index
    default:
      guard let record = RecordField(rawValue: String(field)) else { return member.joinIndex }
      return try origin(of: record, member)
    }
  }

  private mutating func origin(of field: RecordField, _ member: Member) throws -> UInt64? {
    if records == nil {
      // A node that told nothing since it came in has its record from then.
      let members = told.compactMap { state.node($0) }.filter {
        $0.endpointIndex != $0.joinIndex || !$0.isActive
      }
      records = try history.recordOrigins(of: members, atOrBefore: index)
    }
    return records?[member.id]?[field] ?? member.joinIndex
  }

  /// The newest event about a node of the control plane, or once of it; else that of its joining.
  private mutating func origin(of matter: Matter, _ member: Member) throws -> UInt64? {
    guard member.wasControlPlane else { return member.joinIndex }
    if answers == nil { answers = try answered() }
    return answers?[Question(matter: matter, node: member.id)] ?? member.joinIndex
  }

  /// All questions in one pass back over history.
  private func answered() throws -> [Question: UInt64] {
    var open = questions
    var answers: [Question: UInt64] = [:]
    // What ended by the way, if it was so.
    var ends: [Question: UInt64] = [:]
    let types = Set(open.map(\.matter)).reduce(into: Set()) { $0.formUnion($1.types) }
    guard !open.isEmpty else { return [:] }
    try history.backwards(from: index, types: types) { events in
      for recorded in events.reversed() {
        for matter in Matter.allCases where matter.types.contains(recorded.envelope.event.type) {
          for node in recorded.envelope.event.nodes {
            let question = Question(matter: matter, node: node)
            guard open.contains(question), matter != .role || recorded.assigns(node)
            else { continue }
            switch recorded.envelope.event.type {
            case .nodeDemoted, .nodeLeft: ends[question] = recorded.index
            case .nodeSuspected, .replicaLost:
              answers[question] = ends[question] ?? recorded.index
              open.remove(question)
            default:
              answers[question] = recorded.index
              open.remove(question)
            }
          }
        }
      }
      return !open.isEmpty
    }
    return answers
  }

  private mutating func availabilityOrigin(_ path: String) throws -> UInt64? {
    if availability.isEmpty {
      let paths = Facts.availability(state).map(\.path)
      let found = try history.lastChanges(
        ofAvailabilityAtOrBefore: index, count: paths.count, of: { Facts.availability($0) },
        where: { before, after in paths.indices.filter { before[$0] != after[$0] } })
      for (path, event) in zip(paths, found) { availability[path] = .some(event?.index) }
    }
    return availability[path] ?? nil
  }
}

extension Member {
  /// Whether it is, or may have been, a control-plane node: what happens only to these happened.
  fileprivate var wasControlPlane: Bool { isControlPlane || roleIndex != joinIndex }
}
