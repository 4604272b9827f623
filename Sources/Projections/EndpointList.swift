// What a worker needs to know of the control plane: whom to believe and where to send what goes to
// the Kubernetes API. A list with a lower index or of another incarnation is ignored by workers, so
// an old answer never undoes a newer one.

package import Membership

/// The control plane as workers know it.
package struct EndpointList: Hashable, Sendable {
  package struct Server: Hashable, Sendable {
    package var node: NodeID
    package var name: String
    /// SHA-256 of the public key that it must show.
    package var key: Digest
    /// Its cluster API, first the one it prefers.
    package var cluster: [Address]
    package var apiserver: Address?
    /// Whether connections to the Kubernetes API should go there.
    package var serving: Bool
    package init(
      node: NodeID, name: String, key: Digest, cluster: [Address], apiserver: Address?,
      serving: Bool
    ) {
      self.node = node
      self.name = name
      self.key = key
      self.cluster = cluster
      self.apiserver = apiserver
      self.serving = serving
    }
  }

  package var cluster: ClusterID
  package var incarnation: UInt64
  /// Index of the event that last changed this list.
  package var index: UInt64
  /// Every active control-plane member, in the order of joining.
  package var servers: [Server]

  package init(cluster: ClusterID, incarnation: UInt64, index: UInt64, servers: [Server]) {
    self.cluster = cluster
    self.incarnation = incarnation
    self.index = index
    self.servers = servers
  }

  package init(_ state: Cluster) {
    let serving = Set(state.servingAPI.map(\.id))
    self.init(
      cluster: state.id, incarnation: state.incarnation, index: state.endpointIndex,
      servers: state.controlPlane.map { member in
        let endpoints = member.record.endpoints
        return Server(
          node: member.id, name: member.name, key: member.record.key,
          cluster: [endpoints.cluster] + endpoints.extra, apiserver: endpoints.apiserver,
          serving: serving.contains(member.id))
      })
  }

  /// The API servers to use, in the order of joining.
  package var apiservers: [Address] { servers.filter(\.serving).compactMap(\.apiserver) }
}
