// Why the node that leads does: its election, and what lies before it and says why, if anything
// does. The log does not hold why a leader is gone; only what it does hold is told.

import Membership
import Projections

extension Why {
  static func leader(_ history: History, _ state: Cluster) throws -> Why {
    guard let leader = state.leader,
      let election = try history.last(atOrBefore: state.lastIndex, types: [.leaderElected])
    else {
      let beginning = try history.last(
        atOrBefore: state.lastIndex, types: [.clusterFormed, .clusterImported])
      return Why(
        verdict: ["no leader is recorded: nobody was elected yet"],
        chain: try chain(history, [(beginning?.index, "the cluster begins here")], depth: 0))
    }
    let name = state.name(of: leader)
    let isHere = state.node(leader)?.isActive == true
    var verdict = [
      "\(name) \(isHere ? "leads" : "led last,") in term \(state.term), since "
        + "\(place(election.index, election.envelope.time)), as recorded"
        + (isHere ? "" : "; \(name) is no member any more, and nobody was elected since"),
      try history.count(ofElectionsThrough: state),
    ]
    var ends: [(index: UInt64?, words: String)] = [(election.index, "\(name) leads from here on")]
    guard election.index > history.first, try history.knowsState(at: election.index - 1) else {
      verdict.append("\(history.source.name) holds nothing that was before that election")
      return Why(verdict: verdict, chain: try chain(history, ends, depth: 0))
    }
    let before = try history.state(at: election.index - 1)
    if let old = before.leader {
      let earlier = try history.last(atOrBefore: election.index - 1, types: [.leaderElected])
      ends.append((earlier?.index, "\(before.name(of: old)) led from here on"))
      var told = try history.reasons(for: election, before, old)
      if old != leader {
        told += try history.suspicion(of: old, after: election, through: state)
      } else if told.isEmpty {
        told = [(nil, "", "no event says why \(name), which led before as well, was elected anew")]
      }
      if told.isEmpty {
        told = [
          (nil, "", "no event says why the leadership changed from \(before.name(of: old))")
        ]
      }
      verdict += told.map(\.verdict)
      ends += told.map { ($0.index, $0.words) }
    } else {
      verdict.append("nobody led before that election: no other is recorded of this cluster")
      ends.append((election.index - 1, "the cluster begins here"))
    }
    return Why(verdict: verdict, chain: try chain(history, ends, depth: 1))
  }
}

/// An event, what it has to do with the question, and what it says about it.
private typealias Reason = (index: UInt64?, words: String, verdict: String)

extension History {
  /// How many elections there were, as far as that is told without reading a long history.
  fileprivate func count(ofElectionsThrough state: Cluster) throws -> String {
    let (found, start) = try elections(through: state.lastIndex)
    let number = counted(found.count, "election")
    let words = "\(number) \(found.count == 1 ? "is" : "are") recorded "
    return start == 1
      ? words + "up to index \(state.lastIndex)"
      : words + "from index \(start) on; by the term there were \(state.term) in all, or fewer"
  }

  /// What the event directly before an election, or the time after it, says of the one that led.
  fileprivate func reasons(
    for election: RecordedEvent, _ before: Cluster, _ old: NodeID
  ) throws -> [Reason] {
    let last = try event(at: election.index - 1)
    let name = before.name(of: old)
    var cause = last
    // A leader whose vote is taken leads until the new voters decide alone.
    if last.envelope.event.type == .rolesSettled, try knowsState(at: last.index - 1),
      let joint = try state(at: last.index - 1).joint?.index, joint >= first
    {
      cause = try event(at: joint)
    }
    var reasons: [Reason] = []
    if let act = cause.envelope.event.act(on: old) {
      let actor = cause.envelope.actor
      let by = NodeID(actor).map { before.name(of: $0) } ?? actor
      reasons.append(
        (
          cause.index, "\(name), which led, \(act)",
          "directly before that election \(name), which led, \(act): "
            + "\(Why.place(cause.index, cause.envelope.time)) by \(by)"
        ))
    }
    if let time = try silence(before: election)?.time {
      let length = length(milliseconds: time)
      reasons.append(
        (
          last.index, "nothing was recorded from here on until the election",
          "for \(length) before that election nothing was recorded, since "
            + "\(Why.place(last.index, last.envelope.time)): there may have been no leader"
        ))
    }
    return reasons
  }

  /// Whether the new leader had no contact to the old one from the beginning.
  fileprivate func suspicion(
    of old: NodeID, after election: RecordedEvent, through state: Cluster
  ) throws -> [Reason] {
    let start = election.envelope.time.milliseconds
    let silence = Int64(state.policy.suspectAfter ?? Self.damping)
    var found: RecordedEvent?
    try forEachEvent(from: election.index + 1, through: state.lastIndex) { recorded in
      guard recorded.envelope.time.milliseconds - start < 2 * silence else { return false }
      if case .nodeSuspected(let suspected) = recorded.envelope.event, suspected.node == old {
        found = recorded
      }
      return found == nil
    }
    guard let found else { return [] }
    let name = state.name(of: old)
    let time = found.envelope.time
    return [
      (
        found.index, "\(name), which led before, was out of contact",
        "\(name), which led before, was suspected at \(Why.place(found.index, time)), "
          + "\(length(milliseconds: time.milliseconds - start)) after that election, "
          + "after \(span(milliseconds: silence)) of silence or more"
      )
    ]
  }
}

extension Event {
  /// What it did to a node that leads, so that another has to; nil if nothing.
  fileprivate func act(on node: NodeID) -> String? {
    switch self {
    case .maintenanceEntered(let entered) where entered.node == node: "was taken into maintenance"
    case .nodeLeft(let left) where left.node == node: "left"
    case .nodeRemoved(let removed) where removed.node == node: "was removed"
    case .nodeReplaced(let replaced) where replaced.node == node: "was replaced"
    case .nodeDemoted(let demoted) where demoted.node == node: "became a worker"
    case .roleAssigned(let assigned)
    where assigned.assignments.contains { $0.node == node && $0.role != .voter }:
      "lost its vote"
    default: nil
    }
  }
}
