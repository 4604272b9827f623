import UnixSignals

/// Ctrl-C, SIGTERM and a terminal that was closed, while a command waits for its agent: they end
/// the command, which can say what goes on, and not what the agent does.
package struct Interruption: Sendable {
  private let signals: UnixSignalsSequence

  /// From here on none of them ends the process by itself.
  package init() async {
    signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
  }

  /// Waits for the first one.
  /// - Returns: whether one came; not where the task was cancelled.
  package func comes() async -> Bool {
    for await _ in signals { return true }
    return false
  }
}
