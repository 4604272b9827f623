// What nodes and commands say to each other about roles of nodes.

import Membership

/// `POST /v1/node/role` on the local socket.
package struct LocalRoleChange: Codable, Sendable {
  package var command: String
  /// A name, an id or an address.
  package var target: String
  /// `worker` or `control-plane`.
  package var role: String
  package var reason: String
  package var timeoutSeconds: Double

  package init(
    command: String, target: String, role: String, reason: String, timeoutSeconds: Double
  ) {
    self.command = command
    self.target = target
    self.role = role
    self.reason = reason
    self.timeoutSeconds = timeoutSeconds
  }
}

/// `GET /v1/role` on the cluster port, for the control plane: what a node runs as at the moment,
/// and where it would be as a control-plane node, which it alone knows.
struct RoleAnswer: Codable, Sendable {
  var node: String
  /// `worker` or `control-plane`.
  var role: String
  /// Why it does not serve in that role; nil if it does.
  var pending: String?
  var version: String
  var eventFormat: Int
  var datastoreAddress: String
  var apiserverAddress: String

  /// Where it would be as a control-plane node: as the log has it, and what is new with the role.
  func endpoints(with known: Endpoints) throws(Failure) -> Endpoints {
    guard let datastore = Address(datastoreAddress), let apiserver = Address(apiserverAddress)
    else { throw Failure("the node's answer names no addresses") }
    var endpoints = known
    endpoints.datastore = datastore
    endpoints.apiserver = apiserver
    return endpoints
  }
}

/// What a member answers a control-plane node that greets it and is a worker in its log.
struct DemotionNotice: Codable, Sendable {
  /// Index of the event that made it one.
  var workerSince: UInt64
  /// The control plane as that member knows it, where it was asked.
  var endpoints: EndpointsAnswer?
}
