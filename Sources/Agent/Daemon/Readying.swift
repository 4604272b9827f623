// What this node says to the log about its endpoints, and about its API server.

import Membership
import Replication
import Schema

extension Daemon {
  /// What the log should be told; nil if it says so already.
  /// - Parameter isReady: whether the API server serves; nil leaves a real one's as it is. The
  ///   embedded one is ready whenever this node is.
  func endpointNews(
    _ node: ControlPlane, _ own: NodeID, isReady: Bool?
  ) async -> EndpointRefreshed? {
    let known = await node.driver.look { replica in
      replica.cluster.node(own).map {
        EndpointRefreshed(
          node: own, endpoints: $0.record.endpoints, apiserverReady: $0.apiserverReady,
          version: $0.record.version)
      }
    }
    let isReady =
      settings.apiserverEndpoint == nil ? true : isReady ?? known?.apiserverReady ?? false
    let said = EndpointRefreshed(
      node: own, endpoints: settings.endpoints(for: .controlPlane), apiserverReady: isReady,
      version: Version.program)
    return said == known ? nil : said
  }

  /// Looks at the real API server of this node, if it has one.
  func watchAPIServer(_ node: ControlPlane) throws -> APIServerWatch? {
    guard let endpoint = settings.apiserverEndpoint, let own = file.nodeID else { return nil }
    let name = settings.name
    return APIServerWatch(
      endpoint, group: group, authority: try KubernetesFiles(directory).texts()?.certificate,
      logger: logger,
      recorded: {
        await node.driver.look { replica in
          replica.cluster.node(own).flatMap { $0.isActive ? $0.apiserverReady : nil }
        }
      },
      tell: { isReady in
        guard let said = await self.endpointNews(node, own, isReady: isReady) else { return true }
        let outcome = await node.driver.submit(
          Membership.Request(
            id: .drawn(), command: .refreshEndpoints(said), actor: name, origin: own),
          timeout: .seconds(5))
        if case .committed = outcome { return true }
        return false
      })
  }
}
