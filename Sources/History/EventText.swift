// Events as `muster events` prints them, whoever answers: the agent's route and the reader of a
// stopped node's log use this one formatter.

import Membership

/// Lines of a table whose columns fit what is typical, so that the first line can be printed before
/// the last is known; or lines of JSON.
package struct EventText: Sendable {
  package var isJSON: Bool
  /// How wide the column of actors is.
  private var actors: Int

  /// - Parameter names: of the nodes that may act: the longest makes the column wide enough.
  package init(isJSON: Bool, names: [String] = []) {
    self.isJSON = isJSON
    actors = min(40, max(16, (names.map(\.count).max() ?? 0) + "root@".count))
  }

  /// Makes the column of actors wide enough for these, and no wider.
  package mutating func fit(_ lines: [EventLine]) {
    let widths = lines.map { ($0.actorName ?? $0.recorded.envelope.actor).count }
    actors = min(40, max(16, widths.max() ?? 0))
  }

  private static let types = EventType.allCases.map(\.name.count).max() ?? 0

  /// The table's first line, ended; nil for JSON.
  package var header: String? {
    isJSON ? nil : row("INDEX", "TIME", "ACTOR", "EVENT", "EFFECT")
  }

  /// One event, ended by the only newline in it.
  package func line(_ line: EventLine) -> String {
    if isJSON { return line.document.line }
    let envelope = line.recorded.envelope
    var effect = line.effect ?? Self.unknown
    if !envelope.reason.isEmpty { effect += " (reason: \(envelope.reason))" }
    return row(
      "\(line.recorded.index)", envelope.time.rfc3339, line.actorName ?? envelope.actor,
      envelope.event.type.name, effect)
  }

  /// Where the state before an event is not held.
  static let unknown = "unknown: the state before it is not held"

  private func row(
    _ index: String, _ time: String, _ actor: String, _ event: String, _ effect: String
  ) -> String {
    let text =
      String(repeating: " ", count: max(0, 5 - index.count)) + index + "  " + Self.padded(time, 20)
      + "  " + Self.padded(Self.printable(actor), actors) + "  " + Self.padded(event, Self.types)
      + "  " + Self.printable(effect)
    return text.trimmingTrailingSpaces + "\n"
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  /// What a client wrote must not steer a terminal.
  static func printable(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { $0.value < 32 || (0x7f...0x9f).contains($0.value) ? "?" : $0 }))
  }
}

extension String {
  fileprivate var trimmingTrailingSpaces: String {
    var text = self
    while text.hasSuffix(" ") { text.removeLast() }
    return text
  }
}
