// A history as one page of HTML that needs nothing else: lanes of nodes with their roles over the
// events, what may be lost as a band, a slider over the index, and the list of events in step with
// it. Each view on the page names the command that prints the same.

import Membership
import Projections

/// The page, ready to be written to a file.
package struct TimelinePage: Sendable {
  package let html: String

  /// How many events a page holds at most.
  package static let limit: UInt64 = 5000

  /// - Parameter range: the events to draw; the newest `limit` of all if nil.
  package init(_ history: History, _ range: ClosedRange<UInt64>? = nil) throws {
    let all = range ?? history.first...max(history.first, history.head)
    let low = max(
      all.lowerBound, all.upperBound >= Self.limit ? all.upperBound - Self.limit + 1 : 1)
    var sketch = TimelineSketch()
    try history.walk(from: low, through: all.upperBound) { recorded, before, after in
      sketch.add(
        EventLine(recorded, hash: "", before: before, after: after), after)
      return true
    }
    let title = "muster history of cluster \(history.source.cluster)"
    let place = "events \(low)..\(all.upperBound) of \(history.source.name)"
    html = TimelineMarkup.page
      .replacing("@TITLE@", with: Self.escaped(title))
      .replacing("@PLACE@", with: Self.escaped(place))
      .replacing("@DATA@", with: sketch.document.line.replacing("<", with: "\\u003c"))
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }
}

/// What the page draws from: each text that repeats is kept once.
private struct TimelineSketch {
  private var lanes: [NodeID] = []
  private var names: [String] = []
  private var events: [Document] = []
  private var texts: [String] = []
  private var places: [String: Int] = [:]

  mutating func add(_ line: EventLine, _ state: Cluster) {
    for member in state.nodes where !lanes.contains(member.id) && lanes.count < 64 {
      lanes.append(member.id)
      names.append(member.name)
    }
    let envelope = line.recorded.envelope
    let available = HighAvailability(state)
    let provider = EndpointList(state).apiservers.map(\.description).joined(separator: "\n")
    let report = StatusReport(state, now: state.lastTime, outlook: nil, basis: .replayed)
    let rows = report.nodes.rows.map { row in
      "\(row.name)  \(row.duty)  \(row.state.rawValue)  \(row.endpoints.cluster)"
    }
    events.append(
      .list([
        .number(line.recorded.index), .text(envelope.time.rfc3339),
        .number(place(line.actorName ?? envelope.actor)), .number(place(envelope.event.type.name)),
        .text(line.effect ?? ""), .text(envelope.reason),
        .text(lanes.map { code(state.node($0), leads: state.leader == $0) }.joined()),
        .number(available.canLose), .truth(available.isHighlyAvailable),
        .number(place(available.sentence)), .number(place(provider)),
        .number(place(rows.joined(separator: "\n"))), .truth(available.quorumHeld),
      ]))
  }

  private mutating func place(_ text: String) -> Int {
    if let known = places[text] { return known }
    texts.append(text)
    places[text] = texts.count - 1
    return texts.count - 1
  }

  /// One letter a node: small if it is suspected.
  private func code(_ member: Member?, leads: Bool) -> String {
    guard let member, member.isActive else { return "." }
    if member.record.role == .worker { return "W" }
    let letter =
      switch member.datastoreRole {
      case .voter: leads ? "L" : "V"
      case .standby: "S"
      case .spare: "P"
      case nil: "N"
      }
    return member.isSuspected ? letter.lowercased() : letter
  }

  var document: Document {
    .object([("nodes", .texts(names)), ("texts", .texts(texts)), ("events", .list(events))])
  }
}
