// Values in the order in which they came, found by id at once: a fold over a long log with many
// nodes must not search.

/// Values of a stored state that are read when they are asked for: there may be thousands, and of a
/// state that is only looked at hardly any ever are.
package struct Unread<Element: Identifiable & Sendable>: Sendable {
  let count: Int
  let position: @Sendable (Element.ID) -> Int?
  let read: @Sendable (Int) -> Element?
  let readAll: @Sendable () -> [Element?]

  /// - Parameters:
  ///   - position: where the last one with an id is, from 0.
  ///   - read: the one at a position; nil if it cannot be read: it is left out.
  ///   - readAll: all by their positions; it may keep them for the next time.
  package init(
    count: Int, position: @escaping @Sendable (Element.ID) -> Int?,
    read: @escaping @Sendable (Int) -> Element?, readAll: @escaping @Sendable () -> [Element?]
  ) {
    self.count = count
    self.position = position
    self.read = read
    self.readAll = readAll
  }
}

/// An ordered collection with at most one value for each id.
package struct Register<Element: Identifiable & Equatable & Sendable>: Equatable, Sendable
where Element.ID: Sendable {
  /// The first ones, if they are not read yet, and those of them that were changed.
  private var unread: Unread<Element>?
  private var changed: [Int: Element] = [:]
  /// Those after them.
  private var values: [Element] = []
  /// Nil while some are unread.
  private var positions: [Element.ID: Int]? = [:]
  /// Changes until then.
  private var changes = 0

  /// Of several values with one id the last counts, at the place of the first.
  package init(_ elements: [Element] = []) {
    for element in elements { append(element) }
  }

  package init(unread: Unread<Element>) {
    self.unread = unread
    positions = nil
  }

  package static func == (a: Register, b: Register) -> Bool { a.all == b.all }

  /// In the order in which they came.
  package var all: [Element] {
    guard let unread else { return values }
    return unread.readAll().enumerated().compactMap { changed[$0] ?? $1 } + values
  }

  func first(where fits: (Element) -> Bool) -> Element? {
    if let unread {
      for (position, element) in unread.readAll().enumerated() {
        if let element = changed[position] ?? element, fits(element) { return element }
      }
    }
    return values.first(where: fits)
  }

  package subscript(_ id: Element.ID) -> Element? { position(of: id).flatMap { value(at: $0) } }

  func contains(_ id: Element.ID) -> Bool { position(of: id) != nil }

  private func value(at position: Int) -> Element? {
    guard let unread else { return values[position] }
    return position < unread.count
      ? changed[position] ?? unread.read(position) : values[position - unread.count]
  }

  /// Among a few it is quicker to look than to hash.
  private func position(of id: Element.ID) -> Int? {
    if values.count > 8, let positions { return positions[id] }
    let place = values.lastIndex { $0.id == id }
    guard let unread else { return place }
    return place.map { unread.count + $0 } ?? unread.position(id)
  }

  /// Where much is changed, all are read and found by hashing from then on.
  private mutating func readIfWorthIt() {
    guard unread != nil else { return }
    changes += 1
    if changes > 16 { readAll() }
  }

  private mutating func readAll() {
    guard unread != nil else { return }
    values = all
    (unread, changed) = (nil, [:])
    var found: [Element.ID: Int] = [:]
    found.reserveCapacity(values.count)
    for (position, element) in values.enumerated() { found[element.id] = position }
    positions = found
  }

  /// Asks the value with that id without copying it, which costs more than most questions; nil if
  /// there is none.
  func look<Answer>(at id: Element.ID, _ body: (Element) -> Answer) -> Answer? {
    guard let position = position(of: id) else { return nil }
    guard unread == nil else { return value(at: position).map(body) }
    return body(values[position])
  }

  mutating func append(_ element: Element) {
    readIfWorthIt()
    if let position = position(of: element.id) {
      replace(position, with: element)
    } else {
      positions?[element.id] = values.count
      values.append(element)
    }
  }

  mutating func update(_ id: Element.ID, _ change: (inout Element) -> Void) {
    readIfWorthIt()
    guard let position = position(of: id) else { return }
    guard unread != nil else { return change(&values[position]) }
    guard var value = value(at: position) else { return }
    change(&value)
    replace(position, with: value)
  }

  private mutating func replace(_ position: Int, with element: Element) {
    let place = position - (unread?.count ?? 0)
    if place >= 0 { values[place] = element } else { changed[position] = element }
  }

  mutating func remove(_ id: Element.ID) {
    readAll()
    guard let position = position(of: id) else { return }
    values.remove(at: position)
    positions?[id] = nil
    for i in position..<values.count { positions?[values[i].id] = i }
  }
}
