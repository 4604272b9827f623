// Looking at a log that may be damaged, from a distance.
//
// LMDB maps its file and follows the page numbers in it, so damage can end a process by a signal
// (SIGBUS, SIGSEGV). Therefore another process looks first, this same program by a hidden command,
// and a signal becomes a message.
//
// At a start it visits every entry, which shows that each can be reached, and hashes the last
// 32,768. What is older costs nothing then: no entry leaves the log that is not proven by the hash
// of the one before, and `LogPatrol` goes over all of them while the node serves.

import EventLog
import FoundationEssentials
import Raft

#if canImport(Glibc)
  import Glibc
#endif

/// What a look at a log found.
package struct LogExamination: Equatable, Sendable {
  /// Through here everything is right.
  var good: UInt64 = 0
  /// More may be right: a process that looked was ended there.
  var isAtLeast = false
  /// What the log says of itself; nil if it could not even be opened.
  var claim: Claim?
  /// What is damaged, beginning with the file; nil if nothing is.
  var damage: String?

  struct Claim: Equatable, Sendable {
    var last: UInt64
    var term: UInt64
    var vote: UInt64
    var commit: UInt64
    var boot: UInt64
    /// What it should hold, where it was found to be behind; 0 if it was not.
    var lost: UInt64

    init(_ summary: EventLog.Summary) {
      let state = summary.tip.hardState
      (last, term, vote) = (summary.tip.lastIndex, state.term, state.vote)
      (commit, boot, lost) = (state.commit, summary.bootNumber, 0)
      if case .logBehind(let log, let witness, _) = summary.finding {
        lost = max(log.commit, witness.commit)
      }
    }

    /// Of the numbers that `line` has.
    init?(_ words: [Substring]) {
      let numbers = words.compactMap { UInt64($0) }
      guard numbers.count == 6 else { return nil }
      (last, term, vote) = (numbers[0], numbers[1], numbers[2])
      (commit, boot, lost) = (numbers[3], numbers[4], numbers[5])
    }

    var line: String { "claim \(last) \(term) \(vote) \(commit) \(boot) \(lost)" }
  }

  // MARK: In the child

  /// Looks at the log in `directory` and says on standard output what it finds.
  /// - Parameter isWhole: computes every hash anew, not only the last ones.
  package static func perform(directory: String, isWhole: Bool) {
    do throws(Fault) {
      let found = try EventLog.examine(
        directory: directory, isWhole ? .whole : .quick,
        began: { say(Claim($0).line) }, progress: { say("good \($0)") })
      say("good \(found.lastIndex)")
      if let damage = found.damage { say("damage data.mdb, \(damage)") }
    } catch {
      say(
        error.kind == .damaged
          ? "damage \(error.text)" : "fault \(error.exitCode) \(error.description)")
    }
    say("end")
  }

  /// Says of one entry after another that it is right, as far as it comes.
  package static func performEach(directory: String) {
    try? DamagedLog(directory: directory).forEach(from: 1) { entry, _ in
      say("good \(entry.index)")
      return true
    }
    say("end")
  }

  private static func say(_ line: String) {
    // In one piece, and at once: a signal may come at any time.
    let bytes = Array((line.replacing("\n", with: " ") + "\n").utf8)
    _ = write(STDOUT_FILENO, bytes, bytes.count)
  }

  // MARK: In the parent

  /// Has another process look at a node's log before this one opens it.
  /// - Throws: `Failure`: damaged (65), or what keeps it from being looked at.
  static func check(_ directory: DataDirectory) throws(Failure) {
    guard let damage = try run(directory.log, isWhole: false).damage else { return }
    throw Failure(
      "cannot start: the log in \(directory.log) is damaged: \(damage). Nothing was changed; see "
        + "what can be done with: muster repair --data-dir \(directory.path)", exitCode: 65)
  }

  /// Has another process look at a log, and waits for it.
  /// - Throws: `Failure` if there is no log, no permission, no space or no process to be had.
  static func run(_ log: String, isWhole: Bool) throws(Failure) -> LogExamination {
    let (output, status) = try runChild(
      ["muster", "examine-log", log] + (isWhole ? ["--whole"] : []))
    var found = LogExamination()
    let isOver = try found.take(output)
    let signal = status & 0x7f
    guard isOver || signal != 0 else {
      throw Failure("cannot examine \(log): the process for it ended with \(status >> 8)")
    }
    if isOver, found.damage == nil || found.claim != nil { return found }
    // It says now and then how far it came, and begins at the end; another one says so at every
    // entry.
    _ = try found.take(try runChild(["muster", "examine-log", log, "--each"]).output)
    if isOver { return found }
    found.isAtLeast = true
    let place = found.good == 0 ? "at its first pages" : "after index \(found.good)"
    found.damage =
      "data.mdb, \(place): reading it ends a process with signal \(signal) "
      + "(\(String(cString: strsignal(signal))))"
    return found
  }

  /// Takes over what a child said; whether it came to its end.
  private mutating func take(_ output: String) throws(Failure) -> Bool {
    for line in output.split(separator: "\n") {
      let words = line.split(separator: " ")
      let rest = line.drop { $0 != " " }.dropFirst()
      switch words[0] {
      case "good": good = max(good, UInt64(rest) ?? 0)
      case "claim": claim = Claim(Array(words.dropFirst()))
      case "damage": damage = String(rest)
      case "fault":
        let text = rest.drop { $0 != " " }.dropFirst()
        throw Failure(String(text), exitCode: words.count > 1 ? Int32(words[1]) ?? 1 : 1)
      case "end": return true
      default: break
      }
    }
    return false
  }

  /// What a child of this program wrote, and how it ended (as `waitpid` has it).
  private static func runChild(
    _ arguments: [String]
  ) throws(Failure) -> (output: String, status: Int32) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw .system("make", "a pipe") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer { close(ends[0]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    // A stack trace would take seconds and say nothing that the signal does not.
    let variables = ProcessInfo.processInfo.environment
      .merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }.map { "\($0)=\($1)" }
    var child = pid_t()
    let words = arguments.map { strdup($0) } + [nil]
    let environment = variables.map { strdup($0) } + [nil]
    defer { for word in words + environment { free(word) } }
    let code = posix_spawn(&child, "/proc/self/exe", &actions, nil, words, environment)
    close(ends[1])
    guard code == 0 else {
      errno = code
      throw .system("start", "a process that examines the log")
    }
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(ends[0], &chunk, chunk.count)
      if count > 0 { output += chunk[..<count] } else if count == 0 || errno != EINTR { break }
    }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    return (String(decoding: output, as: UTF8.self), status)
  }
}
