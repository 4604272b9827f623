// How a state lies in a log: whole, or as what sets it apart from another that lies there. Of two
// states some thousand events apart nearly all members, tokens and tombstones are the same to the
// byte: what differs is found record by record on the packed bytes, and nothing here knows what a
// record says.

package import Membership

/// A state as bytes, in records that can be told apart.
package struct PackedState: Sendable {
  package let index: UInt64
  /// Without the commands.
  package let bytes: [UInt8]
  /// Where the records begin; the first one at 0.
  let starts: [Int]

  package var size: Int { bytes.count }

  func record(_ number: Int) -> ArraySlice<UInt8> {
    bytes[starts[number]..<(number + 1 < starts.count ? starts[number + 1] : bytes.count)]
  }
}

/// A state that is stored, to tell others by their difference from it.
package struct BaseState: Sendable {
  package let state: PackedState
  /// Records by their sums.
  private let places: [UInt64: Int]

  package init(_ state: PackedState) {
    self.state = state
    places = Dictionary(
      state.starts.indices.map { (checksum(state.record($0)), $0) }, uniquingKeysWith: { a, _ in a }
    )
  }

  /// The last record that is the same, looked for where it should be first.
  fileprivate func place(of record: ArraySlice<UInt8>, expected: Int) -> Int? {
    if expected < state.starts.count, state.record(expected) == record { return expected }
    guard let place = places[checksum(record)], state.record(place) == record else { return nil }
    return place
  }
}

/// The bytes that a log keeps of a state. They begin with a number that says how, and end with the
/// sum of that number and of what they stand for, so that no flipped bit goes unseen:
///
///     0  the packed state                                             sum (8)
///     1  index of its base, a state stored as 0 or 1, then in turn:   sum (8)
///        a count of bytes and the bytes, a place in the packed base
///        and a count from there
///     2  the packed state and the commands                            sum (8)
package enum StoredState {
  private enum Kind {
    static let whole: UInt64 = 0
    static let difference: UInt64 = 1
    static let newest: UInt64 = 2
  }

  package static func whole(_ state: PackedState) -> [UInt8] { sealed(Kind.whole, state.bytes) }

  /// With its commands, to go on from.
  package static func newest(_ state: PackedState, commands: [UInt8]) -> [UInt8] {
    sealed(Kind.newest, state.bytes + commands)
  }

  private static func sealed(_ kind: UInt64, _ bytes: [UInt8]) -> [UInt8] {
    var out = PackedWriter()
    out.put(kind)
    out.put(raw: bytes[...])
    out.putFixed(kind &+ checksum(bytes[...]))
    return out.bytes
  }

  package static func difference(of state: PackedState, from base: BaseState) -> [UInt8] {
    var out = PackedWriter()
    out.put(Kind.difference)
    out.put(base.state.index)
    // What is new and what is copied after it, not yet put.
    var (new, copied) = (0..<0, 0..<0)
    func put() {
      out.put(new.count)
      out.put(raw: state.bytes[new])
      out.put(copied.lowerBound)
      out.put(copied.count)
    }
    var expected = 0
    for number in state.starts.indices {
      let record = state.record(number)
      if let place = base.place(of: record, expected: expected) {
        let found = base.state.record(place)
        if copied.upperBound == found.startIndex, !copied.isEmpty {
          copied = copied.lowerBound..<found.endIndex
        } else {
          if !copied.isEmpty {
            put()
            new = record.startIndex..<record.startIndex
          }
          copied = found.indices
        }
        expected = place + 1
      } else {
        if copied.isEmpty, new.upperBound == record.startIndex {
          new = new.lowerBound..<record.endIndex
        } else {
          put()
          (new, copied) = (record.indices, 0..<0)
        }
        expected += 1
      }
    }
    put()
    out.putFixed(Kind.difference &+ checksum(state.bytes[...]))
    return out.bytes
  }

  /// The index of the state that is needed to read this one; nil if none is.
  package static func base(of stored: [UInt8]) throws(Malformed) -> UInt64? {
    var input = PackedReader(stored, 0..<stored.count, "Checkpoint")
    return try input.number() == Kind.difference ? try input.number() : nil
  }

  /// Reads the state.
  /// - Parameters:
  ///   - bases: what is stored at the index that `base(of:)` names; if that is a difference too,
  ///     what is stored at its base's, and so on.
  ///   - commands: whether to remember the commands; then it must have been stored with them.
  /// - Throws: `Malformed` for whatever is not as it was written, one flipped bit included.
  package static func read(
    _ stored: [UInt8], bases: [[UInt8]] = [], commands: Bool = false
  ) throws(Malformed) -> Cluster {
    let opened = try proven(stored, bases)
    guard !commands || opened.kind == Kind.newest else {
      throw .invalid("Checkpoint", why: "has no commands")
    }
    var input = PackedReader(opened.bytes, opened.place, "Checkpoint")
    return try Cluster(&input, commands: commands, mayGoOn: opened.kind == Kind.newest)
  }

  /// Whether that is the state, read as by `read` but much quicker.
  /// - Throws: `Malformed` if the bytes are not what was written.
  package static func tells(
    _ state: PackedState, _ stored: [UInt8], bases: [[UInt8]]
  ) throws(Malformed) -> Bool {
    let opened = try proven(stored, bases)
    // No packed state begins with another, so that only commands may follow.
    let place = opened.place.prefix(state.size)
    guard place.count == state.size, opened.kind == Kind.newest || place == opened.place else {
      return false
    }
    return state.bytes.span.isEqual(to: opened.bytes.span.extracting(place))
  }

  /// What stored bytes stand for: the bytes that lie in `bytes` at `place`.
  private struct Opened {
    var kind: UInt64
    var bytes: [UInt8]
    var place: Range<Int>
    var sum: UInt64
  }

  /// The sum of what comes out proves what went in.
  private static func proven(
    _ stored: [UInt8], _ bases: [[UInt8]]
  ) throws(Malformed) -> Opened {
    let opened = try open(stored, bases[...])
    guard opened.kind &+ checksum(opened.bytes[opened.place]) == opened.sum else {
      throw .invalid("Checkpoint", why: "does not have the sum that it ends with")
    }
    return opened
  }

  private static func open(
    _ stored: [UInt8], _ bases: ArraySlice<[UInt8]>
  ) throws(Malformed) -> Opened {
    let end = stored.count - 8
    guard end > 0 else { throw .invalid("Checkpoint", why: "is cut short") }
    var tail = PackedReader(stored, end..<stored.count, "Checkpoint")
    var input = PackedReader(stored, 0..<end, "Checkpoint")
    let (kind, sum) = (try input.number(), try tail.fixed())
    switch kind {
    case Kind.whole, Kind.newest:
      return Opened(kind: kind, bytes: stored, place: input.rest, sum: sum)
    case Kind.difference:
      _ = try input.number()
      guard let base = bases.first else {
        throw .invalid("Checkpoint", why: "is told by a state that is not there")
      }
      let opened = try open(base, bases.dropFirst())
      guard opened.kind != Kind.newest else {
        throw .invalid("Checkpoint", why: "is told by a state that is replaced by the next")
      }
      let bytes = try input.told(by: opened.bytes[opened.place])
      return Opened(kind: kind, bytes: bytes, place: bytes.indices, sum: sum)
    default: throw .invalid("Checkpoint", why: "is of another version")
    }
  }
}

extension PackedReader {
  /// Reads what bytes are by what sets them apart from `base`.
  fileprivate mutating func told(by base: ArraySlice<UInt8>) throws(Malformed) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(base.count + rest.count)
    while !isAtEnd {
      bytes += try raw(try count())
      let (from, count) = (try number(), try number())
      guard from <= UInt64(base.count), count <= UInt64(base.count) - from, count > 0 || from == 0
      else { throw invalid("copies what is not there") }
      let start = base.startIndex + Int(from)
      bytes += base[start..<start + Int(count)]
    }
    return bytes
  }
}

/// FNV-1a over words of 8 bytes, in four sums beside one another, and the bytes that remain: finds
/// damage, not malice.
private func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
  let span = bytes.span
  func add(_ value: UInt64, to sum: inout UInt64) {
    sum = (sum ^ value) &* 0x0000_0100_0000_01b3
    sum ^= sum >> 29
  }
  var sums: [4 of UInt64] = [0xcbf2_9ce4_8422_2325, 1, 2, 3]
  var offset = 0
  while offset + 32 <= span.count {
    for lane in 0..<4 { add(span.word(at: offset + 8 * lane), to: &sums[lane]) }
    offset += 32
  }
  var sum = sums[0]
  for lane in 1..<4 { add(sums[lane], to: &sum) }
  while offset < span.count {
    add(UInt64(span[offset]), to: &sum)
    offset += 1
  }
  return sum
}
