// The cluster, as the log here has it and, where an agent runs, as it sees it.

import Membership
import Projections

extension DoctorCheck {
  static let availability = [
    DoctorCheck("HA-01", "what can be lost") { facts in
      if let unseen = facts.unseen { return unseen }
      if facts.hasDeparted { return .skip("this node departed from its cluster") }
      guard let (high, canLose, summary, source) = facts.availability else {
        return .skip("neither an agent nor a log tells")
      }
      let finding = "\(summary) (\(source))"
      if high || canLose > 0 { return .pass(finding) }
      // One or two control-plane nodes can never bear a loss: nothing is broken.
      let count = facts.state?.controlPlane.count ?? 3
      if facts.state?.policy.voters == 1, facts.live?.quorumHeld != false {
        return .pass("\(finding): the policy wants one voter")
      }
      let fix = facts.muster(count >= 3 ? "status" : "add-node")
      return facts.live?.quorumHeld == false ? .fail(finding, fix: fix) : .warn(finding, fix: fix)
    },
    DoctorCheck("HA-02", "number of voters") { facts in
      if let stateless = facts.stateless { return stateless }
      let voters = facts.state?.voters.count ?? 0
      if voters % 2 == 0 {
        return .warn(
          "\(voters) voters bear no more losses than \(max(0, voters - 1))",
          fix: facts.muster("status"))
      }
      return .pass("\(counted(voters, "voter"))")
    },
    DoctorCheck("HA-03", "failure domains") { facts in
      if let stateless = facts.stateless { return stateless }
      guard let state = facts.state else { return .skip("there is no log") }
      let domains = HighAvailability(state).domains
      guard domains.count > 1 else { return .pass("all voters are in one: nothing to spread over") }
      let crowded = domains.filter { $0.isFatal && $0.healthy > 1 }
      guard let first = crowded.first else {
        return .pass("any one of \(domains.count) may be lost")
      }
      return .warn(
        "losing failure domain \(first.name) (\(first.healthy) of \(state.voters.count) votes)"
          + " stops the cluster; join a control-plane node in another one",
        fix: facts.muster("add-node --control-plane"))
    },
    DoctorCheck("HA-04", "suspected nodes") { facts in
      if let stateless = facts.stateless { return stateless }
      let suspected = facts.state?.controlPlane.filter(\.isSuspected) ?? []
      guard let first = suspected.first else { return .pass("none") }
      let names = suspected.map { "\($0.name) since \($0.suspectedSince?.rfc3339 ?? "?")" }
      return .warn(
        words(names, "and"),
        fix: facts.muster("why \(first.name)"))
    },
    DoctorCheck("HA-05", "changes of the cluster") { facts in
      if let stateless = facts.stateless { return stateless }
      guard let state = facts.state else { return .skip("there is no log") }
      if let departure = state.departure {
        return .warn(
          "\(departure.kind.noun) \(state.name(of: departure.node)), begun at index "
            + "\(departure.index), is not finished", fix: facts.muster("health --wait"))
      }
      if let joint = state.joint {
        return .warn(
          "the change of voters begun at index \(joint.index) is not finished",
          fix: facts.muster("health --wait"))
      }
      return .pass("none under way")
    },
    DoctorCheck("HA-06", "records of nodes that left") { facts in
      if let stateless = facts.stateless { return stateless }
      let left = facts.state?.nodes.filter { !$0.isActive } ?? []
      guard let first = left.first else { return .pass("none") }
      return .warn(
        "\(words(left.map(\.name), "and")) left and \(left.count == 1 ? "is" : "are") still listed",
        fix: facts.muster("remove-node \(first.name)"))
    },
    DoctorCheck("HA-07", "a leader") { facts in
      if facts.hasDeparted { return .skip("this node departed from its cluster") }
      guard let live = facts.live else { return .skip("the agent does not tell") }
      guard let leader = live.leader else {
        return .fail("no leader is known: nothing can be changed", fix: facts.muster("status"))
      }
      return live.confirmed
        ? .pass(leader)
        : .warn("\(leader) did not confirm its state in time", fix: facts.muster("health"))
    },
    DoctorCheck("HA-08", "nodes in contact") { facts in
      if facts.hasDeparted { return .skip("this node departed from its cluster") }
      guard let live = facts.live else { return .skip("the agent does not tell") }
      // Of workers of MicroK8s, which have no agent, nothing can be heard; newcomers have a moment.
      let heard = live.nodes.filter {
        $0.status != "Unknown" && !["left", "joining"].contains($0.state)
      }
      let silent = heard.filter { $0.status != "Ready" }.map(\.name)
      return silent.isEmpty
        ? .pass("\(heard.count) of \(heard.count)")
        : .warn(
          "not \(words(silent, "and"))", fix: facts.muster("status"))
    },
  ]

  static let upkeep = [
    DoctorCheck("HA-09", "maintenance") { facts in
      if let stateless = facts.stateless { return stateless }
      let away = facts.state?.nodes.compactMap { node in
        node.maintenance.map { (name: node.name, maintenance: $0) }
      }
      guard let away, !away.isEmpty else { return .pass("none") }
      // What has no end, and what was to end and did not: either is easily forgotten.
      let lasting = away.filter { $0.maintenance.until.map { $0 < facts.now } ?? true }
      let names = away.map { name, maintenance in
        "\(name) since \(maintenance.since.rfc3339), "
          + (maintenance.until.map { "until \($0.rfc3339)" } ?? "without an end")
      }
      return lasting.isEmpty
        ? .pass(words(names, "and"))
        : .warn(
          words(names, "and"),
          fix: lasting.map { facts.muster("maintenance exit \($0.name)") }
            .joined(separator: "; "))
    }
  ]

  static let tokens = [
    DoctorCheck("TOK-01", "invitations that last") { facts in
      if let stateless = facts.stateless { return stateless }
      let day = facts.now.adding(seconds: 86_400)
      let lasting = facts.activeTokens.filter { $0.issued.expires.map { $0 > day } ?? true }
      guard let first = lasting.first else { return .pass("none is good for more than a day") }
      let until = first.issued.expires.map { "until \($0.rfc3339)" } ?? "for ever"
      return .warn(
        "\(lasting.count) good for more than a day: \(first.id) \(until)",
        fix: facts.muster("token revoke \(first.id)"))
    },
    DoctorCheck("TOK-02", "invitations for many") { facts in
      if let stateless = facts.stateless { return stateless }
      let open = facts.activeTokens.filter { ($0.remaining ?? .max) > 10 }
      guard let first = open.first else { return .pass("none admits more than 10 nodes") }
      let uses = first.remaining.map { "\($0) nodes" } ?? "any number of nodes"
      return .warn(
        "\(open.count) such: \(first.id) admits \(uses)",
        fix: facts.muster("token revoke \(first.id)"))
    },
  ]

  static let kubernetes = [
    DoctorCheck("K8S-01", "Kubernetes CA") { facts in
      if let unseen = facts.unseen { return unseen }
      guard let kubernetes = facts.kubernetes else { return .skip("there is no node yet") }
      let fix = "ls -l \(facts.directory)/kubernetes"
      if let problem = kubernetes.authorityProblem { return .fail(problem, fix: fix) }
      switch kubernetes.authority {
      case .value(let certificate):
        let file = "\(facts.directory)/kubernetes/ca.crt"
        return expiry(certificate, facts.now, fix: "openssl x509 -in \(file) -noout -dates")
      case .absent:
        return .warn("there is none; the agent makes one at its start", fix: facts.start)
      case .broken(let why), .hidden(let why): return .fail(why, fix: fix)
      }
    },
    DoctorCheck("K8S-02", "kubeconfig") { facts in
      if let unseen = facts.unseen { return unseen }
      guard let kubernetes = facts.kubernetes else { return .skip("there is no node yet") }
      switch kubernetes.client {
      case .value(let certificate):
        if !kubernetes.trustsAuthority, facts.isWorker {
          return .warn(
            "it is of the cluster that this node left, as it trusts another CA than the one here",
            fix: "rm \(facts.directory)/kubeconfig")
        }
        guard kubernetes.trustsAuthority else {
          return .fail(
            "it trusts another CA than the one kept here; a start of the agent writes it anew",
            fix: facts.restart)
        }
        return expiry(certificate, facts.now, fix: facts.muster("config"))
      case .absent: return .skip("there is none")
      case .broken(let why), .hidden(let why):
        return .fail(why, fix: facts.restart)
      }
    },
    DoctorCheck("K8S-03", "API servers") { facts in
      if let stateless = facts.stateless { return stateless }
      let all = facts.state?.controlPlane.filter { $0.record.endpoints.apiserver != nil } ?? []
      let unready = all.filter { !$0.apiserverReady }.map(\.name)
      return unready.isEmpty
        ? .pass("\(all.count) of \(all.count) ready")
        : .warn("not ready on \(words(unready, "and"))", fix: facts.muster("status"))
    },
  ]

  private static func expiry(
    _ certificate: DoctorFacts.Kubernetes.Certificate, _ now: Timestamp, fix: String
  ) -> Verdict {
    let today = now.milliseconds / 1000
    let until = Timestamp(milliseconds: certificate.until * 1000).rfc3339
    if today < certificate.from {
      let from = Timestamp(milliseconds: certificate.from * 1000).rfc3339
      return .fail("valid from \(from) on, which is to come: is the clock right?", fix: fix)
    }
    let days = (certificate.until - today) / 86_400
    if certificate.until <= today { return .fail("expired at \(until)", fix: fix) }
    return days < 30
      ? .warn("expires at \(until), in \(days) days", fix: fix) : .pass("until \(until)")
  }
}

extension DoctorFacts {
  /// What the agent says, else what the log says.
  var availability: (high: Bool, canLose: Int, summary: String, source: String)? {
    if let live { return (live.highAvailability, live.canLose, live.summary, "the agent sees it") }
    return state.map { state in
      let high = HighAvailability(state)
      return (high.isHighlyAvailable, high.canLose, high.sentence, "as recorded")
    }
  }

  var activeTokens: [Token] { state?.tokens.filter { $0.state(at: now) == .active } ?? [] }
}
