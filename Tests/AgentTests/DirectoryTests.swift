// Who may connect, where the log here has not come as far as others'.

import Membership
import Schema
import Testing
import Transport

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

  /// One node's word that a key is a control-plane node's since an index.
  private func word(of signer: NodeIdentity, for other: NodeIdentity, since index: UInt64) throws
    -> Introduction
  {
    var word = Introduction(
      cluster: ClusterID(1), incarnation: 1, node: NodeID(3),
      key: try #require(Digest(bytes: other.keyDigest)), index: index,
      signer: signer.publicKeyDER, signature: [])
    word.signature = try signer.sign(word.statement)
    return word
  }

  @Test("A chain of introductions leads from a member to a newcomer, and never by a worker's word")
  func chain() throws {
    let (member, newcomer) = (try NodeIdentity.generate(), try NodeIdentity.generate())
    let memberKey = try #require(Digest(bytes: member.keyDigest))
    let newKey = try #require(Digest(bytes: newcomer.keyDigest))
    var directory = Directory(cluster: ClusterID(1))
    directory.members[memberKey] = Directory.Entry(
      id: NodeID(1), name: "n1", role: .controlPlane, cluster: place, datastore: place,
      key: memberKey, since: 1)
    func hello(_ words: [Introduction]) -> Hello {
      Hello(
        protocolVersion: 1, cluster: ClusterID(1), incarnation: 1, node: NodeID(3), boot: 1,
        nonce: 1, lastIndex: 0, appliedIndex: 0, format: 1, introductions: words, datastore: place)
    }
    let genuine = try word(of: member, for: newcomer, since: 9)
    let own = try word(of: newcomer, for: newcomer, since: 1 << 40)
    #expect(directory.entry(introducedBy: hello([genuine]), key: newKey)?.since == 9)
    #expect(directory.entry(introducedBy: hello([own]), key: newKey) == nil)
    // It was demoted since, and vouches for itself.
    directory.members[newKey] = Directory.Entry(
      id: NodeID(3), name: "n3", role: .worker, cluster: place, datastore: nil, key: newKey,
      since: 12)
    #expect(directory.entry(introducedBy: hello([genuine, own]), key: newKey) == nil)
    let promoted = try word(of: member, for: newcomer, since: 20)
    #expect(directory.entry(introducedBy: hello([promoted]), key: newKey)?.since == 20)
  }

  @Test("A key that nobody knows may greet: it may have an introduction with it")
  func unknown() {
    #expect(Directory(cluster: ClusterID(1)).admits(key))
  }
}
