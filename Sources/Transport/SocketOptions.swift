import NIOCore
import NIOPosix

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What every TCP connection here asks of the kernel: no delay for small writes, and to notice a
/// silent end.
enum SocketOptions {
  struct Setting: Sendable {
    let option: ChannelOptions.Types.SocketOption
    let value: SocketOptionValue
  }

  /// - Parameter unacknowledgedMilliseconds: how long sent bytes may stay without an answer before
  ///   the kernel gives the connection up (Linux's TCP_USER_TIMEOUT); nil for the kernel's own
  ///   quarter of an hour.
  static func connection(unacknowledgedMilliseconds: Int? = nil) -> [Setting] {
    var settings = [
      Setting(option: .init(level: .tcp, name: .tcp_nodelay), value: 1),
      Setting(option: .init(level: .socket, name: .so_keepalive), value: 1),
    ]
    #if os(Linux)
      let tcp: [(CInt, CInt)] = [
        (TCP_KEEPIDLE, 15), (TCP_KEEPINTVL, 5), (TCP_KEEPCNT, 3),
      ]
      for (name, value) in tcp {
        settings.append(
          Setting(option: .init(level: .tcp, name: .init(rawValue: name)), value: .init(value)))
      }
      if let milliseconds = unacknowledgedMilliseconds.flatMap({ CInt(exactly: $0) }) {
        settings.append(
          Setting(
            option: .init(level: .tcp, name: .init(rawValue: TCP_USER_TIMEOUT)),
            value: .init(milliseconds)))
      }
    #endif
    return settings
  }
}

extension ServerBootstrap {
  func childChannelSettings(_ settings: [SocketOptions.Setting]) -> ServerBootstrap {
    settings.reduce(self) { $0.childChannelOption($1.option, value: $1.value) }
  }

  /// Binds without asking a resolver where the host is an IP literal.
  func bind(to address: HostPort) -> EventLoopFuture<any Channel> {
    if let literal = address.literal { return bind(to: literal) }
    return bind(host: address.host, port: address.port)
  }
}

extension ClientBootstrap {
  func channelSettings(_ settings: [SocketOptions.Setting]) -> ClientBootstrap {
    settings.reduce(self) { $0.channelOption($1.option, value: $1.value) }
  }

  /// Connects without asking a resolver where the host is an IP literal.
  func connect(to address: HostPort) -> EventLoopFuture<any Channel> {
    if let literal = address.literal { return connect(to: literal) }
    return connect(host: address.host, port: address.port)
  }
}
