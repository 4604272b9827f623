// What hooks are told: one JSON object, rendered when it happens and kept as text until its hooks
// have run, so that a hook that runs late or again is told the same.

import History
import Membership
import Projections

/// When hooks run.
enum HookName: String, Codable, CaseIterable, Sendable {
  case formed, joined, left, removed
  case roleChanged = "role-changed"
  case endpointsChanged = "endpoints-changed"
  case quorumLost = "quorum-lost"
  case quorumBack = "quorum-back"

  /// Seen by this node, and in no log.
  var isObserved: Bool { self == .quorumLost || self == .quorumBack }
}

/// One reason for hooks to run.
struct HookOccasion: Codable, Equatable, Sendable {
  var hook: HookName
  /// In the log of `cluster`, or of the list that a worker was told; nil where there is none.
  var index: UInt64?
  var cluster: String
  /// Names of the nodes that it is about.
  var about: [String]
  /// Whether this node is among them.
  var isAboutSelf: Bool
  /// What its hooks read: a line of JSON.
  var input: String

  /// Tells it from others, for what was done of it.
  var key: String { "\(hook.rawValue)@\(cluster)/\(index.map(String.init) ?? "-")" }
  var isQuorum: Bool { hook.isObserved }
}

/// The node that hooks run on, as they are told of it.
struct HookPlace: Sendable {
  var cluster: String
  var id: String
  var name: String
  var role: String
  var data: DataDirectory

  init(_ file: NodeFile, _ data: DataDirectory) {
    (cluster, id, name, role) = (file.cluster, file.node, file.name, file.role.rawValue)
    self.data = data
  }

  var nodeID: NodeID? { NodeID(id) }

  /// What is told of an occasion.
  /// - Parameters:
  ///   - about: the nodes concerned, as in `member`.
  ///   - event: as `muster events -o json` has it.
  ///   - before, after: as `view` gives them; nil where they are not known.
  func occasion(
    _ hook: HookName, index: UInt64?, about: [(name: String, id: String, document: Document)],
    event: Document? = nil, before: Document?, after: Document?
  ) -> HookOccasion {
    let document = Document.object([
      ("schemaVersion", .number(1)), ("hook", .text(hook.rawValue)),
      ("observed", .truth(hook.isObserved)), ("cluster", .text(cluster)),
      (
        "node", .object([("id", .text(id)), ("name", .text(name)), ("role", .text(role))])
      ),
      ("about", .list(about.map(\.document))),
      ("aboutSelf", .truth(about.contains { $0.id == id })),
      ("index", index.map { .number($0) } ?? .null), ("event", event ?? .null),
      ("before", before ?? .null), ("after", after ?? .null),
      ("dataDirectory", .text(data.path)), ("received", .text(data.received)),
    ])
    return HookOccasion(
      hook: hook, index: index, cluster: cluster, about: about.map(\.name),
      isAboutSelf: about.contains { $0.id == id }, input: document.line)
  }

  /// This node itself, for occasions about it alone.
  var own: [(name: String, id: String, document: Document)] {
    [
      (
        name, id,
        .object([("id", .text(id)), ("name", .text(name)), ("role", .text(role))])
      )
    ]
  }

  /// A member, as one that is concerned.
  static func subject(_ member: Member) -> (name: String, id: String, document: Document) {
    (member.name, member.id.description, document(member))
  }

  static func document(_ member: Member) -> Document {
    let endpoints = member.record.endpoints
    return .object([
      ("id", .text(member.id.description)), ("name", .text(member.name)),
      ("role", .text(member.record.role.name)),
      ("datastoreRole", .text(member.datastoreRole?.name)),
      ("state", .text(member.isActive ? "active" : "left")),
      ("clusterAddress", .text(endpoints.cluster.description)),
      ("datastoreAddress", .text(endpoints.datastore?.description)),
      ("apiserverAddress", .text(endpoints.apiserver?.description)),
    ])
  }

  /// What matters of a state: this node, availability, where the API servers are.
  func view(_ state: Cluster, outlook: Outlook? = nil) -> Document {
    guard state.isFormed else { return .null }
    let high = HighAvailability(state, outlook: outlook)
    let own = nodeID.flatMap { state.node($0) }
    return .object([
      ("node", own.map(Self.document) ?? .null),
      (
        "highAvailability",
        .object([
          ("highAvailability", .truth(high.isHighlyAvailable)), ("canLose", .number(high.canLose)),
          ("quorumHeld", .truth(high.quorumHeld)),
          ("leader", .text(state.leader.map { state.name(of: $0) })),
          ("voters", .texts(state.nodes(.voter).map(\.name))),
          ("standbys", .texts(state.nodes(.standby).map(\.name))),
        ])
      ),
      ("controlPlane", .texts(state.controlPlane.map(\.name))),
      ("endpoints", .texts(EndpointList(state).apiservers.map(\.description))),
    ])
  }

  /// A worker's list of API servers that became another; nil if it names the same ones.
  func endpointsChanged(_ known: EndpointsAnswer, _ told: EndpointsAnswer) -> HookOccasion? {
    guard told.index > known.index, told.addresses != known.addresses else { return nil }
    return occasion(
      .endpointsChanged, index: told.index, about: [], before: known.view, after: told.view)
  }

  /// What hooks have in their environment, beside a few variables of the agent's own.
  func environment(_ occasion: HookOccasion, inherited: [String: String]) -> [String] {
    var variables = [
      "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"
    ]
    for name in ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR"] {
      if let value = inherited[name] { variables[name] = value }
    }
    variables["MUSTER_HOOK"] = occasion.hook.rawValue
    variables["MUSTER_NODE"] = name
    variables["MUSTER_ROLE"] = role
    variables["MUSTER_CLUSTER"] = occasion.cluster
    variables["MUSTER_INDEX"] = occasion.index.map(String.init) ?? ""
    variables["MUSTER_ABOUT"] = occasion.about.joined(separator: " ")
    variables["MUSTER_ABOUT_SELF"] = occasion.isAboutSelf ? "yes" : "no"
    variables["MUSTER_DATA_DIR"] = data.path
    variables["MUSTER_RECEIVED"] = data.received
    return variables.map { "\($0)=\($1)" }.sorted()
  }
}

// MARK: Events

extension HookPlace {
  /// What an event means to hooks, in the order in which they run. Roles and endpoints are compared
  /// and not read off the kind of event: whatever changes them is seen.
  func occasions(
    _ recorded: RecordedEvent, before: Cluster, after: Cluster, hash: () throws -> String
  ) rethrows -> [HookOccasion] {
    let event = recorded.envelope.event
    let isBeginning = [.clusterFormed, .clusterImported].contains(event.type)
    var found: [(HookName, [(name: String, id: String, document: Document)])] = []
    if isBeginning {
      found.append((.formed, after.nodes.filter(\.isActive).map(Self.subject)))
    } else {
      if event.type.changesMembers { found += members(event.type, before, after) }
      if before.endpointIndex != after.endpointIndex,
        EndpointList(before).apiservers != EndpointList(after).apiservers
      {
        found.append((.endpointsChanged, []))
      }
    }
    // Its own departure is no news of a log that it gives up: it is told beside it.
    found.removeAll { hook, about in
      [.left, .removed].contains(hook) && about.contains { $0.id == id }
    }
    guard !found.isEmpty else { return [] }
    let line = EventLine(
      recorded, hash: try hash(),
      effect: EventSummary(recorded, before: before, after: after).effect
    ).document
    let (old, new) = (view(before), view(after))
    return found.map { hook, about in
      occasion(
        hook, index: recorded.index, about: about, event: line, before: old, after: new)
    }
  }

  private func members(
    _ type: EventType, _ before: Cluster, _ after: Cluster
  ) -> [(HookName, [(name: String, id: String, document: Document)])] {
    var found: [(HookName, [(name: String, id: String, document: Document)])] = []
    func add(_ hook: HookName, _ members: [Member]) {
      if !members.isEmpty { found.append((hook, members.map(Self.subject))) }
    }
    func isActive(_ id: NodeID, _ state: Cluster) -> Bool { state.node(id)?.isActive == true }
    let now = after.nodes.filter(\.isActive)
    if type == .nodeReplaced { add(.removed, before.nodes.filter { after.node($0.id) == nil }) }
    add(.joined, now.filter { !isActive($0.id, before) })
    let gone = before.nodes.filter { $0.isActive && !isActive($0.id, after) }
    switch type {
    case .nodeLeft: add(.left, gone)
    case .nodeRemoved: add(.removed, before.nodes.filter { after.node($0.id) == nil })
    default: break
    }
    add(
      .roleChanged,
      now.filter { member in
        guard let old = before.node(member.id), old.isActive else { return false }
        return old.record.role != member.record.role || old.datastoreRole != member.datastoreRole
      })
    return found
  }
}

extension EventType {
  /// Whether it may change who is a member and in which role.
  fileprivate var changesMembers: Bool {
    switch self {
    case .nodeJoined, .nodeLeft, .nodeRemoved, .nodeReplaced, .nodePromoted, .nodeDemoted,
      .roleAssigned, .rolesSettled, .maintenanceEntered, .maintenanceExited, .clusterRecovered:
      true
    default: false
    }
  }
}

extension EndpointsAnswer {
  /// What a worker's hooks are told of a list.
  fileprivate var view: Document {
    .object([
      ("controlPlane", .texts(servers.map(\.name))), ("endpoints", .texts(addresses)),
    ])
  }
}
