// Who may connect, where the log here has not come as far as others'.

import Membership
import Testing

@testable import Agent

@Suite("Who is who, where roles change")
struct DirectoryTests {
  private let key = Digest(bytes: [UInt8](repeating: 3, count: 32))!  // 32 bytes are a digest
  private let place = Address("127.0.0.3:19001")!  // a constant that is an address

  /// What the log says of one node: its role since an index.
  private func log(_ role: NodeRole, since index: UInt64) -> Cluster {
    var member = Member(
      record: NodeRecord(
        id: NodeID(3), name: "n3", role: role,
        endpoints: Endpoints(cluster: place, datastore: role == .worker ? nil : place), key: key,
        failureDomain: "1", version: "1"),
      joined: Timestamp(milliseconds: 0), joinIndex: 2, endpointIndex: index)
    member.roleIndex = index
    return Cluster(
      id: ClusterID(1), incarnation: 1, formed: Timestamp(milliseconds: 0), nodes: [member])
  }

  private func directory(introducedAt index: UInt64) -> Directory {
    var directory = Directory(cluster: ClusterID(1))
    directory.introduced[key] = Directory.Entry(
      id: NodeID(3), name: "n3", role: .controlPlane, cluster: place, datastore: place, key: key,
      since: index)
    return directory
  }

  @Test("An introduction counts until the log has come as far")
  func introduced() {
    let before = directory(introducedAt: 9).following(log(.worker, since: 2))
    #expect(before.entry(key)?.role == .controlPlane && before.admits(key))
    #expect(before.peers(without: NodeID(1)).map(\.id) == [NodeID(3)])
    #expect(before.datastore(of: 3) == place)
    let after = before.following(log(.controlPlane, since: 9))
    #expect(after.introduced.isEmpty && after.admits(key))
  }

  @Test("An introduction from before a demotion counts no more")
  func demoted() {
    let after = directory(introducedAt: 9).following(log(.worker, since: 12))
    #expect(after.entry(key)?.role == .worker && !after.admits(key))
    #expect(after.peers(without: NodeID(1)).isEmpty)
  }

  @Test("A key that nobody knows may greet: it may have an introduction with it")
  func unknown() {
    #expect(Directory(cluster: ClusterID(1)).admits(key))
  }
}
