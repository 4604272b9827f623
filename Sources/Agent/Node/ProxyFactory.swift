// The proxy as it runs beside an agent or alone: limits that this process can keep, notices in the
// log.

import Logging
import NIOCore
import Transport

#if canImport(Glibc)
  import Glibc
#endif

enum ProxyFactory {
  /// Descriptors for everything that is not a client's connection.
  private static let reserve = 256

  static func make(
    _ group: any EventLoopGroup, logger: Logger, options given: ProxyOptions = ProxyOptions(),
    onNotice: @escaping @Sendable (ProxyNotice) -> Void = { _ in }
  ) -> TCPProxy {
    var options = given
    let room = (Self.raiseDescriptors() - reserve) / 2
    if room < options.maxConnections {
      options.maxConnections = max(16, room)
      logger.notice(
        "at most \(options.maxConnections) connections: more need a higher limit of open files")
    }
    return TCPProxy(group: group, options: options, seed: Random.number()) { notice in
      logger.log(level: notice.isWarning ? .warning : .info, "\(notice)")
      onNotice(notice)
    }
  }

  /// Raises the limit of open files to what the system allows, and returns it.
  private static func raiseDescriptors() -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
    if limit.rlim_cur < limit.rlim_max {
      var most = limit
      most.rlim_cur = min(limit.rlim_max, 1 << 20)
      if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &most) == 0 { limit = most }
    }
    return Int(clamping: limit.rlim_cur)
  }
}
