import CLMDB

/// A named table of an environment: byte strings in order of their keys, each key once.
package struct Table: Sendable, Equatable {
  package let name: String
  let index: MDB_dbi
}

extension Span where Element == UInt8 {
  /// A copy of the bytes from `offset` on, up to `end` (to the end of the span if nil).
  package func bytes(from offset: Int = 0, to end: Int? = nil) -> [UInt8] {
    let part = extracting(offset..<(end ?? count))
    return part.withUnsafeBufferPointer { Array($0) }
  }

  /// The 8 bytes at `offset`, big-endian; nil if there are fewer.
  package func bigEndian64(at offset: Int) -> UInt64? {
    guard offset >= 0, count >= 8, offset <= count - 8 else { return nil }
    return withUnsafeBytes {
      UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
  }
}

extension [UInt8] {
  /// Adds 8 bytes, big-endian.
  package mutating func append(bigEndian value: UInt64) {
    Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
  }
}

/// The key, as LMDB takes it: only valid inside the closure.
func withValue<R>(_ bytes: [UInt8], _ body: (inout MDB_val) -> R) -> R {
  bytes.withUnsafeBytes { raw in
    var value = MDB_val(
      mv_size: raw.count, mv_data: UnsafeMutableRawPointer(mutating: raw.baseAddress))
    return body(&value)
  }
}

extension MDB_val {
  /// The bytes that LMDB points to: valid until the transaction ends or writes.
  var buffer: UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(
      start: mv_data?.assumingMemoryBound(to: UInt8.self), count: mv_data == nil ? 0 : mv_size)
  }
  var copy: [UInt8] { Array(buffer) }
}
