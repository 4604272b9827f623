// What the log knows about one machine.

/// What a machine does in the cluster.
package enum NodeRole: UInt8, Sendable, CaseIterable {
  /// Keeps the log and serves the API.
  case controlPlane = 1
  /// Runs workloads; reaches the API servers through its proxy.
  case worker = 2
}

/// What a control-plane node does for the datastore (go-dqlite's voter, stand-by, spare).
package enum DatastoreRole: UInt8, Sendable, CaseIterable {
  /// Votes and keeps the log ("master").
  case voter = 1
  /// Keeps the log and is next in line for a vote.
  case standby = 2
  /// Keeps the log; takes a standby's place last.
  case spare = 3
}

/// Where a node can be reached.
package struct Endpoints: Hashable, Sendable {
  /// The cluster API (HTTPS).
  package var cluster: Address
  /// Raft (mutual TLS); workers have none.
  package var datastore: Address?
  /// The Kubernetes API (HTTPS) this node serves; workers have none.
  package var apiserver: Address?
  /// Further addresses of the cluster API.
  package var extra: [Address]

  package init(
    cluster: Address, datastore: Address? = nil, apiserver: Address? = nil, extra: [Address] = []
  ) {
    self.cluster = cluster
    self.datastore = datastore
    self.apiserver = apiserver
    self.extra = extra
  }
}

/// What a node says about itself when it forms or joins a cluster.
package struct NodeRecord: Hashable, Sendable {
  package var id: NodeID
  package var name: String
  package var role: NodeRole
  package var endpoints: Endpoints
  /// SHA-256 of the DER of its public key (SubjectPublicKeyInfo).
  package var key: Digest
  package var failureDomain: String
  package var version: String

  package init(
    id: NodeID, name: String, role: NodeRole, endpoints: Endpoints, key: Digest,
    failureDomain: String, version: String
  ) {
    self.id = id
    self.name = name
    self.role = role
    self.endpoints = endpoints
    self.key = key
    self.failureDomain = failureDomain
    self.version = version
  }
}
