// Many clients, each with one request open at any time: how many writes a second are committed.

import NIOCore

/// What a round gave.
struct Round {
  var committed = 0
  var failed = 0
  var firstFailure: String?
  /// Nanoseconds from request to answer, of each committed one.
  var latencies: [UInt64] = []
}

enum Load {
  /// Starts the clients, spread over the servers, and asks until `count` are committed or the time
  /// is over.
  static func run(
    _ access: Access, servers: [String], clients: Int, nanoseconds: UInt64, count: Int,
    on loop: any EventLoop
  ) throws -> (round: Round, nanoseconds: UInt64) {
    let connections = try (0..<clients).map {
      try access.connect(servers[$0 % servers.count], on: loop).wait()
    }
    let all = connections
    let begin = try loop.submit { now() }.wait()
    let end = begin + nanoseconds
    let finished = loop.makePromise(of: NIOLoopBound<Tally>.self)
    loop.execute {
      let tally = Tally()
      var open = all.count
      for client in all {
        client.value.answered = { verdict, asked in
          let time = now()
          tally.take(verdict, nanoseconds: time - asked)
          if time < end, tally.round.committed < count, client.value.isConnected { return true }
          open -= 1
          if open == 0 { finished.succeed(NIOLoopBound(tally, eventLoop: loop)) }
          return false
        }
        client.value.ask()
      }
    }
    let tally = try finished.futureResult.wait()
    return try loop.submit { (tally.value.round, now() - begin) }.wait()
  }

  private final class Tally {
    var round = Round()

    func take(_ verdict: Verdict, nanoseconds: UInt64) {
      switch verdict {
      case .committed:
        round.committed += 1
        round.latencies.append(nanoseconds)
      case .failed(let why):
        round.failed += 1
        if round.firstFailure == nil { round.firstFailure = why }
      }
    }
  }
}

extension Round {
  /// The latency below which that part of the answers lies, in microseconds.
  func microseconds(_ part: Double) -> Double {
    let sorted = latencies.sorted()
    guard !sorted.isEmpty else { return 0 }
    return Double(sorted[min(sorted.count - 1, Int(part * Double(sorted.count)))]) / 1000
  }
}
