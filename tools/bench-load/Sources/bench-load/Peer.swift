// The two servers that are measured, and the few bytes in which they differ: what a durable write
// is asked with, and how its success is known. Everything else of the generator is the same for
// both: the connections, TLS, HTTP/1.1, one request at a time for each client, the clock.

/// Which program answers.
enum Peer: String, Sendable {
  case muster
  case etcd
}

/// Draws requests that were never sent before.
struct Wishes {
  private let peer: Peer
  private let host: String
  /// Size of a value, or of a record in the log, in bytes.
  private let bytes: Int
  private var random = SystemRandomNumberGenerator()

  init(_ peer: Peer, host: String, bytes: Int) {
    self.peer = peer
    self.host = host
    self.bytes = bytes
  }

  /// A whole HTTP request; `milliseconds` since 1970-01-01 UTC.
  mutating func next(at milliseconds: UInt64) -> [UInt8] {
    switch peer {
    case .muster:
      http("/v1/commands", "application/x-protobuf", invitation(at: milliseconds))
    case .etcd:
      http("/v3/kv/put", "application/json", put())
    }
  }

  private func http(_ path: String, _ type: String, _ body: [UInt8]) -> [UInt8] {
    var out = Array(
      ("POST \(path) HTTP/1.1\r\nhost: \(host)\r\ncontent-type: \(type)\r\n"
        + "content-length: \(body.count)\r\n\r\n").utf8)
    out += body
    return out
  }

  /// `muster.v1.Request` with a token issued: two secrets, as `muster add-node` makes them, and a
  /// reason that brings the record to its size.
  private mutating func invitation(at milliseconds: UInt64) -> [UInt8] {
    var token = Protobuf()
    token.field(1, varint: random.next() & 0xff_ffff_ffff)
    for roles in [[1, 2], [2]] as [[UInt8]] {
      var secret = Protobuf()
      secret.field(1, bytes: digest())
      secret.field(2, bytes: roles)
      token.field(2, bytes: secret.bytes)
    }
    token.field(3, varint: 1)
    token.field(4, varint: milliseconds + 86_400_000)
    var command = Protobuf()
    command.field(1, bytes: token.bytes)
    var request = Protobuf()
    request.field(1, fixed64: milliseconds << 16 | random.next() & 0xffff)
    request.field(2, fixed64: random.next())
    // Time, ids, fingerprint and actor take about 45 bytes of the record.
    request.field(4, bytes: Array(repeating: 0x2e, count: max(0, bytes - token.bytes.count - 45)))
    request.field(5, bytes: command.bytes)
    return request.bytes
  }

  private mutating func digest() -> [UInt8] {
    var out: [UInt8] = []
    for _ in 0..<4 { withUnsafeBytes(of: random.next()) { out += $0 } }
    return out
  }

  /// A new key of 22 bytes, and a value.
  private mutating func put() -> [UInt8] {
    let key = Array("bench/\(String(random.next() | 1 << 63, radix: 16))".utf8)
    let text = #"{"key":""# + base64(key) + #"","value":""#
    return Array(text.utf8) + Array(base64(Array(repeating: 0x2e, count: bytes)).utf8)
      + Array(#""}"#.utf8)
  }
}

/// What became of a request.
enum Verdict: Equatable {
  case committed
  case failed(String)
}

extension Peer {
  /// Whether an answer says that the write is durable and agreed on.
  func judge(status: Int, body: [UInt8]) -> Verdict {
    guard status == 200 else {
      return .failed("HTTP \(status): \(String(decoding: body.prefix(200), as: UTF8.self))")
    }
    switch self {
    case .etcd: return .committed
    case .muster:
      // Frame.answer (4) with Answer.committed (2).
      guard let answer = Protobuf.value(of: 4, in: body[...]) else {
        return .failed("no answer in \(body)")
      }
      if Protobuf.value(of: 2, in: answer) != nil { return .committed }
      let text = Protobuf.value(of: 3, in: answer) ?? Protobuf.value(of: 4, in: answer) ?? answer
      return .failed(String(decoding: text, as: UTF8.self))
    }
  }
}

/// Writes Protobuf's wire format, and finds a field in it.
struct Protobuf {
  private(set) var bytes: [UInt8] = []

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  mutating func field(_ number: UInt64, varint value: UInt64) {
    varint(number << 3)
    varint(value)
  }

  mutating func field(_ number: UInt64, fixed64 value: UInt64) {
    varint(number << 3 | 1)
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }

  mutating func field(_ number: UInt64, bytes value: [UInt8]) {
    varint(number << 3 | 2)
    varint(UInt64(value.count))
    bytes += value
  }

  /// The bytes of the first length-delimited field of that number; nil if there is none.
  static func value(of number: UInt64, in message: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    var rest = message
    func varint() -> UInt64? {
      var value: UInt64 = 0
      var shift: UInt64 = 0
      while let byte = rest.popFirst(), shift < 64 {
        value |= UInt64(byte & 0x7f) << shift
        if byte < 0x80 { return value }
        shift += 7
      }
      return nil
    }
    while let tag = varint() {
      switch tag & 7 {
      case 0: guard varint() != nil else { return nil }
      case 1: rest = rest.dropFirst(8)
      case 2:
        guard let count = varint(), count <= rest.count else { return nil }
        if tag >> 3 == number { return rest.prefix(Int(count)) }
        rest = rest.dropFirst(Int(count))
      default: return nil
      }
    }
    return nil
  }
}

/// RFC 4648, with padding.
func base64(_ bytes: [UInt8]) -> String {
  let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  var out: [UInt8] = []
  for start in stride(from: 0, to: bytes.count, by: 3) {
    let group = bytes[start..<min(start + 3, bytes.count)]
    var word = group.reduce(0) { $0 << 8 | Int($1) }
    word <<= 8 * (3 - group.count)
    for place in 0..<4 {
      out.append(
        place <= group.count ? digits[word >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
    }
  }
  return String(decoding: out, as: UTF8.self)
}
