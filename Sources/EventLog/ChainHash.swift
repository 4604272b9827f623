import Crypto
import LMDB
package import Raft

/// SHA-256 over an entry and the hash before it: equal hashes at an index mean equal logs up to
/// there, and no flipped bit in an entry goes unseen (LMDB's pages have no checksums).
///
///     hash(n) = SHA-256( hash(n - 1) ‖ n (8) ‖ term (8) ‖ kind (1)
///                        ‖ size of the change, 0 if nil (4) ‖ change ‖ payload )
///     hash(0) = 32 zero bytes
///
/// with numbers big-endian and the change as `EntryLayout` has it, whatever the layout.
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

  /// The first four bytes.
  var beginning: UInt32 { UInt32(truncatingIfNeeded: words[0] >> 32) }

  /// The hash after an entry that follows this one.
  package func extended(by entry: Entry) -> ChainHash {
    EntryLayout.short.encode(entry, after: self).hash
  }

  /// The same from what stands before the change and the payload, and from these.
  func extended(index: Index, _ head: EntryLayout.Head, _ rest: Span<UInt8>) -> ChainHash {
    var hasher = SHA256()
    let numbers = (
      words[0].bigEndian, words[1].bigEndian, words[2].bigEndian, words[3].bigEndian,
      index.bigEndian, head.term.bigEndian
    )
    withUnsafeBytes(of: numbers) { hasher.update(bufferPointer: $0) }
    let size = UInt32(head.changeSize)
    let kind = (
      head.kind, UInt8(truncatingIfNeeded: size >> 24), UInt8(truncatingIfNeeded: size >> 16),
      UInt8(truncatingIfNeeded: size >> 8), UInt8(truncatingIfNeeded: size)
    )
    withUnsafeBytes(of: kind) { hasher.update(bufferPointer: $0) }
    rest.withUnsafeBytes { hasher.update(bufferPointer: $0) }
    return hasher.finalize().withUnsafeBytes { digest in
      func word(_ place: Int) -> UInt64 {
        UInt64(bigEndian: digest.loadUnaligned(fromByteOffset: 8 * place, as: UInt64.self))
      }
      return ChainHash(words: SIMD4(word(0), word(1), word(2), word(3)))
    }
  }
}
