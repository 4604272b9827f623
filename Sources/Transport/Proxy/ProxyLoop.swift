// One thread of the proxy, as others see it: they leave a command and ring.

import NIOCore
import NIOPosix
import Synchronization

/// A loop's way in for other threads.
final class ProxyLoop: Sendable {
  enum Command: Sendable {
    case listen(Socket)
    /// Closes the connections to a server that have heard nothing of it since then.
    case cut(BackendTable.ID, heardBefore: UInt64)
    case stop
  }

  private let poller: Poller
  private let mailbox = Mutex<[Command]>([])

  /// Takes one thread of the pool until it is told to stop.
  /// - Parameter onEnd: called on it when all is closed.
  init(_ shared: ProxyShared, on threads: NIOThreadPool, onEnd: @escaping @Sendable () -> Void)
    throws(IOError)
  {
    poller = try Poller()
    threads.submit { [self] _ in
      let carrier = ProxyCarrier(shared, poller)
      while carrier.turn(commands: { mailbox.withLock { exchange(&$0, []) } }) {}
      onEnd()
    }
  }

  /// Has the loop do something, in the order of sending.
  func send(_ command: Command) {
    mailbox.withLock { $0.append(command) }
    poller.ring()
  }
}

/// Puts a value in a place and returns what was there.
func exchange<Value>(_ place: inout Value, _ value: Value) -> Value {
  defer { place = value }
  return place
}
