// The disk's queue, as the log's writer has it: whatever waits is written in one transaction.

import Membership
import Raft
import Replication
import Schema

extension World {
  func submit(_ job: AppendJob, of node: SimulatedNode) {
    laws.queued(job, by: node)
    node.waiting.append(job)
    startWriting(node)
  }

  private func startWriting(_ node: SimulatedNode) {
    guard node.writing.isEmpty, !node.waiting.isEmpty, !node.isStalled else { return }
    node.writing = node.waiting
    node.waiting = []
    guard node.writing.contains(where: \.mustSync) else {
      // Nothing to sync: done as soon as the disk's turn comes.
      return schedule(.diskDone(node.index, boot: node.boot), after: 5 * microsecond)
    }
    var time = node.dice.between(options.diskTime.lowerBound, options.diskTime.upperBound)
    if node.dice.chance(perMillion: 2_000) {
      time += node.dice.spread(millisecond, 200 * millisecond)
    }
    if node.diskSlowUntil > now { time += node.dice.spread(50 * millisecond, 2 * second) }
    schedule(.diskDone(node.index, boot: node.boot), after: time)
    if isStormy, node.dice.chance(perMillion: options.crashAtWriteRate) {
      schedule(.crash(node.index, boot: node.boot), after: node.dice.below(time + 2 * millisecond))
    }
  }

  func diskDone(_ node: SimulatedNode, boot: Int) throws(Violation) {
    guard node.boot == boot else { return }
    let jobs = node.writing
    node.writing = []
    if node.diskFullUntil > now { return stall(node, jobs) }
    if let memory = node.unstoredMemory {
      node.memory = memory
      node.unstoredMemory = nil
    }
    // A commit index alone is not worth a sync: it becomes durable with the next one.
    let syncs = jobs.contains(where: \.mustSync)
    if options.plant == .acknowledgesBeforeSync {
      node.unsynced += jobs
      schedule(
        .syncedLate(node.index, boot: boot),
        after: node.dice.between(millisecond, 500 * millisecond))
    }
    for job in jobs {
      let fits =
        syncs && options.plant != .acknowledgesBeforeSync
        ? node.disk.write(job) : node.disk.show(job)
      guard fits else {
        throw Violation(.logMatching, "\(node.name) would have a gap in its log")
      }
      try laws.wrote(node, job.entries, job.hardState)
      // Judged here: a later job of the same transaction may replace what this one rests on.
      for message in job.released { try laws.sent(message, by: node) }
    }
    for job in jobs {
      if options.plant != .releasesEarly {
        for message in job.released {
          try send(.init(to: NodeID(message.to), frame: .raft(message)), from: node, judged: true)
        }
      }
      post(.appended(job.ack), to: node)
    }
    startWriting(node)
  }

  /// No space: nothing was written; it is tried again, in order.
  private func stall(_ node: SimulatedNode, _ jobs: [AppendJob]) {
    if options.plant != .dropsWhenFull { node.waiting = jobs + node.waiting }
    node.isStalled = true
    post(.disk(full: true), to: node)
    schedule(.diskRetry(node.index, boot: node.boot), after: second)
  }

  func diskRetry(_ node: SimulatedNode, boot: Int) {
    guard node.boot == boot else { return }
    node.isStalled = false
    post(.disk(full: false), to: node)
    startWriting(node)
  }

  func syncLate(_ node: SimulatedNode, boot: Int) {
    guard node.boot == boot, !node.unsynced.isEmpty else { return }
    for job in node.unsynced { _ = node.disk.sync(job) }
    node.unsynced = []
  }
}
