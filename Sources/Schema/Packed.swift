// Numbers and texts one after the other, without tags: for what only this program reads again, and
// quickly. Everything is bounded by the bytes that there are; nothing here traps.

import Membership

/// Writes values one after the other.
struct PackedWriter {
  /// What is put, and room for more: to append one byte at a time takes several times as long.
  private var room: [UInt8] = []
  private var count = 0
  /// Where records begin.
  private(set) var starts: [Int] = []

  var bytes: [UInt8] { Array(room.prefix(count)) }

  /// What is put from here on may be told apart from what was put before.
  mutating func beginRecord() { starts.append(count) }

  private mutating func reserve(_ more: Int) {
    guard room.count - count < more else { return }
    room.append(contentsOf: repeatElement(0, count: max(room.count, more, 256)))
  }

  /// Seven bits a byte, the lowest first.
  mutating func put(_ value: UInt64) {
    reserve(10)
    var (rest, end) = (value, count)
    var span = room.mutableSpan
    while rest >= 0x80 {
      span[end] = UInt8(truncatingIfNeeded: rest) | 0x80
      end += 1
      rest >>= 7
    }
    span[end] = UInt8(truncatingIfNeeded: rest)
    count = end + 1
  }

  mutating func put(_ value: Int) { put(UInt64(value)) }

  mutating func put(_ value: Bool) { put(value ? 1 : 0 as UInt64) }

  /// 8 bytes: for numbers that are random, or negative.
  mutating func putFixed(_ value: UInt64) {
    reserve(8)
    let start = count
    var span = room.mutableSpan
    var bytes = span.mutableBytes
    bytes.storeBytes(of: value.littleEndian, toByteOffset: start, as: UInt64.self)
    count = start + 8
  }

  mutating func put(_ time: Timestamp) { putFixed(UInt64(bitPattern: time.milliseconds)) }

  mutating func put(_ text: String) {
    let utf8 = text.utf8.span
    put(utf8.count)
    reserve(utf8.count)
    let start = count
    var span = room.mutableSpan
    for place in utf8.indices { span[start + place] = utf8[place] }
    count = start + utf8.count
  }

  mutating func put(raw more: ArraySlice<UInt8>) {
    reserve(more.count)
    room.replaceSubrange(count..<count + more.count, with: more)
    count += more.count
  }

  mutating func put(_ digest: Digest) {
    for word in digest.words.indices { putFixed(digest.words[word].byteSwapped) }
  }

  mutating func put<Value>(_ value: Value?, _ body: (inout PackedWriter, Value) -> Void) {
    put(value != nil)
    if let value { body(&self, value) }
  }

  mutating func put<Value>(_ values: [Value], _ body: (inout PackedWriter, Value) -> Void) {
    put(values.count)
    for value in values { body(&self, value) }
  }

  /// The same, each a record of its own that begins with its length.
  mutating func putRecords<Value>(
    _ values: [Value], _ body: (inout PackedWriter, Value) -> Void
  ) {
    put(values.count)
    for value in values {
      beginRecord()
      let start = count
      // Nearly always one byte is enough for it.
      put(0 as UInt64)
      body(&self, value)
      let length = count - start - 1
      if length < 0x80 {
        room[start] = UInt8(length)
      } else {
        let record = room[start + 1..<count]
        count = start
        put(length)
        put(raw: record)
      }
    }
  }
}

extension Span<UInt8> {
  /// The 8 bytes from there on as a number, the highest first. Traps outside.
  func word(at offset: Int) -> UInt64 {
    precondition(offset >= 0 && offset <= count - 8)
    var word = UInt64(self[offset])
    for place in offset + 1..<offset + 8 { word = word << 8 | UInt64(self[place]) }
    return word
  }

  /// Compares 8 bytes at a time.
  func isEqual(to other: Span<UInt8>) -> Bool {
    guard count == other.count else { return false }
    var offset = 0
    while offset + 8 <= count {
      guard word(at: offset) == other.word(at: offset) else { return false }
      offset += 8
    }
    while offset < count {
      guard self[offset] == other[offset] else { return false }
      offset += 1
    }
    return true
  }
}

extension String {
  /// Nil if that is no UTF-8.
  init?(utf8: Span<UInt8>) {
    guard let valid = try? UTF8Span(validating: utf8) else { return nil }
    self.init(copying: valid)
  }
}

/// Reads what a `PackedWriter` wrote; whatever is not that is `Malformed`.
struct PackedReader {
  private let bytes: [UInt8]
  private var offset: Int
  private let end: Int
  private let field: String

  /// Reads the bytes in that range.
  init(_ bytes: [UInt8], _ range: Range<Int>, _ field: String) {
    self.bytes = bytes
    offset = range.lowerBound
    end = range.upperBound
    self.field = field
  }

  var isAtEnd: Bool { offset == end }

  func invalid(_ why: String) -> Malformed { .invalid(field, why: "\(why) at byte \(offset)") }

  private mutating func byte() throws(Malformed) -> UInt8 {
    guard offset < end else { throw invalid("is cut short") }
    defer { offset += 1 }
    return bytes[offset]
  }

  mutating func number() throws(Malformed) -> UInt64 {
    if offset < end, bytes[offset] < 0x80 {
      defer { offset += 1 }
      return UInt64(bytes[offset])
    }
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 63, by: 7) {
      let byte = try byte()
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
    }
    // Nine groups of seven are 63 bits; the last bit stands alone.
    let last = try byte()
    guard last <= 1 else { throw invalid("has a number that is too large") }
    return value | UInt64(last) << 63
  }

  mutating func flag() throws(Malformed) -> Bool {
    switch try byte() {
    case 0: return false
    case 1: return true
    default: throw invalid("has a flag that is neither yes nor no")
    }
  }

  mutating func fixed() throws(Malformed) -> UInt64 {
    guard end - offset >= 8 else { throw invalid("is cut short") }
    defer { offset += 8 }
    return bytes.span.word(at: offset).byteSwapped
  }

  mutating func time() throws(Malformed) -> Timestamp {
    Timestamp(milliseconds: Int64(bitPattern: try fixed()))
  }

  /// How many of something follow, each of at least one byte.
  mutating func count() throws(Malformed) -> Int {
    let count = try number()
    guard count <= UInt64(end - offset) else { throw invalid("counts more than there is") }
    return Int(count)
  }

  /// So many bytes.
  mutating func raw(_ count: Int) throws(Malformed) -> ArraySlice<UInt8> {
    guard count <= end - offset else { throw invalid("is cut short") }
    defer { offset += count }
    return bytes[offset..<offset + count]
  }

  /// Where records lie that `putRecords` wrote, none of which is read yet.
  mutating func records() throws(Malformed) -> [Range<Int>] {
    let count = try count()
    var places: [Range<Int>] = []
    places.reserveCapacity(count)
    for _ in 0..<count { places.append(try raw(try self.count()).indices) }
    return places
  }

  /// Reads the bytes there.
  func part(_ place: Range<Int>) -> PackedReader { PackedReader(bytes, place, field) }

  /// Whether the bytes there begin with words of 8 bytes, the highest byte first.
  func begins(_ place: Range<Int>, with words: [UInt64]) -> Bool {
    guard place.count >= 8 * words.count else { return false }
    let span = bytes.span
    return words.indices.allSatisfy { span.word(at: place.lowerBound + 8 * $0) == words[$0] }
  }

  /// Where what is left lies.
  var rest: Range<Int> { offset..<end }

  mutating func text() throws(Malformed) -> String {
    let count = try count()
    defer { offset += count }
    guard let text = String(utf8: bytes.span.extracting(offset..<offset + count)) else {
      throw invalid("has text that is not UTF-8")
    }
    return text
  }

  mutating func digest() throws(Malformed) -> Digest {
    guard end - offset >= 32 else { throw invalid("is cut short") }
    defer { offset += 32 }
    let span = bytes.span
    return Digest(words: [4 of UInt64] { span.word(at: offset + 8 * $0) })
  }
}
