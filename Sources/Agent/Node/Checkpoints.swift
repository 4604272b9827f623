// Stores the state now and then (`StoredStates`), packed on another thread.

import EventLog
import History
import Membership
import NIOCore
import NIOPosix
import Raft

/// Confined to the replica's loop.
final class Checkpoints {
  private let log: EventLog
  private let loop: any EventLoop
  private var states: StoredStates
  private var isBusy = false

  /// - Parameter restored: what the node started from.
  init(log: EventLog, loop: any EventLoop, restored: Checkpoint?) {
    self.log = log
    self.loop = loop
    // Where the last one kept stands cannot be read: then the next one is kept a little early. One
    // that is not of this log, on a damaged page, does not count.
    let kept = (try? log.checkpointIndex(atOrBefore: log.hardState.commit)) ?? nil
    states = StoredStates(after: restored, kept: kept ?? 0)
  }

  /// Called after events were applied. A state that is worth it is packed on another thread.
  func consider(_ cluster: Cluster) {
    guard !isBusy, states.isDue(at: cluster.lastIndex) else { return }
    isBusy = true
    let before = states
    let own = NIOLoopBound(self, eventLoop: loop)
    NIOThreadPool.singleton.runIfActive(eventLoop: loop) {
      var states = before
      let writes = states.store(cluster)
      return (states, writes)
    }
    .assumeIsolated()
    .whenComplete { result in
      own.value.isBusy = false
      guard case .success(let (states, writes)) = result else { return }
      own.value.states = states
      // A disk that is full, or fails, is found out by the writes that matter.
      own.value.log.submit(LogWrite(checkpoint: writes.kept, newest: writes.newest))
    }
  }
}
