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
    for element in elements { append(element) }
  }

  package subscript(_ id: Element.ID) -> Element? { positions[id].map { all[$0] } }

  mutating func append(_ element: Element) {
    if let position = positions[element.id] {
      all[position] = element
    } else {
      positions[element.id] = all.count
      all.append(element)
    }
  }

  mutating func update(_ id: Element.ID, _ change: (inout Element) -> Void) {
    guard let position = positions[id] else { return }
    change(&all[position])
  }

  mutating func remove(_ id: Element.ID) {
    guard let position = positions.removeValue(forKey: id) else { return }
    all.remove(at: position)
    for i in position..<all.count { positions[all[i].id] = i }
  }
}
