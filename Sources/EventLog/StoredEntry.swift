import LMDB
package import Raft

/// The bytes of an entry in the table `entries`, under its index (8 bytes, big-endian):
///
///     offset  size
///          0    32  chain hash of this entry
///         32     8  term                          ┐
///         40     1  kind (`Entry.Kind`)           │
///         41     4  size of the change, 0 if nil  │ the body, which the hash covers
///         45     c  the change                    │
///     45 + c        payload, to the end           ┘
///
/// The change: its transition (1), then for each step a tag (1: add voter, 2: add learner,
/// 3: remove, 4: update) and a node id (8). All numbers are big-endian. Nothing is optional or
/// padded, so an entry has exactly one encoding and equal logs have equal hashes.
package enum StoredEntry {
  package static let bodyOffset = ChainHash.size
  private static let changeOffset = bodyOffset + 13

  static func body(of entry: Entry) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(13 + entry.payload.count + 9 * (entry.change?.steps.count ?? 0))
    appendBody(of: entry, to: &bytes)
    return bytes
  }

  /// The value to store, and the hash in it.
  package static func encode(_ entry: Entry, after previous: ChainHash) -> (
    value: [UInt8], ChainHash
  ) {
    var value: [UInt8] = []
    value.reserveCapacity(64 + entry.payload.count + 9 * (entry.change?.steps.count ?? 0))
    value.append(contentsOf: ChainHash.genesis.bytes)
    appendBody(of: entry, to: &value)
    let hash = previous.extended(index: entry.index, body: value[bodyOffset...])
    value.replaceSubrange(0..<bodyOffset, with: hash.bytes)
    return (value, hash)
  }

  private static func appendBody(of entry: Entry, to bytes: inout [UInt8]) {
    bytes.append(bigEndian: entry.term)
    bytes.append(entry.kind.rawValue)
    if let change = entry.change {
      bytes.append(bigEndian: UInt32(1 + 9 * change.steps.count))
      bytes.append(change.transition.rawValue)
      for step in change.steps {
        let (tag, node) = code(of: step)
        bytes.append(tag)
        bytes.append(bigEndian: node)
      }
    } else {
      bytes.append(bigEndian: UInt32(0))
    }
    bytes.append(contentsOf: entry.payload)
  }

  /// The entry in `value`; nil if it is no encoding of one.
  package static func decode(_ value: Span<UInt8>, at index: Index) -> Entry? {
    guard value.count >= changeOffset, let term = value.bigEndian64(at: bodyOffset),
      let kind = Entry.Kind(rawValue: value[bodyOffset + 8])
    else { return nil }
    var size = 0
    for offset in bodyOffset + 9..<changeOffset { size = size << 8 | Int(value[offset]) }
    guard size <= value.count - changeOffset else { return nil }
    var change: ConfigurationChange?
    if size > 0 {
      change = decodeChange(value, changeOffset, size)
      if change == nil { return nil }
    }
    return Entry(
      index: index, term: term, kind: kind, change: change,
      payload: value.bytes(from: changeOffset + size))
  }

  /// What was read at an index, proven by the chain hash of the entry before.
  static func checked(
    _ key: Span<UInt8>, _ value: Span<UInt8>, at index: Index, after previous: ChainHash
  ) throws(Unsound) -> (entry: Entry, hash: ChainHash) {
    guard key.count == 8, key.bigEndian64(at: 0) == index else {
      throw Unsound(text: "the entry is missing")
    }
    guard let stored = chainHash(in: value) else {
      throw Unsound(text: "the entry has only \(value.count) bytes")
    }
    let hash = previous.extended(index: index, value: value, bodyAt: bodyOffset)
    guard hash == stored else {
      throw Unsound(text: "the chain hash is \(stored), it should be \(hash)")
    }
    guard let entry = decode(value, at: index) else {
      throw Unsound(text: "the entry cannot be decoded")
    }
    return (entry, hash)
  }

  /// Why what stands at an index is not what was written.
  struct Unsound: Error {
    let text: String
  }

  /// Whether it may be an entry; touches its first and its last byte.
  static func isPlausible(_ value: Span<UInt8>) -> Bool {
    value.count >= changeOffset && value[0] | value[value.count - 1] <= .max
  }

  static func term(in value: Span<UInt8>) -> Term? { value.bigEndian64(at: bodyOffset) }

  static func chainHash(in value: Span<UInt8>) -> ChainHash? { ChainHash(prefixOf: value) }

  private static func decodeChange(
    _ value: Span<UInt8>, _ start: Int, _ size: Int
  ) -> ConfigurationChange? {
    guard let transition = ConfigurationChange.Transition(rawValue: value[start]),
      (size - 1).isMultiple(of: 9)
    else { return nil }
    var change = ConfigurationChange(transition: transition)
    for offset in stride(from: start + 1, to: start + size, by: 9) {
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
