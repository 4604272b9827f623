// Who may go, and how. A node without a datastore role goes with one event. One that has a role
// first gives it up (`role.assigned`), the configuration settles without it, and only then it is
// recorded as gone: at no moment does a quorum count a node that is no member.

extension Cluster {
  func leave(_ id: NodeID, _ scene: Scene) throws(Refusal) -> Decision {
    guard let member = node(id) else { throw .nodeUnknown(id.description, gone: departed(id)) }
    if case .left(let index, _) = member.state { return already(index) }
    guard nodes.contains(where: { $0.isActive && $0.id != id }) else { throw .alone(member.name) }
    return try depart(
      member, RoleAssigned.Departing(node: id, kind: .leave, forced: false), scene)
  }

  func remove(_ removal: Command.RemoveNode, _ scene: Scene) throws(Refusal) -> Decision {
    let member = try resolve(removal.target)
    guard member.isActive else {
      return scene.append(.nodeRemoved(NodeRemoved(node: member.id, forced: false)))
    }
    if member.id == scene.request.origin { throw .itself(member.name) }
    if removal.force {
      if scene.request.reason.isEmpty { throw .reasonMissing(member.name) }
    } else if isAlive(member.id, scene), departure?.node != member.id {
      throw .alive(member.name)
    }
    return try depart(
      member, RoleAssigned.Departing(node: member.id, kind: .remove, forced: removal.force), scene)
  }

  func isAlive(_ id: NodeID, _ scene: Scene) -> Bool {
    id == leader || scene.observation.alive.contains(id)
  }

  func depart(
    _ member: Member, _ departing: RoleAssigned.Departing, _ scene: Scene
  ) throws(Refusal) -> Decision {
    if let departure, departure.node == member.id {
      // Asked for again under another id: the departure under way answers both.
      guard departure.kind == departing.kind else {
        throw .busy(
          "\(departure.kind.noun) \(member.name), which began at index \(departure.index),")
      }
      return .already(Already(first: departure.index, latest: lastIndex, finished: false))
    }
    guard member.datastoreRole != nil else {
      return switch departing.kind {
      case .leave: scene.append(.nodeLeft(NodeLeft(node: member.id)))
      case .remove:
        scene.append(.nodeRemoved(NodeRemoved(node: member.id, forced: departing.forced)))
      case .demote: scene.append(.nodeDemoted(demotion(of: member.id)))
      }
    }
    try requireQuiet()
    guard let leader else { throw .busy("an election") }
    let assigned = try RolePolicy.departing(
      departing, self, leader: leader, observation: scene.observation)
    return scene.append(.roleAssigned(assigned), finishes: false)
  }

  /// The node meant by a name, an id or an address; nil if none is, or several are.
  package func node(matching target: String) -> Member? { try? resolve(target) }

  /// The node meant by a name, an id or an address with or without port; active ones go first.
  func resolve(_ target: String) throws(Refusal) -> Member {
    if let member = node(named: target) { return member }
    if let id = NodeID(target), let member = node(id) { return member }
    let matches = nodes.filter { holds($0, target) }
    let active = matches.filter(\.isActive)
    let best = active.isEmpty ? matches : active
    guard best.count < 2 else { throw .nodeAmbiguous(target, matches: best.map(\.name)) }
    if let member = best.first { return member }
    let gone = departed.last { $0.name == target || $0.node.description == target }
    throw .nodeUnknown(target, gone: gone)
  }

  private func holds(_ member: Member, _ target: String) -> Bool {
    let addresses = member.record.endpoints.all
    if let address = Address(target) { return addresses.contains(address) }
    guard let host = try? Host(parsing: target) else { return false }
    return addresses.contains { $0.host == host }
  }
}
