// The copy of a cluster on which a supposition is played.

import Membership
import Projections

/// A state, who is within reach in it, and what happened to it so far.
struct RehearsalStage {
  private(set) var cluster: Cluster
  private var reachable: Set<NodeID>
  /// Silent for a moment, or behind: they do not count, though nobody gave them up.
  private var uncounted: Set<NodeID>
  /// Heard from so lately that they count as alive, within reach or not.
  private let alive: Set<NodeID>
  private(set) var steps: [String] = []
  private(set) var refusals: [Refusal] = []
  private(set) var leaderMoves: String?
  private var drawn: UInt64 = 1

  init(
    _ cluster: Cluster, unreachable: Set<String>, uncounted: Set<String>, alive: Set<String>
  ) {
    self.cluster = cluster
    self.alive = Set(cluster.nodes.filter { alive.contains($0.name) }.map(\.id))
    self.uncounted = Set(
      cluster.nodes.filter { uncounted.contains($0.name) || !$0.isSound }.map(\.id))
    reachable = Set(
      cluster.nodes.filter {
        $0.isActive && !$0.isSuspected && !$0.record.isKeyless && !unreachable.contains($0.name)
      }.map(\.id))
    if let leader = cluster.leader, !reachable.contains(leader) { elect() }
  }

  /// What is so now: a voter counts if it is within reach, not suspected, and has what it should.
  var scene: WhatIf.Scene {
    let outlook = Outlook(
      by: cluster.leader ?? NodeID(1), hasLeader: true, healthyVoters: healthy)
    let available = HighAvailability(cluster, outlook: outlook)
    return WhatIf.Scene(
      isHighlyAvailable: available.isHighlyAvailable, canLose: available.canLose,
      quorumHeld: available.quorumHeld, sentence: available.sentence,
      voters: cluster.nodes(.voter).map(\.name), standbys: cluster.nodes(.standby).map(\.name),
      endpoints: EndpointList(cluster).apiservers.map(\.description))
  }

  var holdsQuorum: Bool {
    Tolerance(
      voters: cluster.voters, outgoing: cluster.outgoingVoters, healthy: healthy
    ).quorumHeld
  }

  private var healthy: Set<NodeID> { reachable.subtracting(uncounted) }

  private var observation: Observation {
    Observation(reachable: reachable, caughtUp: healthy, alive: reachable.union(alive))
  }

  // MARK: What may happen: without a quorum nothing that must be decided

  /// As an operator would: without force, and if it is alive by `leave` on it.
  mutating func remove(_ member: Member) {
    guard holdsQuorum else { return }
    let plain = Command.removeNode(.init(target: member.id.description, force: false))
    switch decide(plain) {
    case .success: return
    case .failure(.alive(let name)):
      steps.append(
        "muster remove-node \(name) would be refused, because \(name) is alive: muster leave there "
          + "does the same")
      depart(member.id)
    case .failure(let refusal): refusals.append(refusal)
    }
  }

  /// As it was typed.
  mutating func remove(_ member: Member, forced: Bool, by origin: NodeID?) {
    guard holdsQuorum else { return }
    let wish = Command.removeNode(.init(target: member.id.description, force: forced))
    if forced { tellWhoLeads(without: member.id) }
    if case .failure(let refusal) = decide(wish, by: origin) {
      refusals.append(refusal)
      leaderMoves = nil
    }
  }

  mutating func depart(_ id: NodeID) {
    guard holdsQuorum else { return }
    tellWhoLeads(without: id)
    if case .failure(let refusal) = decide(.leave(id)) { refusals.append(refusal) }
  }

  mutating func demote(_ member: Member) {
    guard holdsQuorum, !isAlready(member, .worker) else { return }
    if member.isControlPlane { tellWhoLeads(without: member.id) }
    let wish = Command.changeRole(.init(target: member.id.description, role: .worker))
    if case .failure(let refusal) = decide(wish) { refusals.append(refusal) }
  }

  /// At its own address, on the usual ports.
  mutating func promote(_ member: Member) {
    guard holdsQuorum, !isAlready(member, .controlPlane) else { return }
    // The command asks the node itself, which must be there to take up its role.
    if member.isActive, !member.record.isKeyless, !reachable.contains(member.id) {
      return refusals.append(.unreachable(member.name))
    }
    let host = member.record.endpoints.cluster.host
    var endpoints = member.record.endpoints
    endpoints.datastore = free(19001, of: host, for: member.id)
    endpoints.apiserver = free(16443, of: host, for: member.id)
    let wish = Command.changeRole(
      .init(target: member.id.description, role: .controlPlane, endpoints: endpoints))
    if case .failure(let refusal) = decide(wish) { return refusals.append(refusal) }
    settle()
    _ = decide(
      .refreshEndpoints(
        EndpointRefreshed(
          node: member.id, endpoints: endpoints, apiserverReady: true,
          version: member.record.version)), told: false)
  }

  /// Tells so where a node has that role and keeps it.
  private mutating func isAlready(_ member: Member, _ role: NodeRole) -> Bool {
    guard member.isActive, member.record.role == role, cluster.departure?.node != member.id else {
      return false
    }
    steps.append(
      "nothing: \(member.name) is a \(role.name) node already, since index \(member.roleIndex)")
    return true
  }

  /// The first port from that one on that no other member has there.
  private func free(_ first: UInt16, of host: Host, for id: NodeID) -> Address? {
    let taken = Set(
      cluster.nodes.filter { $0.isActive && $0.id != id }.flatMap(\.record.endpoints.all))
    return (first...UInt16.max).lazy.compactMap { Address(host: host, port: $0) }
      .first { !taken.contains($0) }
  }

  private mutating func tellWhoLeads(without id: NodeID) {
    if cluster.leader == id {
      let next = cluster.nodes(.voter).first { $0.id != id && reachable.contains($0.id) }
      leaderMoves =
        "\(cluster.name(of: id)) leads: leadership moves"
        + (next == nil ? " to whoever votes then" : " first, as soon as its successor is ready")
    }
  }

  mutating func lose(_ members: [Member]) {
    let hadQuorum = holdsQuorum
    for member in members { reachable.remove(member.id) }
    let names = words(members.map(\.name), "and")
    guard holdsQuorum else {
      steps.append(
        "\(names) lost: "
          + (hadQuorum
            ? "no quorum is left, nothing can be decided any more"
            : "there is no quorum without that either"))
      return
    }
    if let leader = cluster.leader, members.contains(where: { $0.id == leader }) {
      leaderMoves = "\(cluster.name(of: leader)) leads: another voter is elected"
      elect()
    }
    for member in members where member.isActive && member.isControlPlane && !member.isSuspected {
      if case .failure(let refusal) = decide(.suspect(member.id)) {
        steps.append("\(member.name) is not suspected: \(refusal.message)")
      }
    }
    for member in members where !member.isControlPlane {
      steps.append("\(member.name) is a worker: the control plane does not depend on it")
    }
  }

  /// Those who were lost are back.
  mutating func regain(_ members: [Member]) {
    let back = members.filter { $0.isActive && !$0.record.isKeyless }.map(\.id)
    reachable.formUnion(back)
    uncounted.subtract(back)
    guard holdsQuorum else { return }
    if let leader = cluster.leader, !reachable.contains(leader) { elect() }
    for member in members where cluster.node(member.id)?.isSuspected == true {
      if case .failure(let refusal) = decide(.recover(member.id)) {
        steps.append("\(member.name) stays suspected: \(refusal.message)")
      }
    }
  }

  mutating func join(_ count: Int, _ role: NodeRole) {
    guard cluster.isFormed, holdsQuorum else { return }
    let token = TokenID(0xff_ffff_ff00)
    let secret = Digest(bytes: Array(repeating: 0xab, count: 32))
    guard let secret else { return }
    let issued = TokenIssued(
      id: token, secrets: [.init(hash: secret, roles: [role])], uses: 0, expires: nil)
    if case .failure(let refusal) = decide(.issueToken(issued), told: false) {
      return refusals.append(refusal)
    }
    for number in 1...count {
      var name = "new\(number)"
      while self.cluster.node(named: name) != nil { name += "x" }
      let id = NodeID(UInt64.max - UInt64(number))
      var key = [UInt8](repeating: 0xcd, count: 32)
      key[31] = UInt8(number)
      guard let digest = Digest(bytes: key), let cluster = invented(number, 25000)
      else { continue }
      let isControlPlane = role == .controlPlane
      let record = NodeRecord(
        id: id, name: name, role: role,
        endpoints: Endpoints(
          cluster: cluster, datastore: isControlPlane ? invented(number, 19001) : nil,
          apiserver: isControlPlane ? invented(number, 16443) : nil),
        key: digest, failureDomain: "1", version: "0")
      reachable.insert(id)
      switch decide(.join(.init(node: record, secret: secret))) {
      case .failure(let refusal): return refusals.append(refusal)
      case .success: break
      }
      guard isControlPlane else { continue }
      settle()
      _ = decide(
        .refreshEndpoints(
          EndpointRefreshed(
            node: id, endpoints: record.endpoints, apiserverReady: true, version: "0")),
        told: false)
    }
  }

  // MARK: The leader's own work

  /// Lets roles move until there is nothing to do.
  mutating func settle() {
    guard holdsQuorum else { return }
    for _ in 0..<50 {
      if cluster.joint != nil || cluster.departure != nil {
        guard case .success = decide(.settle) else { return }
        continue
      }
      guard let leader = cluster.leader,
        let next = RolePolicy.next(cluster, leader: leader, observation: observation)
      else { return }
      guard case .success = decide(.assignRoles(next)) else { return }
    }
  }

  /// A new leader: the first voter within reach.
  private mutating func elect() {
    guard let next = cluster.nodes(.voter).first(where: { healthy.contains($0.id) }) else {
      return
    }
    _ = apply(
      Envelope(
        time: cluster.lastTime, command: CommandID(high: 0, low: 0), fingerprint: 0, actor: "",
        event: .leaderElected(LeaderElected(node: next.id))), told: false)
  }

  /// Decides and applies all that follows at once.
  @discardableResult
  private mutating func decide(
    _ command: Command, told: Bool = true, by origin: NodeID? = nil
  ) -> Result<Void, Refusal> {
    drawn += 1
    let request = Request(
      id: CommandID(at: cluster.lastTime, random: (0xffff, drawn)), command: command,
      actor: "what-if", reason: "what-if", origin: origin)
    do throws(Refusal) {
      let decision = try cluster.decide(
        request, fingerprint: drawn, at: cluster.lastTime, observation: observation)
      guard case .append(let envelope, _) = decision else { return .success(()) }
      if !apply(envelope, told: told) {
        return .failure(.requestInvalid("the event does not fit the state"))
      }
      // The newest voters of a departing leader take over while the configuration is joint.
      if let leader = cluster.leader, cluster.node(leader)?.datastoreRole != .voter,
        cluster.joint == nil
      {
        elect()
      }
      return .success(())
    } catch {
      return .failure(error)
    }
  }

  private mutating func apply(_ envelope: Envelope, told: Bool) -> Bool {
    let before = cluster
    let recorded = RecordedEvent(
      index: cluster.lastIndex + 1, term: cluster.term, envelope: envelope)
    guard cluster.evolve(recorded) == nil else { return false }
    if told {
      steps.append(
        "\(envelope.event.type.name): "
          + EventSummary(recorded, before: before, after: cluster).effect)
    }
    return true
  }
}

/// An address of the range for documents (RFC 3849).
private func invented(_ number: Int, _ port: UInt16) -> Address? {
  Address(host: .ipv6(high: 0x2001_0db8 << 32 | 0xffff, low: UInt64(number)), port: port)
}
