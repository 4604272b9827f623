// What a new member carries: whom it may speak with before it has the log, and why others should
// believe that it is one.

import Membership
import Schema

/// `identity/introductions.json`: kept from the join's answer for as long as the node is a member.
struct IntroductionLetter: Codable, Sendable {
  var members: [MemberAddress] = []
  /// Hex, the oldest first; each is signed by a member or by the one introduced before.
  var chain: [String] = []

  var introductions: [Introduction] {
    chain.compactMap { text in
      bytes(hex: text).flatMap { try? Introduction(decoding: $0) }
    }
  }

  func save(_ directory: DataDirectory) throws(Failure) {
    try directory.write(try JSON.encode(self), to: directory.introductions)
  }

  /// An empty one if there is no file.
  static func load(_ directory: DataDirectory) throws -> IntroductionLetter {
    guard let bytes = try directory.read(directory.introductions) else { return .init() }
    return try JSON.decode(IntroductionLetter.self, bytes)
  }
}

extension Directory.Entry {
  init?(_ member: MemberAddress) {
    guard let id = NodeID(member.node), let key = Digest(member.key),
      let cluster = Address(member.cluster), let datastore = Address(member.datastore)
    else { return nil }
    self.init(
      id: id, name: member.name, role: .controlPlane, cluster: cluster, datastore: datastore,
      key: key, since: member.since ?? 0)
  }
}
