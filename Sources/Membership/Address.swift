// Where something listens. Parsed strictly and printed canonically, so that two texts name the same
// place exactly when they are equal: "taken" is then plain equality, on every machine. Names are
// never resolved here; who dials does that.

/// A host without a port: an IP address of either family, or a name.
package enum Host: Hashable, Comparable, Sendable, CustomStringConvertible {
  case ipv4(UInt32)
  case ipv6(high: UInt64, low: UInt64)
  /// Lower case, an RFC 1123 subdomain.
  case name(String)

  /// Why a text is not a host.
  package enum Invalid: Error, Hashable, Sendable, CustomStringConvertible {
    case empty
    case ipv4(String)
    case ipv6(String)
    /// A scope (`%eth0`) means something on one machine only.
    case zone(String)
    case name(String, NodeName.Invalid)

    package var description: String {
      switch self {
      case .empty: "the host is empty"
      case .ipv4(let text):
        "\(quoted(text)) is not an IPv4 address (four numbers 0-255 without leading zeros)"
      case .ipv6(let text): "\(quoted(text)) is not an IPv6 address"
      case .zone(let text): "\(quoted(text)) has a zone, which other machines cannot use"
      case .name(let text, let why): "\(quoted(text)) is not a host name: \(why)"
      }
    }
  }

  /// Parses an IPv4 address, an IPv6 address with or without brackets, or a host name (whose upper
  /// case becomes lower). An IPv4-mapped IPv6 address is the IPv4 address.
  package init(parsing text: String) throws(Invalid) {
    guard !text.isEmpty else { throw .empty }
    if text.hasPrefix("[") {
      guard text.hasSuffix("]"), text.utf8.count > 2 else { throw .ipv6(text) }
      self = try Host.parseIPv6(String(text.dropFirst().dropLast()))
    } else if text.utf8.contains(UInt8(ascii: ":")) {
      self = try Host.parseIPv6(text)
    } else if let last = text.split(separator: ".", omittingEmptySubsequences: false).last,
      !last.isEmpty, last.utf8.allSatisfy(isDigit)
    {
      // What ends in a number is an address or a mistake (WHATWG URL, "ends in a number").
      guard let value = Host.parseIPv4(text) else { throw .ipv4(text) }
      self = .ipv4(value)
    } else {
      let name = String(decoding: text.utf8.map(lowercase), as: UTF8.self)
      if let why = NodeName.invalidity(name) { throw .name(text, why) }
      self = .name(name)
    }
  }

  /// 127.0.0.0/8, ::1 or `localhost`.
  package var isLoopback: Bool {
    switch self {
    case .ipv4(let value): value >> 24 == 127
    case .ipv6(let high, let low): high == 0 && low == 1
    case .name(let name): name == "localhost"
    }
  }

  /// Why no other machine can reach it; nil if one might. Loopback is not among them: several nodes
  /// may run on one machine.
  package var unreachability: String? {
    let (first, second): (UInt64, UInt64)
    switch self {
    case .name: return nil
    case .ipv4(let value): (first, second) = (UInt64(value >> 24), UInt64(value >> 16 & 255))
    case .ipv6(let high, _): (first, second) = (high >> 56, high >> 48 & 255)
    }
    if isUnspecified { return "it stands for every address" }
    if self == .ipv4(.max) { return "it is the broadcast address" }
    if case .ipv4 = self {
      if first == 169 && second == 254 { return "it is a link-local address" }
      return first >> 4 == 14 ? "it is a multicast address" : nil
    }
    if first == 0xfe && second >> 6 == 2 { return "it is a link-local address" }
    return first == 0xff ? "it is a multicast address" : nil
  }

  /// 0.0.0.0 or ::, which can be bound but not reached.
  package var isUnspecified: Bool {
    switch self {
    case .ipv4(let value): value == 0
    case .ipv6(let high, let low): high == 0 && low == 0
    case .name: false
    }
  }

  /// Canonical: dotted IPv4, RFC 5952 IPv6 without brackets, lower-case name.
  package var description: String {
    switch self {
    case .ipv4(let value):
      [24, 16, 8, 0].map { String(value >> UInt32($0) & 255) }.joined(separator: ".")
    case .ipv6(let high, let low): Host.printIPv6(high: high, low: low)
    case .name(let name): name
    }
  }

  /// As in a URL: IPv6 in brackets.
  package var bracketed: String {
    if case .ipv6 = self { "[\(description)]" } else { description }
  }

  package static func < (a: Host, b: Host) -> Bool {
    switch (a, b) {
    case (.ipv4(let x), .ipv4(let y)): x < y
    case (.ipv6(let xh, let xl), .ipv6(let yh, let yl)): (xh, xl) < (yh, yl)
    case (.name(let x), .name(let y)): x < y
    default: a.rank < b.rank
    }
  }

  private var rank: Int {
    switch self {
    case .ipv4: 0
    case .ipv6: 1
    case .name: 2
    }
  }

  private static func parseIPv4(_ text: some StringProtocol) -> UInt32? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var value: UInt32 = 0
    for part in parts {
      guard let octet = decimal(part, max: 255) else { return nil }
      value = value << 8 | UInt32(octet)
    }
    return value
  }

  private static func parseIPv6(_ text: String) throws(Invalid) -> Host {
    if text.utf8.contains(UInt8(ascii: "%")) { throw .zone(text) }
    guard let groups = parseGroups(text) else { throw .ipv6(text) }
    var high: UInt64 = 0
    var low: UInt64 = 0
    for i in 0..<4 {
      high = high << 16 | UInt64(groups[i])
      low = low << 16 | UInt64(groups[i + 4])
    }
    if high == 0, low >> 32 == 0xffff { return .ipv4(UInt32(truncatingIfNeeded: low)) }
    return .ipv6(high: high, low: low)
  }

  /// Eight 16-bit groups, `::` filled in.
  private static func parseGroups(_ text: String) -> [UInt16]? {
    let halves = split(text, onFirst: "::")
    guard var head = groups(halves.0, mayEndInIPv4: halves.1 == nil) else { return nil }
    guard let rest = halves.1 else { return head.count == 8 ? head : nil }
    guard let tail = groups(rest, mayEndInIPv4: true), head.count + tail.count <= 7 else {
      return nil
    }
    head += Array(repeating: 0, count: 8 - head.count - tail.count)
    return head + tail
  }

  private static func groups(_ text: Substring, mayEndInIPv4: Bool) -> [UInt16]? {
    if text.isEmpty { return [] }
    var out: [UInt16] = []
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    for (i, part) in parts.enumerated() {
      if i == parts.count - 1, mayEndInIPv4, let v4 = parseIPv4(part) {
        out += [UInt16(v4 >> 16), UInt16(v4 & 0xffff)]
      } else {
        guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy(isHexDigit),
          let group = UInt16(part, radix: 16)
        else { return nil }
        out.append(group)
      }
    }
    return out
  }

  /// RFC 5952 §4: lower case, no leading zeros, the longest (first) run of two or more zero groups
  /// as `::`.
  private static func printIPv6(high: UInt64, low: UInt64) -> String {
    let groups = [high, low].flatMap { word in [48, 32, 16, 0].map { word >> UInt64($0) & 0xffff } }
    var best = 0..<0
    var start = 0
    while start < 8 {
      var end = start
      while end < 8, groups[end] == 0 { end += 1 }
      if end - start > max(best.count, 1) { best = start..<end }
      start = max(end, start + 1)
    }
    func join(_ range: Range<Int>) -> String {
      groups[range].map { String($0, radix: 16) }.joined(separator: ":")
    }
    if best.isEmpty { return join(0..<8) }
    return join(0..<best.lowerBound) + "::" + join(best.upperBound..<8)
  }
}

/// A host and a port from 1 to 65535. Prints as `10.0.0.1:25000`, `[::1]:25000`, `n1.lan:25000`.
package struct Address: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let host: Host
  package let port: UInt16

  /// Why a text is not an address.
  package enum Invalid: Error, Hashable, Sendable, CustomStringConvertible {
    case host(Host.Invalid)
    case portMissing(String)
    case portNotANumber(String)
    case portOutOfRange(String)
    /// An IPv6 address with a port needs brackets.
    case bracketsMissing(String)

    package var description: String {
      switch self {
      case .host(let why): why.description
      case .portMissing(let text): "\(quoted(text)) has no port (HOST:PORT is expected)"
      case .portNotANumber(let text): "port \(quoted(text)) is not a number"
      case .portOutOfRange(let text): "port \(text) is not in the range 1-65535"
      case .bracketsMissing(let text):
        "\(quoted(text)) is ambiguous: write an IPv6 address with a port as [ADDRESS]:PORT"
      }
    }
  }

  /// Nil for port 0.
  package init?(host: Host, port: UInt16) {
    guard port > 0 else { return nil }
    self.host = host
    self.port = port
  }

  /// Parses `HOST:PORT`, an IPv6 host in brackets; says why not.
  package init(parsing text: String) throws(Invalid) {
    guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")), !text.hasSuffix("]") else {
      throw .portMissing(text)
    }
    let head = text[..<colon]
    if !head.hasPrefix("["), head.utf8.contains(UInt8(ascii: ":")) {
      throw .bracketsMissing(text)
    }
    port = try Address.parsePort(text[text.utf8.index(after: colon)...])
    do { host = try Host(parsing: String(head)) } catch { throw .host(error) }
  }

  /// The same, without the reason.
  package init?(_ text: String) {
    guard let value = try? Address(parsing: text) else { return nil }
    self = value
  }

  package var description: String { "\(host.bracketed):\(port)" }

  package static func < (a: Address, b: Address) -> Bool {
    a.host == b.host ? a.port < b.port : a.host < b.host
  }

  private static func parsePort(_ text: Substring) throws(Invalid) -> UInt16 {
    guard !text.isEmpty, text.utf8.allSatisfy(isDigit) else { throw .portNotANumber(String(text)) }
    guard let value = decimal(text, max: 65535), value > 0 else {
      throw .portOutOfRange(String(text))
    }
    return UInt16(value)
  }
}

private func isDigit(_ byte: UInt8) -> Bool {
  (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
}

private func isHexDigit(_ byte: UInt8) -> Bool {
  isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    || (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(byte)
}

private func lowercase(_ byte: UInt8) -> UInt8 {
  (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte + 32 : byte
}

/// Digits without a leading zero, up to `max`.
private func decimal(_ text: some StringProtocol, max: Int) -> Int? {
  guard !text.isEmpty, text.utf8.allSatisfy(isDigit), text.utf8.count <= 5,
    text.utf8.count == 1 || text.utf8.first != UInt8(ascii: "0"),
    let value = Int(text), value <= max
  else { return nil }
  return value
}

/// The text before and after the first `mark`; nil after it if there is none.
private func split(_ text: String, onFirst mark: String) -> (Substring, Substring?) {
  let bytes = Array(text.utf8)
  let wanted = Array(mark.utf8)
  guard bytes.count >= wanted.count else { return (text[...], nil) }
  for i in 0...(bytes.count - wanted.count)
  where bytes[i..<(i + wanted.count)].elementsEqual(wanted) {
    let start = text.utf8.index(text.startIndex, offsetBy: i)
    let end = text.utf8.index(start, offsetBy: wanted.count)
    return (text[..<start], text[end...])
  }
  return (text[...], nil)
}
