// When a state is worth storing, so that a start need not fold the whole log.
//
// The newest checkpoint bounds how long a start takes; older ones let a reader of history begin
// nearby. Each costs as many bytes as the state has, so they are taken further apart as it grows,
// and one that stands too close to the one kept before it goes when the next is there.

import EventLog
import Membership
import NIOCore
import NIOPosix
import Schema

/// Confined to the replica's loop.
final class Checkpoints {
  /// At most so many events are folded at a start, while the state is small.
  private static let spacing: UInt64 = 10_000

  private let log: EventLog
  private let loop: any EventLoop
  private var newest: Taken?
  private var kept: UInt64 = 0
  private var isBusy = false

  private struct Taken {
    var index: UInt64
    var bytes: Int
  }

  init(log: EventLog, loop: any EventLoop, restored: Checkpoint?) {
    self.log = log
    self.loop = loop
    newest = restored.map { Taken(index: $0.index, bytes: $0.bytes.count) }
  }

  /// Called after events were applied. A state that is worth it is packed on another thread.
  func consider(_ cluster: Cluster) {
    let last = newest ?? Taken(index: 0, bytes: 0)
    let due = last.index + max(Self.spacing, UInt64(last.bytes / 400))
    guard !isBusy, cluster.lastIndex >= due else { return }
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
    var superfluous: UInt64?
    if let newest {
      if newest.index - kept < UInt64(newest.bytes / 20) {
        superfluous = newest.index
      } else {
        kept = newest.index
      }
    }
    newest = Taken(index: checkpoint.index, bytes: checkpoint.bytes.count)
    // A disk that is full, or fails, is found out by the writes that matter.
    log.submit(LogWrite(checkpoint: checkpoint, dropsCheckpoint: superfluous))
  }
}
