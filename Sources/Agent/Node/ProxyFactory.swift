// The proxy as it runs beside an agent or alone: limits that this process can keep, notices in the
// log.

import Logging
import NIOCore
import Transport

enum ProxyFactory {
  /// Descriptors for everything that is not a client's connection.
  private static let reserve = 256

  static func make(
    _ group: any EventLoopGroup, logger: Logger, options given: ProxyOptions = ProxyOptions(),
    credentials: ClientCredentials?,
    onNotice: @escaping @Sendable (ProxyNotice) -> Void = { _ in }
  ) -> TCPProxy {
    var options = given
    let room = (OpenFiles.raiseLimit() - reserve) / 2
    if room < options.maxConnections {
      options.maxConnections = max(16, room)
      logger.notice(
        "at most \(options.maxConnections) connections: more need a higher limit of open files")
    }
    return TCPProxy(
      group: group, options: options, seed: Random.number(), credentials: credentials
    ) { notice in
      logger.log(level: notice.isWarning ? .warning : .info, "\(notice)")
      onNotice(notice)
    }
  }
}
