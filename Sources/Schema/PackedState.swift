// How a state lies in a log: whole, or as what sets it apart from one that lies there whole. Of two
// states some thousand events apart nearly all members, tokens and tombstones are the same to the
// byte: what differs is found record by record on the packed bytes, and nothing here knows what a
// record says.

package import Membership

/// A state as bytes, in records that can be told apart.
package struct PackedState: Sendable {
  package let index: UInt64
  /// Without the commands.
  let bytes: [UInt8]
  /// Where the records begin; the first one at 0.
  let starts: [Int]

  package var size: Int { bytes.count }

  func record(_ number: Int) -> ArraySlice<UInt8> {
    bytes[starts[number]..<(number + 1 < starts.count ? starts[number + 1] : bytes.count)]
  }
}

/// A state that is stored whole, to tell others by their difference from it.
package struct WholeState: Sendable {
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
///     1  index of a whole state, then in turn: a count of bytes and   sum (8)
///        the bytes, a place in the whole state and a count from there
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

  package static func difference(of state: PackedState, from whole: WholeState) -> [UInt8] {
    var out = PackedWriter()
    out.put(Kind.difference)
    out.put(whole.state.index)
    let base = whole.state
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
      if let place = whole.place(of: record, expected: expected) {
        let found = base.record(place)
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

  /// The index of the whole state that is needed to read this one; nil if none is.
  package static func base(of stored: [UInt8]) throws(Malformed) -> UInt64? {
    var input = PackedReader(stored, 0..<stored.count, "Checkpoint")
    return try input.number() == Kind.difference ? try input.number() : nil
  }

  /// Reads the state.
  /// - Parameters:
  ///   - base: what is stored at the index that `base(of:)` names.
  ///   - commands: whether to remember the commands; then it must have been stored with them.
  /// - Throws: `Malformed` for whatever is not as it was written, one flipped bit included.
  package static func read(
    _ stored: [UInt8], base: [UInt8]? = nil, commands: Bool = false
  ) throws(Malformed) -> Cluster {
    let (kind, bytes) = try opened(stored, base: base)
    guard !commands || kind == Kind.newest else {
      throw .invalid("Checkpoint", why: "has no commands")
    }
    return try Cluster(packed: bytes, commands: commands, mayGoOn: kind == Kind.newest)
  }

  /// What the bytes stand for.
  private static func opened(
    _ stored: [UInt8], base: [UInt8]?
  ) throws(Malformed) -> (kind: UInt64, bytes: [UInt8]) {
    let end = stored.count - 8
    guard end > 0 else { throw .invalid("Checkpoint", why: "is cut short") }
    var tail = PackedReader(stored, end..<stored.count, "Checkpoint")
    let sum = try tail.fixed()
    var input = PackedReader(stored, 0..<end, "Checkpoint")
    let kind = try input.number()
    var bytes: [UInt8] = []
    switch kind {
    case Kind.whole, Kind.newest: bytes = try input.rest()
    case Kind.difference:
      _ = try input.number()
      guard let base, base.first == UInt8(Kind.whole), base.count > 9 else {
        throw .invalid("Checkpoint", why: "is told by a state that is not there")
      }
      let whole = base[1..<base.count - 8]
      bytes.reserveCapacity(whole.count + stored.count)
      while !input.isAtEnd {
        bytes += try input.raw(try input.count())
        let (from, count) = (try input.number(), try input.number())
        guard from <= UInt64(whole.count), count <= UInt64(whole.count) - from,
          count > 0 || from == 0
        else {
          throw input.invalid("copies what is not there")
        }
        let start = whole.startIndex + Int(from)
        bytes += whole[start..<start + Int(count)]
      }
    default: throw .invalid("Checkpoint", why: "is of another version")
    }
    guard kind &+ checksum(bytes[...]) == sum else {
      throw .invalid("Checkpoint", why: "does not have the sum that it ends with")
    }
    return (kind, bytes)
  }
}

/// FNV-1a over words of 8 bytes and the bytes that remain: finds damage, not malice.
private func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
  var sum: UInt64 = 0xcbf2_9ce4_8422_2325
  var offset = bytes.startIndex
  while offset + 8 <= bytes.endIndex {
    var word: UInt64 = 0
    for position in 0..<8 { word = word << 8 | UInt64(bytes[offset + position]) }
    sum = (sum ^ word) &* 0x0000_0100_0000_01b3
    sum ^= sum >> 29
    offset += 8
  }
  while offset < bytes.endIndex {
    sum = (sum ^ UInt64(bytes[offset])) &* 0x0000_0100_0000_01b3
    offset += 1
  }
  return sum
}
