import Membership
import Testing

/// Random histories: whatever is asked in whatever order, decided events always apply, and the
/// laws of membership hold after each.
@Suite struct HistoryTests {
  struct Walk {
    var stage = Stage.formed()
    var random: SeededGenerator
    var next = 2
    var asked: [(CommandID, Command, UInt64)] = []
    var kinds: [String: Int] = [:]

    /// Hours pass between events, so that commands grow old.
    let isSlow: Bool

    init(seed: UInt64) {
      random = SeededGenerator(seed: seed)
      isSlow = seed.isMultiple(of: 4)
    }

    mutating func pick<C: Collection>(_ items: C) -> C.Element? {
      items.randomElement(using: &random)
    }

    mutating func chance(_ percent: Int) -> Bool {
      Int.random(in: 0..<100, using: &random) < percent
    }

    mutating func step() {
      // Mostly seconds, at times half a day.
      let most: Int64 =
        chance(1) ? 43_200_000 : chance(20) ? 600_000 : isSlow && chance(50) ? 3_600_000 : 5000
      stage.now = Timestamp(
        milliseconds: stage.now.milliseconds + Int64.random(in: 0...most, using: &random))
      observe()
      if chance(10) { return elect() }
      if chance(8), let (id, command, fingerprint) = pick(asked) {
        return ask(command, id: id, fingerprint: fingerprint)
      }
      let fresh = stage.freshID()
      let command = command()
      asked.append((fresh, command, random.next()))
      ask(command, id: fresh, fingerprint: asked[asked.count - 1].2)
    }

    /// A leader with a quorum; otherwise anything may be out of reach.
    mutating func observe() {
      let all = stage.cluster.controlPlane.map(\.id)
      var up = Set(all.filter { _ in chance(85) })
      for half in [stage.cluster.voters, stage.cluster.outgoingVoters] where chance(90) {
        up.formUnion(half.shuffled(using: &random).prefix(half.count / 2 + 1))
      }
      if chance(5) { up = [] }
      stage.up = up
      // In an order that is the same in every process.
      stage.caughtUp = Set(up.sorted().filter { _ in chance(90) })
      stage.alive = Set(stage.cluster.nodes.map(\.id).filter { up.contains($0) || chance(50) })
    }

    mutating func elect() {
      let voters = stage.cluster.voters + stage.cluster.outgoingVoters
      if let node = pick(Set(voters).intersection(stage.up ?? []).sorted()) {
        stage.elect(node)
        count("elect")
      }
    }

    mutating func count(_ kind: String) { kinds[kind, default: 0] += 1 }

    mutating func ask(_ command: Command, id: CommandID, fingerprint: UInt64) {
      let known = stage.cluster.sessions[id]
      let origin = stage.cluster.leader
      do {
        let decision = try stage.ask(
          command, id: id, fingerprint: fingerprint, reason: chance(50) ? "because" : "",
          origin: origin)
        switch decision {
        case .append(let envelope, _):
          if case .settle = command {} else { #expect(known == nil, "\(command) happened twice") }
          count(envelope.event.type.name)
        case .already(let already):
          #expect(already.latest <= stage.cluster.lastIndex)
          if let known { #expect(already.first == known.first) }
          count("already")
        }
      } catch {
        #expect(!error.message.isEmpty && (1...7).contains(error.exitCode))
        count(error.code)
      }
    }

    mutating func command() -> Command {
      let nodes = stage.cluster.nodes.map(\.id)
      let some = pick(nodes) ?? NodeID(1)
      switch Int.random(in: 0..<100, using: &random) {
      case 0..<8:
        let n = Int.random(in: 0..<60, using: &random)
        return .issueToken(
          TokenIssued(
            id: TokenID(UInt64(n)),
            secrets: [
              .init(hash: secret(n), roles: [.controlPlane]),
              .init(hash: secret(n + 1000), roles: [.worker]),
            ], uses: UInt32.random(in: 0...5, using: &random),
            expires: chance(50) ? stage.now.adding(seconds: 7200) : nil))
      case 8..<10: return .revokeToken(TokenID(UInt64.random(in: 0..<60, using: &random)))
      case 10..<34: return join()
      case 34..<38: return .leave(some)
      case 38..<44:
        let name = stage.cluster.name(of: some)
        return .removeNode(.init(target: name, force: chance(40)))
      case 44..<52:
        let role = stage.cluster.node(some)?.record.role ?? .worker
        return .refreshEndpoints(
          EndpointRefreshed(
            node: some, endpoints: endpoints(Int(some.rawValue % 60) + 1, role),
            apiserverReady: role == .controlPlane && chance(70), version: "0.1.0"))
      case 52..<62: return .suspect(chance(50) ? stage.cluster.controlPlane.last?.id ?? some : some)
      case 62..<70: return .recover(chance(50) ? stage.cluster.controlPlane.last?.id ?? some : some)
      case 70..<80: return .settle
      case 80..<84: return upkeep(some)
      case 84..<88: return changeRole(some)
      default:
        let leader = stage.cluster.leader ?? NodeID(1)
        let roles = RolePolicy.next(
          stage.cluster, leader: leader, observation: stage.observation)
        return roles.map { .assignRoles($0) } ?? .settle
      }
    }

    mutating func changeRole(_ some: NodeID) -> Command {
      let role: NodeRole = chance(50) ? .controlPlane : .worker
      let node = chance(70) ? stage.cluster.nodes.filter { $0.record.role != role }.last?.id : nil
      let id = node ?? some
      let place = stage.cluster.node(id)?.record.endpoints.cluster.host
      let n = place.flatMap { host in (1...60).first { "127.0.0.\($0)" == host.description } } ?? 1
      return .changeRole(
        .init(
          target: id.description, role: role,
          endpoints: role == .worker || chance(5) ? nil : endpoints(n)))
    }

    mutating func upkeep(_ some: NodeID) -> Command {
      if chance(10) {
        return .changePolicy(
          PolicyChanged(
            voters: chance(70) ? UInt32.random(in: 0...9, using: &random) : nil,
            standbys: chance(30) ? UInt32.random(in: 0...9, using: &random) : nil,
            suspectAfter: chance(30) ? UInt32.random(in: 2000...9000, using: &random) : nil,
            spread: chance(30) ? chance(50) : nil))
      }
      if chance(40) {
        let away = stage.cluster.nodes.filter { $0.maintenance != nil }
        return .exitMaintenance((pick(away)?.id ?? some).description)
      }
      let seconds = chance(50) ? Int64.random(in: 0...100_000, using: &random) : nil
      return .enterMaintenance(.init(target: some.description, seconds: seconds))
    }

    mutating func join() -> Command {
      let n = chance(85) ? next : Int.random(in: 1..<next, using: &random)
      next = max(next, n + 1)
      let role: NodeRole = chance(60) ? .controlPlane : .worker
      var node = record(n % 60 + 1, role, domain: "\(n % 3)")
      node.id = NodeID(UInt64(n))
      node.name = "n\(n % 40)"
      node.key = key(n)
      let known = chance(80) ? pick(stage.cluster.tokens)?.id.rawValue : nil
      let token = known.map { Int($0) } ?? Int.random(in: 0..<60, using: &random)
      return .join(Command.Join(node: node, secret: secret(role == .worker ? token + 1000 : token)))
    }
  }

  /// The first law that a state breaks.
  private func violation(_ cluster: Cluster, leader: NodeID?) -> String? {
    let active = cluster.nodes.filter(\.isActive)
    if Set(active.map(\.name)).count != active.count { return "a name twice" }
    if Set(cluster.nodes.map(\.name)).count != cluster.nodes.count {
      return "a record's name twice"
    }
    let addresses = active.flatMap(\.record.endpoints.all)
    if Set(addresses).count != addresses.count { return "an address twice" }
    if Set(active.map(\.record.key)).count != active.count { return "a key twice" }
    let gone = Set(cluster.departed.map(\.key))
    if active.contains(where: { gone.contains($0.record.key) }) { return "a departed key is back" }
    if cluster.departed.count != gone.count { return "a key departed twice" }
    for token in cluster.tokens {
      if token.issued.uses > 0, token.redemptions.count > Int(token.issued.uses) {
        return "token \(token.id) was redeemed too often"
      }
    }
    if ![1, 3, 5, 7].contains(cluster.voters.count) { return "\(cluster.voters.count) voters" }
    if let flaw = cluster.policy.flaw { return flaw }
    for member in cluster.nodes where member.lentTo != nil {
      let heir = member.lentTo.flatMap(cluster.node)
      if member.datastoreRole == .voter || heir?.datastoreRole != .voter {
        return "\(member.name) lent its vote, and \(heir?.name ?? "nobody") does not have it"
      }
    }
    if let joint = cluster.joint, joint.outgoing == cluster.voters { return "joint for nothing" }
    for member in cluster.nodes where member.datastoreRole != nil {
      if !member.isActive || !member.isControlPlane { return "\(member.name) has a role" }
    }
    if let departure = cluster.departure {
      guard let member = cluster.node(departure.node), member.isActive,
        member.datastoreRole == nil
      else { return "the departing node is not as it should be" }
      if departure.settled == (cluster.joint != nil) { return "settled is wrong" }
    }
    if cluster.nodes.map(\.joinIndex) != cluster.nodes.map(\.joinIndex).sorted() { return "order" }
    if cluster.servingAPI.contains(where: { !$0.isActive }) { return "a left node serves" }
    return nil
  }

  private func replay(_ log: [RecordedEvent]) -> Cluster {
    var cluster = Cluster()
    for event in log { #expect(cluster.evolve(event) == nil) }
    return cluster
  }

  @Test(
    "In random histories, decided events apply and the laws of membership hold", arguments: 1...24)
  func histories(seed: Int) {
    var walk = Walk(seed: UInt64(seed))
    var pendingSince: UInt64?
    for _ in 0..<400 {
      let before = walk.stage.cluster
      walk.step()
      let after = walk.stage.cluster
      if let why = violation(after, leader: after.leader) {
        Issue.record("\(why) after \(String(describing: walk.stage.log.last))")
        return
      }
      if let departure = after.departure {
        if let since = pendingSince {
          #expect(departure.index == since, "two departures at a time")
        }
        pendingSince = departure.index
      } else {
        pendingSince = nil
      }
      if before.lastIndex == after.lastIndex { #expect(before == after) }
      #expect(after.departed.starts(with: before.departed))
      #expect(after.endpointIndex >= before.endpointIndex)
      let view = { (c: Cluster) in (c.controlPlane.map(\.record), c.servingAPI.map(\.id)) }
      #expect(
        (after.endpointIndex == after.lastIndex && after.lastIndex != before.lastIndex)
          == (view(before) != view(after)))
    }
    #expect(replay(walk.stage.log) == walk.stage.cluster, "equal logs give equal states")
    let middle = walk.stage.log.count / 2
    var resumed = restored(replay(Array(walk.stage.log[..<middle])))
    for event in walk.stage.log[middle...] { #expect(resumed.evolve(event) == nil) }
    #expect(resumed == walk.stage.cluster, "a checkpoint is as good as the log before it")
  }

  private func restored(_ c: Cluster) -> Cluster {
    Cluster(
      id: c.id, incarnation: c.incarnation, formed: c.formed, nodes: c.nodes, departed: c.departed,
      tokens: c.tokens, leader: c.leader, term: c.term, joint: c.joint, departure: c.departure,
      policy: c.policy,
      policyIndex: c.policyIndex, lastIndex: c.lastIndex, lastTime: c.lastTime,
      endpointIndex: c.endpointIndex,
      sessions: Sessions(restoring: c.sessions.all, forgotten: c.sessions.forgotten))
  }

  @Test("The random histories meet every kind of event and most refusals")
  func coverage() {
    var kinds: Set<String> = []
    for seed in 1...12 {
      var walk = Walk(seed: UInt64(seed))
      for _ in 0..<400 { walk.step() }
      kinds.formUnion(walk.kinds.keys)
    }
    for type in [
      "token.issued", "token.revoked", "node.joined", "node.left", "node.removed",
      "node.promoted", "node.demoted", "last-control-plane",
      "endpoint.refreshed", "role.assigned", "roles.settled", "node.suspected", "node.recovered",
      "elect", "already", "busy", "token-used", "token-expired", "token-revoked", "token-unknown",
      "key-departed", "name-taken", "address-taken", "node-alive", "node-itself", "reason-missing",
      "quorum-loss", "no-successor", "token-taken",
      "command-forgotten",
    ] {
      #expect(kinds.contains(type), "\(type) never happened: \(kinds.sorted())")
    }
  }

  @Test("Every command that begins a departure is finished by settling, whoever leads meanwhile")
  func finished() throws {
    for n in 1...4 {
      var stage = try Stage.controlPlane(4)
      try stage.ask(.leave(NodeID(UInt64(n))))
      stage.elect(NodeID(UInt64(n % 4 + 1)))
      try stage.ask(.settle)
      stage.elect(NodeID(UInt64((n + 1) % 4 + 1)))
      try stage.ask(.settle)
      #expect(stage.cluster.departure == nil)
      #expect(stage.cluster.node(NodeID(UInt64(n)))?.isActive == false)
      #expect(
        try stage.ask(.settle)
          == .already(
            Already(first: stage.cluster.lastIndex, latest: stage.cluster.lastIndex, finished: true)
          ))
    }
  }
}
