import Crypto
package import Raft

/// SHA-256 over an entry and the hash before it: equal hashes at an index mean equal logs up to
/// there, and no flipped bit in an entry goes unseen (LMDB's pages have no checksums).
///
///     hash(n) = SHA-256( hash(n - 1) ‖ n, 8 bytes big-endian ‖ body(n) )
///     hash(0) = 32 zero bytes
///
/// where the body is what is stored of the entry, byte for byte (`StoredEntry`).
package struct ChainHash: Hashable, Sendable, CustomStringConvertible {
  package static let size = 32
  package static let genesis = ChainHash(unchecked: [UInt8](repeating: 0, count: size))

  /// Always 32.
  package let bytes: [UInt8]

  /// Nil unless there are 32 bytes.
  package init?(bytes: [UInt8]) {
    guard bytes.count == Self.size else { return nil }
    self.bytes = bytes
  }

  private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

  /// Lower-case hexadecimal, 64 digits.
  package var description: String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }

  /// The hash after an entry that follows this one.
  package func extended(by entry: Entry) -> ChainHash {
    extended(index: entry.index, body: StoredEntry.body(of: entry)[...])
  }

  /// The same from the bytes that are stored of it (`StoredEntry`).
  package func extended(index: Index, body: ArraySlice<UInt8>) -> ChainHash {
    var hasher = SHA256()
    var head = bytes
    head.append(bigEndian: index)
    hasher.update(data: head)
    hasher.update(data: body)
    return ChainHash(unchecked: Array(hasher.finalize()))
  }
}

extension [UInt8] {
  mutating func append<T: FixedWidthInteger>(bigEndian value: T) {
    for shift in stride(from: T.bitWidth - 8, through: 0, by: -8) {
      append(UInt8(truncatingIfNeeded: value >> T(shift)))
    }
  }

  init(bigEndian value: UInt64) {
    self = []
    reserveCapacity(8)
    append(bigEndian: value)
  }
}
