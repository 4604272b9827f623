// The first thing a TLS client says may be said again to another server: no key is agreed and
// nothing was asked yet (RFC 8446, 4.1.2). Everything else is sent once.

/// What a client said so far, as long as that is a ClientHello or the beginning of one.
struct ClientHello {
  /// A record of TLS has at most 16 KiB and its header.
  static let limit = 5 + 16384
  private(set) var bytes: [UInt8] = []

  /// Whether there is all of it.
  private(set) var isComplete = false

  var isEmpty: Bool { bytes.isEmpty }

  /// Takes more of what the client said.
  /// - Returns: false if it is not, or no longer, a ClientHello alone.
  mutating func append(_ more: some Collection<UInt8>) -> Bool {
    guard bytes.count + more.count <= Self.limit else { return false }
    bytes += more
    guard let type = bytes.first else { return true }
    // A record of type handshake, version 3.x; in it a message of type ClientHello.
    guard type == 22 else { return false }
    if bytes.count > 1, bytes[1] != 3 { return false }
    guard bytes.count > 4 else { return true }
    let length = 5 + Int(bytes[3]) << 8 + Int(bytes[4])
    guard length > 5, length <= Self.limit, bytes.count <= length else { return false }
    if bytes.count > 5, bytes[5] != 1 { return false }
    isComplete = bytes.count == length
    return true
  }
}
