// The proxy of a control-plane node, on the addresses of loopback: what runs there (a kubelet, an
// operator's kubectl) reaches the API servers as on a worker, so that 127.0.0.1:16443 is right on
// every node and needs no load balancer. Its list is the applied state's.

import Logging
import Membership
import NIOCore
import Transport

final class ControlPlaneProxy: Sendable {
  private let proxy: TCPProxy
  private let following: Task<Void, Never>

  /// Listens where this node's own API server does not; nil, with a word in the log, where no
  /// address is left.
  static func start(_ context: NodeContext, _ board: Board) async -> ControlPlaneProxy? {
    let place = context.settings.ownProxy
    if let reason = place.reason {
      context.logger.info("no proxy to the API servers on this node: \(reason)")
    }
    guard !place.hosts.isEmpty else { return nil }
    var options = ProxyOptions()
    // Few clients: one thread, and a look now and then; a client finds out by itself.
    options.threads = 1
    options.checkInterval = .seconds(10)
    let proxy = ProxyFactory.make(
      context.group, logger: context.logger, options: options,
      credentials: try? ClientCredentials(context.identity))
    var bound = 0
    for host in place.hosts {
      do {
        _ = try await proxy.listen(on: HostPort(host, context.settings.apiserverPort))
        bound += 1
      } catch {
        // Another agent of this machine has it, or there is no IPv6.
        context.logger.info("no proxy to the API servers there: \(error)")
      }
    }
    guard bound > 0 else {
      await proxy.shutdown()
      return nil
    }
    return ControlPlaneProxy(proxy, board)
  }

  private init(_ proxy: TCPProxy, _ board: Board) {
    self.proxy = proxy
    following = Task {
      while !Task.isCancelled {
        let version = board.endpoints.version
        let servers = board.directory.endpoints.servers.compactMap { server in
          server.apiserver.flatMap { Address($0) }
        }
        if !servers.isEmpty {
          proxy.setBackends(servers.map { HostPort($0.host.description, Int($0.port)) })
        }
        _ = await board.endpoints.wait(above: version, timeout: .seconds(60))
      }
    }
  }

  func stop() async {
    following.cancel()
    await following.value
    await proxy.shutdown()
  }
}

extension Settings {
  /// Where the proxy of a control-plane node listens, and where that is nowhere, why.
  var ownProxy: (hosts: [String], reason: String?) {
    guard hasProxy else { return ([], "--no-proxy") }
    let port = apiserverPort
    if let real = apiserverEndpoint {
      // One that binds to all addresses could not start any more.
      guard Int(real.port) != port else {
        return (
          [], "port \(port) is the API server's own; give the proxy another with --apiserver-port"
        )
      }
      return (address.isLoopback ? [address.description] : Self.loopback, nil)
    }
    if listen.isUnspecified {
      return ([], "the API server of this node listens on all addresses")
    }
    if listen.isLoopback { return ([], "the API server of this node has \(listen):\(port)") }
    return (Self.loopback, nil)
  }

  /// What is there on every machine.
  static let loopback = ["127.0.0.1", "::1"]
}
