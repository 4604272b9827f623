// One event as a line of JSON: what `muster events -o json` prints and the API streams.
//
// Keys are stable; ids and digests are hex text, times RFC 3339. Nothing here is secret: tokens are
// known by the SHA-256 of their secrets.

package import Membership
import Projections

/// An event with its place, its time, its hash and what it meant.
package struct EventLine: Sendable {
  package var recorded: RecordedEvent
  /// Hex of the chain hash at this index.
  package var hash: String
  /// What it changed, in words; nil where the state before is not at hand.
  package var effect: String?
  /// For people, the name of a node that acted under its id; nil for other actors.
  package var actorName: String?

  package init(
    _ recorded: RecordedEvent, hash: String, effect: String? = nil, actorName: String? = nil
  ) {
    self.recorded = recorded
    self.hash = hash
    self.effect = effect
    self.actorName = actorName
  }

  /// From the states around it.
  init(_ recorded: RecordedEvent, hash: String, before: Cluster, after: Cluster) {
    self.init(
      recorded, hash: hash, effect: EventSummary(recorded, before: before, after: after).effect,
      actorName: NodeID(recorded.envelope.actor).map { after.name(of: $0) })
  }

  /// Its keys in alphabetical order, as they have always been printed.
  package var document: Document {
    let envelope = recorded.envelope
    var fields: [(String, Document)] = [
      ("actor", .text(envelope.actor)), ("commandId", .text(envelope.command.description)),
      ("data", envelope.event.document),
    ]
    if let effect { fields.append(("effect", .text(effect))) }
    fields += [("hash", .text(hash)), ("index", .number(recorded.index))]
    if !envelope.reason.isEmpty { fields.append(("reason", .text(envelope.reason))) }
    fields += [
      ("term", .number(recorded.term)), ("time", .text(envelope.time.rfc3339)),
      ("type", .text(envelope.event.type.name)),
    ]
    return .object(fields)
  }
}

extension Event {
  /// What is particular to this kind, its keys in alphabetical order.
  package var document: Document {
    func node(_ id: NodeID) -> (String, Document) { ("node", .text(id.description)) }
    var fields: [(String, Document)] =
      switch self {
      case .clusterFormed(let formed):
        [("cluster", .text(formed.cluster.description))] + formed.first.fields
      case .clusterImported(let imported): imported.fields
      case .leaderElected(let elected): [node(elected.node)]
      case .tokenIssued(let token): token.fields
      case .tokenRevoked(let revoked): [("token", .text(revoked.id.description))]
      case .nodeJoined(let joined): joined.fields
      case .nodeLeft(let left): [node(left.node)]
      case .nodeReplaced(let replaced): replaced.fields
      case .nodeRemoved(let removed): [node(removed.node), ("forced", .truth(removed.forced))]
      case .nodePromoted(let promoted):
        promoted.endpoints.fields + [node(promoted.node)]
          + (promoted.bundle.map { [("bundle", .text($0.description))] } ?? [])
      case .nodeDemoted(let demoted): demoted.endpoints.fields + [node(demoted.node)]
      case .endpointRefreshed(let refreshed):
        refreshed.endpoints.fields + [
          node(refreshed.node), ("apiserverReady", .truth(refreshed.apiserverReady)),
          ("version", .text(refreshed.version)),
        ]
      case .roleAssigned(let assigned): assigned.fields
      case .rolesSettled: []
      case .nodeSuspected(let suspected): [node(suspected.node)]
      case .nodeRecovered(let recovered): [node(recovered.node)]
      case .replicaLost(let lost):
        [
          node(lost.node), ("acknowledged", .number(lost.acknowledged)),
          ("found", .number(lost.found)), ("boot", .number(lost.boot)),
        ]
      case .replicaRefetched(let refetched):
        [node(refetched.node), ("upTo", .number(refetched.index))]
      case .maintenanceEntered(let entered):
        [node(entered.node), ("until", .text(entered.until?.rfc3339Milliseconds))]
      case .maintenanceExited(let exited): [node(exited.node)]
      case .policyChanged(let change): change.fields
      case .certificateIssued(let issued):
        [
          node(issued.node), ("subject", .text(issued.subject)),
          ("certificate", .text(issued.certificate.description)),
          ("serial", .text(hex(issued.serial))), ("expires", .text(issued.expires.rfc3339)),
        ]
      }
    fields.sort { $0.0 < $1.0 }
    return .object(fields)
  }
}

extension NodeJoined {
  fileprivate var fields: [(String, Document)] {
    node.fields + [("token", .text(token.description))]
      + (bundle.map { [("bundle", .text($0.description))] } ?? [])
  }
}

extension NodeReplaced {
  fileprivate var fields: [(String, Document)] {
    let moved = RoleAssigned(assignments: assignments, cause: .departure, joint: joint).fields
    return joined.fields + [("replaces", .text(node.description))]
      + (assignments.isEmpty ? [] : moved.filter { $0.0 == "assignments" || $0.0 == "joint" })
  }
}

extension ClusterImported {
  fileprivate var fields: [(String, Document)] {
    [
      ("cluster", .text(cluster.description)), ("sourceCluster", .text(source.description)),
      ("sourceIndex", .number(sourceIndex)), ("sourceHash", .text(sourceHash.description)),
      ("sourceFile", .text(file?.description)),
    ] + first.fields
  }
}

extension NodeRecord {
  fileprivate var fields: [(String, Document)] {
    endpoints.fields + [
      ("node", .text(id.description)), ("name", .text(name)), ("role", .text(role.name)),
      ("key", .text(key.description)), ("failureDomain", .text(failureDomain)),
      ("version", .text(version)),
    ]
  }
}

extension Endpoints {
  fileprivate var fields: [(String, Document)] {
    var fields: [(String, Document)] = [("clusterAddress", .text(cluster.description))]
    if let datastore { fields.append(("datastoreAddress", .text(datastore.description))) }
    if let apiserver { fields.append(("apiserverAddress", .text(apiserver.description))) }
    if !extra.isEmpty { fields.append(("extraAddresses", .texts(extra.map(\.description)))) }
    return fields
  }
}

extension TokenIssued {
  fileprivate var fields: [(String, Document)] {
    var fields: [(String, Document)] = [
      ("token", .text(id.description)), ("uses", .number(uses)),
      (
        "secrets",
        .list(
          secrets.map { secret in
            .object([
              ("roles", .texts(secret.roles.map(\.name))),
              ("sha256", .text(secret.hash.description)),
            ])
          })
      ),
    ]
    if let expires { fields.append(("expires", .text(expires.rfc3339))) }
    return fields
  }
}

extension RoleAssigned {
  fileprivate var fields: [(String, Document)] {
    var fields: [(String, Document)] = [
      (
        "assignments",
        .list(
          assignments.map { assignment in
            .object([
              ("node", .text(assignment.node.description)),
              ("role", .text(assignment.role?.name ?? "none")),
            ])
          })
      ),
      ("cause", .text(cause.name)), ("joint", .truth(joint)),
    ]
    if let departing {
      fields += [
        ("departing", .text(departing.node.description)),
        ("how", .text(departing.kind.name)),
        ("forced", .truth(departing.forced)),
      ]
    }
    return fields
  }
}

extension PolicyChanged {
  /// What changed, and nothing of what stays.
  fileprivate var fields: [(String, Document)] {
    let numbers: [(String, UInt32?)] = [
      ("voters", voters), ("standbys", standbys), ("suspectAfterMilliseconds", suspectAfter),
      ("recoverAfterMilliseconds", recoverAfter),
    ]
    return numbers.compactMap { name, value in value.map { (name, .number(UInt64($0))) } }
      + (spread.map { [("spread", .truth($0))] } ?? [])
  }
}
