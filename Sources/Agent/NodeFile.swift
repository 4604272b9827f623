// Which cluster this node belongs to, and as what: the one file whose rename switches it.

import FoundationEssentials
import Membership

/// `identity/node.json`. Ids are hex text so that no reader loses digits.
package struct NodeFile: Codable, Sendable, Equatable {
  package enum Role: String, Codable, Sendable {
    case controlPlane = "control-plane"
    case worker
  }
  package var cluster: String
  package var node: String
  package var name: String
  package var role: Role
  /// The address this node was known by when it was last running.
  package var address: String
  package var clusterPort: Int
  package var datastorePort: Int
  package var apiserverPort: Int
  /// Set when a member that could be verified said that this node is no longer one.
  package var departed: Departure?
  /// SHA-256 of the connection string that it joined by: the same `join` again is a success.
  package var joinedBy: String?
  /// Index of the event that made it what it is, where that was not the one that made it a member.
  package var roleIndex: UInt64?

  package struct Departure: Codable, Sendable, Equatable {
    package var index: UInt64
    package var actor: String
    package var how: String
    /// RFC 3339; nil from a member that does not say.
    package var time: String?

    /// `removed at index 7 (2026-10-24T03:12:00Z) by root@n1`.
    var words: String { "\(how) at index \(index)\(time.map { " (\($0))" } ?? "") by \(actor)" }
  }

  var nodeID: NodeID? { NodeID(node) }
  var clusterID: ClusterID? { UInt64(cluster, radix: 16).map { ClusterID($0) } }

  /// - Throws: `Failure` if the file is there and cannot be understood.
  package static func load(_ directory: DataDirectory) throws(Failure) -> NodeFile? {
    guard let bytes = try directory.read(directory.nodeFile) else { return nil }
    guard let file = try? JSONDecoder().decode(NodeFile.self, from: Data(bytes)),
      file.nodeID != nil, file.clusterID != nil
    else {
      throw Failure(
        "cannot read \(directory.nodeFile): it is damaged; nothing was changed. Restore it from a "
          + "backup, or remove the node from its cluster and start with an empty data dir",
        exitCode: 65)
    }
    return file
  }

  package func save(_ directory: DataDirectory, into folder: String? = nil) throws(Failure) {
    try directory.write(
      try JSON.encode(self), to: (folder ?? directory.identity) + "/node.json")
  }
}

/// JSON as all files and answers of the agent are written: sorted keys, no escaped slashes.
package enum JSON {
  package static func encode(_ value: some Encodable, pretty: Bool = false) throws(Failure)
    -> [UInt8]
  {
    let encoder = JSONEncoder()
    encoder.outputFormatting =
      pretty
      ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
      : [.sortedKeys, .withoutEscapingSlashes]
    do {
      return Array(try encoder.encode(value))
    } catch {
      throw Failure("cannot write \(type(of: value)) as JSON: \(error)")
    }
  }

  package static func decode<T: Decodable>(_ type: T.Type, _ bytes: [UInt8]) throws(Failure) -> T {
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch {
      throw Failure("cannot read \(type) from JSON: \(error)")
    }
  }
}

extension DataDirectory {
  /// A control-plane node was started here and has no log, and no change is under way that would
  /// give it one.
  var lacksLog: Bool {
    guard let file = try? NodeFile.load(self), file.role == .controlPlane, file.departed == nil
    else { return false }
    return ![newLog, newIdentity, joinIntent, leaveIntent].contains { exists($0) }
      && !exists(log + "/data.mdb")
  }
}
