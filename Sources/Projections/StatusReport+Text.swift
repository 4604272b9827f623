// The texts of `muster status`. The first four lines are MicroK8s's and stay byte for byte.

import Membership

extension StatusReport {
  /// The answer when no agent runs.
  package static let notRunning = "muster is not running."

  /// Of the past nobody can say that a program runs.
  private var headline: String {
    (basis == .replayed ? "" : "muster is running\n")
      + "high-availability: \(highAvailability.isHighlyAvailable ? "yes" : "no")\n"
  }

  /// The first two lines.
  package var short: String {
    (basis == .replayed ? "as of \(place)\n" : "") + headline
  }

  /// What people read.
  package var pretty: String {
    func list(_ addresses: [Address]) -> String {
      addresses.isEmpty ? "none" : addresses.map(\.description).joined(separator: " ")
    }
    var text = headline
    text += "  datastore master nodes: \(list(datastore.masters))\n"
    text += "  datastore standby nodes: \(list(datastore.standbys))\n"
    text += highAvailability.sentence + "\n"
    for trouble in troubles { text += "  \(trouble.sentence)\n" }
    if let timeAhead {
      let age = Age(milliseconds: timeAhead)
      text +=
        "recorded time is \(age) ahead of the clock here: until then tokens are neither"
        + " issued nor redeemed\n"
    }
    text += "kubernetes: \(kubernetesText)\n"
    if let pending { text += "under way: \(pending)\n" }
    text += "\n" + nodeTable.render(indent: 2) + "\n"
    if let next { text += "next: \(next)\n" }
    return text + basisText + "\n"
  }

  private var kubernetesText: String {
    switch kubernetes {
    case .membershipOnly: "none (membership only)"
    case .servers(let ready, let total):
      "\(ready) of \(counted(total, "api server")) ready; its objects are not kept here"
    }
  }

  private var nodeTable: TextTable {
    // Where all is in one failure domain, naming it says nothing.
    let domains = Set(nodes.rows.map(\.failureDomain)).count > 1
    return TextTable(
      header: ["NODE", "ROLE", "STATE"] + (domains ? ["DOMAIN"] : [])
        + ["INDEX", "LAG", "CONTACT", "ADDRESS"],
      rows: nodes.rows.map { row in
        [row.isHere ? "\(row.name) *" : row.name, row.duty, row.state.rawValue]
          + (domains ? [row.failureDomain] : [])
          + [
            row.index.map(String.init) ?? "-", row.lag.map(String.init) ?? "-", row.contact,
            row.endpoints.cluster.description,
          ]
      })
  }

  private var place: String { "index \(index) (\(time.rfc3339))" }

  private var basisText: String {
    let lead = leader.map { "leader \($0)" } ?? "no leader"
    return switch basis {
    case .confirmed: "as of \(place), \(lead), confirmed by the leader"
    case .local(.some) where leader != nil && leader == answeredBy:
      "as of \(place), \(lead), which no majority of voters has confirmed just now"
    case .local(.some(let age)):
      "as of \(place), \(lead), seen from \(answeredBy ?? "?") which heard from the leader"
        + " \(Age(milliseconds: age).precise) ago"
    case .local(nil):
      "as of \(place), \(lead), seen from \(answeredBy ?? "?") which has heard from no leader yet"
    case .replayed: "as of \(place), \(lead), replayed: contact and lag are not recorded"
    }
  }

  /// MicroK8s's keys with ours beside them. Free text is quoted as JSON quotes it, which is YAML.
  package var yaml: String {
    let availability = highAvailability
    let running = basis == .replayed ? "null" : "True"
    var text = "schemaVersion: 1\nmuster:\n  running: \(running)\nhigh-availability:\n"
    text += "  enabled: \(truth(availability.isHighlyAvailable))\n"
    let replicas = nodes.rows.filter { $0.datastoreRole != nil }
    text += replicas.isEmpty ? "  nodes: []\n" : "  nodes:\n"
    for row in replicas {
      guard let address = row.endpoints.datastore, let role = row.datastoreRole else { continue }
      text += "    - address: \(plain(address.description))\n      role: \(role.name)\n"
    }
    text += "highAvailability: \(truth(availability.isHighlyAvailable))\n"
    text += "canLose: \(availability.canLose)\n"
    text += "summary: \(quoted(availability.sentence))\n"
    text += "leader: \(leader.map { quoted($0) } ?? "null")\n"
    text += "term: \(term)\nindex: \(index)\ntime: \(quoted(time.rfc3339Milliseconds))\n"
    text += "cluster: \(quoted(cluster.description))\nincarnation: \(incarnation)\n"
    text += "next: \(next.map { quoted($0) } ?? "null")\n"
    text += list("masters", datastore.masters) + list("standbys", datastore.standbys)
    text += "nodes:\n" + nodes.rows.map(yamlRow).joined()
    return text
  }

  private func list(_ key: String, _ addresses: [Address]) -> String {
    if addresses.isEmpty { return "\(key): []\n" }
    return "\(key):\n" + addresses.map { "  - \(plain($0.description))\n" }.joined()
  }

  private func yamlRow(_ row: NodeRow) -> String {
    let fields: [(String, String?)] = [
      ("id", quoted(row.id.description)), ("role", row.role.name),
      ("status", row.status.rawValue), ("state", row.state.rawValue),
      ("datastoreRole", row.datastoreRole?.name),
      ("address", plain(row.endpoints.cluster.description)),
      ("failureDomain", quoted(row.failureDomain)), ("version", quoted(row.version)),
      ("index", row.index.map(String.init)), ("lag", row.lag.map(String.init)),
    ]
    return "  - name: \(quoted(row.name))\n"
      + fields.map { "    \($0.0): \($0.1 ?? "null")\n" }.joined()
  }
}

private func truth(_ value: Bool) -> String { value ? "True" : "False" }

/// Single quotes where a plain scalar would not do.
private func plain(_ address: String) -> String {
  address.hasPrefix("[") ? "'\(address)'" : address
}
