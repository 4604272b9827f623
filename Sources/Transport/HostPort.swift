package import NIOCore

/// A place to dial or to listen on: a host (name or IP literal, without brackets) and a TCP port.
///
/// Transport's own word for an address, because it may not know the members' addresses; it is not
/// checked further than the operating system checks it.
package struct HostPort: Hashable, Sendable, CustomStringConvertible {
  package var host: String
  /// 1...65535 to dial; 0 to let the system choose when listening.
  package var port: Int

  package init(_ host: String, _ port: Int) {
    self.host = host
    self.port = port
  }

  /// The host and port of a socket address; nil for one that is not IPv4 or IPv6.
  package init?(_ address: SocketAddress) {
    guard let host = address.ipAddress, let port = address.port else { return nil }
    self.init(host, port)
  }

  /// `10.0.0.1:19001`, `[fd00::1]:19001`.
  package var description: String {
    host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }

  /// The socket address when the host is an IP literal: needs no resolver.
  var literal: SocketAddress? { try? SocketAddress(ipAddress: host, port: port) }
}
