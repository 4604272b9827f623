// Values in the order in which they came, found by id at once: a fold over a long log with many
// nodes must not search.

/// An ordered collection with at most one value for each id.
package struct Register<Element: Identifiable & Equatable & Sendable>: Equatable, Sendable
where Element.ID: Sendable {
  /// In the order in which they came.
  package private(set) var all: [Element] = []
  /// Nil until it was changed some times: of a state that is read from a checkpoint to be looked
  /// at, few values are ever asked for.
  private var positions: [Element.ID: Int]? = [:]
  /// Changes without them.
  private var changes = 0

  /// Of several values with one id the last counts, at the place of the first.
  package init(_ elements: [Element] = []) {
    for element in elements { append(element) }
  }

  /// - Parameter elements: each with an id of its own.
  package init(distinct elements: [Element]) {
    all = elements
    positions = nil
  }

  package static func == (a: Register, b: Register) -> Bool { a.all == b.all }

  package subscript(_ id: Element.ID) -> Element? { position(of: id).map { all[$0] } }

  func contains(_ id: Element.ID) -> Bool { position(of: id) != nil }

  /// Among a few it is quicker to look than to hash.
  private func position(of id: Element.ID) -> Int? {
    if all.count > 8, let positions { return positions[id] }
    return all.lastIndex { $0.id == id }
  }

  private mutating func index() {
    guard positions == nil else { return }
    changes += 1
    guard changes > 16 else { return }
    var found: [Element.ID: Int] = [:]
    found.reserveCapacity(all.count)
    for (position, element) in all.enumerated() { found[element.id] = position }
    positions = found
  }

  /// Asks the value with that id without copying it, which costs more than most questions; nil if
  /// there is none.
  func look<Answer>(at id: Element.ID, _ body: (Element) -> Answer) -> Answer? {
    guard let position = position(of: id) else { return nil }
    return body(all[position])
  }

  mutating func append(_ element: Element) {
    index()
    if let position = position(of: element.id) {
      all[position] = element
    } else {
      positions?[element.id] = all.count
      all.append(element)
    }
  }

  mutating func update(_ id: Element.ID, _ change: (inout Element) -> Void) {
    index()
    guard let position = position(of: id) else { return }
    change(&all[position])
  }

  mutating func remove(_ id: Element.ID) {
    index()
    guard let position = position(of: id) else { return }
    all.remove(at: position)
    positions?[id] = nil
    for i in position..<all.count { positions?[all[i].id] = i }
  }
}
