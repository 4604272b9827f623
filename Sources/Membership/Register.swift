// Values in the order in which they came, found by id at once: a fold over a long log with many
// nodes must not search.

/// An ordered collection with at most one value for each id.
package struct Register<Element: Identifiable & Equatable & Sendable>: Equatable, Sendable
where Element.ID: Sendable {
  /// In the order in which they came.
  package private(set) var all: [Element] = []
  private var positions: [Element.ID: Int] = [:]

  /// Of several values with one id the last counts, at the place of the first.
  package init(_ elements: [Element] = []) {
    positions.reserveCapacity(elements.count)
    for (position, element) in elements.enumerated() { positions[element.id] = position }
    all = elements
    if positions.count < elements.count {
      (all, positions) = ([], [:])
      for element in elements { append(element) }
    }
  }

  package subscript(_ id: Element.ID) -> Element? { position(of: id).map { all[$0] } }

  func contains(_ id: Element.ID) -> Bool { position(of: id) != nil }

  /// Among a few it is quicker to look than to hash.
  private func position(of id: Element.ID) -> Int? {
    if all.count > 8 { return positions[id] }
    for position in all.indices where all[position].id == id { return position }
    return nil
  }

  /// Asks the value with that id without copying it, which costs more than most questions; nil if
  /// there is none.
  func look<Answer>(at id: Element.ID, _ body: (Element) -> Answer) -> Answer? {
    guard let position = position(of: id) else { return nil }
    return body(all[position])
  }

  mutating func append(_ element: Element) {
    if let position = positions[element.id] {
      all[position] = element
    } else {
      positions[element.id] = all.count
      all.append(element)
    }
  }

  mutating func update(_ id: Element.ID, _ change: (inout Element) -> Void) {
    guard let position = position(of: id) else { return }
    change(&all[position])
  }

  mutating func remove(_ id: Element.ID) {
    guard let position = positions.removeValue(forKey: id) else { return }
    all.remove(at: position)
    for i in position..<all.count { positions[all[i].id] = i }
  }
}
