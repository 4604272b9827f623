// What was sent and not yet acknowledged.

/// A window over the append messages on their way to one follower, limited by number and bytes.
///
/// Each message is remembered by its last index. An acknowledgement frees every message up to its
/// index; a full window stops the pipeline, so that a slow follower costs bounded memory.
struct Inflights: Sendable, Equatable {
  private struct Sent: Sendable, Equatable {
    var last: Index
    var bytes: Int
  }

  private let maxMessages: Int
  private let maxBytes: Int
  /// A ring: grown as needed, so that idle followers cost nothing.
  private var ring: [Sent] = []
  private var start = 0
  private(set) var count = 0
  private var bytes = 0

  init(maxMessages: Int, maxBytes: Int) {
    self.maxMessages = maxMessages
    self.maxBytes = maxBytes
  }

  var isFull: Bool { count >= maxMessages || bytes >= maxBytes }

  /// Remembers a message; one more than the limit is remembered too, the caller asks `isFull`.
  mutating func add(last: Index, bytes size: Int) {
    if count == ring.count { grow() }
    ring[(start + count) % ring.count] = Sent(last: last, bytes: size)
    count += 1
    bytes = bytes.addingSaturated(size)
  }

  /// Frees all messages whose last index is at or below `index`.
  mutating func free(upTo index: Index) {
    while count > 0, ring[start].last <= index {
      bytes -= ring[start].bytes
      start = (start + 1) % ring.count
      count -= 1
    }
  }

  mutating func removeAll() {
    count = 0
    start = 0
    bytes = 0
  }

  private mutating func grow() {
    var larger: [Sent] = []
    larger.reserveCapacity(max(4, ring.count * 2))
    for offset in 0..<count { larger.append(ring[(start + offset) % ring.count]) }
    while larger.count < max(4, ring.count * 2) { larger.append(Sent(last: 0, bytes: 0)) }
    ring = larger
    start = 0
  }
}

extension Int {
  /// The sum, or the largest number there is.
  func addingSaturated(_ other: Int) -> Int {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
