// History in a terminal: a lane for every node beside the events, its role drawn as it changes.

import Membership

/// Events with lanes, as `muster events --graph` prints them.
package struct EventGraph: Sendable {
  package let text: String

  /// - Parameter lines: the events to draw, in order.
  package init(_ history: History, _ lines: [EventLine]) throws {
    guard let first = lines.first?.recorded.index, let last = lines.last?.recorded.index else {
      text = ""
      return
    }
    let wanted = Dictionary(lines.map { ($0.recorded.index, $0) }) { a, _ in a }
    var lanes: [NodeID] = []
    var names: [String] = []
    var rows: [(cells: [String], line: EventLine, canLose: Int)] = []
    try history.walk(from: first, through: last) { recorded, before, after in
      for member in before.nodes + after.nodes
      where member.isControlPlane && !lanes.contains(member.id) {
        lanes.append(member.id)
        names.append(member.name)
      }
      guard let line = wanted[recorded.index] else { return true }
      let touched = recorded.envelope.event.nodes
      let cells = lanes.map { id in
        Self.cell(before.node(id), after.node(id), leads: after.leader == id, touched.contains(id))
      }
      rows.append((cells, line, Facts.canLose(after)))
      return true
    }
    let widths = names.map { max($0.count, 1) }
    func lane(_ cells: [String]) -> String {
      zip(cells + Array(repeating: " ", count: names.count - cells.count), widths).map {
        $0 + String(repeating: " ", count: $1 - $0.count)
      }.joined(separator: " ")
    }
    let words = EventText(isJSON: false)
    var out = "CAN-LOSE  \(lane(names))  \(words.header ?? "")"
    for row in rows {
      let band = String(repeating: "█", count: min(row.canLose, 3))
      out += "\(row.canLose) \(band)" + String(repeating: " ", count: 8 - band.count)
      out += "\(lane(row.cells))  \(words.line(row.line))"
    }
    out += "\n◆ leader  ● voter  ◐ standby  ○ spare or none  ✕ suspected  ╷ joins  ╵ goes  "
    out += "│ ┆ ┊ the same as before\n"
    text = out
  }

  private static func cell(
    _ before: Member?, _ after: Member?, leads: Bool, _ isTouched: Bool
  ) -> String {
    let wasActive = before?.isActive == true
    guard let after, after.isActive else { return wasActive ? "╵" : " " }
    if !wasActive { return after.datastoreRole == nil ? "╷" : "◆" }
    if isTouched {
      if after.isSuspected { return "✕" }
      if leads { return "◆" }
      return switch after.datastoreRole {
      case .voter: "●"
      case .standby: "◐"
      case .spare, nil: "○"
      }
    }
    if after.isSuspected { return "┆" }
    return after.datastoreRole == .voter ? "│" : "┊"
  }
}

extension Facts {
  /// How many more voters may fail, as recorded.
  static func canLose(_ cluster: Cluster) -> Int {
    Tolerance(
      voters: cluster.voters, outgoing: cluster.outgoingVoters,
      healthy: cluster.unsuspectedVoters
    ).canLose
  }
}
