/// Finds the answers in the bytes of an HTTP/1.1 connection: status and body, by content-length or
/// in chunks. As small as it can be, since what it costs is measured along.
struct AnswerParser {
  struct Malformed: Error {}

  private var bytes: [UInt8] = []
  /// Whether the last answer said that its connection closes.
  private(set) var closes = false

  mutating func take(_ more: some Sequence<UInt8>) { bytes += more }

  /// The next whole answer; nil until it is there.
  mutating func next() throws(Malformed) -> (status: Int, body: [UInt8])? {
    guard let end = Self.find("\r\n\r\n", in: bytes[...]) else { return nil }
    let head = bytes[..<end]
    // "HTTP/1.1 200 OK"
    guard head.count >= 12, let status = Int(String(decoding: head[9..<12], as: UTF8.self)) else {
      throw Malformed()
    }
    let text = String(decoding: head, as: UTF8.self).lowercased()
    closes = Self.header("connection", in: text) == "close"
    let start = end + 4
    if let length = Self.header("content-length", in: text) {
      guard let count = Int(length) else { throw Malformed() }
      guard bytes.count >= start + count else { return nil }
      defer { bytes.removeFirst(start + count) }
      return (status, Array(bytes[start..<(start + count)]))
    }
    guard Self.header("transfer-encoding", in: text) == "chunked" else { throw Malformed() }
    return try chunks(from: start).map { (status, $0) }
  }

  private mutating func chunks(from start: Int) throws(Malformed) -> [UInt8]? {
    var body: [UInt8] = []
    var at = start
    while let line = Self.find("\r\n", in: bytes[at...]) {
      guard let size = Int(String(decoding: bytes[at..<line], as: UTF8.self), radix: 16) else {
        throw Malformed()
      }
      let next = line + 2 + size + 2
      guard bytes.count >= next else { return nil }
      body += bytes[(line + 2)..<(line + 2 + size)]
      at = next
      if size == 0 {
        bytes.removeFirst(next)
        return body
      }
    }
    return nil
  }

  private static func header(_ name: String, in head: String) -> String? {
    for line in head.split(separator: "\r\n") where line.hasPrefix(name + ":") {
      return line.dropFirst(name.count + 1).filter { $0 != " " }
    }
    return nil
  }

  /// Where `text` begins.
  static func find(_ text: StaticString, in bytes: ArraySlice<UInt8>) -> Int? {
    let count = text.utf8CodeUnitCount
    guard bytes.count >= count else { return nil }
    return bytes.withUnsafeBytes { all in
      let wanted = UnsafeRawBufferPointer(start: text.utf8Start, count: count)
      for offset in 0...(all.count - count) where all[offset] == wanted[0] {
        if all[offset..<(offset + count)].elementsEqual(wanted) {
          return bytes.startIndex + offset
        }
      }
      return nil
    }
  }
}
