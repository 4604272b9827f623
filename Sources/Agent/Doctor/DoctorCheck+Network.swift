// Addresses, ports, the other nodes, and clocks.

import Membership

extension DoctorCheck {
  static let network = [
    DoctorCheck("NET-01", "own address") { facts in
      if let unseen = facts.unseen { return unseen }
      guard let node = facts.node.value, let host = try? Host(parsing: node.address) else {
        return .skip("there is no node yet")
      }
      if case .name = host { return .pass("\(node.address), a name") }
      guard !host.isLoopback, !facts.addresses.contains(host) else {
        return .pass("\(node.address) is on this machine")
      }
      return .warn(
        "\(node.address) is on no interface of this machine (has: "
          + facts.addresses.map(\.description).joined(separator: " ")
          + "); without --listen the agent cannot bind", fix: "ip -brief address")
    },
    DoctorCheck("NET-02", "address as the log has it") { facts in
      if let stateless = facts.stateless { return stateless }
      guard let node = facts.node.value, let member = facts.member else {
        return .skip("the log does not hold this node yet")
      }
      let recorded = member.record.endpoints.cluster
      guard let own = try? Host(parsing: node.address),
        own == recorded.host, node.clusterPort == Int(recorded.port)
      else {
        return .warn(
          "the others know this node at \(recorded), it last ran at \(node.address), port"
            + " \(node.clusterPort)",
          fix: facts.agent == nil ? facts.start : facts.muster("status"))
      }
      return .pass("\(recorded)")
    },
    DoctorCheck("NET-03", "ports") { facts in
      if let unseen = facts.unseen { return unseen }
      guard facts.node.value != nil else { return .skip("there is no node yet") }
      let ports = facts.ports
      if facts.agent == nil {
        guard let taken = ports.compactMap(facts.holder).first else {
          return .pass("\(list(ports)) are free")
        }
        let holder = taken.pid.map { " by pid \($0) (\(taken.program ?? "?"))" } ?? ""
        return .fail(
          "port \(taken.port) is held\(holder) at \(taken.host), so the agent cannot start",
          fix: "ss -ltnp 'sport = :\(taken.port)'")
      }
      if facts.hasDeparted { return .skip("who departed serves nobody") }
      let deaf = ports.filter { facts.holder($0) == nil }
      return deaf.isEmpty
        ? .pass("the agent listens on \(list(ports))")
        : .fail(
          "the agent runs, and nobody listens on \(list(deaf))",
          fix: facts.hasUnitFile ? "systemctl restart muster" : "ss -ltnp")
    },
    DoctorCheck("NET-04", "other nodes' cluster API") { facts in
      reach(facts, "cluster API") { ($0.cluster, $0.problem) }
    },
    DoctorCheck("NET-05", "other nodes' Raft port") { facts in
      if facts.isWorker { return .skip("a worker has no business there") }
      return reach(facts, "Raft port") { ($0.datastore ?? $0.cluster, $0.datastoreProblem) }
    },
    DoctorCheck("NET-06", "a worker's API servers") { facts in
      if let unseen = facts.unseen { return unseen }
      guard facts.isWorker else { return .skip("not a worker") }
      let lost = facts.apiservers.filter { $0.problem != nil }
      guard let first = lost.first else {
        return facts.apiservers.isEmpty
          ? .warn("none is known", fix: facts.muster("status"))
          : .pass(
            "\(facts.apiservers.count) of \(facts.apiservers.count) can be reached"
              + (facts.provider.value == nil ? ", as the control plane last told" : ""))
      }
      let finding = lost.map { "\($0.address): \($0.problem ?? "")" }.joined(separator: "; ")
      let fix = "curl -k https://\(first.address)/livez"
      return lost.count == facts.apiservers.count
        ? .fail(finding, fix: fix) : .warn(finding, fix: fix)
    },
  ]

  private static func list(_ ports: [Int]) -> String {
    ports.map(String.init).joined(separator: ", ")
  }

  private static func reach(
    _ facts: DoctorFacts, _ what: String,
    _ path: (DoctorFacts.Peer) -> (address: String, problem: String?)
  ) -> Verdict {
    if let unseen = facts.unseen { return unseen }
    guard !facts.peers.isEmpty else { return .skip("no other node is known") }
    let lost = facts.peers.filter { path($0).problem != nil }
    guard !lost.isEmpty else {
      return .pass("\(facts.peers.count) of \(facts.peers.count) answer with the right key")
    }
    let finding = lost.map { "\($0.name): \(path($0).problem ?? "")" }.joined(separator: "; ")
    let fix = lost.map { peer in
      let (host, port) = split(path(peer).address)
      return "nc -vz \(host) \(port)"
    }.joined(separator: "; ")
    // One alone may be down; if none answers it is this node that is cut off.
    return lost.count == facts.peers.count
      ? .fail("no \(what) answers: \(finding)", fix: fix) : .warn(finding, fix: fix)
  }

  private static func split(_ address: String) -> (host: Substring, port: Substring) {
    guard let colon = address.lastIndex(of: ":") else { return (address[...], "") }
    let host = address[..<colon].drop { $0 == "[" }
    return (host.last == "]" ? host.dropLast() : host, address[address.index(after: colon)...])
  }

  static let clock = [
    DoctorCheck("CLK-01", "clock against recorded time") { facts in
      // Nothing was built before 2025: a board without a clock starts in 1970.
      if facts.now.milliseconds < 1_735_689_600_000 {
        return .fail("it says \(facts.now.rfc3339)", fix: "timedatectl set-ntp true")
      }
      if let stateless = facts.stateless { return stateless }
      guard let last = facts.state?.lastTime else { return .skip("there is no log") }
      let ahead = (last.milliseconds - facts.now.milliseconds) / 1000
      return ahead <= 10
        ? .pass("the last event is of \(last.rfc3339)")
        : .fail(
          "the last event is \(ahead) s ahead of the clock here: this clock is behind, or one was"
            + " ahead; until then tokens are neither issued nor redeemed",
          fix: "timedatectl status")
    },
    DoctorCheck("CLK-02", "clock against the other nodes'") { facts in
      if let unseen = facts.unseen { return unseen }
      let known = facts.peers.compactMap { peer in
        peer.clockAhead.map { (peer.name, $0, max(0, abs($0) - peer.clockError)) }
      }
      guard let worst = known.max(by: { $0.2 < $1.2 }) else {
        return .skip("no other node told its time")
      }
      let finding = "\(worst.0)'s is \(worst.1) ms ahead of the one here"
      if worst.2 > 5000 { return .fail(finding, fix: "timedatectl set-ntp true") }
      return worst.2 > 1000
        ? .warn(finding, fix: "timedatectl set-ntp true")
        : .pass("within 1 s of \(known.count) others")
    },
    DoctorCheck("CLK-03", "clock is kept right") { facts in
      switch facts.isClockSynchronized {
      case true?: .pass("systemd-timesyncd has synchronized it")
      case false?:
        .warn("systemd-timesyncd has not synchronized it", fix: "timedatectl set-ntp true")
      case nil: .skip("no time service that can be asked here")
      }
    },
  ]
}

extension DoctorFacts {
  /// The ports that this node's agent must have.
  var ports: [Int] {
    guard let node = node.value else { return [] }
    if node.role == .worker { return [node.clusterPort] + (hasProxy ? [node.apiserverPort] : []) }
    // A real API server may stand in for the embedded one, on another address or port.
    let recorded = member?.record.endpoints.apiserver
    let isEmbedded =
      recorded.map {
        $0.host.description == node.address && Int($0.port) == node.apiserverPort
      } ?? true
    return [node.clusterPort, node.datastorePort] + (isEmbedded ? [node.apiserverPort] : [])
  }

  /// Who listens on that port where this node would.
  func holder(_ port: Int) -> Listener? {
    let own = node.value?.address ?? ""
    let hosts = [own, "0.0.0.0", "::"] + (isWorker ? ["127.0.0.1", "::1"] : [])
    return listeners.first { $0.port == port && hosts.contains($0.host) }
  }
}
