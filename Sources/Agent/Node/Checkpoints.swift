// Stores the state now and then (`CheckpointPlan`), packed on another thread.

import EventLog
import Membership
import NIOCore
import NIOPosix
import Schema

/// Confined to the replica's loop.
final class Checkpoints {
  private let log: EventLog
  private let loop: any EventLoop
  private var plan: CheckpointPlan
  private var isBusy = false

  init(log: EventLog, loop: any EventLoop, restored: Checkpoint?) {
    self.log = log
    self.loop = loop
    plan = CheckpointPlan(after: restored)
  }

  /// Called after events were applied. A state that is worth it is packed on another thread.
  func consider(_ cluster: Cluster) {
    guard !isBusy, plan.isDue(at: cluster.lastIndex) else { return }
    isBusy = true
    let index = cluster.lastIndex
    let own = NIOLoopBound(self, eventLoop: loop)
    NIOThreadPool.singleton.runIfActive(eventLoop: loop) { cluster.packed() }
      .assumeIsolated()
      .whenComplete { result in
        own.value.isBusy = false
        guard case .success(let bytes) = result else { return }
        own.value.store(Checkpoint(index: index, bytes: bytes))
      }
  }

  private func store(_ checkpoint: Checkpoint) {
    let superfluous = plan.store(checkpoint)
    // A disk that is full, or fails, is found out by the writes that matter.
    log.submit(LogWrite(checkpoint: checkpoint, dropsCheckpoint: superfluous))
  }
}
