// What `muster events` asks for: of a running agent by its route, of a stopped node by its log.

import EventLog
import History
import Membership

/// A question to history, in the words of the command line.
package struct EventsRequest: Sendable {
  package var isJSON = false
  /// Indexes.
  package var from: UInt64?
  package var to: UInt64?
  package var type: String?
  package var node: String?
  package var actor: String?
  /// Milliseconds since 1970.
  package var since: Int64?
  package var until: Int64?
  package var limit: Int?
  package var isReversed = false

  package init() {}

  /// A moment: RFC 3339 in UTC, or how long ago (`15m`, `-15m`), in milliseconds since 1970.
  /// - Throws: `Failure` with exit code 2 and the accepted forms.
  package static func moment(_ text: String) throws(Failure) -> Int64 {
    if let time = Timestamp(rfc3339: text) { return time.milliseconds }
    let ago = text.hasPrefix("-") ? String(text.dropFirst()) : text
    guard let seconds = try? DurationText.seconds(ago, allowingZero: true) else {
      throw Failure(
        "\"\(text)\" is not a time; expected one like 2026-10-24T03:12:00Z, or how long ago, like "
          + "15m", exitCode: 2)
    }
    return Timestamp.now.adding(seconds: -seconds).milliseconds
  }

  /// The route, with what is asked for.
  package func path(follow: Bool = false) -> String {
    var parts = ["format=\(isJSON ? "json" : "pretty")"]
    func add(_ name: String, _ value: (some CustomStringConvertible)?) {
      if let value { parts.append("\(name)=\(escaped(value.description))") }
    }
    add("from", from)
    add("to", to)
    add("type", type)
    add("node", node)
    add("actor", actor)
    add("since", since)
    add("until", until)
    add("limit", limit)
    if isReversed { parts.append("reverse=1") }
    if follow { parts.append("follow=1") }
    return "/v1/events?" + parts.joined(separator: "&")
  }

  /// Reads the log of a node whose agent does not run.
  /// - Throws: `Failure` with exit code 65 if the log is damaged or cannot be understood, and what
  ///   `write` throws.
  package func printOffline(_ directory: DataDirectory, write: (String) throws -> Void) throws {
    let filter = EventFilter(
      from: from ?? 1, to: to ?? .max, type: type, node: node, actor: actor,
      since: since.map { Timestamp(milliseconds: $0) },
      until: until.map { Timestamp(milliseconds: $0) })
    do {
      try OfflineEvents.print(
        directory: directory.log, filter, isJSON: isJSON, limit: limit ?? .max,
        reversed: isReversed, write: write)
    } catch let fault as Fault {
      throw Failure("\(fault)", exitCode: fault.exitCode)
    } catch let fault as HistoryFault {
      throw Failure("\(fault)", exitCode: 65)
    }
  }
}
