// Who may come in, and what members may say of themselves.

extension Cluster {
  /// The order of the checks decides which reason a joiner is told: first what no new token would
  /// help with, then the token, then what `--name` or `--address` would help with.
  func decide(_ join: Command.Join, _ scene: Scene) throws(Refusal) -> Decision {
    let record = join.node
    if let gone = departed(key: record.key) ?? departed(record.id) { throw .keyDeparted(gone) }
    if let member = activeNode(key: record.key) ?? node(record.id) {
      guard member.id == record.id, member.record.key == record.key else {
        throw .identityTaken(record.id, by: member.name)
      }
      return already(member.joinIndex)
    }
    if let target = join.replaces { return try replace(target, by: join, scene) }
    let token = try requireAdmissible(join, insteadOf: nil, scene)
    return scene.append(.nodeJoined(NodeJoined(node: record, token: token, bundle: join.bundle)))
  }

  /// - Parameter old: whose name and addresses are free for it.
  /// - Returns: the token that it spends.
  func requireAdmissible(
    _ join: Command.Join, insteadOf old: NodeID?, _ scene: Scene
  ) throws(Refusal) -> TokenID {
    let record = join.node
    try requireTrustworthy(scene)
    let token = try redeemable(join.secret, for: record.role, at: scene.at)
    do { try NodeName.validate(record.name) } catch { throw .nameInvalid(record.name, error) }
    try requireSound(record)
    if let holder = nodes.first(where: { $0.isActive && $0.name == record.name && $0.id != old }) {
      throw .nameTaken(record.name, by: holder.id, since: holder.joinIndex)
    }
    try requireFree(record.endpoints, for: old ?? record.id)
    return token
  }

  private func redeemable(
    _ secret: Digest, for role: NodeRole, at: Timestamp
  ) throws(Refusal) -> TokenID {
    guard let (token, roles) = token(secret: secret) else { throw .tokenUnknown }
    switch token.state(at: at) {
    case .revoked:
      if let revocation = token.revocation { throw .tokenRevoked(token.id, revocation) }
    case .usedUp:
      if let last = token.redemptions.last {
        throw .tokenUsedUp(token.id, uses: token.issued.uses, last: last)
      }
    case .expired: throw .tokenExpired(token.id, at: token.issued.expires ?? at)
    case .active: break
    }
    guard roles.contains(role) else { throw .tokenRole(token.id, asked: role, admits: roles) }
    return token.id
  }

  /// Bounds on everything that the log would keep for ever.
  func requireSound(_ record: NodeRecord) throws(Refusal) {
    func refuse(_ why: String) -> Refusal { .recordInvalid(node: record.name, why: why) }
    if record.id.rawValue == 0 { throw refuse("its id is 0") }
    for (what, text) in [("failure domain", record.failureDomain), ("version", record.version)] {
      guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
        throw refuse("its \(what) must be 1 to 64 printable ASCII characters without spaces")
      }
    }
    if let why = Cluster.fault(record.endpoints, of: record.role) { throw refuse(why) }
  }

  /// Why these cannot be the endpoints of a node of that role; nil if they can.
  private static func fault(_ endpoints: Endpoints, of role: NodeRole) -> String? {
    if role == .controlPlane, endpoints.datastore == nil {
      return "a control-plane node needs a datastore endpoint"
    }
    if role == .worker, endpoints.datastore != nil || endpoints.apiserver != nil {
      return "a worker has neither a datastore nor an API server endpoint"
    }
    if endpoints.extra.count > 16 { return "it has more than 16 further addresses" }
    for address in endpoints.all {
      guard let why = address.host.unreachability else { continue }
      return "others cannot reach it at \(address): \(why); choose an address with --address"
    }
    let own = [endpoints.cluster] + [endpoints.datastore, endpoints.apiserver].compactMap { $0 }
    return Set(own).count == own.count ? nil : "two of its endpoints are the same"
  }

  func requireFree(_ endpoints: Endpoints, for id: NodeID) throws(Refusal) {
    let wanted = endpoints.all
    for member in nodes where member.isActive && member.id != id {
      if let address = wanted.first(where: member.record.endpoints.has) {
        throw .addressTaken(address, by: member.name, since: member.joinIndex)
      }
    }
  }

  func refresh(_ refreshed: EndpointRefreshed, _ scene: Scene) throws(Refusal) -> Decision {
    guard let member = node(refreshed.node), member.isActive else {
      throw .nodeUnknown(refreshed.node.description, gone: departed(refreshed.node))
    }
    if member.record.endpoints == refreshed.endpoints, member.record.version == refreshed.version,
      member.apiserverReady == refreshed.apiserverReady
    {
      return already(member.endpointIndex)
    }
    var record = member.record
    record.endpoints = refreshed.endpoints
    record.version = refreshed.version
    try requireSound(record)
    if refreshed.apiserverReady, refreshed.endpoints.apiserver == nil {
      throw .recordInvalid(node: member.name, why: "it has no API server that could be ready")
    }
    try requireFree(refreshed.endpoints, for: member.id)
    return scene.append(.endpointRefreshed(refreshed))
  }
}
