// The embedded Kubernetes API of a control-plane node, started and stopped as a whole: open watches
// are ended first, so that a stop need not wait for them.

import HummingbirdCore
import Membership
import Transport

struct KubernetesServer: Sendable {
  private let http: HTTPServer
  private let hub: KubernetesHub

  /// Listens, and returns once it does.
  /// - Throws: `Failure` naming the address if that is not possible.
  static func start(_ daemon: Daemon, _ node: ControlPlane) async throws -> KubernetesServer {
    let settings = daemon.settings
    let files = KubernetesFiles(settings.dataDirectory)
    let addresses = Set([settings.address, settings.listen] + settings.extraAddresses)
    let hub = KubernetesHub(node)
    let routes = KubernetesRoutes(
      daemon: daemon, hub: hub, callers: KubernetesCallers(try files.authority()))
    let http = try await HTTPServer.start(
      routes, on: .hostname(settings.listen.description, port: settings.apiserverPort),
      named: "\(settings.listen.bracketed):\(settings.apiserverPort)",
      tls: try files.serverTLS(addresses: addresses.map(\.description).sorted()),
      loops: daemon.group, logger: daemon.logger)
    return KubernetesServer(http: http, hub: hub)
  }

  func stop() async {
    hub.close()
    await http.stop()
  }
}
