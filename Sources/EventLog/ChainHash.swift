import Crypto
import LMDB
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
  package static let genesis = ChainHash(words: .zero)

  /// Big-endian: held in place, since a log is read by the million.
  private let words: SIMD4<UInt64>

  private init(words: SIMD4<UInt64>) { self.words = words }

  /// Nil unless there are 32 bytes.
  package init?(bytes: [UInt8]) {
    guard bytes.count == Self.size else { return nil }
    self.init(prefixOf: bytes.span)
  }

  /// The first 32 bytes; nil if there are fewer.
  init?(prefixOf value: Span<UInt8>) {
    guard let first = value.bigEndian64(at: 0), let second = value.bigEndian64(at: 8),
      let third = value.bigEndian64(at: 16), let fourth = value.bigEndian64(at: 24)
    else { return nil }
    words = SIMD4(first, second, third, fourth)
  }

  /// Always 32.
  package var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.size)
    append(to: &bytes)
    return bytes
  }

  private func append(to bytes: inout [UInt8]) {
    for place in 0..<4 { bytes.append(bigEndian: words[place]) }
  }

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
    extended(index: index, value: body.span, bodyAt: 0)
  }

  /// The same from a stored value whose body begins at `offset`.
  func extended(index: Index, value: Span<UInt8>, bodyAt offset: Int) -> ChainHash {
    var hasher = SHA256()
    let head = (
      words[0].bigEndian, words[1].bigEndian, words[2].bigEndian, words[3].bigEndian,
      index.bigEndian
    )
    withUnsafeBytes(of: head) { hasher.update(bufferPointer: $0) }
    value.extracting(offset..<value.count).withUnsafeBytes { hasher.update(bufferPointer: $0) }
    return hasher.finalize().withUnsafeBytes { digest in
      func word(_ place: Int) -> UInt64 {
        UInt64(bigEndian: digest.loadUnaligned(fromByteOffset: 8 * place, as: UInt64.self))
      }
      return ChainHash(words: SIMD4(word(0), word(1), word(2), word(3)))
    }
  }
}

extension [UInt8] {
  mutating func append(bigEndian value: UInt32) {
    for shift in stride(from: 24, through: 0, by: -8) {
      append(UInt8(truncatingIfNeeded: value >> UInt32(shift)))
    }
  }

  init(bigEndian value: UInt64) {
    self = []
    append(bigEndian: value)
  }
}
