// The load generator of tools/bench; what it measures is said there. It prints `name=value` words.

import NIOCore
import NIOPosix

#if canImport(Glibc)
  import Glibc
#endif

struct Usage: Error, CustomStringConvertible {
  let description: String
  init(_ text: String) { description = text }
}

@main
enum BenchLoad {
  static let help = """
    usage: bench-load load     PEER --servers H:P,... --cert FILE --key FILE
                               [--clients N] [--seconds S] [--count N] [--bytes N]
           bench-load failover PEER --servers H:P,... --cert FILE --key FILE
                               --process PID [--signal kill|stop]
           bench-load steady   PEER --servers H:P,... --cert FILE --key FILE --stop FILE
                               [--clients N]
           bench-load follow   muster --servers H:P --cert FILE --key FILE [--clients N]
    PEER is muster or etcd; --servers of failover are the survivors; steady asks until there is
    a file at --stop.
    """

  static func main() {
    // A connection that a killed server leaves behind is an error of that connection alone.
    signal(SIGPIPE, SIG_IGN)
    do {
      try run(Array(CommandLine.arguments.dropFirst()))
    } catch {
      print("bench-load: \(error)")
      exit(1)
    }
  }

  private static func run(_ arguments: [String]) throws {
    guard arguments.count >= 2, let peer = Peer(rawValue: arguments[1]) else { throw Usage(help) }
    var given: [String: String] = [:]
    var rest = arguments[2...]
    while let name = rest.popFirst() {
      guard name.hasPrefix("--"), let value = rest.popFirst() else { throw Usage(help) }
      given[String(name.dropFirst(2))] = value
    }
    func text(_ name: String) throws -> String {
      guard let value = given[name] else { throw Usage("--\(name) is missing\n\(help)") }
      return value
    }
    func number(_ name: String, _ usual: Double) throws -> Double {
      guard let text = given[name] else { return usual }
      guard let value = Double(text), value >= 0, value < 1e9 else {
        throw Usage("--\(name) \(text) is not a number")
      }
      return value
    }
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    defer { try? group.syncShutdownGracefully() }
    let access = try Access(
      peer, certificate: try text("cert"), key: try text("key"),
      bytes: Int(try number("bytes", 200)))
    let servers = try text("servers").split(separator: ",").map(String.init)
    switch arguments[0] {
    case "load":
      let clients = Int(try number("clients", 1))
      let (round, nanoseconds) = try Load.run(
        access, servers: servers, clients: max(1, clients),
        nanoseconds: UInt64(try number("seconds", 2) * 1e9),
        count: Int(try number("count", 1e9 - 1)), on: group.next())
      report(round, nanoseconds)
    case "failover":
      guard let process = pid_t(try text("process")), process > 1 else {
        throw Usage("--process is not a process id")
      }
      let signal = given["signal"] == "stop" ? SIGSTOP : SIGKILL
      let time = try Failover.run(
        access, survivors: servers, process: process, signal: signal, on: group.next())
      print(time.map { "milliseconds=\($0 / 1_000_000)" } ?? "milliseconds=none")
    case "steady":
      print(
        try Steady.run(
          access, servers: servers, clients: max(1, Int(try number("clients", 6))),
          stop: try text("stop"), on: group.next()))
    case "follow":
      try Following.run(
        access, server: servers[0], count: Int(try number("clients", 1)), on: group.next())
    default: throw Usage(help)
    }
  }

  private static func report(_ round: Round, _ nanoseconds: UInt64) {
    var used = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used)
    let own = Double(used.tv_sec) * 1e6 + Double(used.tv_nsec) / 1e3
    let seconds = Double(nanoseconds) / 1e9
    var words = [
      "committed=\(round.committed)", "failed=\(round.failed)",
      "rate=\(Int((Double(round.committed) / seconds).rounded()))",
      "p50=\(Int(round.microseconds(0.5)))", "p99=\(Int(round.microseconds(0.99)))",
      "client_cpu=\(Int(own / Double(max(1, round.committed + round.failed))))",
    ]
    if let why = round.firstFailure {
      words.append("failure=\(why.filter { !$0.isWhitespace }.prefix(160))")
    }
    print(words.joined(separator: " "))
  }
}

/// Milliseconds since 1970-01-01 UTC.
func wallClock() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
}
