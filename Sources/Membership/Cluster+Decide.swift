// Wishes become facts or are refused. Pure: time, ids and what the leader observes come in. Decided
// at the leader on the tail of its log, so that whatever is appended is valid on every node.

extension Cluster {
  /// What a request leads to.
  ///
  /// - Parameters:
  ///   - fingerprint: FNV-1a of the command's encoded body; the same id must have the same.
  ///   - at: the time to stamp, already no earlier than the last event's.
  ///   - observation: what the leader sees at this moment.
  /// - Throws: the reason why nothing is appended.
  package func decide(
    _ request: Request, fingerprint: UInt64, at: Timestamp, observation: Observation
  ) throws(Refusal) -> Decision {
    guard isFormed else { throw .notFormed }
    if case .settle = request.command { return settle(at: at) }
    let clock = observation.clock ?? at
    if let answer = try remembered(request.id, fingerprint: fingerprint, at: at, clock: clock) {
      return answer
    }
    for (what, text) in [("actor", request.actor), ("reason", request.reason)] {
      guard text.utf8.count <= 1024, isPrintable(text) else {
        throw .requestInvalid("its \(what) must be printable text of at most 1024 bytes")
      }
    }
    let scene = Scene(request: request, fingerprint: fingerprint, at: at, observation: observation)
    return switch request.command {
    case .issueToken(let token): try issue(token, scene)
    case .revokeToken(let id): try revoke(id, scene)
    case .join(let join): try decide(join, scene)
    case .leave(let id): try leave(id, scene)
    case .removeNode(let removal): try remove(removal, scene)
    case .changeRole(let wish): try change(wish, scene)
    case .refreshEndpoints(let refreshed): try refresh(refreshed, scene)
    case .assignRoles(let assigned): try assign(assigned, scene)
    case .settle: settle(at: at)
    case .suspect(let id): try suspect(id, scene)
    case .recover(let id): try recover(id, scene)
    case .loseReplica(let lost): try lose(lost, scene)
    case .refetchReplica(let refetched): try refetch(refetched, scene)
    case .enterMaintenance(let wish): try enter(wish, scene)
    case .exitMaintenance(let target): try exit(target, scene)
    case .changePolicy(let change): try decide(change, scene)
    case .issueCertificate(let issued): try issue(issued, scene)
    }
  }

  /// What every rule may look at besides the state.
  struct Scene {
    let request: Request
    let fingerprint: UInt64
    let at: Timestamp
    let observation: Observation

    func append(_ event: Event, finishes: Bool = true) -> Decision {
      .append(
        Envelope(
          time: at, command: request.id, fingerprint: fingerprint, actor: request.actor,
          reason: request.reason, event: event), finishes: finishes)
    }
  }

  /// How far a client's clock may be ahead when it draws an id, in seconds.
  private static let skew: Int64 = 3600

  /// The answer to a command that was carried out before; nil for a new one.
  private func remembered(
    _ id: CommandID, fingerprint: UInt64, at: Timestamp, clock: Timestamp
  ) throws(Refusal) -> Decision? {
    if let departure, departure.attribution.command == id {
      guard departure.attribution.fingerprint == fingerprint else {
        throw .commandReused(id, first: departure.index)
      }
      return .already(Already(first: departure.index, latest: lastIndex, finished: false))
    }
    if let known = sessions[id] {
      guard known.fingerprint == fingerprint else { throw .commandReused(id, first: known.first) }
      return .already(Already(first: known.first, latest: known.latest, finished: true))
    }
    // Where recorded time is hours ahead (a clock was wrong once), ids drawn by right clocks all
    // look old, and would be refused until time has caught up.
    let isComparable = at <= clock.adding(seconds: Cluster.skew)
    if isComparable, sessions.mayHaveForgotten(id) { throw .commandForgotten(id) }
    if id.drawn > at.adding(seconds: Cluster.skew) { throw .commandFromFuture(id) }
    return nil
  }

  func already(_ index: UInt64) -> Decision {
    .already(Already(first: index, latest: index, finished: true))
  }

  /// Refuses while roles change or a control-plane node departs.
  func requireQuiet() throws(Refusal) {
    if let departure {
      throw .busy(
        "\(departure.kind.noun) \(name(of: departure.node)), which began at index "
          + "\(departure.index),")
    }
    if let joint { throw .busy("the change of voters that began at index \(joint.index)") }
  }

  /// What finishes the change under way: leave the joint configuration, then close the departure.
  private func settle(at: Timestamp) -> Decision {
    func append(_ attribution: Attribution, _ event: Event, finishes: Bool = true) -> Decision {
      .append(
        Envelope(
          time: at, command: attribution.command, fingerprint: attribution.fingerprint,
          actor: attribution.actor, reason: attribution.reason, event: event), finishes: finishes)
    }
    if let joint {
      return append(
        joint.attribution, .rolesSettled(RolesSettled()), finishes: departure == nil)
    }
    guard let departure else { return already(lastIndex) }
    return switch departure.kind {
    case .leave: append(departure.attribution, .nodeLeft(NodeLeft(node: departure.node)))
    case .remove:
      append(
        departure.attribution,
        .nodeRemoved(NodeRemoved(node: departure.node, forced: departure.forced)))
    case .demote: append(departure.attribution, .nodeDemoted(demotion(of: departure.node)))
    }
  }

  private func issue(_ token: TokenIssued, _ scene: Scene) throws(Refusal) -> Decision {
    try requireTrustworthy(scene)
    guard !token.secrets.isEmpty, Set(token.secrets.map(\.hash)).count == token.secrets.count else {
      throw .tokenInvalid("it needs secrets, each of its own")
    }
    for secret in token.secrets {
      let raw = secret.roles.map(\.rawValue)
      guard !raw.isEmpty, raw == Set(raw).sorted() else {
        throw .tokenInvalid("each of its secrets must admit some roles, sorted")
      }
    }
    if let expires = token.expires, expires <= scene.at {
      throw .tokenInvalid("it would have expired at \(expires.rfc3339), before it is issued")
    }
    if self.token(token.id) != nil { throw .tokenTaken(token.id) }
    for secret in token.secrets {
      if let (known, _) = self.token(secret: secret.hash), known.state(at: scene.at) == .active {
        throw .tokenTaken(known.id)
      }
    }
    return scene.append(.tokenIssued(token))
  }

  private func revoke(_ id: TokenID, _ scene: Scene) throws(Refusal) -> Decision {
    guard let token = token(id) else { throw .tokenMissing(id) }
    if let revocation = token.revocation { return already(revocation.index) }
    return scene.append(.tokenRevoked(TokenRevoked(id: id)))
  }

  /// Tokens need a clock that can be believed and room for what they bring in.
  func requireTrustworthy(_ scene: Scene) throws(Refusal) {
    if let clock = scene.observation.clock, scene.at > clock.adding(seconds: 10) {
      throw .clockBehind(scene.at.milliseconds - clock.milliseconds)
    }
    if scene.observation.lowOnSpace { throw .lowOnSpace }
  }

  private func assign(_ assigned: RoleAssigned, _ scene: Scene) throws(Refusal) -> Decision {
    try requireQuiet()
    if let why = contradiction(.roleAssigned(assigned)) { throw .rolesInvalid(why) }
    if assigned.departing != nil { throw .rolesInvalid("departures have commands of their own") }
    var after = Set(voters)
    for assignment in assigned.assignments {
      if assignment.role == .voter {
        after.insert(assignment.node)
      } else {
        after.remove(assignment.node)
      }
    }
    let reachable = scene.observation.reachable
    guard
      Tolerance(voters: Array(after), outgoing: voters, healthy: reachable).quorumHeld
    else { throw .rolesInvalid("too few voters are within reach to agree to it") }
    return scene.append(.roleAssigned(assigned))
  }

  private func suspect(_ id: NodeID, _ scene: Scene) throws(Refusal) -> Decision {
    let member = try controlPlaneMember(id)
    if member.isSuspected { return already(lastIndex) }
    if member.suspicions.count >= Member.suspicionLimit, let first = member.suspicions.first,
      first > scene.at.adding(seconds: -3600)
    {
      throw .suspectedTooOften(member.name, since: first)
    }
    return scene.append(.nodeSuspected(NodeSuspected(node: id)))
  }

  private func recover(_ id: NodeID, _ scene: Scene) throws(Refusal) -> Decision {
    let member = try controlPlaneMember(id)
    if !member.isSuspected { return already(lastIndex) }
    return scene.append(.nodeRecovered(NodeRecovered(node: id)))
  }

  private func lose(_ lost: ReplicaLost, _ scene: Scene) throws(Refusal) -> Decision {
    let member = try controlPlaneMember(lost.node)
    if member.lostSince != nil { return already(lastIndex) }
    // What it acknowledged before it was a worker for a while went with its demotion, as it should.
    let isOfBefore = lost.acknowledged <= member.roleIndex && member.roleIndex > member.joinIndex
    if isOfBefore { return already(member.roleIndex) }
    return scene.append(.replicaLost(lost))
  }

  private func refetch(_ told: ReplicaRefetched, _ scene: Scene) throws(Refusal) -> Decision {
    let member = try controlPlaneMember(told.node)
    if member.lostSince == nil { return already(lastIndex) }
    return scene.append(.replicaRefetched(told))
  }

  private func controlPlaneMember(_ id: NodeID) throws(Refusal) -> Member {
    guard let member = node(id), member.isActive, member.isControlPlane else {
      throw .nodeUnknown(id.description, gone: departed(id))
    }
    return member
  }
}
