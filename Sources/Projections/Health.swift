// Whether everything is as it should be, assertion by assertion, in the order in which one rests on
// another, each saying what it waits for. A pure judgement of what was gathered; nothing that could
// not be looked at counts as well.

package import Membership

/// What `muster health` is judged by.
package struct HealthFacts: Sendable {
  /// What one control-plane node says of itself; all nil with `problem` if it did not answer.
  package struct Replica: Sendable {
    package var name: String
    package var applied: UInt64?
    /// Milliseconds that its clock is ahead of the asking node's, and how far off that may be.
    package var clockAhead: Int64?
    package var clockError: Int64 = 0
    /// 0 (empty) to 1: the share of what its log could use that is used.
    package var fill: Double?
    /// Bytes free on its log's disk.
    package var diskFree: Int?
    package var problem: String?

    package init(name: String, applied: UInt64? = nil, problem: String? = nil) {
      self.name = name
      self.applied = applied
      self.problem = problem
    }
  }

  package var cluster: Cluster
  package var outlook: Outlook
  /// Whether a leader confirmed that this state is the latest.
  package var isConfirmed: Bool
  /// In the order of their names.
  package var replicas: [Replica]
  /// The index at which histories were compared, and who differs there from the others.
  package var comparedAt: UInt64
  package var odd: [String]
  /// The endpoint list that each worker has, by what it last asked with.
  package var endpointIndexes: [NodeID: UInt64]

  package init(
    cluster: Cluster, outlook: Outlook, isConfirmed: Bool, replicas: [Replica],
    comparedAt: UInt64, odd: [String], endpointIndexes: [NodeID: UInt64] = [:]
  ) {
    self.cluster = cluster
    self.outlook = outlook
    self.isConfirmed = isConfirmed
    self.replicas = replicas
    self.comparedAt = comparedAt
    self.odd = odd
    self.endpointIndexes = endpointIndexes
  }
}

/// What `muster health` says.
package struct Health: Hashable, Sendable {
  package struct Assertion: Hashable, Sendable {
    /// A stable word.
    package var id: String
    /// After "waiting for".
    package var what: String
    package var holds: Bool
    /// What was found; why it does not hold.
    package var detail: String

    package init(id: String, what: String, holds: Bool, detail: String) {
      self.id = id
      self.what = what
      self.holds = holds
      self.detail = detail
    }
  }
  /// In the order in which one rests on another.
  package var assertions: [Assertion]
  package var isGood: Bool { assertions.allSatisfy(\.holds) }

  /// What is asserted, by id and in words, the agent's own answer first.
  package static let catalogue: [(id: String, what: String)] = [
    ("agent", "the agent to answer"), ("leader", "a leader"),
    ("voters", "all voters in contact, caught up and able to write"),
    ("applied", "every control-plane node within \(lag) entries of the newest"),
    ("history", "one history on all control-plane nodes"),
    ("roles", "datastore roles at their target"), ("clocks", "clocks within 1 s of each other"),
    ("space", "space on disks and in maps"), ("suspicion", "no node under suspicion"),
    ("workers", "workers in contact and at the present endpoints"),
  ]

  /// So many entries a node may be behind.
  package static let lag: UInt64 = 256
  /// So many milliseconds clocks may differ.
  private static let skew: Int64 = 1000
  /// A log needs so many bytes free, and so much of what it can use.
  private static let leastFree = 64 << 20
  private static let mostFill = 0.9

  package init(_ facts: HealthFacts) {
    let found: [String: (Bool, String)] = [
      "agent": (true, facts.cluster.name(of: facts.outlook.by)), "leader": facts.leader,
      "voters": facts.voters, "applied": facts.applied, "history": facts.history,
      "roles": facts.roles, "clocks": facts.clocks(Self.skew),
      "space": facts.space(Self.leastFree, Self.mostFill), "suspicion": facts.suspicion,
      "workers": facts.workers,
    ]
    assertions = Self.catalogue.map { id, what in
      let (holds, detail) = found[id] ?? (false, "not looked at")
      return Assertion(id: id, what: what, holds: holds, detail: detail)
    }
  }

  /// What can be said where the agent does not answer.
  package init(noAgent reason: String) {
    assertions = Self.catalogue.map { id, what in
      Assertion(
        id: id, what: what, holds: false,
        detail: id == "agent" ? reason : "unknown, the agent does not answer")
    }
  }
}

extension HealthFacts {
  fileprivate var leader: (Bool, String) {
    guard outlook.hasLeader, let leader = cluster.leader else { return (false, "none is known") }
    let name = cluster.name(of: leader)
    return isConfirmed
      ? (true, "\(name), term \(cluster.term)") : (false, "\(name) did not confirm in time")
  }

  fileprivate var voters: (Bool, String) {
    let all = Set(cluster.voters + cluster.outgoingVoters).sorted()
    let seen = outlook.hasLeader ? outlook.healthyVoters : []
    let missing = all.filter { !seen.contains($0) }.map { cluster.name(of: $0) }
    guard outlook.hasLeader else { return (false, "unknown without a leader") }
    if let unseen { return (false, unseen) }
    return missing.isEmpty
      ? (true, "\(all.count) of \(all.count)")
      : (false, "not \(words(missing, "and")): \(all.count - missing.count) of \(all.count)")
  }

  /// Nodes that nobody had time to look at, in words; nil if there are none.
  private var unseen: String? {
    let names = cluster.controlPlane.filter { outlook.unseen.contains($0.id) }.map(\.name)
    return names.isEmpty ? nil : notHeardFrom(names)
  }

  /// Nodes that did not answer, in words; nil if all did.
  private var silence: String? {
    let silent = replicas.filter { $0.applied == nil }.map(\.name)
    return silent.isEmpty ? nil : "\(words(silent, "and")) did not answer"
  }

  fileprivate var applied: (Bool, String) {
    let newest = replicas.compactMap(\.applied).max() ?? cluster.lastIndex
    let behind = replicas.compactMap { replica -> String? in
      guard let applied = replica.applied, newest - applied > Health.lag else { return nil }
      return "\(replica.name) is \(newest - applied) entries behind"
    }
    let silent = replicas.filter { $0.applied == nil }.map { replica in
      "\(replica.name): \(replica.problem ?? "it did not answer")"
    }
    let problems = silent + behind
    return problems.isEmpty ? (true, "index \(newest)") : (false, problems.joined(separator: "; "))
  }

  fileprivate var history: (Bool, String) {
    if !odd.isEmpty {
      let verb = odd.count == 1 ? "differs" : "differ"
      return (false, "\(words(odd, "and")) \(verb) from the others at index \(comparedAt)")
    }
    if let silence { return (false, silence) }
    return (true, "the same hash at index \(comparedAt)")
  }

  fileprivate var roles: (Bool, String) {
    if let departure = cluster.departure {
      let verb = departure.kind == .demote ? departure.kind.verb : "departs"
      return (
        false, "\(cluster.name(of: departure.node)) \(verb) since index \(departure.index)"
      )
    }
    if let joint = cluster.joint {
      return (false, "the voters are changing since index \(joint.index)")
    }
    guard outlook.hasLeader, let leader = cluster.leader else {
      return (false, "unknown without a leader")
    }
    if let unseen { return (false, "unknown, \(unseen)") }
    let ready = Set(outlook.sightings.filter(\.value.ready).keys).union([outlook.by, leader])
    let healthy = outlook.healthyVoters
    let next = RolePolicy.next(
      cluster, leader: leader,
      observation: Observation(reachable: ready, caughtUp: healthy, alive: ready))
    guard let next else {
      let count = cluster.voters.count
      return (true, "\(counted(count, "voter")), \(cluster.nodes(.standby).count) standby")
    }
    let changes = next.assignments.map { assignment in
      "\(cluster.name(of: assignment.node)) \(assignment.role?.name ?? "out")"
    }
    return (false, "to come: \(changes.joined(separator: ", "))")
  }

  fileprivate func clocks(_ limit: Int64) -> (Bool, String) {
    if let silence { return (false, silence) }
    let known = replicas.compactMap { replica in
      replica.clockAhead.map { (name: replica.name, ahead: $0, error: replica.clockError) }
    }
    guard let first = known.min(by: { $0.ahead < $1.ahead }),
      let last = known.max(by: { $0.ahead < $1.ahead })
    else { return (true, "one clock") }
    let difference = last.ahead - first.ahead
    return difference - first.error - last.error <= limit
      ? (true, "\(difference) ms at most")
      : (false, "\(last.name) is \(difference) ms ahead of \(first.name)")
  }

  fileprivate func space(_ leastFree: Int, _ mostFill: Double) -> (Bool, String) {
    if let silence { return (false, silence) }
    var short: [String] = []
    for replica in replicas {
      guard let free = replica.diskFree, let fill = replica.fill else { continue }
      if free < leastFree { short.append("\(replica.name) has \(free >> 20) MiB left") }
      if fill >= mostFill { short.append("\(replica.name)'s log fills \(Int(fill * 100)) %") }
    }
    let least = replicas.compactMap(\.diskFree).min().map { "\($0 >> 20) MiB free at least" }
    return short.isEmpty ? (true, least ?? "") : (false, short.joined(separator: "; "))
  }

  fileprivate var suspicion: (Bool, String) {
    let suspected = cluster.controlPlane.filter(\.isSuspected).map { "\($0.name) is suspected" }
    let lost = cluster.controlPlane.filter { $0.lostSince != nil }
      .map { "\($0.name) lacks what it had acknowledged" }
    let all = suspected + lost
    return all.isEmpty ? (true, "none") : (false, all.joined(separator: "; "))
  }

  fileprivate var workers: (Bool, String) {
    let workers = cluster.nodes.filter {
      $0.isActive && !$0.isControlPlane && !$0.record.isKeyless
    }
    guard !workers.isEmpty else { return (true, "no workers") }
    let problems = workers.compactMap { worker -> String? in
      guard outlook.sightings[worker.id]?.ready == true else {
        return "\(worker.name) is not in contact"
      }
      guard let index = endpointIndexes[worker.id] else {
        return "\(worker.name) has not asked for endpoints yet"
      }
      guard index < cluster.endpointIndex else { return nil }
      return "\(worker.name) has the endpoints of index \(index), not \(cluster.endpointIndex)"
    }
    return problems.isEmpty
      ? (true, "\(counted(workers.count, "worker")) at index \(cluster.endpointIndex)")
      : (false, problems.joined(separator: "; "))
  }
}

extension Health {
  /// Lines as `muster health` prints them.
  package var text: String { assertions.map { $0.line + "\n" }.joined() }
}

extension Health.Assertion {
  /// `waiting for a leader: OK (n1, term 2)`.
  package var line: String {
    let end = holds ? (detail.isEmpty ? "OK" : "OK (\(detail))") : detail
    return "waiting for \(what): \(end)"
  }
}
