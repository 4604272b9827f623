// One event with everything around it: what `muster show` prints.

import EventLog
import Membership
import Projections

/// An event, the states before and after it, and its links to others.
package struct Showing: Sendable {
  package var line: EventLine
  package var changes: [FactChange]
  package var causes: [(line: EventLine, words: String)]
  package var effects: [(line: EventLine, words: String)]
  /// Each view before and after, where it changed.
  package var views: [View]

  package struct View: Hashable, Sendable {
    package var name: String
    package var before: String
    package var after: String
  }

  /// - Throws: as the history does.
  package init(_ history: History, index: UInt64) throws {
    let hash = try history.source.hash(at: index)
    guard try index == 0 || history.knowsState(at: index - 1) else {
      line = EventLine(try history.event(at: index), hash: hash)
      (changes, causes, effects, views) = ([], [], [], [])
      return
    }
    var shown: (EventLine, [FactChange], [Cause], [View])?
    try history.walk(from: index, through: index) { recorded, before, after in
      shown = (
        EventLine(recorded, hash: hash, before: before, after: after),
        FactChange.between(Facts(before), Facts(after)),
        try history.causes(of: recorded, before: before),
        Self.views(before, after)
      )
      return false
    }
    guard let (line, changes, links, views) = shown else {
      throw Unanswerable("there is no event at index \(index)")
    }
    self.line = line
    self.changes = changes
    self.views = views
    causes = try links.map { (line: try history.line(at: $0.index), words: $0.words) }
    effects = try history.effects(of: index).map {
      (line: try history.line(at: $0.event.index), words: $0.words)
    }
  }

  private static func views(_ before: Cluster, _ after: Cluster) -> [View] {
    let now = after.lastTime
    return zip(ProjectionDigests.texts(before, now: now), ProjectionDigests.texts(after, now: now))
      .compactMap { old, new in
        // The index and the time in a text change with every event.
        old.text == new.text || old.name == "facts"
          ? nil : View(name: old.name, before: old.text, after: new.text)
      }
  }

  package var text: String {
    let envelope = line.recorded.envelope
    var text = "event \(line.recorded.index)  \(envelope.event.type.name)\n"
    func field(_ name: String, _ value: String) {
      let gap = String(repeating: " ", count: 10 - name.count)
      text += "  \(name)\(gap)\(EventText.printable(value))\n"
    }
    field("effect", line.effect ?? EventText.unknown)
    field("time", envelope.time.rfc3339Milliseconds)
    field("term", "\(line.recorded.term)")
    field("actor", line.actorName.map { "\($0) (\(envelope.actor))" } ?? envelope.actor)
    if !envelope.reason.isEmpty { field("reason", envelope.reason) }
    field("command", envelope.command.description)
    field("hash", line.hash)
    text += "data\n"
    text += envelope.event.document.yaml.split(separator: "\n").map { "  \($0)\n" }.joined()
    func links(_ title: String, _ links: [(line: EventLine, words: String)]) {
      guard !links.isEmpty else { return }
      text += title + "\n"
      for link in links {
        text +=
          "  \(link.line.recorded.index) \(link.line.recorded.envelope.event.type.name): "
          + "\(EventText.printable(link.line.effect ?? "")) (\(link.words))\n"
      }
    }
    links("caused by", causes)
    links("led to", effects.map { (line: $0.line, words: "this \($0.words)") })
    text += "changed\n"
    if line.effect == nil {
      text += "  \(EventText.unknown)\n"
    } else if changes.isEmpty {
      text += "  nothing but the index and the time\n"
    }
    text += changes.map { "  \(EventText.printable($0.text))\n" }.joined()
    for view in views {
      text += "\(view.name) before\n" + Self.indented(view.before)
      text += "\(view.name) after\n" + Self.indented(view.after)
    }
    return text
  }

  private static func indented(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).dropLast(
      text.hasSuffix("\n") ? 1 : 0
    ).map { $0.isEmpty ? "\n" : "  \($0)\n" }.joined()
  }

  package var document: Document {
    func links(_ links: [(line: EventLine, words: String)]) -> Document {
      .list(
        links.map {
          .object([
            ("index", .number($0.line.recorded.index)),
            ("type", .text($0.line.recorded.envelope.event.type.name)),
            ("effect", .text($0.line.effect)), ("words", .text($0.words)),
          ])
        })
    }
    return .answer([
      ("event", line.document), ("causedBy", links(causes)), ("ledTo", links(effects)),
      ("changes", .list(changes.map(\.document))),
      (
        "views",
        .list(
          views.map {
            .object([
              ("name", .text($0.name)), ("before", .text($0.before)), ("after", .text($0.after)),
            ])
          })
      ),
    ])
  }
}

extension History {
  /// One event in words.
  package func line(at index: UInt64) throws -> EventLine {
    var found: EventLine?
    var reader = EventReader()
    try reader.lines(EventFilter(from: index, to: index), of: self) { found = $0 }
    guard let found else { throw Unanswerable("there is no event at index \(index)") }
    return found
  }

  /// Several events with what they meant. Neighbours are read in one go.
  func lines(at indexes: Set<UInt64>) throws -> [UInt64: EventLine] {
    var found: [UInt64: EventLine] = [:]
    var rest = indexes.sorted()[...]
    while let first = rest.first {
      var last = first
      while let next = rest.first, next - last <= 2048 {
        last = next
        rest.removeFirst()
      }
      var reader = EventReader()
      var filter = EventFilter(from: first, to: last)
      filter.indexes = indexes
      try reader.lines(filter, of: self) { found[$0.recorded.index] = $0 }
    }
    return found
  }

  /// Several events without what they meant: no state is needed but a later one, which knows names.
  func plainLines(at indexes: Set<UInt64>, names later: Cluster) throws -> [UInt64: EventLine] {
    var found: [UInt64: EventLine] = [:]
    for index in indexes {
      let recorded = try event(at: index)
      found[index] = EventLine(
        recorded, hash: try source.hash(at: index),
        actorName: NodeID(recorded.envelope.actor).map { later.name(of: $0) })
    }
    return found
  }
}
