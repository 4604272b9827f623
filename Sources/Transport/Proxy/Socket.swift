// The system calls of the proxy, each with a result that Swift can switch over. NIO carries
// everything else here; the proxy has its own loop, since for two plain streams NIO's pipelines,
// promises and buffers cost more than the kernel's work.

import CLinux
import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One non-blocking TCP socket, or the end of a pipe. Whoever holds it closes it.
struct Socket: Hashable, Sendable {
  let handle: Int32

  /// What came of an attempt to move bytes.
  enum Moved: Equatable {
    case bytes(Int)
    case end
    case later
    case failed(Int32)
  }

  enum Connected {
    case now(Socket)
    case soon(Socket)
    case failed(Int32)
  }

  /// Errors of this machine, not of a server: retrying elsewhere is no help.
  static func isOwn(_ code: Int32) -> Bool {
    [EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL].contains(code)
  }

  static func text(_ code: Int32) -> String { String(cString: strerror(code)) }

  static func listen(on address: SocketAddress) throws(IOError) -> Socket {
    let handle = socket(family(address), kind, 0)
    guard handle >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
    let listener = Socket(handle: handle)
    listener.prepare()
    listener.set(SOL_SOCKET, SO_REUSEADDR, 1)
    if case .v6 = address { listener.set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
    let bound = address.withSockAddr { bind(handle, $0, socklen_t($1)) }
    guard bound == 0, Glibc.listen(handle, 4096) == 0 else {
      let code = errno
      listener.close()
      throw IOError(errnoCode: code, reason: "bind")
    }
    return listener
  }

  /// The address it is bound to.
  var localAddress: HostPort? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
        guard getsockname(handle, name, &length) == 0 else { return nil }
        if name.pointee.sa_family == sa_family_t(AF_INET6) {
          return name.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
            HostPort(SocketAddress($0.pointee))
          }
        }
        return name.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
          HostPort(SocketAddress($0.pointee))
        }
      }
    }
  }

  /// The next client; `.later` if there is none.
  func accept() -> Result<Socket?, IOError> {
    while true {
      let client = clinux_accept(handle)
      if client >= 0 { return .success(Socket(handle: client)) }
      switch errno {
      case EINTR, ECONNABORTED, EPROTO: continue
      case EAGAIN: return .success(nil)
      default: return .failure(IOError(errnoCode: errno, reason: "accept"))
      }
    }
  }

  static func connect(to address: SocketAddress) -> Connected {
    let handle = socket(family(address), kind, 0)
    guard handle >= 0 else { return .failed(errno) }
    let server = Socket(handle: handle)
    let result = address.withSockAddr { Glibc.connect(handle, $0, socklen_t($1)) }
    if result == 0 { return .now(server) }
    if errno == EINPROGRESS { return .soon(server) }
    let code = errno
    server.close()
    return .failed(code)
  }

  /// The error that a connection ended with, 0 if there is none.
  var pendingError: Int32 {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(handle, SOL_SOCKET, SO_ERROR, &code, &length) == 0 else { return errno }
    return code
  }

  /// No delay for small writes; a silent end is noticed after half a minute. What is accepted has
  /// these settings from its listener.
  func prepare() {
    set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    set(SOL_SOCKET, SO_KEEPALIVE, 1)
    set(Int32(IPPROTO_TCP), TCP_KEEPIDLE, 15)
    set(Int32(IPPROTO_TCP), TCP_KEEPINTVL, 5)
    set(Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
  }

  private func set(_ level: Int32, _ name: Int32, _ value: Int32) {
    var value = value
    setsockopt(handle, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> Moved {
    while true {
      let count = recv(handle, buffer.baseAddress, buffer.count, 0)
      if count > 0 { return .bytes(count) }
      if count == 0 { return .end }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .later : .failed(errno)
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer) -> Moved {
    while true {
      let count = send(handle, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
      if count >= 0 { return .bytes(count) }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .later : .failed(errno)
    }
  }

  func endOutput() { shutdown(handle, Int32(SHUT_WR)) }

  func close() { _ = Glibc.close(handle) }

  /// Closes so that the other end sees a reset, as this end did.
  func reset() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(handle, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    close()
  }

  private static let kind =
    Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)

  private static func family(_ address: SocketAddress) -> Int32 {
    if case .v6 = address { return AF_INET6 }
    return AF_INET
  }
}
