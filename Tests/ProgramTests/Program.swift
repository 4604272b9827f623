// The program as a user has it: the built executable, run with arguments, judged by what it prints
// and how it ends.

import Foundation
import Testing

/// Half of the tests of the program, one after another: they share the machine's processors with
/// the agents that they start.
@Suite("The program", .serialized)
struct Program {}

/// The other half, beside the first: what goes wrong, most of which is waiting. Whoever needs an
/// address that others have too (127.0.0.1, ::1) is in this one.
@Suite("The program in trouble", .serialized)
struct ProgramInTrouble {
  typealias Outcome = Program.Outcome
  typealias Running = Program.Running
  typealias TimedOut = Program.TimedOut
}

extension Program {
  /// What MUSTER names, else what is beside the test runner, else this package's debug build.
  static let executable: URL = {
    if let path = ProcessInfo.processInfo.environment["MUSTER"] {
      return URL(fileURLWithPath: path)
    }
    let beside = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appendingPathComponent("muster")
    if FileManager.default.isExecutableFile(atPath: beside.path) { return beside }
    return URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent(".build/debug/muster")
  }()

  /// How a command ended.
  struct Outcome: CustomStringConvertible {
    var code: Int32
    var out: String
    var err: String
    var description: String { "exit code \(code)\nout: \(out)\nerr: \(err)" }
    /// The lines of standard output.
    var lines: [String] {
      out.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }
  }

  struct TimedOut: Error, CustomStringConvertible {
    var description: String
  }

  /// A process of ours, ended by its id alone.
  final class Running {
    let process = Process()
    private let folder: URL
    private let name: String

    /// - Parameters:
    ///   - environment: beside PATH; nothing else is inherited.
    ///   - launcher: words that turn into the program, which follows them.
    init(
      _ arguments: [String], in folder: URL, environment: [String: String] = [:],
      input: String? = nil, launcher: [String] = []
    ) throws {
      self.folder = folder
      name = UUID().uuidString
      let words = launcher + [Program.executable.path] + arguments
      process.executableURL = URL(fileURLWithPath: words[0])
      process.arguments = Array(words.dropFirst())
      process.environment = environment.merging(["PATH": "/usr/sbin:/sbin:/usr/bin:/bin"]) { $1 }
      var files = [try Self.file(folder, name + ".out"), try Self.file(folder, name + ".err")]
      // The child has its own. Foundation keeps ours for ever, and crashes once a process that
      // starts others has more than some 1,360 files open.
      defer { for file in files { try? file.close() } }
      process.standardOutput = files[0]
      process.standardError = files[1]
      if let input {
        let file = folder.appendingPathComponent(name + ".in")
        try Data(input.utf8).write(to: file)
        files.append(try FileHandle(forReadingFrom: file))
        process.standardInput = files[2]
      } else {
        process.standardInput = FileHandle.nullDevice
      }
      try process.run()
    }

    private static func file(_ folder: URL, _ name: String) throws -> FileHandle {
      let url = folder.appendingPathComponent(name)
      try Data().write(to: url)
      return try FileHandle(forWritingTo: url)
    }

    var id: Int32 { process.processIdentifier }
    /// Kills it, unless it ended by itself.
    func end() { if process.isRunning { kill(id, SIGKILL) } }
    var out: String { text(".out") }
    var err: String { text(".err") }
    private func text(_ suffix: String) -> String {
      (try? String(contentsOf: folder.appendingPathComponent(name + suffix), encoding: .utf8)) ?? ""
    }

    /// Waits for the end; ends it by force if it does not come.
    func ended(within limit: Duration = .seconds(90)) async throws -> Outcome {
      let end = ContinuousClock.now + limit
      while process.isRunning {
        guard ContinuousClock.now < end else {
          kill(id, SIGKILL)
          throw TimedOut(
            description: "muster \(process.arguments ?? []) did not end in \(limit): \(out)\(err)")
        }
        try await Task.sleep(for: .milliseconds(5))
      }
      return Outcome(code: process.terminationStatus, out: out, err: err)
    }
  }
}

/// Waits for a fact, looking again and again.
func eventually(
  _ what: String, within limit: Duration = .seconds(40),
  _ isTrue: () async throws -> Bool
) async throws {
  let end = ContinuousClock.now + limit
  while try await !isTrue() {
    guard ContinuousClock.now < end else {
      throw Program.TimedOut(description: "it did not come true within \(limit) that \(what)")
    }
    try await Task.sleep(for: .milliseconds(50))
  }
}
