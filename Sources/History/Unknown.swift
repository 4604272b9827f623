// What is said to whoever asks for something that history does not know: the names that it does.

import Membership

extension Cluster {
  /// Why there is no answer about a node: nobody was ever called that.
  func unknownNode(_ name: String) -> Unanswerable {
    let here = nodes.map(\.name)
    let gone = Set(departed.map(\.name)).subtracting(here).sorted()
    return Unanswerable(
      "the log knows no node \(quoted(name)) up to index \(lastIndex); there are: "
        + some(here, near: name) + (gone.isEmpty ? "" : "; gone are: \(some(gone, near: name))"),
      exitCode: 6)
  }

  /// Whether a node is called that, by name or id, or was before it went.
  package func knows(_ name: String) -> Bool {
    nodes.contains { $0.name == name || $0.id.description == name }
      || departed.contains { $0.name == name || $0.node.description == name }
  }
}

extension History {
  /// Of the nodes at the end; none where no state is known.
  package func names() throws -> [String] {
    try knowsState(at: head) ? state(at: head).nodes.map(\.name) : []
  }

  /// Refuses a filter that asks for a node that nobody knows.
  /// - Throws: `Unanswerable` that names those there are.
  package func check(_ filter: EventFilter) throws {
    guard let node = filter.node else { return }
    if try knowsState(at: head) {
      let state = try state(at: head)
      if !state.knows(node) { throw state.unknownNode(node) }
    } else if NodeID(node) == nil {
      throw Unanswerable(
        "no node's name is known: \(beginsLate), or ask by id, which -o json prints",
        exitCode: 65)
    }
  }

  /// Why a filter found nothing: above all an actor who never did anything.
  package func absence(_ filter: EventFilter) throws -> String {
    let range = "\(max(filter.from, first))..\(min(filter.to, head))"
    let nothing =
      filter.from > min(filter.to, head)
      ? "no event lies in that time" : "no event of \(range) is one of those"
    guard let actor = filter.actor else { return nothing }
    let state = try knowsState(at: head) ? state(at: head) : Cluster()
    var actors: Set<String> = []
    var occurs = false
    try forEachEvent(from: first, through: head) { recorded in
      let name = recorded.envelope.actor
      actors.insert(NodeID(name).map { state.name(of: $0) } ?? name)
      occurs = EventFilter(actor: actor).admits(recorded, before: state, after: state)
      return !occurs
    }
    if occurs { return nothing }
    // Of joiners, who are called by their invitation, there may be many.
    let told =
      actors.filter { !$0.hasPrefix("token ") }.sorted()
      + actors.filter { $0.hasPrefix("token ") }.sorted().map { "\"\($0)\"" }
    return "nobody called \(quoted(actor)) ever acted here; these did: "
      + told.prefix(20).joined(separator: " ") + (told.count > 20 ? " and others" : "")
  }
}

/// All of the names, or of many those that are nearest to the one that was asked for.
func some(_ names: [String], near asked: String) -> String {
  guard names.count > 20 else { return names.joined(separator: " ") }
  let near = nearest(asked, in: names).prefix(10)
  return near.joined(separator: " ") + " and \(names.count - near.count) others"
}

/// The names that are nearest to one that was asked for, the nearest first.
package func nearest(_ asked: String, in names: [String]) -> [String] {
  // A word may be longer than any name: how far it is off is of no interest then.
  let asked = String(asked.lowercased().prefix(64))
  return Set(names).map { (name: $0, distance: distance(asked, $0.lowercased())) }
    .sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.map(\.name)
}

/// How many letters must be added, taken away or changed to get from one text to the other.
private func distance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a.utf8), Array(b.utf8))
  var row = Array(0...b.count)
  for (i, letter) in a.enumerated() {
    var corner = row[0]
    row[0] = i + 1
    for (j, other) in b.enumerated() {
      let change = corner + (letter == other ? 0 : 1)
      corner = row[j + 1]
      row[j + 1] = min(change, corner + 1, row[j] + 1)
    }
  }
  return row[b.count]
}
