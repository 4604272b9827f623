// Why the cluster is highly available or is not: what last changed what can be lost, and who votes.

import Membership
import Projections

extension Why {
  /// Adds what a running agent sees at the moment, where that is not what the log recorded: only a
  /// leader records, and there may be none.
  package mutating func add(isHigh: Bool, isQuorumHeld: Bool, by name: String) {
    let recorded = verdict.first == "high-availability: yes"
    guard recorded != isHigh || !isQuorumHeld else { return }
    verdict.insert(
      "high-availability now: \(isHigh ? "yes" : "no"), as \(name) sees it"
        + (isQuorumHeld ? "" : "; no quorum is in its reach, so nothing newer is recorded here")
        + ". The log, which does not know of that yet, says:", at: 0)
  }

  static func availability(
    _ history: History, _ state: Cluster, _ option: String
  ) throws -> Why {
    let available = HighAvailability(state)
    var verdict = [
      "high-availability: \(available.isHighlyAvailable ? "yes" : "no")", available.sentence,
    ]
    let change = try history.lastChange(ofAvailabilityAtOrBefore: state.lastIndex)
    if let change {
      verdict.append(
        "what can be lost has been so since index \(change.index) "
          + "(\(change.envelope.time.rfc3339)), as recorded")
    }
    if state.voters.count < 3 {
      let more = 3 - state.controlPlane.count
      verdict.append(
        "\(counted(state.voters.count, "node")) of \(state.controlPlane.count) in the control plane"
          + (state.voters.count == 1 ? " votes" : " vote")
          + (more > 0
            ? "; three must: join \(counted(more, "more control-plane node"))"
            : "; three must vote"))
    }
    var ends: [(index: UInt64?, words: String)] = [
      (change?.index, "the last change of what can be lost")
    ]
    // The loss that is told by itself.
    var told: UInt64?
    if available.isHighlyAvailable, let change,
      let gap = try history.gap(endedBy: change)
    {
      verdict.append(gap.words)
      verdict += try history.lag(loss: gap.loss, back: change)
      told = gap.loss.index
      ends.append((gap.loss.index, "high availability ended here"))
      ends.append((change.index, "high availability was back here"))
    }
    if !available.isHighlyAvailable {
      // What may be lost can change more than once after high availability is gone.
      let loss = try history.lastChange(ofAvailabilityAtOrBefore: state.lastIndex) {
        $0.isHighlyAvailable && !$1.isHighlyAvailable
      }
      if let loss {
        verdict.append(
          "the cluster was highly available until index \(loss.index) "
            + "(\(loss.envelope.time.rfc3339)), as recorded")
        verdict += try history.lag(loss: loss)
        told = loss.index
        ends.append((loss.index, "high availability ended here"))
      } else if history.first == 1 {
        verdict.append("the cluster has never been highly available, as recorded")
      }
    }
    verdict += try history.losses(before: told, through: state.lastIndex, option)
    if let silence = try history.silence(through: state) {
      verdict.append(silence.words)
      ends.append((silence.election.index, "the first event after a silence"))
    }
    ends += try votes(history, state, available)
    return Why(verdict: verdict, chain: try chain(history, ends, depth: 1))
  }

  /// Since when those vote who do, and what last changed that where it is of interest.
  private static func votes(
    _ history: History, _ state: Cluster, _ available: HighAvailability
  ) throws -> [(index: UInt64?, words: String)] {
    var ends: [(index: UInt64?, words: String)] = []
    if !available.isHighlyAvailable {
      let vote = try history.last(
        atOrBefore: state.lastIndex,
        types: RecordedEvent.assigning.union([.clusterFormed, .clusterImported])
      ) { $0.changesVoters }
      ends.append((vote?.index, "the last change of who votes"))
    }
    let roles = try history.roleOrigins(of: state.voters, atOrBefore: state.lastIndex)
    for voter in state.nodes(.voter) {
      ends.append((roles[voter.id] ?? voter.joinIndex, "\(voter.name) votes from here on"))
      if voter.isSuspected {
        let suspected = try history.lastSuspicion(of: voter.id, before: state.lastIndex + 1)
        ends.append((suspected?.index, "\(voter.name) does not count from here on"))
      }
    }
    return ends
  }
}

extension History {
  /// When high availability was lost, and for how long, if it is back since that change.
  fileprivate func gap(
    endedBy change: RecordedEvent,
  ) throws -> (loss: RecordedEvent, words: String)? {
    guard change.index > first, try knowsState(at: change.index - 1),
      !HighAvailability(try state(at: change.index - 1)).isHighlyAvailable,
      let loss = try lastChange(
        ofAvailabilityAtOrBefore: change.index - 1,
        where: { $0.isHighlyAvailable && !$1.isHighlyAvailable })
    else { return nil }
    let (lost, back) = (loss.envelope.time, change.envelope.time)
    return (
      loss,
      "high availability was lost at \(Why.place(loss.index, lost)) and was back at "
        + "\(Why.place(change.index, back)): for "
        + "\(length(milliseconds: back.milliseconds - lost.milliseconds)), as recorded"
    )
  }

  /// By how much what was recorded lags behind what it tells, where nobody did it: contacts are
  /// judged after a while.
  fileprivate func lag(loss: RecordedEvent, back: RecordedEvent? = nil) throws -> [String] {
    guard case .nodeSuspected(let suspected) = loss.envelope.event,
      try knowsState(at: loss.index)
    else { return [] }
    let state = try state(at: loss.index)
    let name = state.name(of: suspected.node)
    let silence = span(milliseconds: state.policy.suspectAfter ?? Self.damping)
    var words =
      "the loss at index \(loss.index) was recorded after \(silence) of silence or more: "
      + "\(name) was out of contact that much earlier"
    if let back, case .nodeRecovered(let recovered) = back.envelope.event {
      let state = try self.state(at: back.index)
      words +=
        "; its end after \(span(milliseconds: state.policy.recoverAfter ?? Self.damping)) of "
        + "contact or more: \(state.name(of: recovered.node)) was back that much earlier"
    }
    return [words]
  }

  /// What leaders go by where the policy says nothing.
  static let damping: UInt32 = 10_000

  /// How often high availability was lost before that event, or at all, and what lists all losses;
  /// empty if it never was. Only the newest events are looked at.
  fileprivate func losses(
    before told: UInt64?, through index: UInt64, _ option: String
  ) throws -> [String] {
    let (all, start) = try losses(through: told.map { $0 - 1 } ?? index)
    let isWhole = start == 1
    guard told != nil || !isWhole || !all.isEmpty else { return [] }
    let place = told.map { "before index \($0)" } ?? "up to index \(index)"
    let since = isWhole ? "" : ", from index \(start) on,"
    guard let last = all.last else {
      return [
        "\(place)\(since) high availability was never lost, as recorded"
          + (isWhole ? "" : "; earlier losses are listed by: \(Self.listing)\(option)")
      ]
    }
    let often = all.count == 1 ? "once, " : "\(all.count) times, the last time "
    return [
      "\(place)\(since) high availability was lost \(often)at "
        + "\(Why.place(last.index, last.envelope.time)), as recorded; all losses are listed by: "
        + Self.listing + option
    ]
  }

  private static let listing = "muster bisect --scan --expect ha.highAvailability=yes"

  /// For each of the nodes the newest event that gave it its role, in one pass back over history.
  fileprivate func roleOrigins(
    of nodes: [NodeID], atOrBefore index: UInt64
  ) throws -> [NodeID: UInt64] {
    var origins: [NodeID: UInt64] = [:]
    try backwards(from: index, types: RecordedEvent.assigning) { events in
      for recorded in events.reversed() {
        for node in nodes where origins[node] == nil && recorded.assigns(node) {
          origins[node] = recorded.index
        }
      }
      return origins.count < nodes.count
    }
    return origins
  }
}

/// `2 min 26 s`, `3 d 4 h`: the two greatest units that it takes.
func length(milliseconds: Int64) -> String {
  guard milliseconds >= 1000 else { return "\(max(0, milliseconds)) ms" }
  var rest = milliseconds / 1000
  var parts: [(count: Int64, unit: String)] = []
  for (seconds, unit) in [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")] as [(Int64, String)] {
    if rest >= seconds || !parts.isEmpty { parts.append((rest / seconds, unit)) }
    rest %= seconds
  }
  return parts.prefix(2).filter { $0.count > 0 }.map { "\($0.count) \($0.unit)" }
    .joined(separator: " ")
}

extension RecordedEvent {
  /// The kinds that give and take datastore roles.
  static let assigning: Set<EventType> = [.roleAssigned, .nodeReplaced]

  /// Whether other nodes vote after it.
  fileprivate var changesVoters: Bool {
    switch envelope.event {
    case .roleAssigned(let assigned): assigned.joint
    case .nodeReplaced(let replaced): replaced.joint
    case .clusterFormed, .clusterImported: true
    default: false
    }
  }

  /// Whether it gives that node a datastore role or takes it.
  func assigns(_ node: NodeID) -> Bool {
    switch envelope.event {
    case .roleAssigned(let assigned): assigned.assignments.contains { $0.node == node }
    case .nodeReplaced(let replaced): replaced.assignments.contains { $0.node == node }
    default: false
    }
  }
}
