// Decide on the tail: from a request to entries of the log.
//
// The leader decides against the state after its whole log, the uncommitted part included. If the
// entry is committed anywhere, so is the prefix it was decided on, by Raft's log matching; so no
// decision is ever checked twice. Whole batches are decided and proposed at once.

import Membership
import Raft
import Schema

extension Replica {
  /// Follows what the core says of leadership: a new leader folds its whole log into `tail`.
  mutating func followLeadership() {
    let seen = Leadership(term: raft.term, leader: raft.leader, leads: isLeader)
    guard seen != keeper.leadership else { return }
    let before = keeper.leadership
    keeper.leadership = seen
    effects.leadershipChanged = true
    if before.leader != seen.leader {
      told = nil
      leaderSince = now.monotonic
    }
    if before.leads, !seen.leads || before.term != seen.term {
      tail = nil
      decided = []
      abandonRequests()
    }
    if seen.leads, tail == nil {
      foldTail()
      keeper.begin(
        at: now.monotonic, after: raft.lastIndex, peers: cluster.nodes.map(\.id))
    }
    restartReads()
    for caller in requests.forwarded.values.sorted() {
      requests.retry(caller, at: now.monotonic)
    }
    requests.forwarded = [:]
  }

  private mutating func foldTail() {
    var state = cluster
    var index = cluster.lastIndex + 1
    while index <= raft.lastIndex {
      guard let entry = raft.entries(from: index, to: index + 1)?.first else {
        return halt("entry \(index) of the own log cannot be read")
      }
      do throws(Malformed) {
        let event = RecordedEvent(
          index: entry.index, term: entry.term, envelope: try Envelope(decoding: entry.payload))
        if let problem = state.evolve(event) {
          return halt("entry \(index) of the own log does not fit: \(problem)")
        }
      } catch {
        return halt("entry \(index) of the own log is unreadable: \(error)")
      }
      index += 1
    }
    tail = state
  }

  /// Decides what is queued and proposes it as one batch.
  mutating func decideBatch() {
    guard isLeader, tail != nil, !requests.queue.isEmpty else { return }
    if raft.transferTarget != nil { return }
    var observation = keeper.observation(of: self)
    observation.clock = now.wall
    var batch = Batch(next: raft.lastIndex + 1, observation: observation)
    let queue = requests.queue
    requests.queue = []
    for (position, var queued) in queue.enumerated() {
      guard batch.entries.count < options.batch,
        raft.uncommittedBytes + batch.bytes < options.raft.maxUncommittedBytes / 2
      else {
        requests.queue += queue[position...]
        break
      }
      if queued.request.command.mayChangeConfiguration, changeInFlight || batch.changes {
        if queued.heldSince == 0 { queued.heldSince = max(1, now.monotonic) }
        hold(queued)
      } else {
        decide(queued, into: &batch)
      }
    }
    propose(batch)
  }

  /// Whether a configuration change is in the log and not yet applied here.
  var changeInFlight: Bool {
    raft.pendingChangeIndex > raft.appliedIndex
  }

  struct Batch {
    /// Index of the next entry.
    var next: UInt64
    var entries: [Entry] = []
    var bytes = 0
    var changes = false
    var refusals: [(Origin, Outcome)] = []
    /// What the leader sees: the same for all of the batch.
    let observation: Observation

    init(next: UInt64, observation: Observation) {
      self.next = next
      self.observation = observation
    }
  }

  private mutating func decide(_ queued: Requests.Queued, into batch: inout Batch) {
    guard let state = tail else { return }
    let decision: Decision
    do throws(Refusal) {
      decision = try state.decide(
        queued.request, fingerprint: queued.request.command.fingerprint,
        at: max(now.wall, state.lastTime), observation: batch.observation)
    } catch {
      if error.isTransient {
        var held = queued
        if held.heldSince == 0 { held.heldSince = max(1, now.monotonic) }
        return hold(held)
      }
      batch.refusals.append(
        (
          queued.origin,
          .refused(code: error.code, exitCode: error.exitCode, message: error.message)
        ))
      return
    }
    switch decision {
    case .already(let known):
      wait(queued, first: known.first, last: known.latest, finished: known.finished)
    case .append(_, _) where diskFull:
      batch.refusals.append((queued.origin, fullDisk))
    case .append(let envelope, let finishes):
      let index = batch.next
      append(envelope, to: &batch)
      guard stoppedBy == nil else { return }
      wait(queued, first: index, last: index, finished: finishes)
    }
  }

  /// One event becomes one entry, and the tail follows.
  private mutating func append(_ envelope: Envelope, to batch: inout Batch) {
    let change = tail.flatMap { ConfigurationChange(of: envelope.event, in: $0) }
    let recorded = RecordedEvent(index: batch.next, term: raft.term, envelope: envelope)
    if let problem = tail?.evolve(recorded) {
      return halt("what was decided does not fit the state it was decided on: \(problem)")
    }
    let payload = envelope.encoded()
    batch.entries.append(
      Entry(kind: change == nil ? .normal : .change, change: change, payload: payload))
    batch.bytes += payload.count
    batch.changes = batch.changes || change != nil
    batch.next += 1
    decided.append(recorded)
  }

  /// Answers once everything up to `last` is applied, or the departure it began is complete.
  private mutating func wait(
    _ queued: Requests.Queued, first: UInt64, last: UInt64, finished: Bool
  ) {
    if queued.origin == .keeper { return }
    if !finished {
      let command = tail?.departure?.attribution.command ?? queued.request.id
      requests.departures[command, default: []].append(queued.origin)
    } else if cluster.lastIndex >= last {
      answer(queued.origin, .committed(first: first, last: last))
    } else {
      requests.waiting[last, default: []].append((queued.origin, first))
    }
  }

  /// Keeps a request back until the change in flight is through, for ten seconds at most.
  private mutating func hold(_ queued: Requests.Queued) {
    if now.monotonic > queued.heldSince + 10_000_000_000 {
      answer(queued.origin, .unknown(reason: "another change of the roles is not finished"))
    } else {
      requests.queue.append(queued)
    }
  }

  private mutating func propose(_ batch: Batch) {
    if !batch.entries.isEmpty {
      do throws(Refused) {
        let range = try raft.propose(
          batch.entries, at: Time(monotonic: now.monotonic, stamp: now.wall.milliseconds))
        precondition(
          range.lowerBound == batch.next - UInt64(batch.entries.count),
          "proposed at \(range.lowerBound), decided for \(batch.next)")
      } catch {
        // The tail was folded for entries that will never be: begin the tail anew.
        tail = nil
        decided = []
        abandonRequests()
        if isLeader { foldTail() }
      }
    }
    refuseLater(batch.refusals)
  }

  private var fullDisk: Outcome {
    .refused(
      code: "disk-full", exitCode: 1,
      message: "the leader's disk is full, nothing was changed: free space on "
        + "\(cluster.name(of: options.node)) and try again")
  }
}

/// What was last seen of leadership.
struct Leadership: Equatable, Sendable {
  var term: Term = 0
  var leader: PeerID?
  var leads = false
}
