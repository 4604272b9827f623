// History of a node that does not run: its log, opened read-only from another process.

import EventLog
import Membership
import Raft

/// Reads the log of a stopped node.
package enum OfflineEvents {
  /// Hands out every line (and the table's header) that the agent would have answered, from the
  /// committed part of the log.
  /// - Parameters:
  ///   - directory: the log's, `DATA_DIR/log`.
  ///   - limit, reversed: as `EventReader.lines` takes them.
  /// - Throws: `Fault` or `HistoryFault`, and what `write` throws.
  package static func print(
    directory: String, _ filter: EventFilter, isJSON: Bool, limit: Int = .max,
    reversed: Bool = false, write: (String) throws -> Void
  ) throws {
    let log = try EventLog.open(directory: directory, mode: .readOnly)
    defer { log.close() }
    var reader = EventReader(log: log)
    let text = EventText(isJSON: isJSON)
    let lines = try reader.lines(
      filter, through: log.hardState.commit, limit: limit, reversed: reversed)
    if let header = text.header { try write(header) }
    for line in lines { try write(text.line(line)) }
  }
}
