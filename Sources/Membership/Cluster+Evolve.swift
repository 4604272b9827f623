// Facts become state. Total: every event has an effect or is told to contradict the state, in which
// case the state stays as it was and the replica that sees this must halt.

/// An event that cannot have happened in this state: the log or this program is wrong.
package struct Inconsistency: Error, Hashable, Sendable, CustomStringConvertible {
  package var index: UInt64
  package var description: String
  package init(index: UInt64, description: String) {
    self.index = index
    self.description = description
  }
}

extension Cluster {
  /// Applies an event at its place in the log. Nil if it fits; else nothing was changed and the
  /// caller must stop loudly.
  package mutating func evolve(_ recorded: RecordedEvent) -> Inconsistency? {
    if let why = misplacement(recorded) ?? contradiction(recorded.envelope.event) {
      return Inconsistency(
        index: recorded.index,
        description: "\(recorded.envelope.event.type.name) at index \(recorded.index): \(why)")
    }
    if changesEndpoints(recorded.envelope.event) { endpointIndex = recorded.index }
    lastIndex = recorded.index
    lastTime = recorded.envelope.time
    term = recorded.term
    apply(recorded)
    if recorded.envelope.event.type != .leaderElected {
      sessions.record(recorded.envelope, at: recorded.index)
    }
    return nil
  }

  private func misplacement(_ recorded: RecordedEvent) -> String? {
    guard lastIndex < .max, recorded.index == lastIndex + 1 else {
      return "the index before it is \(lastIndex)"
    }
    guard recorded.term >= term else { return "its term \(recorded.term) is before \(term)" }
    guard !isFormed || recorded.envelope.time >= lastTime else {
      return "its time \(recorded.envelope.time.rfc3339Milliseconds) is before "
        + lastTime.rfc3339Milliseconds
    }
    if recorded.envelope.event.type != .leaderElected,
      let known = sessions[recorded.envelope.command],
      known.fingerprint != recorded.envelope.fingerprint
    {
      return "command \(recorded.envelope.command) had another body at index \(known.first)"
    }
    return nil
  }

  /// Why this event cannot happen in this state; nil if it can.
  func contradiction(_ event: Event) -> String? {
    if case .clusterFormed(let formed) = event {
      if isFormed { return "the cluster was formed before" }
      return formed.first.role == .controlPlane ? nil : "its first node is not a control-plane node"
    }
    guard isFormed else { return "there is no cluster yet" }
    switch event {
    case .clusterFormed: return nil
    case .clusterImported(let imported): return contradiction(imported)
    case .leaderElected(let elected):
      // Also a node whose departure it has in its log but not yet applied: Raft allows that.
      let known = roster.contains(elected.node) || departed(elected.node) != nil
      return known ? nil : "node \(elected.node) is unknown"
    case .tokenIssued(let token):
      return invitations.contains(token.id) ? "token \(token.id) exists" : nil
    case .tokenRevoked(let revoked):
      guard let isRevoked = invitations.look(at: revoked.id, { $0.revocation != nil }) else {
        return "token \(revoked.id) is unknown"
      }
      return isRevoked ? "token \(revoked.id) is revoked already" : nil
    case .nodeJoined(let joined): return contradiction(joined)
    case .nodeLeft(let left):
      return contradiction(departureOf: left.node, kind: .leave)
    case .nodeRemoved(let removed):
      if let member = roster[removed.node], !member.isActive { return nil }
      return contradiction(departureOf: removed.node, kind: .remove)
    case .nodeReplaced(let replaced): return contradiction(replaced)
    case .nodePromoted(let promoted): return contradiction(promoted)
    case .nodeDemoted(let demoted):
      return contradiction(departureOf: demoted.node, kind: .demote) ?? contradiction(demoted)
    case .endpointRefreshed(let refreshed): return inactive(refreshed.node)
    case .roleAssigned(let assigned): return contradiction(assigned)
    case .rolesSettled: return joint == nil ? "the configuration is not joint" : nil
    case .nodeSuspected(let suspected):
      if let why = inactive(suspected.node) { return why }
      return isSuspected(suspected.node) ? "it is suspected already" : nil
    case .nodeRecovered(let recovered):
      if let why = inactive(recovered.node) { return why }
      return isSuspected(recovered.node) ? nil : "it is not suspected"
    case .replicaLost(let lost):
      if let why = inactive(lost.node) { return why }
      return roster[lost.node]?.lostSince == nil ? nil : "it has lost its log already"
    case .replicaRefetched(let refetched):
      if let why = inactive(refetched.node) { return why }
      return roster[refetched.node]?.lostSince == nil ? "it has lost nothing" : nil
    case .maintenanceEntered(let entered): return inactive(entered.node)
    case .maintenanceExited(let exited):
      if let why = inactive(exited.node) { return why }
      return roster[exited.node]?.maintenance == nil ? "it is not in maintenance" : nil
    case .policyChanged(let change): return policy.changed(by: change).flaw
    case .certificateIssued(let issued): return contradiction(issued)
    }
  }

  func inactive(_ id: NodeID) -> String? {
    roster.look(at: id) { $0.isActive } ?? false ? nil : "node \(id) is not an active member"
  }

  private func isSuspected(_ id: NodeID) -> Bool { roster.look(at: id) { $0.isSuspected } ?? false }

  func contradiction(_ joined: NodeJoined) -> String? {
    if roster[joined.node.id] != nil || tombstones[joined.node.key] != nil {
      return "node \(joined.node.id) is known already"
    }
    guard let token = token(joined.token) else { return "token \(joined.token) is unknown" }
    return token.remaining == 0 ? "token \(joined.token) is used up" : nil
  }

  private func contradiction(
    departureOf id: NodeID, kind: RoleAssigned.Departing.Kind
  ) -> String? {
    if let why = inactive(id) { return why }
    if roster[id]?.datastoreRole != nil { return "node \(id) still has a datastore role" }
    guard let departure, departure.node == id else { return nil }
    if departure.kind != kind { return "node \(id) departs in another way" }
    return departure.settled ? nil : "the configuration still counts node \(id)"
  }

  private func contradiction(_ assigned: RoleAssigned) -> String? {
    if assigned.assignments.isEmpty { return "it assigns nothing" }
    if let departing = assigned.departing {
      let out = assigned.assignments.contains { $0.node == departing.node && $0.role == nil }
      if !out { return "the departing node keeps its role" }
    }
    return contradiction(
      assigned.assignments, joint: assigned.joint, out: assigned.departing?.node)
  }

  /// - Parameter out: who may be left without a role.
  func contradiction(
    _ assignments: [RoleAssigned.Assignment], joint isJoint: Bool, out: NodeID?
  ) -> String? {
    if joint != nil { return "the configuration is joint" }
    if departure != nil { return "a departure is under way" }
    var after = Set(voters)
    var previous: NodeID?
    for assignment in assignments {
      if let previous, assignment.node <= previous { return "its assignments are not sorted" }
      previous = assignment.node
      if let why = inactive(assignment.node) { return why }
      guard let member = roster[assignment.node], member.isControlPlane else {
        return "node \(assignment.node) is a worker"
      }
      if member.datastoreRole == assignment.role { return "node \(member.id) has that role" }
      if assignment.role == nil, out != member.id {
        return "node \(member.id) loses its role without departing"
      }
      if assignment.role == .voter { after.insert(member.id) } else { after.remove(member.id) }
    }
    if after.isEmpty { return "no voter would remain" }
    return isJoint == (after != Set(voters)) ? nil : "joint is not what its changes need"
  }
}

// Effects.
extension Cluster {
  private mutating func apply(_ recorded: RecordedEvent) {
    let time = recorded.envelope.time
    switch recorded.envelope.event {
    case .clusterFormed(let formed):
      id = formed.cluster
      incarnation = 1
      self.formed = time
      enrol(
        Member(
          record: formed.first, joined: time, joinIndex: recorded.index, datastoreRole: .voter,
          endpointIndex: recorded.index))
    case .clusterImported(let imported): apply(imported, recorded)
    case .leaderElected(let elected): leader = elected.node
    case .tokenIssued(let token):
      invitations.append(
        Token(
          issued: token, index: recorded.index, time: time, actor: recorded.envelope.actor))
      invitationsBySecret.add(token)
    case .tokenRevoked(let revoked):
      invitations.update(revoked.id) {
        $0.revocation = Token.Revocation(
          index: recorded.index, time: time, actor: recorded.envelope.actor)
      }
    case .nodeJoined(let joined): apply(joined, recorded)
    case .nodeLeft(let left): apply(left, recorded)
    case .nodeRemoved(let removed):
      if roster[removed.node]?.isActive == true {
        bury(removed.node, .removed(forced: removed.forced), recorded)
      }
      close(removed.node)
    case .nodeReplaced(let replaced): apply(replaced, recorded)
    case .nodePromoted(let promoted): apply(promoted, recorded)
    case .nodeDemoted(let demoted): apply(demoted, recorded)
    case .endpointRefreshed(let refreshed):
      roster.update(refreshed.node) {
        $0.record.endpoints = refreshed.endpoints
        $0.record.version = refreshed.version
        $0.apiserverReady = refreshed.apiserverReady
        $0.endpointIndex = recorded.index
      }
    case .roleAssigned(let assigned): apply(assigned, recorded)
    case .rolesSettled:
      joint = nil
      departure?.settled = true
    case .nodeSuspected(let suspected):
      roster.update(suspected.node) {
        $0.suspectedSince = time
        $0.suspicions = $0.suspicions.suffix(Member.suspicionLimit - 1) + [time]
      }
    case .nodeRecovered(let recovered):
      roster.update(recovered.node) { $0.suspectedSince = nil }
    case .replicaLost(let lost):
      roster.update(lost.node) { $0.lostSince = time }
    case .replicaRefetched(let refetched):
      roster.update(refetched.node) { $0.lostSince = nil }
    case .maintenanceEntered(let entered): apply(entered, recorded)
    case .maintenanceExited(let exited):
      roster.update(exited.node) { $0.maintenance = nil }
    case .policyChanged(let change): apply(change, recorded)
    case .certificateIssued(let issued): apply(issued, recorded)
    }
  }

  private mutating func apply(_ left: NodeLeft, _ recorded: RecordedEvent) {
    bury(left.node, .left, recorded)
    roster.update(left.node) {
      $0.state = .left(index: recorded.index, time: recorded.envelope.time)
      $0.apiserverReady = false
      $0.suspectedSince = nil
      $0.maintenance = nil
      $0.lentTo = nil
    }
    if let name = roster[left.node]?.name { leftByName[name] = left.node }
  }

  private mutating func apply(_ change: PolicyChanged, _ recorded: RecordedEvent) {
    policy = policy.changed(by: change)
    policyIndex = recorded.index
  }

  private mutating func apply(_ entered: MaintenanceEntered, _ recorded: RecordedEvent) {
    let time = recorded.envelope.time
    roster.update(entered.node) {
      $0.maintenance = .init(
        index: recorded.index, since: $0.maintenance?.since ?? time, until: entered.until)
    }
  }

  mutating func apply(_ joined: NodeJoined, _ recorded: RecordedEvent) {
    // A name stands for one record: the newcomer's replaces that of a node which left.
    if let left = leftByName[joined.node.name] { close(left) }
    enrol(
      Member(
        record: joined.node, joined: recorded.envelope.time, joinIndex: recorded.index,
        token: joined.token, endpointIndex: recorded.index))
    invitations.update(joined.token) {
      $0.redemptions.append(
        Token.Redemption(
          node: joined.node.id, name: joined.node.name, index: recorded.index,
          time: recorded.envelope.time))
    }
  }

  private mutating func apply(_ assigned: RoleAssigned, _ recorded: RecordedEvent) {
    assign(assigned.assignments, joint: assigned.joint, cause: assigned.cause, recorded)
    let attribution = Attribution(recorded.envelope)
    if let departing = assigned.departing {
      departure = Departure(
        node: departing.node, kind: departing.kind, forced: departing.forced,
        attribution: attribution, index: recorded.index, settled: !assigned.joint)
    }
  }

  mutating func assign(
    _ assignments: [RoleAssigned.Assignment], joint isJoint: Bool, cause: RoleAssigned.Cause,
    _ recorded: RecordedEvent
  ) {
    if isJoint {
      joint = JointRoles(
        outgoing: voters, attribution: Attribution(recorded.envelope), index: recorded.index)
    }
    lend(assignments, cause)
    for assignment in assignments {
      roster.update(assignment.node) { $0.datastoreRole = assignment.role }
    }
  }

  /// Who votes in whose place, where a node in maintenance gives up its vote. That is over when it
  /// votes again, or when the other one does not any more.
  private mutating func lend(
    _ assignments: [RoleAssigned.Assignment], _ cause: RoleAssigned.Cause
  ) {
    let gained = assignments.filter { $0.role == .voter }.map(\.node)
    for member in controlPlane {
      let assignment = assignments.first { $0.node == member.id }
      if let heir = member.lentTo {
        let heirsRole = assignments.first { $0.node == heir }
        if assignment?.role == .voter || heirsRole.map({ $0.role != .voter }) == true {
          roster.update(member.id) { $0.lentTo = nil }
        }
      } else if cause == .maintenance, let heir = gained.first, member.maintenance != nil,
        member.datastoreRole == .voter, let assignment, assignment.role != .voter
      {
        roster.update(member.id) { $0.lentTo = heir }
      }
    }
  }

  mutating func bury(_ id: NodeID, _ how: Departed.How, _ recorded: RecordedEvent) {
    guard let member = roster[id] else { return }
    tombstones.append(
      Departed(
        node: id, name: member.name, key: member.record.key, how: how, index: recorded.index,
        time: recorded.envelope.time, actor: recorded.envelope.actor,
        reason: recorded.envelope.reason))
    if departure?.node == id { departure = nil }
  }

  mutating func enrol(_ member: Member) {
    roster.append(member)
    if member.isControlPlane { controlPlaneIDs.append(member.id) }
  }

  mutating func close(_ id: NodeID) {
    controlPlaneIDs.removeAll { $0 == id }
    if let member = roster[id], leftByName[member.name] == id { leftByName[member.name] = nil }
    roster.remove(id)
  }

  /// Whether the event changes what workers are told: the records of the active control-plane nodes
  /// (`controlPlane`), or which of them serve (`servingAPI`). Said of the event before it is
  /// applied, since to compare both lists at every event would cost more than all the rest.
  private func changesEndpoints(_ event: Event) -> Bool {
    switch event {
    case .clusterFormed, .clusterImported, .nodePromoted, .nodeDemoted: true
    case .nodeJoined(let joined): joined.node.role == .controlPlane
    case .nodeLeft(let left): roster.look(at: left.node) { $0.isControlPlane } ?? false
    case .nodeReplaced(let replaced):
      replaced.joined.node.role == .controlPlane
        || roster.look(at: replaced.node) { $0.isControlPlane && $0.isActive } ?? false
    case .nodeRemoved(let removed):
      roster.look(at: removed.node) { $0.isControlPlane && $0.isActive } ?? false
    case .endpointRefreshed(let refreshed):
      roster.look(at: refreshed.node) { member in
        if !member.isControlPlane { return false }
        if member.record.endpoints != refreshed.endpoints { return true }
        if member.record.version != refreshed.version { return true }
        return member.apiserverReady != refreshed.apiserverReady && !member.isSuspected
          && choosesServing(member)
      } ?? false
    case .nodeSuspected(let suspected): swaysServing(suspected.node)
    case .nodeRecovered(let recovered): swaysServing(recovered.node)
    case .leaderElected, .tokenIssued, .tokenRevoked, .roleAssigned, .rolesSettled, .replicaLost,
      .replicaRefetched, .maintenanceEntered, .maintenanceExited, .policyChanged,
      .certificateIssued:
      false
    }
  }

  /// Whether suspicion of that node, or its end, changes which nodes serve.
  private func swaysServing(_ id: NodeID) -> Bool {
    roster.look(at: id) { $0.isControlPlane && $0.apiserverReady && choosesServing($0) } ?? false
  }

  /// Whether it makes a difference if that member is fit to serve: a member without an API server
  /// never serves, and the only one with an API server always does.
  private func choosesServing(_ member: Member) -> Bool {
    member.record.endpoints.apiserver != nil
      && controlPlaneIDs.contains { id in
        id != member.id
          && roster.look(at: id) { $0.isActive && $0.record.endpoints.apiserver != nil } ?? false
      }
  }
}

extension Attribution {
  init(_ envelope: Envelope) {
    self.init(
      command: envelope.command, fingerprint: envelope.fingerprint, actor: envelope.actor,
      reason: envelope.reason)
  }
}
