// The usual envelope read without the general decoder, in a quarter of its time: a log of a million
// events is folded whole when it is replayed. Only bytes exactly as `encoded` writes them are read
// here, for the kinds of which a log has many; anything else, whatever is wrong or new with it, is
// left to the general decoder, so that there is one judge of what is malformed.

import Membership

extension Envelope {
  /// Reads what `encoded` wrote of a frequent kind; nil leaves it to `init(decoding:)`.
  init?(plain bytes: [UInt8]) {
    var input = PlainReader(bytes)
    let time = input.varint(tag: 0x08)
    let high = input.fixed(tag: 0x11)
    let low = input.fixed(tag: 0x19)
    let fingerprint = input.fixed(tag: 0x21)
    let actor = input.text(tag: 0x2a)
    let reason = input.text(tag: 0x32)
    guard let tag = input.rawVarint(), tag & 7 == 2, tag > 16 << 3, let end = input.length(),
      end == bytes.count, let type = EventType(rawValue: Int(tag >> 3) - 16),
      let event = input.event(type), input.at == end, !input.isOdd
    else { return nil }
    self.init(
      time: Timestamp(milliseconds: Int64(bitPattern: time)),
      command: CommandID(high: high, low: low), fingerprint: fingerprint, actor: actor,
      reason: reason, event: event)
  }
}

/// Reads fields in the order of their numbers, each at most once and in its shortest form.
private struct PlainReader {
  let bytes: [UInt8]
  var at = 0
  private var end: Int
  /// Something was not as it is usually.
  private(set) var isOdd = false

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    end = bytes.count
  }

  // MARK: Fields

  mutating func rawVarint() -> UInt64? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while at < end, shift < 63 {
      let byte = bytes[at]
      at += 1
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return byte == 0 && shift > 0 ? nil : value }
      shift += 7
    }
    return nil
  }

  /// Where what is as long as is said next ends.
  mutating func length() -> Int? {
    guard let count = rawVarint(), count <= UInt64(end - at) else { return nil }
    return at + Int(count)
  }

  private mutating func has(_ tag: UInt8) -> Bool {
    guard at < end, bytes[at] == tag else { return false }
    at += 1
    return true
  }

  /// 0 if it is not there; one that is there and 0 is odd.
  mutating func varint(tag: UInt8) -> UInt64 {
    guard has(tag) else { return 0 }
    guard let value = rawVarint(), value != 0 else {
      isOdd = true
      return 0
    }
    return value
  }

  mutating func flag(tag: UInt8) -> Bool {
    let value = varint(tag: tag)
    if value > 1 { isOdd = true }
    return value == 1
  }

  mutating func fixed(tag: UInt8) -> UInt64 {
    guard has(tag) else { return 0 }
    guard end - at >= 8 else {
      isOdd = true
      return 0
    }
    var value: UInt64 = 0
    for offset in 0..<8 { value |= UInt64(bytes[at + offset]) << UInt64(8 * offset) }
    at += 8
    return value
  }

  mutating func text(tag: UInt8) -> String {
    guard has(tag) else { return "" }
    guard let stop = length(), stop > at,
      let text = String(utf8: bytes.span.extracting(at..<stop))
    else {
      isOdd = true
      return ""
    }
    at = stop
    return text
  }

  /// A message inside; nil if it is not there or not read to its end.
  private mutating func inside<Value>(
    tag: UInt8, _ read: (inout PlainReader) -> Value?
  ) -> Value? {
    guard has(tag) else { return nil }
    guard let stop = length() else {
      isOdd = true
      return nil
    }
    let outer = end
    end = stop
    defer { end = outer }
    guard let value = read(&self), at == stop else {
      isOdd = true
      return nil
    }
    return value
  }

  // MARK: Events

  mutating func event(_ type: EventType) -> Event? {
    switch type {
    case .tokenIssued: return tokenIssued()
    case .tokenRevoked:
      return (try? tokenID(varint(tag: 0x08), "")).map { .tokenRevoked(TokenRevoked(id: $0)) }
    case .nodeJoined:
      guard let node = inside(tag: 0x0a, { $0.nodeRecord() }),
        let token = try? tokenID(varint(tag: 0x10), "")
      else { return nil }
      return .nodeJoined(NodeJoined(node: node, token: token, bundle: digest(tag: 0x1a)))
    case .endpointRefreshed: return endpointRefreshed()
    case .leaderElected: return node().map { .leaderElected(LeaderElected(node: $0)) }
    case .nodeLeft: return node().map { .nodeLeft(NodeLeft(node: $0)) }
    case .nodeRemoved:
      guard let node = node() else { return nil }
      return .nodeRemoved(NodeRemoved(node: node, forced: flag(tag: 0x10)))
    case .nodeSuspected: return node().map { .nodeSuspected(NodeSuspected(node: $0)) }
    case .nodeRecovered: return node().map { .nodeRecovered(NodeRecovered(node: $0)) }
    default: return nil
    }
  }

  private mutating func node() -> NodeID? {
    let value = fixed(tag: 0x09)
    return value == 0 ? nil : NodeID(value)
  }

  private mutating func tokenIssued() -> Event? {
    guard let id = try? tokenID(varint(tag: 0x08), "") else { return nil }
    var secrets: [TokenIssued.Secret] = []
    while at < end, bytes[at] == 0x12 {
      guard let secret = inside(tag: 0x12, { $0.secret() }) else { return nil }
      secrets.append(secret)
    }
    guard let uses = UInt32(exactly: varint(tag: 0x18)) else { return nil }
    var expires: Timestamp?
    if has(0x20) {
      guard let value = rawVarint() else { return nil }
      expires = Timestamp(milliseconds: Int64(bitPattern: value))
    }
    return .tokenIssued(TokenIssued(id: id, secrets: secrets, uses: uses, expires: expires))
  }

  private mutating func secret() -> TokenIssued.Secret? {
    guard let hash = digest(tag: 0x0a), has(0x12), let stop = length() else { return nil }
    var roles: [NodeRole] = []
    while at < stop {
      guard let role = NodeRole(rawValue: bytes[at]) else { return nil }
      roles.append(role)
      at += 1
    }
    return TokenIssued.Secret(hash: hash, roles: roles)
  }

  private mutating func digest(tag: UInt8) -> Digest? {
    guard has(tag), let stop = length(), stop - at == 32 else { return nil }
    defer { at = stop }
    return Digest(bytes: Array(bytes[at..<stop]))
  }

  private mutating func endpointRefreshed() -> Event? {
    guard let node = node(), let endpoints = inside(tag: 0x12, { $0.endpoints() }) else {
      return nil
    }
    let ready = flag(tag: 0x18)
    return .endpointRefreshed(
      EndpointRefreshed(
        node: node, endpoints: endpoints, apiserverReady: ready, version: text(tag: 0x22)))
  }

  private mutating func nodeRecord() -> NodeRecord? {
    guard let id = node() else { return nil }
    let name = text(tag: 0x12)
    guard !name.isEmpty, let raw = UInt8(exactly: varint(tag: 0x18)),
      let role = NodeRole(rawValue: raw), let endpoints = inside(tag: 0x22, { $0.endpoints() }),
      let key = digest(tag: 0x2a)
    else { return nil }
    let domain = text(tag: 0x32)
    return NodeRecord(
      id: id, name: name, role: role, endpoints: endpoints, key: key, failureDomain: domain,
      version: text(tag: 0x3a))
  }

  private mutating func endpoints() -> Endpoints? {
    guard let cluster = inside(tag: 0x0a, { $0.address() }) else { return nil }
    let datastore = inside(tag: 0x12) { $0.address() }
    let apiserver = inside(tag: 0x1a) { $0.address() }
    var extra: [Address] = []
    while at < end, bytes[at] == 0x22 {
      guard let address = inside(tag: 0x22, { $0.address() }) else { return nil }
      extra.append(address)
    }
    return Endpoints(cluster: cluster, datastore: datastore, apiserver: apiserver, extra: extra)
  }

  private mutating func address() -> Address? {
    let begin = at
    if let host = ipv4(), let port = UInt16(exactly: varint(tag: 0x10)) {
      return Address(host: host, port: port)
    }
    at = begin
    guard let host = try? Host(parsing: text(tag: 0x0a)),
      let port = UInt16(exactly: varint(tag: 0x10))
    else { return nil }
    return Address(host: host, port: port)
  }

  /// Four numbers as they are printed; nil leaves it to the parser of hosts.
  private mutating func ipv4() -> Host? {
    guard has(0x0a), let stop = length() else { return nil }
    var (value, octet, digits, dots) = (UInt32(0), UInt32(0), 0, 0)
    while at < stop {
      let byte = bytes[at]
      at += 1
      if byte == UInt8(ascii: "."), digits > 0, dots < 3 {
        value = value << 8 | octet
        (octet, digits, dots) = (0, 0, dots + 1)
      } else if (48...57).contains(byte), digits == 0 || octet > 0 {
        octet = octet * 10 + UInt32(byte - 48)
        digits += 1
        guard octet <= 255 else { return nil }
      } else {
        return nil
      }
    }
    return dots == 3 && digits > 0 ? .ipv4(value << 8 | octet) : nil
  }
}
