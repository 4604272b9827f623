// Laws of the inside: what a node must keep at every moment, though its breach might hurt nobody
// for a long time.

import Membership
import Raft
import Replication

extension Laws {
  /// Time passes for that node. A gap longer than a heartbeat is a pause, and counts as one beat.
  func turns(_ node: SimulatedNode, at reading: UInt64) {
    let gap = reading - min(reading, node.seen.lastTurn)
    node.seen.lastTurn = reading
    if node.seen.leads { node.seen.ledFor += min(gap, 100 * millisecond) }
  }

  /// A node has just begun to ask for votes.
  func checkCampaign(
    _ node: SimulatedNode, _ running: SimulatedNode.Running
  ) throws(Violation) {
    let raft = running.raft
    let open = node.seen.changes.filter { $0 > raft.appliedIndex && $0 <= raft.commitIndex }
    guard open.isEmpty else {
      throw Violation(
        .readyCandidate, "\(node.name) campaigns in term \(raft.term), with changes at \(open)")
    }
  }

  func checkDurable(_ node: SimulatedNode, applied: Index) throws(Violation) {
    guard applied > node.seen.applied, applied > node.disk.syncedLast else { return }
    throw Violation(
      .appliedDurable,
      "\(node.name) has applied \(applied), and its disk ends at \(node.disk.syncedLast)")
  }

  /// - Parameter after: What it is now; its leader's part is filled in here.
  func checkLeader(
    _ node: SimulatedNode, _ running: SimulatedNode.Running, before: SimulatedNode.Seen,
    after: inout SimulatedNode.Seen, _ options: WorldOptions
  ) throws(Violation) {
    let goesOn = before.leads && before.term == after.term
    if !goesOn {
      after.ledFor = 0
      after.heard = [:]
    }
    if goesOn, after.commit > before.commit, running.raft.term(at: after.commit) != after.term {
      throw Violation(
        .ownTerm,
        "\(node.name) leads in term \(after.term) and commits \(after.commit) of term "
          + "\(running.raft.term(at: after.commit) ?? 0)")
    }
    try checkProgress(node, running, before: goesOn ? before.matches : [], after: &after)
    try checkTail(node, running, options)
    // A check of the quorum each election timeout; a handover that begins puts it off by another.
    let patience = 5 * second
    guard after.ledFor > patience else { return }
    let since = after.ledFor - patience
    let isHeard =
      Quorum.vote(after.configuration) { id in
        NodeID(id) == node.id || (after.heard[NodeID(id)] ?? 0) >= since
      } == .won
    if !isHeard {
      throw Violation(
        .heardLeader,
        "\(node.name) leads in term \(after.term), and has not heard from a majority of "
          + "\(after.configuration) for \(patience / second) s")
    }
  }

  private func checkProgress(
    _ node: SimulatedNode, _ running: SimulatedNode.Running,
    before: [(id: PeerID, match: Index)], after: inout SimulatedNode.Seen
  ) throws(Violation) {
    var place = 0
    let members = running.raft.progress
    for progress in members {
      guard progress.match < progress.next else {
        throw Violation(
          .progress,
          "\(node.name) knows that \(NodeID(progress.id)) has \(progress.match), and would send "
            + "\(progress.next) next")
      }
      while place < before.count, before[place].id < progress.id { place += 1 }
      // One that left and came back begins anew, and so does one that may have forgotten.
      if place < before.count, before[place].id == progress.id,
        progress.match < before[place].match, progress.match > 0, !progress.abstains
      {
        throw Violation(
          .progress,
          "\(node.name) knew that \(NodeID(progress.id)) has \(before[place].match), and knows "
            + "now of \(progress.match)")
      }
    }
    after.matches = members.map { ($0.id, $0.match) }
  }

  private func checkTail(
    _ node: SimulatedNode, _ running: SimulatedNode.Running, _ options: WorldOptions
  ) throws(Violation) {
    let raft = running.raft
    let count = Int(raft.lastIndex - raft.appliedIndex)
    guard count > 8, options.maxUncommittedBytes < 1 << 20,
      let tail = raft.entries(from: raft.appliedIndex + 1)
    else { return }
    let own = tail.filter { $0.term == raft.term }
    let bytes = own.reduce(0) { $0 + $1.payload.count }
    // One proposal is always taken, and the core's own entries are not asked whether they fit.
    let largest = own.reduce(0) { max($0, $1.payload.count) }
    guard bytes <= options.maxUncommittedBytes + 2 * largest else {
      throw Violation(
        .boundedTail,
        "\(node.name) has \(bytes) bytes in \(count) unapplied entries, the limit is "
          + "\(options.maxUncommittedBytes)")
    }
  }
}
