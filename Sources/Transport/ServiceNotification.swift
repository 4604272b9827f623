#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Tells the service manager how the service is doing: one datagram to the socket named by
/// NOTIFY_SOCKET, as sd_notify(3) documents it.
package enum ServiceNotification {
  /// Sends `state`, for example `READY=1` or `STOPPING=1`; lines are separated by newlines.
  ///
  /// Losing it is no reason to fail, so nothing is thrown.
  ///
  /// - Parameter socket: where to; by default NOTIFY_SOCKET of the environment. `@` begins an
  ///   abstract name.
  /// - Returns: whether it was handed over; false also when nobody wants to know.
  @discardableResult
  package static func send(
    _ state: String, socket: String? = getenv("NOTIFY_SOCKET").map { String(cString: $0) }
  ) -> Bool {
    guard let socket, let address = address(of: socket) else { return false }
    let handle = Self.open()
    guard handle >= 0 else { return false }
    defer { close(handle) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + address.count)
    var raw = sockaddr_un()
    raw.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &raw.sun_path) { path in
      path.copyBytes(from: address)
    }
    let bytes = Array(state.utf8)
    let sent = withUnsafePointer(to: &raw) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(handle, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, length)
      }
    }
    return sent == bytes.count
  }

  private static func open() -> Int32 {
    socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
  }

  /// The bytes of `sun_path`: a path with its final zero, or an abstract name without one.
  private static func address(of socket: String) -> [UInt8]? {
    var bytes = Array(socket.utf8)
    switch bytes.first {
    case UInt8(ascii: "/"): bytes.append(0)
    case UInt8(ascii: "@"): bytes[0] = 0
    default: return nil
    }
    return bytes.count <= MemoryLayout.size(ofValue: sockaddr_un().sun_path) ? bytes : nil
  }
}
