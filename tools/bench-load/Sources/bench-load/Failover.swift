// How long no write is committed after a signal to one process, seen from the surviving servers.
//
// A new write begins every few milliseconds, each on a connection of its own, and the first one to
// be committed ends the wait: no time of a client's retry or of a server's patience is in it.

import NIOCore

#if canImport(Glibc)
  import Glibc
#endif

enum Failover {
  private static let connections = 192
  private static let pause: Int64 = 10

  /// Signals the process and returns the nanoseconds until a write that began afterwards is
  /// committed; nil if that took longer than 20 s.
  static func run(
    _ access: Access, survivors: [String], process: pid_t, signal: Int32, on loop: any EventLoop
  ) throws -> UInt64? {
    let clients = try (0..<connections).map {
      try access.connect(survivors[$0 % survivors.count], on: loop).wait()
    }
    // All connections have carried a write before: handshakes are not in the time.
    for client in clients {
      let warm = loop.makePromise(of: Void.self)
      loop.execute {
        client.value.answered = { verdict, _ in
          if verdict == .committed {
            warm.succeed()
          } else {
            warm.fail(Usage("no write is committed before the signal: \(verdict)"))
          }
          return false
        }
        client.value.ask()
      }
      try warm.futureResult.wait()
    }
    let first = loop.makePromise(of: UInt64?.self)
    loop.execute {
      let begin = now()
      kill(process, signal)
      let repeated = loop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(pause)) {
        _ in clients.first { $0.value.isFree }?.value.ask()
      }
      let limit = loop.scheduleTask(in: .seconds(20)) { first.succeed(nil) }
      for client in clients {
        client.value.answered = { verdict, _ in
          if verdict == .committed { first.succeed(now() - begin) }
          return false
        }
      }
      first.futureResult.whenComplete { _ in
        repeated.cancel()
        limit.cancel()
      }
    }
    return try first.futureResult.wait()
  }
}
