import LMDB
package import Raft

/// How a log lays out the value of an entry in the table `entries`; the key is the entry's index
/// (8 bytes, big-endian).
///
/// What is proven by the chain is the same in both layouts (`ChainHash`), so logs of either have
/// equal hashes. `whole` is what a file that is mailed has, and what the first logs had:
///
///     32  chain hash    8  term    1  kind    4  size of the change    change    payload
///
/// `short` keeps a log small. Of most hashes it has four bytes, which is enough to say which entry
/// was changed; every 32nd index has the whole hash, from which the others are computed:
///
///     4 or 32  chain hash    1  kind, with 0x80 if there is a change    1…10  term
///     [1…5  size of the change    change]    payload
///
/// There the term and the size have seven bits a byte, the lowest first. A change: its transition
/// (1), then for each step a tag (1: add voter, 2: add learner, 3: remove, 4: update) and a node id
/// (8). All other numbers are big-endian. Nothing is optional or padded, so that an entry has
/// exactly one encoding.
package enum EntryLayout: Int, CaseIterable, Sendable {
  case whole = 1
  case short = 2

  /// How far apart whole hashes stand.
  package static let interval: Index = 32

  /// What stands before the change and the payload.
  struct Head {
    var term: Term
    var kind: UInt8
    /// Bytes of the change; 0 if there is none.
    var changeSize: Int
    /// Where the change begins, and the payload behind it.
    var rest: Int
  }

  /// Why what stands at an index is not what was written.
  package struct Unsound: Error {
    package let text: String
  }

  /// The last index, `index` or before, whose hash stands there whole.
  func anchor(atOrBefore index: Index) -> Index {
    self == .whole ? index : index / Self.interval * Self.interval
  }

  private func hashSize(at index: Index) -> Int {
    anchor(atOrBefore: index) == index ? ChainHash.size : 4
  }

  // MARK: Writing

  /// The value to store, and its hash.
  package func encode(
    _ entry: Entry, after previous: ChainHash
  ) -> (value: [UInt8], hash: ChainHash) {
    let change = entry.change.map(Self.bytes(of:)) ?? []
    let head = Head(
      term: entry.term, kind: entry.kind.rawValue, changeSize: change.count, rest: 0)
    let hash = previous.extended(index: entry.index, head, (change + entry.payload).span)
    var value: [UInt8] = []
    value.reserveCapacity(64 + change.count + entry.payload.count)
    value.append(contentsOf: hash.bytes.prefix(hashSize(at: entry.index)))
    switch self {
    case .whole:
      value.append(bigEndian: entry.term)
      value.append(entry.kind.rawValue)
      value.append(bigEndian: UInt32(change.count))
    case .short:
      value.append(entry.kind.rawValue | (change.isEmpty ? 0 : 0x80))
      value.append(sevenBits: entry.term)
      if !change.isEmpty { value.append(sevenBits: UInt64(change.count)) }
    }
    value.append(contentsOf: change)
    value.append(contentsOf: entry.payload)
    return (value, hash)
  }

  static func bytes(of change: ConfigurationChange) -> [UInt8] {
    var bytes = [change.transition.rawValue]
    for step in change.steps {
      let (tag, node) = code(of: step)
      bytes.append(tag)
      bytes.append(bigEndian: node)
    }
    return bytes
  }

  // MARK: Reading

  /// Nil if the value is no encoding of an entry.
  private func head(of value: Span<UInt8>, at index: Index) -> Head? {
    var offset = hashSize(at: index)
    switch self {
    case .whole:
      guard value.count >= offset + 13, let term = value.bigEndian64(at: offset) else {
        return nil
      }
      var size = 0
      for place in offset + 9..<offset + 13 { size = size << 8 | Int(value[place]) }
      guard size <= value.count - offset - 13 else { return nil }
      return Head(term: term, kind: value[offset + 8], changeSize: size, rest: offset + 13)
    case .short:
      guard offset < value.count else { return nil }
      let kind = value[offset]
      offset += 1
      guard let term = value.sevenBits(at: &offset) else { return nil }
      guard kind & 0x80 != 0 else {
        return Head(term: term, kind: kind, changeSize: 0, rest: offset)
      }
      guard let size = value.sevenBits(at: &offset), size > 0,
        size <= UInt64(value.count - offset)
      else { return nil }
      return Head(term: term, kind: kind & 0x7f, changeSize: Int(size), rest: offset)
    }
  }

  /// What was read at an index, proven by the chain hash of the entry before.
  package func checked(
    _ value: Span<UInt8>, at index: Index, after previous: ChainHash
  ) throws(Unsound) -> (entry: Entry, hash: ChainHash) {
    let (head, hash) = try proven(value, at: index, after: previous)
    let payload = head.rest + head.changeSize
    var change: ConfigurationChange?
    if head.changeSize > 0 { change = Self.change(value, head.rest..<payload) }
    guard let kind = Entry.Kind(rawValue: head.kind), (change == nil) == (head.changeSize == 0)
    else { throw Unsound(text: "the entry cannot be decoded") }
    let entry = Entry(
      index: index, term: head.term, kind: kind, change: change,
      payload: value.bytes(from: payload))
    return (entry, hash)
  }

  /// The hash of what was read at an index, if what stands beside it is that hash.
  func proven(
    _ value: Span<UInt8>, at index: Index, after previous: ChainHash
  ) throws(Unsound) -> (head: Head, hash: ChainHash) {
    guard let head = head(of: value, at: index) else {
      throw Unsound(text: "the entry is cut short, or what stands before it is not as written")
    }
    let hash = previous.extended(index: index, head, value.extracting(head.rest..<value.count))
    if let stored = wholeHash(in: value, at: index) {
      guard stored == hash else {
        throw Unsound(text: "the chain hash is \(stored), it should be \(hash)")
      }
    } else {
      guard let stored = value.bigEndian32(at: 0), stored == hash.beginning else {
        throw Unsound(text: "what is stored of the chain hash is not what it should be, \(hash)")
      }
    }
    return (head, hash)
  }

  /// The whole hash beside an entry; nil if only a part of it, or too little, stands there.
  func wholeHash(in value: Span<UInt8>, at index: Index) -> ChainHash? {
    hashSize(at: index) == ChainHash.size ? ChainHash(prefixOf: value) : nil
  }

  func term(in value: Span<UInt8>, at index: Index) -> Term? { head(of: value, at: index)?.term }

  /// Whether it may be an entry; touches its first and its last byte.
  func isPlausible(_ value: Span<UInt8>, at index: Index) -> Bool {
    value.count >= hashSize(at: index) + 2 && value[0] | value[value.count - 1] <= .max
  }

  private static func change(
    _ value: Span<UInt8>, _ range: Range<Int>
  ) -> ConfigurationChange? {
    guard let transition = ConfigurationChange.Transition(rawValue: value[range.lowerBound]),
      (range.count - 1).isMultiple(of: 9)
    else { return nil }
    var change = ConfigurationChange(transition: transition)
    for offset in stride(from: range.lowerBound + 1, to: range.upperBound, by: 9) {
      guard let node = value.bigEndian64(at: offset + 1),
        let step = step(tag: value[offset], node)
      else { return nil }
      change.steps.append(step)
    }
    return change
  }

  private static func code(of step: ConfigurationChange.Step) -> (UInt8, PeerID) {
    switch step {
    case .addVoter(let node): (1, node)
    case .addLearner(let node): (2, node)
    case .remove(let node): (3, node)
    case .update(let node): (4, node)
    }
  }

  private static func step(tag: UInt8, _ node: PeerID) -> ConfigurationChange.Step? {
    switch tag {
    case 1: .addVoter(node)
    case 2: .addLearner(node)
    case 3: .remove(node)
    case 4: .update(node)
    default: nil
    }
  }
}

extension Span where Element == UInt8 {
  fileprivate func bigEndian32(at offset: Int) -> UInt32? {
    guard count >= offset + 4 else { return nil }
    var value: UInt32 = 0
    for place in offset..<offset + 4 { value = value << 8 | UInt32(self[place]) }
    return value
  }

  /// The number at `offset`, which moves behind it; nil if it does not end here, does not fit or
  /// has more bytes than it needs.
  fileprivate func sevenBits(at offset: inout Int) -> UInt64? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while offset < count, shift < 64 {
      let byte = self[offset]
      offset += 1
      if shift == 63, byte > 1 { return nil }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return byte == 0 && shift > 0 ? nil : value }
      shift += 7
    }
    return nil
  }
}

extension [UInt8] {
  mutating func append(bigEndian value: UInt32) {
    for shift in stride(from: 24, through: 0, by: -8) {
      append(UInt8(truncatingIfNeeded: value >> UInt32(shift)))
    }
  }

  fileprivate mutating func append(sevenBits value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    append(UInt8(rest))
  }

  init(bigEndian value: UInt64) {
    self = []
    append(bigEndian: value)
  }
}
