// Answers to questions about the cluster, on a control-plane node.

import FoundationEssentials
import Membership
package import Projections
import Replication
import Yams

/// The state and the view of one moment.
struct Sight: Sendable {
  var state: Cluster
  var outlook: Outlook
  var basis: StatusReport.Basis
  /// By whom nodes are suspected.
  var suspicions: [NodeID: Suspicion]

  /// What this node has now, confirmed by the leader if that takes no longer than `patience`.
  static func take(_ node: ControlPlane, patience: Duration) async -> Sight {
    let confirmed = await node.driver.confirm(timeout: patience)
    // Right after a join, a start or an election the leader has not spoken yet: its sight counts.
    for _ in 0..<30 {
      guard await node.driver.look({ $0.awaitsSightings }) else { break }
      try? await Task.sleep(for: .milliseconds(50))
    }
    let age = node.board.sinceLeader
    let (state, outlook) = await node.driver.look { ($0.cluster, $0.outlook) }
    return Sight(
      state: state, outlook: outlook,
      basis: confirmed
        ? .confirmed
        : .local(sinceLeader: age.map { Int64(clamping: $0.nanoseconds / 1_000_000) }),
      suspicions: Suspicion.all(state, in: node.log))
  }

  func report(realAPIServers: Bool) -> StatusReport {
    StatusReport(
      state, now: .now, outlook: outlook, basis: basis, suspicions: suspicions,
      realAPIServers: realAPIServers)
  }
}

/// `muster status --format json`. Keys are stable.
struct StatusJSON: Encodable {
  struct Verdict: Encodable {
    var highAvailability: Bool
    var canLose: Int
    var quorumHeld: Bool
    var healthy: [String]
    var by: String?
    var ageMilliseconds: Int64?
  }
  struct DomainJSON: Encodable {
    var name: String
    var voters: Int
    var healthy: Int
    /// Losing all of it would stop the cluster.
    var critical: Bool
  }
  struct TroubleJSON: Encodable {
    var node: String
    var recorded: String?
    var observed: String?
  }
  /// A fact that is named also where it is not known: as null.
  struct MaybeKnown: Encodable {
    var value: Bool?

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      if let value { try container.encode(value) } else { try container.encodeNil() }
    }
  }
  var schemaVersion = 1
  /// Of the past nobody knows.
  var running: MaybeKnown
  var highAvailability: Bool
  var canLose: Int
  var quorumHeld: Bool
  var summary: String
  var critical: [String]
  var uncounted: [String]
  var failureDomains: [DomainJSON]
  var recorded: Verdict
  var observed: Verdict?
  var leader: String?
  var term: UInt64
  var masters: [String]
  var standbys: [String]
  var index: UInt64
  var time: String
  var cluster: String
  var incarnation: UInt64
  var pending: String?
  var troubles: [TroubleJSON]
  var timeAheadMilliseconds: Int64?
  var next: String?
  var confirmed: Bool
  /// Folded from the log for a chosen index: what only live observation knows is null.
  var replayed: Bool
  var answeredBy: String?
  var nodes: [NodeJSON]

  init(_ report: StatusReport) {
    let high = report.highAvailability
    highAvailability = high.isHighlyAvailable
    canLose = high.canLose
    quorumHeld = high.quorumHeld
    summary = high.sentence
    critical = high.critical
    uncounted = high.uncounted
    failureDomains = high.domains.map {
      DomainJSON(name: $0.name, voters: $0.voters, healthy: $0.healthy, critical: $0.isFatal)
    }
    recorded = Verdict(high.recorded)
    observed = high.observed.map {
      var verdict = Verdict($0.verdict)
      verdict.by = $0.by
      verdict.ageMilliseconds = $0.age
      return verdict
    }
    leader = report.leader
    term = report.term
    masters = report.datastore.masters.map(\.description)
    standbys = report.datastore.standbys.map(\.description)
    index = report.index
    time = report.time.rfc3339Milliseconds
    cluster = report.cluster.description
    incarnation = report.incarnation
    pending = report.pending
    troubles = report.troubles.map {
      TroubleJSON(node: $0.name, recorded: $0.recorded, observed: $0.observed)
    }
    timeAheadMilliseconds = report.timeAhead
    next = report.next
    confirmed = report.basis == .confirmed
    replayed = report.basis == .replayed
    running = MaybeKnown(value: replayed ? nil : true)
    answeredBy = report.answeredBy
    nodes = report.nodes.rows.map(NodeJSON.init)
  }
}

extension StatusJSON.Verdict {
  init(_ verdict: HighAvailability.Verdict) {
    self.init(
      highAvailability: verdict.isHighlyAvailable, canLose: verdict.canLose,
      quorumHeld: verdict.quorumHeld, healthy: verdict.healthy)
  }
}

struct NodeJSON: Encodable {
  var id: String
  var name: String
  var role: String
  var status: String
  var state: String
  var datastoreRole: String?
  var leader: Bool
  var address: String
  var datastoreAddress: String?
  var apiserverAddress: String?
  var failureDomain: String
  var version: String
  var ageSeconds: Int64
  var contactMilliseconds: Int64?
  var index: UInt64?
  var lag: UInt64?
  var joinIndex: UInt64

  init(_ row: NodeRow) {
    id = row.id.description
    name = row.name
    role = row.role.name
    status = row.status.rawValue
    state = row.state.rawValue
    datastoreRole = row.datastoreRole?.name
    leader = row.isLeader
    address = row.endpoints.cluster.description
    datastoreAddress = row.endpoints.datastore?.description
    apiserverAddress = row.endpoints.apiserver?.description
    failureDomain = row.failureDomain
    version = row.version
    ageSeconds = row.age / 1000
    contactMilliseconds = row.contactAge
    index = row.index
    lag = row.lag
    joinIndex = row.joinIndex
  }
}

struct NodeListJSON: Encodable {
  var schemaVersion = 1
  var nodes: [NodeJSON]
}

struct TokenListJSON: Encodable {
  struct Row: Encodable {
    var id: String
    var roles: [String]
    var usesLeft: Int?
    var expires: String?
    var state: String
    var admitted: [String]
    var issuer: String
  }
  var schemaVersion = 1
  var tokens: [Row]

  init(_ list: TokenList) {
    tokens = list.rows.map {
      Row(
        id: $0.id.description, roles: $0.roles.map(\.name), usesLeft: $0.usesLeft,
        expires: $0.expires?.rfc3339, state: $0.state.name, admitted: $0.admitted,
        issuer: $0.issuer)
    }
  }
}

/// A text in the format that was asked for.
package enum Rendering {
  package static func status(_ report: StatusReport, format: String) throws -> String {
    switch format {
    case "pretty": report.pretty
    case "short": report.short
    case "yaml": report.yaml
    case "json": try json(StatusJSON(report))
    default: throw unknown(format, "pretty, short, yaml or json")
    }
  }

  package static func nodes(_ report: StatusReport, format: String) throws -> String {
    let list = NodeListJSON(nodes: report.nodes.rows.map(NodeJSON.init))
    return switch format {
    case "table", "pretty": report.nodes.table().render()
    case "wide": report.nodes.table(wide: true).render()
    case "json": try json(list)
    case "yaml": try YAMLEncoder().encode(list)
    default: throw unknown(format, "pretty, wide, json or yaml")
    }
  }

  package static func tokens(_ list: TokenList, format: String) throws -> String {
    switch format {
    case "table", "pretty", "wide": list.table().render()
    case "json": try json(TokenListJSON(list))
    case "yaml": try YAMLEncoder().encode(TokenListJSON(list))
    default: throw unknown(format, "pretty, json or yaml")
    }
  }

  static func policy(_ settings: PolicySettings, format: String) throws -> String {
    func row(_ name: String, _ value: String, _ about: String) -> [String] { [name, value, about] }
    func seconds(_ milliseconds: UInt32?) -> String {
      Age(milliseconds: Int64(milliseconds ?? 0)).precise
    }
    switch format {
    case "pretty":
      return TextTable(
        header: ["SETTING", "VALUE", "WHAT"],
        rows: [
          row("voters", "\(settings.voters ?? 0)", "how many nodes vote, if so many are there"),
          row("standbys", "\(settings.standbys ?? 0)", "how many hold a copy besides"),
          row(
            "suspect-after", seconds(settings.suspectAfterMilliseconds),
            "a voter that was silent for so long is replaced"),
          row(
            "recover-after", seconds(settings.recoverAfterMilliseconds),
            "after so much contact it is trusted again"),
          row(
            "spread", settings.spread == false ? "off" : "on",
            "whether votes move to failure domains that have none"),
        ]
      ).render()
    case "json": return try json(settings)
    case "yaml": return try YAMLEncoder().encode(settings)
    default: throw unknown(format, "pretty, json or yaml")
    }
  }

  private static func json(_ value: some Encodable) throws -> String {
    String(decoding: try JSON.encode(value, pretty: true), as: UTF8.self) + "\n"
  }

  private static func unknown(_ format: String, _ known: String) -> Failure {
    Failure("unknown format \"\(format)\": it is one of \(known)", exitCode: 2)
  }
}
