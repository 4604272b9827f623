package import NIOCore

/// How a proxy treats its servers and clients.
package struct ProxyOptions: Hashable, Sendable {
  /// How a server is looked at between clients.
  package enum Check: Hashable, Sendable {
    /// Not at all: only clients find out.
    case none
    /// It accepts a connection.
    case connect
    /// It finishes a TLS handshake; its certificate is the clients' business.
    case handshake
    /// It answers `GET /readyz` over TLS with anything but an error of its own.
    case readyz
  }

  /// For one server to accept a connection.
  package var connectTimeout = TimeAmount.seconds(1)
  /// For a server to say its first byte after a whole ClientHello, where another one is left.
  package var firstByteTimeout = TimeAmount.seconds(1)
  package var check = Check.readyz
  /// Between two checks of a server that is well; one that is not is looked at more often.
  package var checkInterval = TimeAmount.seconds(2)
  /// For one check.
  package var checkTimeout = TimeAmount.seconds(2)
  /// How long connections to a server that was taken off the list may go on.
  package var drainGrace = TimeAmount.minutes(10)
  /// How long a server may be silent, by every check, before its open connections are closed.
  package var silenceLimit = TimeAmount.seconds(10)
  /// Clients at one time; further ones wait.
  package var maxConnections = 8192
  /// Threads that carry connections.
  package var threads = 2

  package init() {}
}

/// Something an operator wants to read in the log.
package enum ProxyNotice: Hashable, Sendable, CustomStringConvertible {
  case down(HostPort, why: String)
  case up(HostPort)
  case allDown
  /// Connections closed, since their server is gone.
  case cut(HostPort, connections: Int)
  case full(limit: Int)
  case noDescriptors(String)
  case ownAddress(HostPort)

  package var description: String {
    switch self {
    case .down(let server, let why): "API server \(server) is passed over: it \(why)"
    case .up(let server): "API server \(server) is used again"
    case .allDown: "no API server is known to be well: each client tries all of them"
    case .cut(let server, let count): "closed \(count) connections to \(server): it is gone"
    case .full(let limit):
      "\(limit) connections are open, the limit of this proxy: further clients wait until one ends"
    case .noDescriptors(let text):
      "a client could not be served: \(text); the limit of open files (ulimit -n) is too low, or "
        + "something leaks them; trying again"
    case .ownAddress(let address):
      "\(address) is this proxy itself: it is left out of the list of API servers"
    }
  }

  package var isWarning: Bool {
    if case .up = self { return false }
    return true
  }
}

/// What a proxy has done since it was made.
package struct ProxyCounters: Hashable, Sendable {
  /// Clients that connected.
  package var accepted: UInt64 = 0
  /// Clients for which a server accepted.
  package var connected: UInt64 = 0
  /// Attempts at a server that failed, at connecting or before its first byte.
  package var failures: UInt64 = 0
  /// Clients closed since every server of the list failed.
  package var exhausted: UInt64 = 0
  /// Clients closed since the list was empty.
  package var withoutBackend: UInt64 = 0
  package var bytesToBackends: UInt64 = 0
  package var bytesToClients: UInt64 = 0
  /// Open now.
  package var open: Int = 0

  package init() {}
}

/// A server of a proxy, as seen from outside.
package struct ProxyBackend: Hashable, Sendable {
  package var address: HostPort
  /// Why it is passed over; nil while it is used.
  package var trouble: String?
  package var connections: Int
  /// Whether it is on the list, or only finishing what it has.
  package var isListed: Bool
}
