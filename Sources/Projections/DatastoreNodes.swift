// The two lists that scripts read from `status`.

package import Membership

/// Where the log is kept: voters are masters, the next in line are standbys, in the order of
/// joining. A member without a datastore address (there is none) would not be listed.
package struct DatastoreNodes: Hashable, Sendable {
  package var masters: [Address]
  package var standbys: [Address]

  package init(_ cluster: Cluster) {
    masters = cluster.nodes(.voter).compactMap(\.record.endpoints.datastore)
    standbys = cluster.nodes(.standby).compactMap(\.record.endpoints.datastore)
  }
}
