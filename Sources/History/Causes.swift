// What led to an event, and what it led to. Only links that the log itself holds are told: the
// token that a join spent, the change that a settling ends, the departure that a leaving closes.
// Where the log does not say why, nothing is said.

package import Membership

/// One link between two events.
package struct Cause: Hashable, Sendable {
  package var index: UInt64
  /// How the earlier one led to the later one.
  package var words: String
}

extension History {
  /// What led to an event, by index; `before` is the state before it.
  package func causes(of recorded: RecordedEvent, before: Cluster) throws -> [Cause] {
    var causes: [Cause] = []
    func add(_ index: UInt64?, _ words: String) {
      guard let index, index >= first, index < recorded.index,
        !causes.contains(where: { $0.index == index })
      else { return }
      causes.append(Cause(index: index, words: words))
    }
    switch recorded.envelope.event {
    case .clusterFormed, .clusterImported, .leaderElected, .tokenIssued, .nodeSuspected,
      .replicaLost, .policyChanged:
      break
    case .maintenanceEntered(let entered):
      guard before.node(entered.node)?.maintenance != nil else { break }
      let earlier = try last(atOrBefore: recorded.index - 1, types: [.maintenanceEntered]) {
        $0.concerns(entered.node)
      }
      add(earlier?.index, "took \(before.name(of: entered.node)) into maintenance")
    case .maintenanceExited(let exited):
      let entered = try last(atOrBefore: recorded.index - 1, types: [.maintenanceEntered]) {
        $0.concerns(exited.node)
      }
      add(entered?.index, "took \(before.name(of: exited.node)) into maintenance")
    case .tokenRevoked(let revoked):
      add(before.token(revoked.id)?.index, "issued the invitation that was revoked")
    case .nodeJoined(let joined):
      add(before.token(joined.token)?.index, "issued the invitation of \(joined.node.name)")
    case .nodeReplaced(let replaced):
      let heir = replaced.joined.node.name
      add(before.token(replaced.joined.token)?.index, "issued the invitation of \(heir)")
      add(before.node(replaced.node)?.joinIndex, "made a member of the one that \(heir) replaced")
      addDeparture(of: replaced.node, before, add)
    case .nodeLeft(let left): addDeparture(of: left.node, before, add)
    case .nodeRemoved(let removed): addDeparture(of: removed.node, before, add)
    case .nodePromoted(let promoted):
      addJoin(of: promoted.node, before, add)
    case .nodeDemoted(let demoted): addDeparture(of: demoted.node, before, add)
    case .certificateIssued(let issued):
      addJoin(of: issued.node, before, add)
    case .endpointRefreshed(let refreshed):
      addJoin(of: refreshed.node, before, add)
    case .rolesSettled: add(before.joint?.index, "began the change of voters")
    case .nodeRecovered(let recovered):
      add(
        try lastSuspicion(of: recovered.node, before: recorded.index)?.index,
        "put \(before.name(of: recovered.node)) under suspicion")
    case .replicaRefetched(let refetched):
      let lost = try last(atOrBefore: recorded.index - 1, types: [.replicaLost]) {
        $0.concerns(refetched.node)
      }
      add(lost?.index, "told what \(before.name(of: refetched.node)) lacked")
    case .roleAssigned(let assigned):
      try addRoles(assigned, before, at: recorded.index, add)
      if causes.isEmpty { try addPolicy(assigned.cause, before, at: recorded.index, add) }
    }
    if recorded.envelope.event.type != .leaderElected,
      let session = before.sessions[recorded.envelope.command], session.first < recorded.index
    {
      add(session.first, "began the same command")
    }
    return causes.sorted { $0.index < $1.index }
  }

  private func addRoles(
    _ assigned: RoleAssigned, _ before: Cluster, at index: UInt64, _ add: (UInt64?, String) -> Void
  ) throws {
    for assignment in assigned.assignments {
      guard let member = before.node(assignment.node) else { continue }
      if member.datastoreRole == nil, member.roleIndex != member.joinIndex {
        add(member.roleIndex, "made \(member.name) a control-plane node, without a role yet")
      } else if member.datastoreRole == nil {
        add(member.joinIndex, "made \(member.name) a member, without a role yet")
      } else if member.isSuspected {
        add(
          try lastSuspicion(of: member.id, before: index)?.index,
          "put \(member.name) under suspicion")
      } else if assigned.cause == .maintenance {
        let upkeep = try last(
          atOrBefore: index - 1, types: [.maintenanceEntered, .maintenanceExited]
        ) { $0.concerns(member.id) }
        add(upkeep?.index, "said whether \(member.name) is meant to be there")
      }
    }
  }

  /// What made the role policy want something else.
  private func addPolicy(
    _ cause: RoleAssigned.Cause, _ before: Cluster, at index: UInt64,
    _ add: (UInt64?, String) -> Void
  ) throws {
    guard [.shortage, .surplus, .spread].contains(cause) else { return }
    let policy = try last(atOrBefore: index - 1, types: [.policyChanged]) {
      $0.envelope.event.moves(cause)
    }
    add(
      policy?.index,
      cause == .spread ? "said whether votes are spread" : "said how many should vote")
    add(try lastChange(before: index, before)?.index, "changed who is there to vote")
  }

  private func addJoin(of id: NodeID, _ before: Cluster, _ add: (UInt64?, String) -> Void) {
    guard let member = before.node(id) else { return }
    add(member.joinIndex, "made \(member.name) a member")
  }

  private func addDeparture(
    of id: NodeID, _ before: Cluster, _ add: (UInt64?, String) -> Void
  ) {
    if case .left(let index, _)? = before.node(id)?.state {
      add(index, "recorded that \(before.name(of: id)) left")
    }
    if let departure = before.departure, departure.node == id {
      add(departure.index, "began the departure of \(before.name(of: id))")
    }
  }

  func lastSuspicion(of node: NodeID, before index: UInt64) throws -> RecordedEvent? {
    guard index > 1 else { return nil }
    return try last(atOrBefore: index - 1, types: [.nodeSuspected]) { $0.concerns(node) }
  }

  /// The last event before that one after which the role policy may have wanted something else: a
  /// worker that comes or goes is nobody to it.
  private func lastChange(before index: UInt64, _ now: Cluster) throws -> RecordedEvent? {
    guard index > 1 else { return nil }
    return try last(
      atOrBefore: index - 1,
      types: [
        .nodeJoined, .nodeLeft, .nodeRemoved, .nodeReplaced, .nodePromoted, .nodeDemoted,
        .nodeSuspected, .nodeRecovered, .rolesSettled,
      ]
    ) { recorded in
      switch recorded.envelope.event {
      case .nodeJoined(let joined): joined.node.role == .controlPlane
      case .nodeLeft(let left):
        // Its record is open for a while.
        try now.node(left.node)?.isControlPlane ?? isInControlPlane(left.node, before: recorded)
      case .nodeRemoved(let removed): try isInControlPlane(removed.node, before: recorded)
      case .nodeReplaced(let replaced):
        try replaced.joined.node.role == .controlPlane || !replaced.assignments.isEmpty
          || isInControlPlane(replaced.node, before: recorded)
      default: true
      }
    }
  }

  private func isInControlPlane(_ id: NodeID, before recorded: RecordedEvent) throws -> Bool {
    guard try knowsState(at: recorded.index - 1) else { return false }
    let member = try state(at: recorded.index - 1).node(id)
    return member.map { $0.isActive && $0.isControlPlane } ?? false
  }

  /// How many events after one are searched for what it led to.
  package static let effectHorizon: UInt64 = 20_000

  /// What an event led to, among the next `effectHorizon` events.
  package func effects(of index: UInt64) throws -> [(event: RecordedEvent, words: String)] {
    var found: [(RecordedEvent, String)] = []
    guard index < head else { return [] }
    let last = min(head, index + Self.effectHorizon)
    try walk(from: index + 1, through: last) { recorded, before, _ in
      if let cause = try causes(of: recorded, before: before).first(where: { $0.index == index }) {
        found.append((recorded, cause.words))
      }
      return true
    }
    return found.map { (event: $0.0, words: $0.1) }
  }
}

extension RecordedEvent {
  /// Whether it is about that node.
  package func concerns(_ node: NodeID) -> Bool { envelope.event.nodes.contains(node) }
}

extension Event {
  /// Whether it sets what the role policy goes by where it moves roles for that cause.
  fileprivate func moves(_ cause: RoleAssigned.Cause) -> Bool {
    guard case .policyChanged(let change) = self else { return false }
    return cause == .spread ? change.spread != nil : (change.voters ?? change.standbys) != nil
  }
}
