// One run of one hook: a program of somebody else's, from its start to its end.
//
// It has a process group of its own, so that it is ended with all that it began; its input is a
// file in memory, so that nothing waits for it to be read; of its output the last part is kept,
// whatever it prints. Once the program has ended nothing is waited for: what it left in the
// background lives on, and writes to nobody.

import CLinux
import Membership
import NIOPosix
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

struct HookProcess: Sendable {
  /// Bytes of output that are kept, the last ones.
  static let tail = 64 << 10
  /// From the wish to end to the end by force.
  static let grace: UInt64 = 5_000_000_000

  var program: String
  var environment: [String]
  var input: [UInt8]
  /// Nanoseconds.
  var limit: UInt64

  enum End: Equatable, Sendable {
    case exit(Int32)
    case signal(Int32)
    /// It took longer than it may, and was ended.
    case timedOut
    /// The agent stops, and ended it.
    case stopped
    /// It is not there any more.
    case vanished
    /// Why it could not be started.
    case unstarted(String)
  }

  struct Outcome: Sendable {
    var end: End
    /// At most `tail` bytes, of standard output and error.
    var output: [UInt8] = []
    /// Nanoseconds.
    var time: UInt64 = 0
  }

  /// Carries the waiting; a hook may take long, and one runs at a time.
  private static let pool: NIOThreadPool = {
    let pool = NIOThreadPool(numberOfThreads: 1)
    pool.start()
    return pool
  }()

  /// Runs it to its end.
  /// - Parameters:
  ///   - began: told its process id.
  ///   - mustStop: whether it is to be ended now; asked every tenth of a second.
  func run(
    began: @escaping @Sendable (Int32) -> Void, mustStop: @escaping @Sendable () -> Bool
  ) async -> Outcome {
    do {
      return try await Self.pool.runIfActive { runBlocking(began: began, mustStop: mustStop) }
    } catch {
      return Outcome(end: .stopped)
    }
  }

  private func runBlocking(began: (Int32) -> Void, mustStop: () -> Bool) -> Outcome {
    let start = ReplicaDriver.now()
    let given = clinux_memory_file("hook")
    guard given >= 0 else { return unstarted("make its input", errno) }
    defer { close(given) }
    var written = 0
    while written < input.count {
      let count = write(given, Array(input[written...]), input.count - written)
      if count < 0, errno != EINTR { return unstarted("write its input", errno) }
      written += max(0, count)
    }
    lseek(given, 0, SEEK_SET)
    var ends: [Int32] = [-1, -1]
    guard clinux_pipe(&ends, 256 << 10) == 0 else { return unstarted("make a pipe", errno) }
    // The program itself may wait where its output is not taken yet.
    _ = fcntl(ends[1], F_SETFL, 0)
    defer { close(ends[0]) }
    var child = pid_t()
    let words = [strdup(program), nil]
    let variables = environment.map { strdup($0) } + [nil]
    defer { for word in words + variables { free(word) } }
    let code = clinux_spawn(program, words, variables, given, ends[1], &child)
    close(ends[1])
    guard code == 0 else {
      if code == ENOENT, access(program, F_OK) != 0 { return Outcome(end: .vanished) }
      return unstarted(
        code == ENOEXEC ? "start it (has it a first line like #!/bin/sh?)" : "start it", code)
    }
    began(child)
    var outcome = wait(for: child, output: ends[0], since: start, mustStop)
    outcome.time = ReplicaDriver.now() - start
    return outcome
  }

  private func unstarted(_ what: String, _ code: Int32) -> Outcome {
    Outcome(end: .unstarted("cannot \(what): \(String(cString: strerror(code)))"))
  }

  private func wait(
    for child: pid_t, output: Int32, since start: UInt64, _ mustStop: () -> Bool
  ) -> Outcome {
    let watch = clinux_watch_process(child)
    defer { if watch >= 0 { close(watch) } }
    var output = output
    var kept = Tail()
    var ended: (end: End, at: UInt64)?
    while clinux_child_ended(child) == 0 {
      var looked = [
        pollfd(fd: output, events: Int16(POLLIN), revents: 0),
        pollfd(fd: watch, events: Int16(POLLIN), revents: 0),
      ]
      poll(&looked, 2, watch >= 0 ? 100 : 10)
      if !kept.take(output) { output = -1 }
      let now = ReplicaDriver.now()
      if let ended {
        if now >= ended.at + Self.grace { kill(-child, SIGKILL) }
      } else if now - start >= limit || mustStop() {
        ended = (now - start >= limit ? .timedOut : .stopped, now)
        kill(-child, SIGTERM)
      }
    }
    _ = kept.take(output)
    // Not yet reaped, so that nobody else can have its number.
    if ended != nil { kill(-child, SIGKILL) }
    var status: Int32 = 0
    var reaped = waitpid(child, &status, 0)
    while reaped < 0, errno == EINTR { reaped = waitpid(child, &status, 0) }
    let signal = status & 0x7f
    // Whose end nobody can tell has not succeeded.
    let end: End = reaped < 0 || signal != 0 ? .signal(signal) : .exit(status >> 8 & 0xff)
    return Outcome(
      end: ended?.end ?? end,
      output: kept.bytes)
  }

  /// The last bytes of what was read.
  private struct Tail {
    private var all: [UInt8] = []
    private var chunk = [UInt8](repeating: 0, count: 65536)

    var bytes: [UInt8] { all.suffix(HookProcess.tail) }

    /// Reads what is there, a megabyte at most, so that whoever prints without end is still
    /// looked at.
    /// - Returns: whether more may come.
    mutating func take(_ descriptor: Int32) -> Bool {
      guard descriptor >= 0 else { return false }
      for _ in 0..<16 {
        let count = read(descriptor, &chunk, chunk.count)
        if count < 0 { return errno == EAGAIN || errno == EINTR }
        if count == 0 { return false }
        all += chunk[..<count]
        if all.count > 4 * HookProcess.tail { all.removeFirst(all.count - HookProcess.tail) }
      }
      return true
    }
  }
}

extension HookProcess.End {
  /// What is wrong with it, in words; nil if nothing is.
  func problem(limit: UInt64) -> String? {
    switch self {
    case .exit(0), .vanished: nil
    case .exit(let code): "exit code \(code)"
    case .signal(let signal): "ended by signal \(signal) (\(String(cString: strsignal(signal))))"
    case .timedOut: "not done after \(limit / 1_000_000_000) s, and ended (--hook-timeout)"
    case .stopped: "ended, since the agent stops"
    case .unstarted(let why): why
    }
  }
}

/// A hook's process that an agent began and, killed itself, did not see the end of.
struct HookChild: Codable, Equatable, Sendable {
  var pid: Int32
  /// When it started, as /proc has it: tells it from another of that number.
  var start: UInt64

  init?(_ pid: Int32) {
    guard let start = Self.start(of: pid) else { return nil }
    self.pid = pid
    self.start = start
  }

  /// Ends it and its group, if it still runs: no two of a hook run at once.
  func end() async {
    let begin = ReplicaDriver.now()
    guard Self.start(of: pid) == start, kill(-pid, SIGTERM) == 0 else { return }
    while Self.start(of: pid) == start, !Task.isCancelled,
      ReplicaDriver.now() - begin < 2 * HookProcess.grace
    {
      if ReplicaDriver.now() - begin > HookProcess.grace { kill(-pid, SIGKILL) }
      try? await Task.sleep(for: .milliseconds(20))
    }
    kill(-pid, SIGKILL)
  }

  /// In ticks since the machine started; nil if it has ended.
  private static func start(of pid: Int32) -> UInt64? {
    // `41 (name) S ...`: the name may hold anything, also brackets.
    guard let text = DoctorProcesses.text("/proc/\(pid)/stat"),
      let fields = text.lastIndex(of: ")").map({
        text[text.index(after: $0)...].split(separator: " ")
      }),
      fields.count > 19, fields[0] != "Z"
    else { return nil }
    return UInt64(fields[19])
  }
}
