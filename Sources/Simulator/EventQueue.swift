// What happens next.

/// A heap of things to happen, keyed by time and, among equals, by the order in which they were
/// put in: so nothing depends on the heap's own shape.
struct EventQueue<Element> {
  private struct Item {
    var time: UInt64
    var sequence: UInt64
    var element: Element

    func isBefore(_ other: Item) -> Bool {
      time != other.time ? time < other.time : sequence < other.sequence
    }
  }

  private var heap: [Item] = []
  private var nextSequence: UInt64 = 0

  var isEmpty: Bool { heap.isEmpty }
  var nextTime: UInt64? { heap.first?.time }

  mutating func push(_ element: Element, at time: UInt64) {
    heap.append(Item(time: time, sequence: nextSequence, element: element))
    nextSequence += 1
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].isBefore(heap[parent]) else { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  mutating func pop() -> (time: UInt64, element: Element)? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      var parent = 0
      while true {
        var least = parent
        for child in [2 * parent + 1, 2 * parent + 2]
        where child < heap.count && heap[child].isBefore(heap[least]) { least = child }
        if least == parent { break }
        heap.swapAt(least, parent)
        parent = least
      }
    }
    return (first.time, first.element)
  }
}
