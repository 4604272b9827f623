// History in a terminal: a lane for every node beside the events, its role drawn as it changes.
//
// In a file or a pipe a line has all that `muster events` prints. On a screen it is cut to the
// screen's width, and where that is narrow it has the time of day alone, under its day, and no
// actor.

import Membership

/// Events with lanes, as `muster events --graph` prints them.
package struct EventGraph: Sendable {
  package let text: String

  /// How to draw.
  package struct Style: Sendable {
    /// Columns of the screen; nil where there is none.
    package var width: Int?
    /// Whether to use the terminal's colours.
    package var isColoured: Bool

    package init(width: Int? = nil, isColoured: Bool = false) {
      self.width = width
      self.isColoured = isColoured
    }
  }

  /// - Parameter lines: the events to draw, in order.
  package init(_ history: History, _ lines: [EventLine], style: Style = Style()) throws {
    guard let first = lines.first?.recorded.index, let last = lines.last?.recorded.index else {
      text = ""
      return
    }
    let wanted = Dictionary(lines.map { ($0.recorded.index, $0) }) { a, _ in a }
    var lanes: [NodeID] = []
    var sheet = GraphSheet(style: style)
    try history.walk(from: first, through: last) { recorded, before, after in
      for member in before.nodes + after.nodes
      where member.isControlPlane && !lanes.contains(member.id) {
        lanes.append(member.id)
        sheet.names.append(member.name)
      }
      guard let line = wanted[recorded.index] else { return true }
      let touched = recorded.envelope.event.nodes
      let marks = lanes.map { id in
        GraphMark(before.node(id), after.node(id), leads: after.leader == id, touched.contains(id))
      }
      sheet.rows.append((marks, line, Facts.canLose(after)))
      return true
    }
    text = sheet.text
  }
}

/// What stands in a lane beside an event.
private enum GraphMark: String {
  case leader = "◆"
  case voter = "●"
  case standby = "◐"
  case other = "○"
  case suspected = "✕"
  case joins = "╷"
  case goes = "╵"
  case leads = "┃"
  case votes = "│"
  case follows = "┊"
  case silent = "┆"
  case nothing = " "

  init(_ before: Member?, _ after: Member?, leads: Bool, _ isTouched: Bool) {
    let wasActive = before?.isActive == true
    guard let after, after.isActive else {
      self = wasActive ? .goes : .nothing
      return
    }
    switch after.datastoreRole {
    case nil where !wasActive: self = .joins
    case _ where !wasActive: self = .leader
    case _ where after.isSuspected: self = isTouched ? .suspected : .silent
    case _ where leads: self = isTouched ? .leader : .leads
    case .voter: self = isTouched ? .voter : .votes
    case .standby: self = isTouched ? .standby : .follows
    case .spare, nil: self = isTouched ? .other : .follows
    }
  }

  /// As terminals number colours.
  var colour: Int? {
    switch self {
    case .leader, .leads: 35
    case .voter, .votes: 34
    case .standby, .follows: 36
    case .suspected, .silent: 31
    case .other, .joins, .goes: 33
    case .nothing: nil
    }
  }
}

/// Rows that become lines once the names of all lanes are known.
private struct GraphSheet {
  var style: EventGraph.Style
  var names: [String] = []
  var rows: [(marks: [GraphMark], line: EventLine, canLose: Int)] = []

  private var isNarrow: Bool { (style.width ?? .max) < 120 }
  /// Where names would take half of the screen, lanes have letters, told at the end.
  private var hasLetters: Bool {
    names.reduce(0) { $0 + $1.count + 1 } > (style.width ?? 240) / 3
  }
  private var headings: [String] {
    guard hasLetters else { return names }
    let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".map(String.init)
    return names.indices.map { letters[$0 % letters.count] }
  }

  var text: String {
    let headings = headings
    let lanes = headings.map { $0.count }
    let words = EventText(isJSON: false)
    var out = line(
      "LOSE  ", 0, headings.joined(separator: " "), nil,
      isNarrow ? "INDEX  TIME      EVENT" : words.header?.trimmed ?? "")
    var day = ""
    for row in rows {
      let time = row.line.recorded.envelope.time.rfc3339
      if isNarrow, time.prefix(10) != day {
        day = String(time.prefix(10))
        out += "── \(day) ──\n"
      }
      let cells = zip(row.marks, lanes).map { mark, width in
        painted(mark.rawValue, mark.colour) + String(repeating: " ", count: width - 1)
      }
      let missing = lanes.dropFirst(row.marks.count).map { String(repeating: " ", count: $0) }
      let band = String(repeating: "█", count: min(row.canLose, 3))
      out += line(
        "\(row.canLose) \(band)" + String(repeating: " ", count: 4 - band.count),
        row.canLose > 0 ? 32 : 33, (cells + missing).joined(separator: " "), lanes,
        isNarrow ? narrow(row.line) : words.line(row.line).trimmed)
    }
    return out + legend
  }

  /// - Parameter lanes: the widths of the lanes whose text is painted; nil if it is plain.
  private func line(
    _ band: String, _ colour: Int, _ cells: String, _ lanes: [Int]?, _ words: String
  ) -> String {
    let width = lanes.map { $0.reduce(0, +) + max(0, $0.count - 1) } ?? cells.count
    let room = (style.width ?? .max) - 6 - width - 2
    var words = words
    if words.count > room { words = String(words.prefix(max(0, room - 1))) + "…" }
    return painted(band, colour == 0 ? nil : colour) + cells + "  " + words + "\n"
  }

  private func narrow(_ line: EventLine) -> String {
    let envelope = line.recorded.envelope
    let index = "\(line.recorded.index)"
    var effect = line.effect ?? EventText.unknown
    if !envelope.reason.isEmpty { effect += " (reason: \(envelope.reason))" }
    return String(repeating: " ", count: max(0, 5 - index.count)) + index + "  "
      + envelope.time.rfc3339.dropFirst(11).prefix(8) + "  "
      + EventText.printable("\(envelope.event.type.name)  \(effect)")
  }

  private func painted(_ text: String, _ colour: Int?) -> String {
    guard style.isColoured, let colour else { return text }
    return "\u{1B}[\(colour)m\(text)\u{1B}[0m"
  }

  private var legend: String {
    var text = "\n"
    if hasLetters {
      text += wrapped(zip(headings, names).map { "\($0) \($1)" }) + "\n"
    }
    let marks: [(GraphMark, String)] = [
      (.leader, "leader"), (.voter, "voter"), (.standby, "standby"), (.other, "spare or none"),
      (.suspected, "suspected"), (.joins, "joins"), (.goes, "goes"), (.leads, "leads on"),
      (.votes, "votes on"), (.follows, "follows on"), (.silent, "still suspected"),
    ]
    return text
      + wrapped(["LOSE: voters that may be lost"] + marks.map { "\($0.rawValue) \($1)" }) + "\n"
  }

  /// In as many lines as the screen's width asks for.
  private func wrapped(_ parts: [String]) -> String {
    var lines: [String] = []
    for part in parts {
      if let last = lines.last, last.count + 2 + part.count <= style.width ?? 120 {
        lines[lines.count - 1] = last + "  " + part
      } else {
        lines.append(part)
      }
    }
    return lines.joined(separator: "\n")
  }
}

extension String {
  /// Without the newline at its end.
  fileprivate var trimmed: String { hasSuffix("\n") ? String(dropLast()) : self }
}

extension Facts {
  /// How many more voters may fail, as recorded.
  static func canLose(_ cluster: Cluster) -> Int {
    Tolerance(
      voters: cluster.voters, outgoing: cluster.outgoingVoters,
      healthy: cluster.soundVoters
    ).canLose
  }
}
