// A state as a list of facts, each a path and a value in words: what `diff` compares, `blame`
// explains, `bisect` asks for and `show` prints before and after. The order is the paths', so that
// equal states have equal lists on every machine.

package import Membership
import Projections

/// One thing that is so at some index.
package struct Fact: Hashable, Sendable {
  /// `nodes.n2.datastoreRole`, `ha.canLose`.
  package var path: String
  package var value: String
}

/// Everything that a state says, flat, sorted by path.
package struct Facts: Hashable, Sendable {
  package private(set) var all: [Fact] = []

  /// The paths that there can be; `*` is a name or an id.
  package static let shapes: [String] =
    ["id", "incarnation", "formed"].map { "cluster." + $0 } + ["leader.name", "leader.term"]
    + [
      "highAvailability", "canLose", "quorumHeld", "voters", "healthyVoters", "standbys",
      "critical",
    ]
    .map { "ha." + $0 } + ["endpoints.apiservers", "endpoints.index", "nodes.count"]
    + ["since", "outgoing"].map { "change." + $0 }
    + ["node", "kind", "since"].map { "departure." + $0 }
    + ["voters", "standbys", "suspectAfter", "recoverAfter", "spread"].map { "policy." + $0 }
    + [
      "id", "role", "datastoreRole", "state", "suspectedSince", "lostSince", "maintenance",
      "voteLentTo", "address", "datastoreAddress", "apiserverAddress", "apiserverReady",
      "extraAddresses", "failureDomain", "version", "key", "joined", "token",
    ].map { "nodes.*." + $0 }
    + CertificateUse.allCases.map { "nodes.*.\($0.rawValue)Certificate" }
    + ["name", "how", "index", "actor", "reason"].map { "departed.*." + $0 }
    + ["roles", "usesLeft", "expires", "issuer", "admitted", "revoked"].map { "tokens.*." + $0 }

  package init(_ cluster: Cluster) {
    guard cluster.isFormed else { return }
    add("cluster.id", cluster.id)
    add("cluster.incarnation", cluster.incarnation)
    add("cluster.formed", cluster.formed.rfc3339Milliseconds)
    add("leader.name", cluster.leader.map { cluster.name(of: $0) } ?? "none")
    add("leader.term", cluster.term)
    addAvailability(cluster)
    add("endpoints.apiservers", list(EndpointList(cluster).apiservers.map(\.description)))
    add("endpoints.index", cluster.endpointIndex)
    if let joint = cluster.joint {
      add("change.since", joint.index)
      add("change.outgoing", list(joint.outgoing.map { cluster.name(of: $0) }))
    }
    if let departure = cluster.departure {
      add("departure.node", cluster.name(of: departure.node))
      add("departure.kind", departure.kind.name)
      add("departure.since", departure.index)
    }
    all += Self.settings(cluster.policy)
    for member in cluster.nodes { add(member, cluster) }
    for gone in cluster.departed { add(gone) }
    for token in cluster.tokens { add(token) }
    all.sort { $0.path < $1.path }
  }

  /// The value at a path; nil if there is none.
  package subscript(_ path: String) -> String? {
    var (low, high) = (0, all.count)
    while low < high {
      let middle = (low + high) / 2
      if all[middle].path < path { low = middle + 1 } else { high = middle }
    }
    return low < all.count && all[low].path == path ? all[low].value : nil
  }

  /// Facts at that path or below it; all for an empty path.
  package func under(_ path: String) -> [Fact] {
    path.isEmpty ? all : all.filter { $0.path == path || $0.path.hasPrefix(path + ".") }
  }

  /// One `path = value` a line.
  package var text: String { all.map { "\($0.path) = \($0.value)\n" }.joined() }

  package var document: Document { .object(all.map { ($0.path, .text($0.value)) }) }

  private mutating func add(_ path: String, _ value: some CustomStringConvertible) {
    all.append(Fact(path: path, value: value.description))
  }

  private func list(_ values: [String]) -> String {
    values.isEmpty ? "none" : values.joined(separator: " ")
  }

  private mutating func addAvailability(_ cluster: Cluster) {
    all += Self.availability(cluster)
    add("nodes.count", cluster.nodes.count { $0.isActive })
  }

  /// What may be lost: the same paths in the same order for every state.
  static func availability(_ cluster: Cluster) -> [Fact] {
    let (available, critical) = HighAvailability.recorded(cluster)
    func names(_ values: [String]) -> String {
      values.isEmpty ? "none" : values.joined(separator: " ")
    }
    return [
      Fact(path: "ha.highAvailability", value: available.isHighlyAvailable ? "yes" : "no"),
      Fact(path: "ha.canLose", value: "\(available.canLose)"),
      Fact(path: "ha.quorumHeld", value: available.quorumHeld ? "yes" : "no"),
      Fact(path: "ha.voters", value: "\(cluster.voters.count)"),
      Fact(path: "ha.healthyVoters", value: "\(available.healthy.count)"),
      Fact(path: "ha.standbys", value: "\(cluster.nodes(.standby).count)"),
      Fact(path: "ha.critical", value: names(critical)),
    ]
  }

  /// The settings of the cluster: the same paths in the same order for every policy.
  static func settings(_ policy: Policy) -> [Fact] {
    // How long it is that nobody chose is up to the program that leads.
    func time(_ milliseconds: UInt32?) -> String {
      milliseconds.map { span(milliseconds: $0) } ?? "default"
    }
    return [
      Fact(path: "policy.voters", value: "\(policy.voters)"),
      Fact(path: "policy.standbys", value: "\(policy.standbys)"),
      Fact(path: "policy.suspectAfter", value: time(policy.suspectAfter)),
      Fact(path: "policy.recoverAfter", value: time(policy.recoverAfter)),
      Fact(path: "policy.spread", value: policy.spread ? "yes" : "no"),
    ]
  }

  private mutating func add(_ member: Member, _ cluster: Cluster) {
    let path = "nodes.\(member.name)."
    let record = member.record
    add(path + "id", member.id)
    add(path + "role", record.role.name)
    add(path + "datastoreRole", member.datastoreRole?.name ?? "none")
    add(path + "state", member.isActive ? "active" : "left")
    add(path + "suspectedSince", member.suspectedSince?.rfc3339Milliseconds ?? "no")
    add(path + "lostSince", member.lostSince?.rfc3339Milliseconds ?? "no")
    if let maintenance = member.maintenance {
      add(path + "maintenance", maintenance.until?.rfc3339Milliseconds ?? "until it is ended")
    }
    if let heir = member.lentTo { add(path + "voteLentTo", cluster.name(of: heir)) }
    add(path + "address", record.endpoints.cluster)
    if let address = record.endpoints.datastore { add(path + "datastoreAddress", address) }
    if let address = record.endpoints.apiserver {
      add(path + "apiserverAddress", address)
      add(path + "apiserverReady", member.apiserverReady ? "yes" : "no")
    }
    if !record.endpoints.extra.isEmpty {
      add(path + "extraAddresses", list(record.endpoints.extra.map(\.description)))
    }
    add(path + "failureDomain", record.failureDomain)
    add(path + "version", record.version)
    add(path + "key", record.key)
    add(path + "joined", member.joined.rfc3339Milliseconds)
    if let token = member.token { add(path + "token", token) }
    for use in CertificateUse.allCases {
      guard let certificate = member.certificate(use) else { continue }
      add(path + "\(use.rawValue)Certificate", certificate.expires.rfc3339Milliseconds)
    }
  }

  private mutating func add(_ gone: Departed) {
    let path = "departed.\(gone.node)."
    add(path + "name", gone.name)
    add(path + "how", gone.how.words)
    add(path + "index", gone.index)
    add(path + "actor", gone.actor)
    if !gone.reason.isEmpty { add(path + "reason", gone.reason) }
  }

  private mutating func add(_ token: Token) {
    let path = "tokens.\(token.id)."
    add(path + "roles", token.roles.map(\.name).joined(separator: ","))
    add(path + "usesLeft", token.remaining.map(String.init) ?? "any")
    add(path + "expires", token.issued.expires?.rfc3339Milliseconds ?? "never")
    add(path + "issuer", token.actor)
    add(path + "admitted", list(token.redemptions.map(\.name)))
    add(path + "revoked", token.revocation?.time.rfc3339Milliseconds ?? "no")
  }
}

extension History {
  /// Everything that the state at an index says.
  package func facts(at index: UInt64) throws -> Facts {
    Facts(try state(at: index))
  }
}

extension Departed.How {
  /// `left`, `removed`, `removed by force`, `replaced by …` or `left behind`.
  package var words: String {
    switch self {
    case .left: "left"
    case .removed(let forced): forced ? "removed by force" : "removed"
    case .replaced(let by): "replaced by \(by)"
    case .leftBehind: "left behind"
    }
  }
}

/// What differs between two states.
package struct FactChange: Hashable, Sendable {
  package var path: String
  /// Nil where there was nothing, or is nothing any more.
  package var before: String?
  package var after: String?

  /// Sorted by path.
  package static func between(_ a: Facts, _ b: Facts) -> [FactChange] {
    var changes: [FactChange] = []
    var (i, j) = (0, 0)
    while i < a.all.count || j < b.all.count {
      if j == b.all.count || (i < a.all.count && a.all[i].path < b.all[j].path) {
        changes.append(FactChange(path: a.all[i].path, before: a.all[i].value, after: nil))
        i += 1
      } else if i == a.all.count || b.all[j].path < a.all[i].path {
        changes.append(FactChange(path: b.all[j].path, before: nil, after: b.all[j].value))
        j += 1
      } else {
        if a.all[i].value != b.all[j].value {
          changes.append(
            FactChange(path: a.all[i].path, before: a.all[i].value, after: b.all[j].value))
        }
        (i, j) = (i + 1, j + 1)
      }
    }
    return changes
  }

  /// `ha.canLose: 1 → 0`, `+ path: value`, `- path: value`.
  package var text: String {
    switch (before, after) {
    case (let before?, let after?): "~ \(path): \(before) → \(after)"
    case (nil, let after?): "+ \(path): \(after)"
    case (let before?, nil): "- \(path): \(before)"
    case (nil, nil): "  \(path)"
    }
  }

  package var document: Document {
    .object([("path", .text(path)), ("before", .text(before)), ("after", .text(after))])
  }
}
