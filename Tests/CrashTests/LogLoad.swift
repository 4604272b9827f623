import Foundation
import Testing

/// The program `log-load` at work on one log, as a process of its own.
final class LogLoad {
  /// Beside the test runner, else this package's debug build.
  static let executable: URL = {
    let beside = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appendingPathComponent("log-load")
    if FileManager.default.isExecutableFile(atPath: beside.path) { return beside }
    return URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent(".build/debug/log-load")
  }()

  let process = Process()
  private let output: String

  /// - Parameters:
  ///   - writes: 0 to go on until it is killed.
  ///   - disk: what stands between it and its disk (`Shim.environment`).
  init(
    _ directory: TestDirectory, seed: UInt64, writes: Int = 0, disk: [String: String] = [:]
  ) throws {
    output = directory.path + "/output"
    try Data().write(to: URL(fileURLWithPath: output))
    process.executableURL = Self.executable
    process.arguments = [directory.log, "\(seed)", "\(writes)"]
    process.environment = disk.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
    // The child has its own; Foundation would keep this one for ever.
    defer { try? file.close() }
    process.standardOutput = file
    try process.run()
  }

  /// What it has said so far.
  var report: Report { Report((try? String(contentsOfFile: output, encoding: .utf8)) ?? "") }

  /// Kills it as soon as it has said so much, and a little later; or finds that it ended before.
  func kill(after bytes: Int, andMicroseconds delay: UInt32) {
    while process.isRunning {
      var status = stat()
      if stat(output, &status) == 0, status.st_size >= bytes { break }
      usleep(200)
    }
    usleep(delay)
    if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
  }

  var wasKilled: Bool {
    process.terminationReason == .uncaughtSignal && process.terminationStatus == SIGKILL
  }
}

/// What a load said: the states that the log may be in, and what was promised of it.
struct Report {
  /// How the log ends after a write, and the commit index that is durable with it at the least.
  struct Ending: Equatable {
    var index: UInt64
    var hash: String
    var term: UInt64
    var vote: UInt64
    var commit: UInt64
  }

  var boot: UInt64?
  var behind = 0
  /// By the number of the write.
  var endings: [Int: Ending] = [:]
  /// The last write that was acknowledged; 0 if none was.
  var acknowledged = 0
  var failures: [String] = []
  /// Acknowledged after a failure that is final.
  var tooLate = 0

  /// A line that was cut short is left out.
  init(_ text: String) {
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
      let words = line.split(separator: " ")
      guard let kind = words.first else { continue }
      let numbers = words.map { UInt64($0) ?? 0 }
      switch (kind, words.count) {
      case ("o", 3): (boot, behind) = (numbers[1], Int(numbers[2]))
      case ("s", 7):
        endings[Int(numbers[1])] = Ending(
          index: numbers[2], hash: String(words[3]), term: numbers[4], vote: numbers[5],
          commit: numbers[6])
      case ("a", 2):
        acknowledged = max(acknowledged, Int(numbers[1]))
        if failures.contains(where: { $0 != "diskFull" }) { tooLate += 1 }
      case ("f", 3): failures.append(String(words[2]))
      default: failures.append("said \(line)")
      }
    }
  }
}
