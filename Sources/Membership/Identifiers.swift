// The typed words of membership: ids, digests, times, addresses. All print and compare the same
// on every machine, so that no text or byte ever depends on the order of a hash table.

/// A node's identity: drawn at random once, never reused, never 0. Printed as 16 hex digits.
package struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let rawValue: UInt64
  package init(_ rawValue: UInt64) { self.rawValue = rawValue }
  package static func < (a: NodeID, b: NodeID) -> Bool { a.rawValue < b.rawValue }
  package var description: String { hex(rawValue) }
  /// Parses exactly 16 hex digits.
  package init?(_ text: String) {
    guard text.utf8.count == 16, let value = UInt64(text, radix: 16), value != 0 else { return nil }
    rawValue = value
  }
}

/// A cluster's identity: drawn at random when it is formed. Printed as 16 hex digits.
package struct ClusterID: Hashable, Sendable, CustomStringConvertible {
  package let rawValue: UInt64
  package init(_ rawValue: UInt64) { self.rawValue = rawValue }
  package var description: String { hex(rawValue) }
}

/// A command's identity, drawn by the client: the same id twice is the same command twice. The
/// first 48 bits are the time it was drawn at (as in RFC 9562's version 7), so that an id older
/// than what the cluster remembers is known to be old.
package struct CommandID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let high: UInt64
  package let low: UInt64
  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }
  /// Draws an id: `time` is the client's clock, `random` 80 random bits (the lower 16 of the
  /// first).
  package init(at time: Timestamp, random: (UInt64, UInt64)) {
    high = UInt64(max(0, min(time.milliseconds, 0xffff_ffff_ffff))) << 16 | random.0 & 0xffff
    low = random.1
  }
  /// When it was drawn, by the client's clock.
  package var drawn: Timestamp { Timestamp(milliseconds: Int64(high >> 16)) }
  package static func < (a: CommandID, b: CommandID) -> Bool {
    (a.high, a.low) < (b.high, b.low)
  }
  package var description: String { hex(high) + hex(low) }
  /// Parses exactly 32 hex digits.
  package init?(_ text: String) {
    guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16),
      let low = UInt64(text.suffix(16), radix: 16)
    else { return nil }
    self.init(high: high, low: low)
  }
}

/// An invitation's public name, 10 hex digits; says nothing about its secrets.
package struct TokenID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let rawValue: UInt64
  /// The lower 40 bits of `rawValue` count.
  package init(_ rawValue: UInt64) { self.rawValue = rawValue & 0xff_ffff_ffff }
  package static func < (a: TokenID, b: TokenID) -> Bool { a.rawValue < b.rawValue }
  package var description: String { String(hex(rawValue).suffix(10)) }
  /// Parses exactly 10 hex digits.
  package init?(_ text: String) {
    guard text.utf8.count == 10, let value = UInt64(text, radix: 16) else { return nil }
    self.init(value)
  }
}

/// A SHA-256 value, 32 bytes.
package struct Digest: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let words: [4 of UInt64]
  package init(words: [4 of UInt64]) { self.words = words }
  /// Nil unless there are exactly 32 bytes.
  package init?(bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    var words: [4 of UInt64] = [0, 0, 0, 0]
    for i in 0..<32 { words[i / 8] = words[i / 8] << 8 | UInt64(bytes[i]) }
    self.words = words
  }
  /// Parses exactly 64 hex digits.
  package init?(_ text: String) {
    guard let bytes = Membership.bytes(hex: text) else { return nil }
    self.init(bytes: bytes)
  }
  package var bytes: [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(32)
    for i in 0..<4 {
      for shift in stride(from: 56, through: 0, by: -8) {
        out.append(UInt8(truncatingIfNeeded: words[i] >> UInt64(shift)))
      }
    }
    return out
  }
  package static func == (a: Digest, b: Digest) -> Bool {
    // No early exit: secrets are compared by their digests.
    (a.words[0] ^ b.words[0]) | (a.words[1] ^ b.words[1]) | (a.words[2] ^ b.words[2])
      | (a.words[3] ^ b.words[3]) == 0
  }
  package static func < (a: Digest, b: Digest) -> Bool {
    (a.words[0], a.words[1], a.words[2], a.words[3])
      < (b.words[0], b.words[1], b.words[2], b.words[3])
  }
  /// Of all words: where digests are made up, they often begin alike.
  package func hash(into hasher: inout Hasher) {
    hasher.combine(words[0] ^ words[1] ^ words[2] ^ words[3])
  }
  package var description: String {
    hex(words[0]) + hex(words[1]) + hex(words[2]) + hex(words[3])
  }
}

/// A moment: milliseconds since 1970-01-01 UTC, as the leader stamped it.
package struct Timestamp: Hashable, Comparable, Sendable {
  package let milliseconds: Int64
  package init(milliseconds: Int64) { self.milliseconds = milliseconds }
  package static func < (a: Timestamp, b: Timestamp) -> Bool { a.milliseconds < b.milliseconds }
  /// Saturates at the ends of the range.
  package func adding(seconds: Int64) -> Timestamp {
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
    let (sum, overflow2) = milliseconds.addingReportingOverflow(product)
    return Timestamp(milliseconds: overflow || overflow2 ? (seconds < 0 ? .min : .max) : sum)
  }
}

/// 16 lower-case hex digits.
package func hex(_ value: UInt64) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 16 - digits.utf8.count) + digits
}

/// Lower-case hex digits, two a byte.
package func hex(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  var out: [UInt8] = []
  for byte in bytes {
    out.append(digits[Int(byte >> 4)])
    out.append(digits[Int(byte & 15)])
  }
  return String(decoding: out, as: UTF8.self)
}

/// The bytes that hex digits of either case stand for; nil if it is not an even number of them.
package func bytes(hex text: some StringProtocol) -> [UInt8]? {
  func value(_ c: UInt8) -> UInt8? {
    switch c {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): c - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): c - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): c - UInt8(ascii: "A") + 10
    default: nil
    }
  }
  let utf8 = Array(text.utf8)
  guard utf8.count % 2 == 0 else { return nil }
  var out: [UInt8] = []
  for i in stride(from: 0, to: utf8.count, by: 2) {
    guard let high = value(utf8[i]), let low = value(utf8[i + 1]) else { return nil }
    out.append(high << 4 | low)
  }
  return out
}
