// Workers become control-plane nodes, and the other way round, as the same members with the same
// keys.
//
// A promotion is one event: from then on the node is one to be given a datastore role, as if it had
// just joined. A demotion is a departure that ends otherwise: the roles are given up, the
// configuration settles without the node, and only then it is recorded as a worker, so that at no
// moment a quorum counts a node that keeps no log.

/// A worker became a control-plane node.
package struct NodePromoted: Hashable, Sendable {
  package var node: NodeID
  /// Where it is reached from now on.
  package var endpoints: Endpoints
  /// SHA-256 of the files that it was given; nil if there were none.
  package var bundle: Digest?
  package init(node: NodeID, endpoints: Endpoints, bundle: Digest? = nil) {
    self.node = node
    self.endpoints = endpoints
    self.bundle = bundle
  }
}

/// A control-plane node became a worker.
package struct NodeDemoted: Hashable, Sendable {
  package var node: NodeID
  /// Where it is reached from now on.
  package var endpoints: Endpoints
  package init(node: NodeID, endpoints: Endpoints) {
    self.node = node
    self.endpoints = endpoints
  }
}

extension Command {
  package struct ChangeRole: Hashable, Sendable {
    /// A name, an id, or an address (with or without port).
    package var target: String
    package var role: NodeRole
    /// Where a worker will be reached as a control-plane node; nil for a node that becomes a
    /// worker: where that is, the log knows.
    package var endpoints: Endpoints?
    /// As in `Join`.
    package var bundle: Digest?
    package init(
      target: String, role: NodeRole, endpoints: Endpoints? = nil, bundle: Digest? = nil
    ) {
      self.target = target
      self.role = role
      self.endpoints = endpoints
      self.bundle = bundle
    }
  }
}

extension RoleAssigned.Departing.Kind {
  /// As in `the departure of n2, which began at index 7`.
  package var noun: String {
    switch self {
    case .leave, .remove: "the departure of"
    case .demote: "the demotion of"
    }
  }

  /// As in `n2 is leaving`.
  package var verb: String {
    switch self {
    case .leave: "is leaving"
    case .remove: "is being removed"
    case .demote: "is becoming a worker"
    }
  }

  /// As facts and events call it.
  package var name: String {
    switch self {
    case .leave: "leave"
    case .remove: "remove"
    case .demote: "demote"
    }
  }
}

// Decisions.
extension Cluster {
  func change(_ wish: Command.ChangeRole, _ scene: Scene) throws(Refusal) -> Decision {
    let member = try activeMember(wish.target)
    switch wish.role {
    case .controlPlane: return try promote(member, wish, scene)
    case .worker: return try demote(member, scene)
    }
  }

  private func promote(
    _ member: Member, _ wish: Command.ChangeRole, _ scene: Scene
  ) throws(Refusal) -> Decision {
    if departure?.node == member.id { try requireQuiet() }
    if member.isControlPlane { return already(member.roleIndex) }
    guard let endpoints = wish.endpoints else {
      throw .requestInvalid("it does not say where \(member.name) will be reached")
    }
    if member.record.isKeyless { throw .staysWorker(member) }
    var record = member.record
    record.role = .controlPlane
    record.endpoints = endpoints
    try requireSound(record)
    try requireFree(endpoints, for: member.id)
    return scene.append(
      .nodePromoted(
        NodePromoted(node: member.id, endpoints: endpoints, bundle: wish.bundle)))
  }

  private func demote(_ member: Member, _ scene: Scene) throws(Refusal) -> Decision {
    guard member.isControlPlane else { return already(member.roleIndex) }
    if departure?.node != member.id {
      guard nodes.contains(where: { $0.isActive && $0.isControlPlane && $0.id != member.id }) else {
        let others = nodes.count { $0.isActive && $0.id != member.id }
        throw .lastControlPlane(member.name, dependents: others)
      }
      guard member.id == leader || scene.observation.reachable.contains(member.id) else {
        throw .unreachable(member.name)
      }
    }
    return try depart(
      member, RoleAssigned.Departing(node: member.id, kind: .demote, forced: false), scene)
  }

  /// The event that makes that control-plane node a worker: it is reached as before, except for
  /// what only a control-plane node has.
  func demotion(of id: NodeID) -> NodeDemoted {
    guard var endpoints = roster[id]?.record.endpoints else {
      preconditionFailure("node \(id) is demoted and no member")
    }
    endpoints.datastore = nil
    endpoints.apiserver = nil
    return NodeDemoted(node: id, endpoints: endpoints)
  }
}

extension Refusal {
  /// A worker that runs another program was to become a control-plane node.
  package static func staysWorker(_ member: Member) -> Refusal {
    .recordInvalid(node: member.name, why: "it runs MicroK8s and not muster, so it stays a worker")
  }
}

// Effects.
extension Cluster {
  func contradiction(_ promoted: NodePromoted) -> String? {
    if let why = inactive(promoted.node) { return why }
    if roster[promoted.node]?.isControlPlane == true {
      return "node \(promoted.node) is a control-plane node already"
    }
    return promoted.endpoints.datastore == nil ? "its datastore has no endpoint" : nil
  }

  func contradiction(_ demoted: NodeDemoted) -> String? {
    if roster[demoted.node]?.isControlPlane == false {
      return "node \(demoted.node) is a worker already"
    }
    return demoted.endpoints.datastore != nil || demoted.endpoints.apiserver != nil
      ? "it keeps an endpoint that no worker has" : nil
  }

  mutating func apply(_ promoted: NodePromoted, _ recorded: RecordedEvent) {
    roster.update(promoted.node) {
      $0.record.role = .controlPlane
      $0.record.endpoints = promoted.endpoints
      $0.endpointIndex = recorded.index
      $0.roleIndex = recorded.index
    }
    // In the order of joining, which is the roster's.
    controlPlaneIDs = roster.all.filter(\.isControlPlane).map(\.id)
  }

  mutating func apply(_ demoted: NodeDemoted, _ recorded: RecordedEvent) {
    controlPlaneIDs.removeAll { $0 == demoted.node }
    roster.update(demoted.node) {
      $0.record.role = .worker
      $0.record.endpoints = demoted.endpoints
      $0.endpointIndex = recorded.index
      $0.roleIndex = recorded.index
      $0.apiserverReady = false
      $0.suspectedSince = nil
      $0.lostSince = nil
      $0.lentTo = nil
    }
    if departure?.node == demoted.node { departure = nil }
  }
}
