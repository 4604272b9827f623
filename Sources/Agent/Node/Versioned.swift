// Waiting for a number to grow: how followers of events and endpoints sleep.

import NIOCore
import Synchronization

/// A number that only grows, and those who wait for it to.
final class Versioned: Sendable {
  private struct State {
    var version: UInt64 = 0
    var nextWaiter: UInt64 = 0
    var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
  }
  private let state = Mutex(State())
  private let loop: any EventLoop

  /// - Parameter loop: for the timers of those who wait.
  init(loop: any EventLoop) { self.loop = loop }

  var version: UInt64 { state.withLock { $0.version } }

  /// Sets the number, if that is more than it was, and wakes everybody.
  func advance(to version: UInt64) {
    let woken = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      guard version > state.version else { return [] }
      state.version = version
      defer { state.waiters = [:] }
      return Array(state.waiters.values)
    }
    for waiter in woken { waiter.resume() }
  }

  /// Wakes everybody without a change, at the end.
  func wakeAll() {
    let woken = state.withLock { state in
      defer { state.waiters = [:] }
      return Array(state.waiters.values)
    }
    for waiter in woken { waiter.resume() }
  }

  /// Waits until the number is above `version`, at most `timeout`, or until cancelled.
  /// - Returns: the number as it is then.
  func wait(above version: UInt64, timeout: Duration) async -> UInt64 {
    let id = state.withLock { state in
      defer { state.nextWaiter += 1 }
      return state.nextWaiter
    }
    let timer = loop.scheduleTask(in: .nanoseconds(Int64(clamping: timeout.nanoseconds))) {
      self.release(id)
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let passed = state.withLock { state in
          if state.version > version { return true }
          state.waiters[id] = continuation
          return false
        }
        if passed || Task.isCancelled {
          release(id)
          if passed { continuation.resume() }
        }
      }
    } onCancel: {
      release(id)
    }
    timer.cancel()
    return self.version
  }

  private func release(_ id: UInt64) {
    state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
  }
}
