// What the log knows about a machine, as bytes.

import Membership

extension WireAddress {
  init(_ value: Address) {
    self.init()
    host = value.host.description
    port = UInt32(value.port)
  }
}

extension Address {
  init(_ wire: WireAddress) throws(Malformed) {
    let host: Host
    do { host = try Host(parsing: wire.host) } catch {
      throw .invalid("Address.host", why: "is no IP address or host name")
    }
    guard let port = UInt16(exactly: wire.port), let value = Address(host: host, port: port) else {
      throw .invalid("Address.port", why: "is \(wire.port)")
    }
    self = value
  }
}

extension WireEndpoints {
  init(_ value: Endpoints) {
    self.init()
    cluster = WireAddress(value.cluster)
    if let address = value.datastore { datastore = WireAddress(address) }
    if let address = value.apiserver { apiserver = WireAddress(address) }
    extra = value.extra.map(WireAddress.init)
  }
}

extension Endpoints {
  init(_ wire: WireEndpoints) throws(Malformed) {
    guard wire.hasCluster else { throw .missing("Endpoints.cluster") }
    self.init(
      cluster: try Address(wire.cluster),
      datastore: wire.hasDatastore ? try Address(wire.datastore) : nil,
      apiserver: wire.hasApiserver ? try Address(wire.apiserver) : nil,
      extra: try wire.extra.map { (address) throws(Malformed) in try Address(address) })
  }
}

extension WireNodeRecord {
  init(_ value: NodeRecord) {
    self.init()
    id = value.id.rawValue
    name = value.name
    role = WireNodeRole(value.role)
    endpoints = WireEndpoints(value.endpoints)
    key = blob(value.key.bytes)
    failureDomain = value.failureDomain
    version = value.version
  }
}

extension NodeRecord {
  init(_ wire: WireNodeRecord) throws(Malformed) {
    guard wire.hasEndpoints else { throw .missing("NodeRecord.endpoints") }
    guard !wire.name.isEmpty else { throw .missing("NodeRecord.name") }
    self.init(
      id: try nodeID(wire.id, "NodeRecord.id"), name: wire.name,
      role: try known(wire.role, as: NodeRole.self, "NodeRecord.role"),
      endpoints: try Endpoints(wire.endpoints),
      key: try digest(wire.key, "NodeRecord.key"), failureDomain: wire.failureDomain,
      version: wire.version)
  }
}

extension WireNodeRole {
  init(_ value: NodeRole) {
    switch value {
    case .controlPlane: self = .controlPlane
    case .worker: self = .worker
    }
  }
}

extension WireDatastoreRole {
  init(_ value: DatastoreRole?) {
    switch value {
    case .voter: self = .voter
    case .standby: self = .standby
    case .spare: self = .spare
    case nil: self = .none
    }
  }
}
