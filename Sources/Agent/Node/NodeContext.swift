// What a node is made of besides the log: settings, identity, loops, a logger.

import Logging
import Membership
import NIOCore
import Transport

/// Flags, environment and file, resolved: how this agent was told to run.
struct Settings: Sendable {
  var dataDirectory: DataDirectory
  var name: String
  var address: Host
  /// Where to bind; `address` unless told otherwise.
  var listen: Host
  var extraAddresses: [Host]
  var clusterPort: Int
  var datastorePort: Int
  var apiserverPort: Int
  /// A real kube-apiserver on this node, if there is one.
  var apiserverEndpoint: Address?
  var failureDomain: String
  /// Where nodes are, by name, that moved while this one was down: tried before what is recorded.
  var peers: [String: Host] = [:]
  /// Seconds that one hook may take.
  var hookTimeout: Int64 = 60
  /// Whether MicroK8s's workers may join although no real API server is known.
  var acceptsMicroK8s = false
  /// Whether this node forwards connections to the API servers.
  var hasProxy = true

  var clusterAddress: Address { Self.at(address, clusterPort) }
  var datastoreAddress: Address { Self.at(address, datastorePort) }
  var apiserverAddress: Address { apiserverEndpoint ?? Self.at(address, apiserverPort) }
  /// Where a worker's proxy listens for the Kubernetes API.
  var proxyAddress: Address {
    Self.at(address.isLoopback ? address : .ipv4(0x7f00_0001), apiserverPort)
  }
  var extraClusterAddresses: [Address] {
    extraAddresses.filter { $0 != address }.map { Self.at($0, clusterPort) }
  }

  private static func at(_ host: Host, _ port: Int) -> Address {
    guard let number = UInt16(exactly: port), let address = Address(host: host, port: number) else {
      preconditionFailure("port \(port) was checked when the settings were made")
    }
    return address
  }

  /// An address of a node as it is recorded, at the place where an operator says that it is now.
  func moved(_ address: Address, of name: String) -> Address? {
    peers[name].flatMap { Address(host: $0, port: address.port) }
  }

  /// What this node says of where it is, for that role.
  func endpoints(for role: NodeRole) -> Endpoints {
    Endpoints(
      cluster: clusterAddress, datastore: role == .controlPlane ? datastoreAddress : nil,
      apiserver: role == .controlPlane ? apiserverAddress : nil, extra: extraClusterAddresses)
  }
}

/// Shared by everything that runs in one agent.
struct NodeContext: Sendable {
  var settings: Settings
  var identity: NodeIdentity
  var file: NodeFile
  /// Carries the replica and the links; nothing else may block it.
  var coreLoop: any EventLoop
  var group: any EventLoopGroup
  var logger: Logger

  var directory: DataDirectory { settings.dataDirectory }
  var key: Digest? { Digest(bytes: identity.keyDigest) }
}

/// What this program calls itself.
package enum Version {
  package static let program = "0.1.0"
  /// Of the events that it understands.
  package static let eventFormat = 1
  /// Of what travels between nodes.
  package static let protocolNumber: UInt32 = 1
}
