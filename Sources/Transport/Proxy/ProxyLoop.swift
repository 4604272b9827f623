// One thread of the proxy, as others see it: they leave a command and ring.
//
// Whichever loop wakes first accepts all clients that wait, and a burst would stay on one processor
// while the other idles. So a loop that carries more than another gives it what it accepts.

import NIOCore
import NIOPosix
import Synchronization

/// A loop's way in for other threads.
final class ProxyLoop: Sendable {
  enum Command: Sendable {
    case listen(Socket)
    /// Serves a client that another loop accepted.
    case serve(Socket)
    /// Closes the connections to a server that have heard nothing of it since then.
    case cut(BackendTable.ID, heardBefore: UInt64)
    case stop
  }

  private let poller: Poller
  private let mailbox = Mutex(Mailbox())
  /// Clients that it carries or was given.
  let load = Atomic<Int>(0)

  private struct Mailbox {
    var commands: [Command] = []
    var isOver = false
  }

  /// Takes one thread of the pool until it is told to stop.
  /// - Parameter onEnd: called on it when all is closed.
  init(_ shared: ProxyShared, on threads: NIOThreadPool, onEnd: @escaping @Sendable () -> Void)
    throws(IOError)
  {
    poller = try Poller()
    threads.submit { [self] _ in
      let carrier = ProxyCarrier(shared, poller, self)
      while carrier.turn(commands: { mailbox.withLock { exchange(&$0.commands, []) } }) {}
      let unread = mailbox.withLock { mailbox in
        mailbox.isOver = true
        return exchange(&mailbox.commands, [])
      }
      for case .serve(let client) in unread { client.close() }
      onEnd()
    }
  }

  /// Has the loop do something, in the order of sending.
  /// - Returns: false if it has ended, and nothing will be done.
  @discardableResult
  func send(_ command: Command) -> Bool {
    let isTaken = mailbox.withLock { mailbox in
      if !mailbox.isOver { mailbox.commands.append(command) }
      return !mailbox.isOver
    }
    if isTaken { poller.ring() }
    return isTaken
  }
}

/// Puts a value in a place and returns what was there.
func exchange<Value>(_ place: inout Value, _ value: Value) -> Value {
  defer { place = value }
  return place
}
