// What the page of history is fed with: a record for each event, with what it changed in the
// picture. A file holds all its records at once, a living agent sends them one by one, and the page
// cannot tell the difference.

package import Membership
import Projections

/// Makes the records of consecutive events.
///
/// Law: the first record that a recorder makes tells everything, each later one what is different.
/// Whoever was away may therefore begin anew after any index. Its size is bounded by what changed,
/// whatever the number of nodes.
package struct TimelineRecorder: Sendable {
  private var verdict = ""
  private var servers = ""
  private var hasBegun = false

  package init() {}

  /// The record of one event, from the states around it.
  ///
  /// Keys: `i` index, `t` milliseconds since 1970, `a` actor, `y` type, `e` effect, `r` reason; and
  /// where they changed `n` nodes (id, name, code, address), `h` (how many may be lost, whether the
  /// quorum holds, words), `p` the API servers that workers are told; `m` a node and what is marked
  /// on its lane.
  package mutating func record(
    _ recorded: RecordedEvent, before: Cluster, after: Cluster
  ) -> Document {
    let envelope = recorded.envelope
    let line = EventLine(recorded, hash: "", before: before, after: after)
    var fields: [(String, Document)] = [
      ("i", .number(recorded.index)), ("t", .number(envelope.time.milliseconds)),
      ("a", .text(line.actorName ?? envelope.actor)),
      ("y", .text(envelope.event.type.name)), ("e", .text(line.effect ?? "")),
    ]
    if !envelope.reason.isEmpty { fields.append(("r", .text(envelope.reason))) }
    if let mark = envelope.event.mark {
      fields.append(("m", .texts([mark.node.description, mark.kind])))
    }
    let nodes = changes(envelope.event, before, after)
    if !nodes.isEmpty { fields.append(("n", .list(nodes))) }
    let available = HighAvailability(after)
    let words = Self.words(available, DatastoreNodes(after))
    if words != verdict || !hasBegun {
      let facts: [Document] = [
        .number(available.canLose), .truth(available.quorumHeld), .text(words),
      ]
      fields.append(("h", .list(facts)))
      verdict = words
    }
    let list = EndpointList(after).apiservers.map(\.description).joined(separator: "\n")
    if list != servers || !hasBegun {
      fields.append(("p", .text(list)))
      servers = list
    }
    hasBegun = true
    return .object(fields)
  }

  /// Nodes that look different than before; all of them in the first record.
  ///
  /// The control plane is compared as a whole, since an event about one of its nodes may change
  /// another; workers, of which there may be thousands, only where the event names them.
  private func changes(_ event: Event, _ before: Cluster, _ after: Cluster) -> [Document] {
    let asked =
      hasBegun
      ? event.nodes + Self.closed(by: event, before) + before.controlPlane.map(\.id)
        + after.controlPlane.map(\.id)
      : before.nodes.map(\.id) + after.nodes.map(\.id)
    var seen: Set<NodeID> = []
    return asked.filter { seen.insert($0).inserted }.compactMap { id in
      let now = Self.look(after.node(id), after)
      guard !hasBegun || now != Self.look(before.node(id), before) else { return nil }
      guard let known = after.node(id) ?? before.node(id) else { return nil }
      let address = known.record.endpoints.cluster.description
      return .texts([id.description, known.name, now.code, address])
    }
  }

  /// Whose record an event may close without naming it: of who had the newcomer's name before, and
  /// of all where another cluster begins.
  private static func closed(by event: Event, _ before: Cluster) -> [NodeID] {
    switch event {
    case .nodeJoined(let joined): before.node(named: joined.node.name).map { [$0.id] } ?? []
    case .nodeReplaced(let replaced):
      before.node(named: replaced.joined.node.name).map { [$0.id] } ?? []
    case .clusterImported: before.nodes.map(\.id)
    default: []
    }
  }

  private struct Look: Equatable {
    var code: String
    var address: Address?
  }

  /// One letter a node, small if it is suspected; `-` for one that left, `.` where there is none.
  private static func look(_ member: Member?, _ cluster: Cluster) -> Look {
    guard let member else { return Look(code: ".") }
    let address = member.record.endpoints.cluster
    guard member.isActive else { return Look(code: "-", address: address) }
    let letter =
      switch member.datastoreRole {
      case _ where member.record.role == .worker: "W"
      case .voter: cluster.leader == member.id ? "L" : "V"
      case .standby: "S"
      case .spare: "P"
      case nil: "N"
      }
    return Look(code: member.isSuspected ? letter.lowercased() : letter, address: address)
  }

  /// As the first lines of `muster status` have it.
  private static func words(_ available: HighAvailability, _ nodes: DatastoreNodes) -> String {
    func list(_ addresses: [Address]) -> String {
      addresses.isEmpty ? "none" : addresses.map(\.description).joined(separator: " ")
    }
    return """
      high-availability: \(available.isHighlyAvailable ? "yes" : "no")
        datastore master nodes: \(list(nodes.masters))
        datastore standby nodes: \(list(nodes.standbys))
      \(available.sentence)
      """
  }
}

extension Event {
  /// What no change of a role shows.
  fileprivate var mark: (node: NodeID, kind: String)? {
    switch self {
    case .maintenanceEntered(let entered): (entered.node, "away")
    case .maintenanceExited(let exited): (exited.node, "back")
    case .nodeRemoved(let removed) where removed.forced: (removed.node, "force")
    default: nil
    }
  }
}
