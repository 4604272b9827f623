// A history in one file that can be mailed. It is the log's own bytes, so that what is read from it
// is what was written, and it can become a log again:
//
//     muster-history 1\n
//     name value\n …     cluster, node, first, last, base-term, base-hash, redacted
//     \n
//     for each entry:  size (4)  index (8)  the entry (size), as `EntryLayout.whole` has it
//     size 0xffffffff, seal (32)
//
// The chain hash of an entry covers its index, its body and all before it; the seal is the SHA-256
// of the header and the last chain hash. So no byte can change unseen, and the first index that is
// wrong is known. Numbers are big-endian.

import Crypto
package import EventLog
package import Membership
import Raft

/// The head of an exported file.
package struct ExportHeader: Hashable, Sendable {
  static let magic = "muster-history 1"
  package var cluster: ClusterID
  package var node: NodeID
  package var first: UInt64
  package var last: UInt64
  package var baseTerm: UInt64
  /// The chain hash before `first`.
  package var baseHash: ChainHash
  /// What was taken out; nil if it is as it was written.
  package var redaction: String?

  /// The file's first lines, with the empty one after them.
  package var text: String {
    """
    \(Self.magic)
    cluster \(cluster)
    node \(node)
    first \(first)
    last \(last)
    base-term \(baseTerm)
    base-hash \(baseHash)
    redacted \(redaction ?? "no")


    """
  }

  /// Parses the lines of `text`, the empty one left out; nil if they are anything else.
  init?(lines: [Substring]) {
    let names = ["cluster", "node", "first", "last", "base-term", "base-hash", "redacted"]
    guard lines.first == Self.magic[...], lines.count == names.count + 1 else { return nil }
    var values: [String] = []
    for (name, line) in zip(names, lines.dropFirst()) {
      guard line.hasPrefix(name + " ") else { return nil }
      values.append(String(line.dropFirst(name.count + 1)))
    }
    guard let cluster = UInt64(values[0], radix: 16), let node = NodeID(values[1]),
      let first = UInt64(values[2]), let last = UInt64(values[3]), let term = UInt64(values[4]),
      let hash = bytes(hex: values[5]).flatMap({ ChainHash(bytes: $0) }), first > 0,
      last < 1 << 62, first <= last
    else { return nil }
    self.init(
      cluster: ClusterID(cluster), node: node, first: first, last: last, baseTerm: term,
      baseHash: hash, redaction: values[6] == "no" ? nil : values[6])
  }

  package init(
    cluster: ClusterID, node: NodeID, first: UInt64, last: UInt64, baseTerm: UInt64,
    baseHash: ChainHash, redaction: String? = nil
  ) {
    self.cluster = cluster
    self.node = node
    self.first = first
    self.last = last
    self.baseTerm = baseTerm
    self.baseHash = baseHash
    self.redaction = redaction
  }
}

/// The bytes between entries and around them.
enum ExportFraming {
  static let end = UInt32.max

  static func seal(_ header: String, _ last: ChainHash) -> [UInt8] {
    var hasher = SHA256()
    hasher.update(data: Array(header.utf8))
    hasher.update(data: last.bytes)
    return Array(hasher.finalize())
  }

  static func bigEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    stride(from: T.bitWidth - 8, through: 0, by: -8).map {
      UInt8(truncatingIfNeeded: value >> T($0))
    }
  }
}

extension History {
  /// Writes the events of that range as a file.
  /// - Parameters:
  ///   - range: of indexes that are held here; all if nil.
  ///   - redaction: takes out what must not be mailed; the chain hashes are then the file's own.
  ///   - write: takes the bytes, piece by piece.
  /// - Throws: `Unanswerable` for an empty range, `Fault` or `HistoryFault` if the source is
  ///   damaged, and what `write` throws.
  @discardableResult
  package func export(
    _ range: ClosedRange<UInt64>? = nil, redaction: Redaction? = nil,
    write: ([UInt8]) throws -> Void
  ) throws -> ExportHeader {
    guard first <= head else { throw Unanswerable("there is nothing to export: no event is held") }
    let range = range ?? first...head
    guard range.lowerBound >= first, range.upperBound <= head,
      let base = try source.chainHash(at: range.lowerBound - 1)
    else {
      throw Unanswerable(
        "cannot export \(range.lowerBound)..\(range.upperBound): \(source.name) holds "
          + "\(first)..\(head)")
    }
    let before =
      range.lowerBound > first ? try event(at: range.lowerBound - 1).term : source.baseTerm
    let header = ExportHeader(
      cluster: source.cluster, node: source.node, first: range.lowerBound, last: range.upperBound,
      baseTerm: before, baseHash: base, redaction: redaction.map(\.name) ?? source.redaction)
    try write(Array(header.text.utf8))
    var hash = base
    var redaction = redaction
    var buffer: [UInt8] = []
    try source.forEach(from: range.lowerBound, through: range.upperBound) { entry in
      var entry = entry
      if redaction != nil { try redaction?.apply(to: &entry) }
      let (value, next) = EntryLayout.whole.encode(entry, after: hash)
      hash = next
      buffer += ExportFraming.bigEndian(UInt32(value.count))
      buffer += ExportFraming.bigEndian(entry.index)
      buffer += value
      if buffer.count > 1 << 16 {
        try write(buffer)
        buffer.removeAll(keepingCapacity: true)
      }
      return true
    }
    buffer += ExportFraming.bigEndian(ExportFraming.end)
    buffer += ExportFraming.seal(header.text, hash)
    try write(buffer)
    return header
  }
}
