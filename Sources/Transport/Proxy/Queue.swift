/// First in, first out.
struct Queue<Element> {
  private var elements: [Element] = []
  private var head = 0

  var first: Element? { head < elements.count ? elements[head] : nil }

  mutating func append(_ element: Element) { elements.append(element) }

  mutating func removeFirst() {
    head += 1
    if head > 1024, head * 2 > elements.count {
      elements.removeFirst(head)
      head = 0
    }
  }
}
