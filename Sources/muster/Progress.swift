// A change of this node as its agent tells it: phases, texts, and how it ended.

import Agent

enum Progress {
  /// Asks for the change and prints what comes, to its end.
  /// - Parameters:
  ///   - timeout: seconds that the agent may take.
  ///   - lost: what to say if the agent ends before it said how the change ended.
  ///   - interrupted: what to say if somebody ends this command (Ctrl-C, SIGTERM, a closed
  ///     terminal) while the agent goes on; exit code 7, too.
  /// - Throws: `APIError` as the agent gives it; `Failure` with exit code 7 if it ends before.
  static func follow(
    _ path: String, _ body: any Encodable & Sendable, of client: LocalClient, timeout: Int64,
    lost: String, interrupted: String
  ) async throws {
    let interruption = await Interruption()
    let listening = Task {
      guard await interruption.comes() else { return }
      Terminal.exit(with: Failure("interrupted: \(interrupted)", exitCode: 7), warns: false)
    }
    let telling = client.tellOfWaiting()
    defer {
      listening.cancel()
      telling.cancel()
    }
    var hasBegun = false
    var end: ProgressLine?
    do {
      try await client.stream("POST", path, body: body, timeout: .seconds(timeout + 30)) { bytes in
        let line = try JSON.decode(ProgressLine.self, bytes)
        hasBegun = true
        if let progress = line.progress { Terminal.note(progress) }
        if let output = line.output {
          Terminal.out(output.hasSuffix("\n") ? output : output + "\n")
        }
        if line.done == true || line.failed != nil { end = line }
      }
    } catch let error as NotRunning {
      guard hasBegun else { throw error }
    }
    if let failed = end?.failed { throw failed }
    guard end?.done == true else { throw Failure("timed out: \(lost)", exitCode: 7) }
  }
}
