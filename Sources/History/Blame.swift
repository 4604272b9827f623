// For each fact that is so now: which event made it so, when, and who. Found backwards from the
// state itself, which remembers most of these indexes; nothing is folded twice.

import Membership

/// A fact and the event it goes back to.
package struct Blame: Sendable {
  package var fact: Fact
  package var origin: EventLine

  /// The facts at or below `path` (all if empty) at an index.
  /// - Throws: `Unanswerable` if there is no such path.
  package static func lines(
    _ history: History, at index: UInt64, path: String
  ) throws -> [Blame] {
    let state = try history.state(at: index)
    let facts = Facts(state).under(path)
    guard !facts.isEmpty else {
      throw Unanswerable(
        "nothing is known at the path \(quoted(path)); muster blame without a path lists all")
    }
    var search = OriginSearch(history: history, state: state, index: index)
    let origins = try facts.map { try search.origin(of: $0.path) }
    let lines = try history.lines(at: Set(origins.compactMap { $0 }.filter { $0 >= history.first }))
    return zip(facts, origins).compactMap { fact, origin in
      origin.flatMap { lines[$0] }.map { Blame(fact: fact, origin: $0) }
    }
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

/// Finds where facts of one state come from.
private struct OriginSearch {
  let history: History
  let state: Cluster
  let index: UInt64
  private var roles: [NodeID: UInt64] = [:]
  /// Kinds of which there is no event at all.
  private var absent: Set<Set<EventType>> = []
  /// Of all facts about availability, once one was asked for.
  private var availability: [String: UInt64?] = [:]

  init(history: History, state: Cluster, index: UInt64) {
    self.history = history
    self.state = state
    self.index = index
  }

  /// The index of the event that a fact goes back to; nil if it is older than what is held.
  mutating func origin(of path: String) throws -> UInt64? {
    let parts = path.split(separator: ".").map(String.init)
    switch parts.first {
    case "cluster":
      if state.incarnation == 1 { return history.first == 1 ? 1 : nil }
      return try history.last(atOrBefore: index, types: [.clusterImported])?.index
    case "leader": return try history.last(atOrBefore: index, types: [.leaderElected])?.index
    case "endpoints": return state.endpointIndex
    case "change": return state.joint?.index
    case "policy": return state.policyIndex
    case "departure": return state.departure?.index
    case "ha": return try availabilityOrigin(path)
    case "nodes" where path == "nodes.count":
      return try history.last(
        atOrBefore: index,
        types: [
          .clusterFormed, .clusterImported, .nodeJoined, .nodeLeft, .nodeRemoved, .nodeReplaced,
        ])?.index
    case "nodes": return try nodeOrigin(path)
    case "departed":
      return parts.dropFirst().first.flatMap { NodeID($0) }.flatMap { state.departed($0)?.index }
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

  /// Names may have dots: the field is what follows the last one.
  private mutating func nodeOrigin(_ path: String) throws -> UInt64? {
    guard let dot = path.lastIndex(of: ".") else { return nil }
    let name = path[path.index(path.startIndex, offsetBy: 6)..<dot]
    guard let member = state.node(named: String(name)) else { return nil }
    switch path[path.index(after: dot)...] {
    case "datastoreRole": return try roleOrigin(member)
    case "state":
      if case .left(let index, _) = member.state { return index }
      return member.joinIndex
    case "role": return member.roleIndex
    case "suspectedSince":
      return try newest([.nodeSuspected, .nodeRecovered, .nodeDemoted], of: member)
    case "lostSince":
      return try newest([.replicaLost, .replicaRefetched, .nodeDemoted], of: member)
    case "maintenance": return member.maintenance?.index
    case "kubeletCertificate": return member.certificate(.kubelet)?.index
    case "proxyCertificate": return member.certificate(.proxy)?.index
    case "voteLentTo": return try roleOrigin(member)
    case "apiserverReady" where !member.isActive:
      if case .left(let index, _) = member.state { return index }
      return member.endpointIndex
    case "address", "datastoreAddress", "apiserverAddress", "apiserverReady", "extraAddresses",
      "version":
      return member.endpointIndex
    default: return member.joinIndex
    }
  }

  /// The newest event of those kinds that is about a node of the control plane, or once of it; else
  /// that of its joining.
  private mutating func newest(_ types: Set<EventType>, of member: Member) throws -> UInt64? {
    guard member.wasControlPlane, !absent.contains(types) else { return member.joinIndex }
    let found = try history.last(atOrBefore: index, types: types) { $0.concerns(member.id) }
    if found == nil, try history.last(atOrBefore: index, types: types) == nil {
      absent.insert(types)
    }
    return found?.index ?? member.joinIndex
  }

  private mutating func roleOrigin(_ member: Member) throws -> UInt64? {
    guard member.wasControlPlane else { return member.joinIndex }
    if let known = roles[member.id] { return known }
    let found = try history.last(atOrBefore: index, types: RecordedEvent.assigning) {
      $0.assigns(member.id)
    }
    let origin = found?.index ?? member.joinIndex
    roles[member.id] = origin
    return origin
  }

  private mutating func availabilityOrigin(_ path: String) throws -> UInt64? {
    if availability.isEmpty {
      let paths = Facts.availability(state).map(\.path)
      let found = try history.lastChanges(ofAvailabilityAtOrBefore: index, count: paths.count) {
        let (before, after) = (Facts.availability($0), Facts.availability($1))
        return paths.indices.filter { before[$0] != after[$0] }
      }
      for (path, event) in zip(paths, found) { availability[path] = .some(event?.index) }
    }
    return availability[path] ?? nil
  }
}

extension Member {
  /// Whether it is, or may have been, a control-plane node: what happens only to these happened.
  fileprivate var wasControlPlane: Bool { isControlPlane || roleIndex != joinIndex }
}
