// One line of history: what an event did, and what that meant for the cluster.

package import Membership

/// An event in words, from the states before and after it.
package struct EventSummary: Hashable, Sendable {
  /// What it is about: a node's name or a token's id; empty for the cluster.
  package var subject: String
  /// What it did: `n4 standby · voters 3 → 4, can lose 1`.
  package var effect: String

  package init(_ recorded: RecordedEvent, before: Cluster, after: Cluster) {
    let words = Words(before: before, after: after)
    subject = words.subject(recorded.envelope.event)
    var parts = [words.phrase(recorded.envelope.event)]
    if let change = words.change { parts.append(change) }
    effect = parts.joined(separator: " · ")
  }

  /// Without a quorum nothing is recorded: after a long time in which nothing was, an election may
  /// be all that is left of it. How long that was, in milliseconds; nil if it was not long.
  package static func silence(from last: Timestamp, to election: Timestamp) -> Int64? {
    let time = election.milliseconds - last.milliseconds
    return time >= 10_000 ? time : nil
  }
}

private struct Words {
  let before: Cluster
  let after: Cluster

  func name(_ id: NodeID) -> String {
    after.node(id)?.name ?? before.node(id)?.name ?? after.name(of: id)
  }

  func subject(_ event: Event) -> String {
    switch event {
    case .clusterFormed, .clusterImported, .rolesSettled: ""
    case .leaderElected(let event): name(event.node)
    case .tokenIssued(let event): event.id.description
    case .tokenRevoked(let event): event.id.description
    case .nodeJoined(let event): event.node.name
    case .nodeLeft(let event): name(event.node)
    case .nodeRemoved(let event): name(event.node)
    case .nodeReplaced(let event): event.joined.node.name
    case .nodePromoted(let event): name(event.node)
    case .nodeDemoted(let event): name(event.node)
    case .endpointRefreshed(let event): name(event.node)
    case .roleAssigned(let event):
      event.assignments.map { name($0.node) }.joined(separator: " ")
    case .nodeSuspected(let event): name(event.node)
    case .nodeRecovered(let event): name(event.node)
    case .replicaLost(let event): name(event.node)
    case .replicaRefetched(let event): name(event.node)
    case .maintenanceEntered(let event): name(event.node)
    case .maintenanceExited(let event): name(event.node)
    case .policyChanged: ""
    case .certificateIssued(let event): name(event.node)
    }
  }

  func phrase(_ event: Event) -> String {
    switch event {
    case .clusterFormed(let event):
      "cluster \(event.cluster) with \(event.first.name) \(event.first.endpoints.cluster)"
    case .clusterImported(let event): importing(event)
    case .leaderElected(let event): "\(name(event.node)) leads in term \(after.term)\(silence)"
    case .tokenIssued(let event): "\(event.id) \(invitation(event))"
    case .tokenRevoked(let event): "\(event.id) admits nobody any more"
    case .nodeJoined(let event): joining(event)
    case .nodeLeft(let event): "\(name(event.node)) left"
    case .nodeRemoved(let event): removal(event)
    case .nodeReplaced(let event):
      "\(before.name(of: event.node)) (\(event.node)) gives way to \(joining(event.joined))"
    case .nodePromoted(let event): "\(name(event.node)) becomes a control-plane node"
    case .nodeDemoted(let event): "\(name(event.node)) becomes a worker"
    case .endpointRefreshed(let event): refresh(event)
    case .roleAssigned(let event): roles(event)
    case .rolesSettled: "the new voters decide alone"
    case .nodeSuspected(let event): "\(name(event.node)) is out of contact"
    case .nodeRecovered(let event): "\(name(event.node)) is back"
    case .replicaLost(let event):
      "\(name(event.node)) acknowledged up to \(event.acknowledged) and has up to \(event.found): "
        + "no vote until it has it again"
    case .replicaRefetched(let event):
      "\(name(event.node)) has everything up to \(event.index) again"
    case .maintenanceEntered(let event): upkeep(event)
    case .maintenanceExited(let event): "\(name(event.node)) is meant to be there again"
    case .policyChanged(let event): event.words
    case .certificateIssued(let event):
      "\(name(event.node)) has a certificate for \(event.subject) until \(event.expires.rfc3339)"
    }
  }

  private var silence: String {
    guard before.leader != nil,
      let time = EventSummary.silence(from: before.lastTime, to: after.lastTime)
    else { return "" }
    return " · the first event after \(Age(milliseconds: time))"
  }

  private func importing(_ event: ClusterImported) -> String {
    let members = before.nodes.filter(\.isActive).map(\.name)
    let tokens = after.tokens.count { $0.revocation?.index == after.lastIndex }
    return "cluster \(event.cluster) with \(event.first.name) \(event.first.endpoints.cluster), "
      + "imported from cluster \(event.source) at index \(event.sourceIndex)"
      + (members.isEmpty ? "" : "; left behind: \(members.joined(separator: " "))")
      + (tokens == 0 ? "" : "; \(counted(tokens, "invitation")) revoked")
  }

  private func invitation(_ token: TokenIssued) -> String {
    let roles = Token(issued: token, index: 0, time: after.lastTime, actor: "").roles
    return "for \(Membership.words(roles.map(\.name), "or")) nodes, "
      + (token.uses == 0 ? "any number of uses" : counted(Int(token.uses), "use")) + ", "
      + (token.expires.map { "until \($0.rfc3339)" } ?? "never expires")
  }

  private func joining(_ event: NodeJoined) -> String {
    "\(event.node.name) \(event.node.role.name) \(event.node.endpoints.cluster) by token"
      + " \(event.token)\(left(event.token))"
  }

  private func left(_ id: TokenID) -> String {
    after.token(id)?.remaining.map { " (\(counted($0, "use")) left)" } ?? ""
  }

  private func upkeep(_ event: MaintenanceEntered) -> String {
    func until(_ end: Timestamp?) -> String {
      end.map { "until \($0.rfc3339)" } ?? "until it is told to be back"
    }
    guard let earlier = before.node(event.node)?.maintenance else {
      return "\(name(event.node)) may be away \(until(event.until))"
    }
    return "\(name(event.node)) may stay away \(until(event.until)) instead of "
      + until(earlier.until)
  }

  private func removal(_ event: NodeRemoved) -> String {
    if before.node(event.node)?.isActive == false {
      return "the record of \(name(event.node)), which had left, is closed"
    }
    return "\(name(event.node)) removed\(event.forced ? " by force" : "")"
  }

  private func refresh(_ event: EndpointRefreshed) -> String {
    var parts: [String] = []
    let old = before.node(event.node)
    let (there, now) = (old?.record.endpoints, event.endpoints)
    if there?.cluster != now.cluster {
      parts.append("now at \(now.cluster)")
    } else {
      if there?.datastore != now.datastore, let address = now.datastore {
        parts.append("datastore now at \(address)")
      }
      if there?.apiserver != now.apiserver, let address = now.apiserver {
        parts.append("api server now at \(address)")
      }
      if there?.extra != now.extra {
        parts.append(
          now.extra.isEmpty
            ? "no further address any more"
            : "further addresses \(now.extra.map(\.description).joined(separator: " "))")
      }
    }
    if old?.apiserverReady != event.apiserverReady {
      parts.append("api server \(event.apiserverReady ? "ready" : "not ready")")
    }
    if old?.record.version != event.version { parts.append("version \(event.version)") }
    return "\(name(event.node)) \(parts.joined(separator: ", "))"
  }

  private func roles(_ event: RoleAssigned) -> String {
    let list = event.assignments.map { "\(name($0.node)) \($0.role?.name ?? "out")" }
    return list.joined(separator: ", ") + " (\(event.cause.name))"
  }

  /// What it meant for the quorum; nil if nothing.
  var change: String? {
    func lose(_ cluster: Cluster) -> Int {
      Tolerance(
        voters: cluster.voters, outgoing: cluster.outgoingVoters,
        healthy: cluster.soundVoters
      ).canLose
    }
    let voters = (before.voters.count, after.voters.count)
    let tolerance = (lose(before), lose(after))
    var parts: [String] = []
    if voters.0 != voters.1 { parts.append("voters \(voters.0) → \(voters.1)") }
    if tolerance.0 != tolerance.1 {
      parts.append("can lose \(tolerance.0) → \(tolerance.1)")
    } else if !parts.isEmpty {
      parts.append("can lose \(tolerance.1)")
    }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }
}

extension RoleAssigned.Cause {
  package var name: String {
    switch self {
    case .joined: "joined"
    case .shortage: "shortage"
    case .surplus: "surplus"
    case .replaced: "replaced"
    case .spread: "spread"
    case .departure: "departure"
    case .maintenance: "maintenance"
    }
  }
}

extension PolicyChanged {
  /// `voters 5, standbys 2`.
  package var words: String {
    var words: [String] = []
    if let voters { words.append("voters \(voters)") }
    if let standbys { words.append("standbys \(standbys)") }
    if let suspectAfter { words.append("suspect after \(span(milliseconds: suspectAfter))") }
    if let recoverAfter { words.append("recover after \(span(milliseconds: recoverAfter))") }
    if let spread { words.append(spread ? "spread over domains" : "no spreading over domains") }
    return words.isEmpty ? "nothing" : words.joined(separator: ", ")
  }
}
