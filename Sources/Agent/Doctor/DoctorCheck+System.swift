// The agent as a process, and a worker's proxy.

import Membership

extension DoctorCheck {
  static let system = [
    DoctorCheck("SYS-01", "agent") { facts in
      if let unseen = facts.unseen { return unseen }
      if let agent = facts.agent { return .pass("it runs (pid \(agent.pid))") }
      return .fail("it does not run", fix: facts.start)
    },
    DoctorCheck("SYS-02", "open files") { facts in
      guard let agent = facts.agent else { return .skip("the agent does not run") }
      guard let limit = agent.descriptors else { return .skip("its limits cannot be read") }
      // Three for each proxied connection, and some for peers.
      return limit >= 4096
        ? .pass("\(limit) allowed")
        : .warn(
          "\(limit) allowed, few for a proxy or a large cluster",
          fix: "systemctl edit muster  # [Service] LimitNOFILE=65536")
    },
    DoctorCheck("SYS-03", "service manager") { facts in
      guard facts.hasServiceManager else { return .skip("no systemd here") }
      if let agent = facts.agent {
        return agent.unit.map { .pass("the agent runs as \($0)") }
          ?? .warn(
            "the agent was not started by systemd: it does not come back after a restart of the"
              + " machine", fix: "systemctl enable --now muster")
      }
      return facts.hasUnitFile
        ? .warn("there is a muster.service, and no agent runs", fix: "systemctl status muster")
        : .skip("there is no muster.service")
    },
    DoctorCheck("SYS-04", "program of the agent") { facts in
      guard let agent = facts.agent else { return .skip("the agent does not run") }
      return agent.isProgramReplaced
        ? .warn(
          "it was replaced since the agent started: the old one still runs",
          fix: facts.restart)
        : .pass("muster \(Version.program)")
    },
    DoctorCheck("SYS-05", "versions of the cluster") { facts in
      if let stateless = facts.stateless { return stateless }
      // A worker of MicroK8s runs no muster.
      let nodes = facts.state?.nodes.filter { $0.isActive && !$0.record.isKeyless } ?? []
      let versions = nodes.map { ($0.name, $0.record.version) }
      let others = versions.filter { $0.1 != Version.program }
      guard let first = others.first else { return .pass("all have \(Version.program)") }
      return .warn(
        "\(first.0) has \(first.1), this program is \(Version.program)"
          + (others.count > 1 ? ", and \(others.count - 1) more differ" : ""),
        fix: facts.muster("nodes"))
    },
    DoctorCheck("SYS-06", "rights") { facts in
      guard let folder = facts.file("") else { return .skip("there is no data dir") }
      if facts.obstacle != nil, !facts.isHung {
        return .warn(
          "runs as uid \(facts.user), which may not look inside: most was not checked",
          fix: "sudo \(facts.muster("doctor"))")
      }
      if let agent = facts.agent, agent.owner != folder.owner {
        return .fail(
          "the agent runs as uid \(agent.owner), the data dir is of uid \(folder.owner)",
          fix: "chown -R \(agent.owner) \(facts.directory)")
      }
      return .pass("uid \(facts.user)")
    },
  ]

  static let proxy = [
    DoctorCheck("PRX-01", "provider.yaml") { facts in
      if let unseen = facts.unseen { return unseen }
      guard facts.isWorker else { return .skip("not a worker") }
      switch facts.provider {
      case .value(let servers): return .pass("\(servers.count) API servers")
      case .absent:
        return .fail("it is missing; the agent of a worker writes it", fix: facts.anew)
      case .broken(let why), .hidden(let why):
        return .fail(
          "\(why); the agent goes on with the last good list",
          fix: facts.isPinned
            ? "${EDITOR:-vi} \(facts.directory)/args/traefik/provider.yaml" : facts.anew)
      }
    },
    DoctorCheck("PRX-02", "API servers of provider.yaml") { facts in
      if let unseen = facts.unseen { return unseen }
      guard facts.isWorker else { return .skip("not a worker") }
      guard let listed = facts.provider.value else { return .skip("it cannot be read") }
      if facts.isPinned { return pinned(facts, listed) }
      guard let worker = facts.worker.value else { return .skip("no list was ever received") }
      let known = Set(worker.list.addresses)
      return Set(listed.map(\.description)) == known
        ? .pass("as of index \(worker.list.index)")
        : .warn(
          "it lists \(listed.map(\.description).joined(separator: " ")), the control plane said"
            + " \(known.sorted().joined(separator: " ")) at index \(worker.list.index); the agent"
            + " puts that right at each refresh, and at its start", fix: facts.anew)
    },
    DoctorCheck("PRX-03", "args/apiserver-proxy") { facts in
      if let unseen = facts.unseen { return unseen }
      guard facts.isWorker else { return .skip("not a worker") }
      switch facts.proxyArguments {
      case .value(let arguments) where arguments.refreshInterval == 0:
        return .pass("--refresh-interval 0: provider.yaml is yours, and is not kept up to date")
      case .value(let arguments): return .pass("refreshed every \(arguments.refreshInterval) s")
      case .absent: return .pass("not there: defaults")
      case .broken(let why), .hidden(let why):
        return .fail(why, fix: "${EDITOR:-vi} \(facts.directory)/args/apiserver-proxy")
      }
    },
    DoctorCheck("PRX-04", "what the worker knows") { facts in
      if let unseen = facts.unseen { return unseen }
      guard facts.isWorker else { return .skip("not a worker") }
      switch facts.worker {
      case .value(let worker):
        return .pass("\(worker.list.servers.count) control-plane nodes as of \(worker.list.index)")
      case .absent:
        return .fail(
          "worker.json is missing, so no control plane is known; leave and join again",
          fix: facts.muster("leave --local"))
      case .broken(let why), .hidden(let why):
        return .fail(why, fix: facts.muster("leave --local"))
      }
    },
  ]

  /// The operator's own list: it may name others than the cluster's servers, so what counts as gone
  /// is who is not one of them any more and does not answer either.
  private static func pinned(_ facts: DoctorFacts, _ listed: [Address]) -> Verdict {
    let known = facts.worker.value?.list
    let servers = Set(known?.addresses ?? [])
    let gone = facts.apiservers.filter { $0.problem != nil && !servers.contains($0.address) }
    let fix = "${EDITOR:-vi} \(facts.directory)/args/traefik/provider.yaml"
    let lacking = servers.subtracting(listed.map(\.description)).sorted()
    let told = "\(lacking.joined(separator: " ")), of which the control plane said at index "
    guard !gone.isEmpty else {
      // A list of others, like a load balancer, lacks nothing.
      guard !lacking.isEmpty, lacking.count < servers.count else {
        return .pass("pinned (--refresh-interval 0): it is yours")
      }
      return .warn(
        "it is pinned (--refresh-interval 0), and lacks \(told)\(known?.index ?? 0)", fix: fix)
    }
    let isAll = gone.count == facts.apiservers.count
    let finding =
      "it is pinned (--refresh-interval 0), and \(gone.count) of the \(facts.apiservers.count)"
      + " that it lists \(gone.count == 1 ? "is" : "are") gone: "
      + gone.map(\.address).joined(separator: " ")
      + (lacking.isEmpty ? "" : "; it lacks \(told)\(known?.index ?? 0)")
    return isAll ? .fail(finding, fix: fix) : .warn(finding, fix: fix)
  }
}
