// The greeting between peers. It says how far the speaker's log goes and how often it was started,
// so that a rolled-back or cloned disk is noticed before it votes; and it carries introductions,
// so that a node that was away can accept a leader that joined meanwhile.

package import Membership
import SwiftProtobuf

/// The first thing each side of a link says.
package struct Hello: Hashable, Sendable {
  /// The version of these frames that the speaker writes.
  package var protocolVersion: UInt32
  package var cluster: ClusterID
  /// Raised when a lost quorum is overridden; 0 at first.
  package var incarnation: UInt64
  package var node: NodeID
  /// Raised durably at each start.
  package var boot: UInt64
  /// Drawn at each start: two at once for one node are two copies of it.
  package var nonce: UInt64
  package var lastIndex: UInt64
  package var appliedIndex: UInt64
  /// The newest event schema that the speaker understands.
  package var format: UInt32
  /// Why the speaker should be believed by one that does not know it: each introduces a node, the
  /// first one by a member that the receiver knows, each further by the node introduced before.
  package var introductions: [Introduction]
  /// Where the speaker listens for peers.
  package var datastore: Address?

  package init(
    protocolVersion: UInt32, cluster: ClusterID, incarnation: UInt64, node: NodeID, boot: UInt64,
    nonce: UInt64, lastIndex: UInt64, appliedIndex: UInt64, format: UInt32,
    introductions: [Introduction] = [], datastore: Address? = nil
  ) {
    self.protocolVersion = protocolVersion
    self.cluster = cluster
    self.incarnation = incarnation
    self.node = node
    self.boot = boot
    self.nonce = nonce
    self.lastIndex = lastIndex
    self.appliedIndex = appliedIndex
    self.format = format
    self.introductions = introductions
    self.datastore = datastore
  }
}

/// A member's signed word that a node with a certain key is a member too. It is worth what its
/// signer is worth; that it is signed is checked by whoever has the cryptography, over `statement`.
package struct Introduction: Hashable, Sendable {
  package var cluster: ClusterID
  package var incarnation: UInt64
  package var node: NodeID
  /// SHA-256 of the DER of the introduced node's public key.
  package var key: Digest
  /// The entry that made it a member.
  package var index: UInt64
  /// DER of the signer's public key; the log knows members by its SHA-256.
  package var signer: [UInt8]
  package var signature: [UInt8]

  package init(
    cluster: ClusterID, incarnation: UInt64, node: NodeID, key: Digest, index: UInt64,
    signer: [UInt8], signature: [UInt8]
  ) {
    self.cluster = cluster
    self.incarnation = incarnation
    self.node = node
    self.key = key
    self.index = index
    self.signer = signer
    self.signature = signature
  }

  /// The bytes that are signed: a fixed layout, so that a signature outlives every codec. The
  /// words "muster introduction 1", a zero byte, then cluster, incarnation, node and index as
  /// 8 bytes each, most significant first, then the 32 bytes of the key's digest.
  package var statement: [UInt8] {
    var out = Array("muster introduction 1\0".utf8)
    for value in [cluster.rawValue, incarnation, node.rawValue, index] {
      for shift in stride(from: UInt64(56), through: 0, by: -8) {
        out.append(UInt8(truncatingIfNeeded: value >> shift))
      }
    }
    return out + key.bytes
  }
}

extension Hello {
  /// The same bytes for equal values.
  package func encoded() -> [UInt8] {
    serialized(
      WireHello.with {
        $0.protocol = protocolVersion
        $0.cluster = cluster.rawValue
        $0.incarnation = incarnation
        $0.node = node.rawValue
        $0.boot = boot
        $0.nonce = nonce
        $0.lastIndex = lastIndex
        $0.appliedIndex = appliedIndex
        $0.format = format
        $0.introductions = introductions.map(WireIntroduction.init)
        if let datastore { $0.datastore = WireAddress(datastore) }
      })
  }

  /// Reads a greeting; whether it is to be believed is another question. Throws `Malformed`.
  package init(decoding bytes: [UInt8]) throws(Malformed) {
    let wire = try WireHello(parsing: bytes)
    guard wire.protocol != 0 else { throw .missing("Hello.protocol") }
    guard wire.cluster != 0 else { throw .missing("Hello.cluster") }
    guard wire.introductions.count <= Introduction.chainLimit else {
      throw .invalid("Hello.introductions", why: "are \(wire.introductions.count)")
    }
    self.init(
      protocolVersion: wire.protocol, cluster: ClusterID(wire.cluster),
      incarnation: try bounded(wire.incarnation, "Hello.incarnation"),
      node: try nodeID(wire.node, "Hello.node"), boot: try bounded(wire.boot, "Hello.boot"),
      nonce: wire.nonce, lastIndex: try bounded(wire.lastIndex, "Hello.last_index"),
      appliedIndex: try bounded(wire.appliedIndex, "Hello.applied_index"), format: wire.format,
      introductions: try wire.introductions.map { (wire) throws(Malformed) in
        try Introduction(wire)
      }, datastore: wire.hasDatastore ? try Address(wire.datastore) : nil)
  }
}

extension Introduction {
  /// The same bytes for equal values.
  package func encoded() -> [UInt8] { serialized(WireIntroduction(self)) }

  /// Reads an introduction; whether it is to be believed is another question. Throws `Malformed`.
  package init(decoding bytes: [UInt8]) throws(Malformed) {
    try self.init(try WireIntroduction(parsing: bytes))
  }

  /// Each costs its receiver the check of a signature.
  package static let chainLimit = 16
  /// Keys and signatures are P-256: 91 and at most 72 bytes of DER.
  fileprivate static let byteLimit = 1024
}

extension WireIntroduction {
  init(_ value: Introduction) {
    self.init()
    cluster = value.cluster.rawValue
    incarnation = value.incarnation
    node = value.node.rawValue
    key = blob(value.key.bytes)
    index = value.index
    signer = blob(value.signer)
    signature = blob(value.signature)
  }
}

extension Introduction {
  init(_ wire: WireIntroduction) throws(Malformed) {
    guard wire.cluster != 0 else { throw .missing("Introduction.cluster") }
    guard (1...Self.byteLimit).contains(wire.signer.count) else {
      throw .invalid("Introduction.signer", why: "has \(wire.signer.count) bytes")
    }
    guard (1...Self.byteLimit).contains(wire.signature.count) else {
      throw .invalid("Introduction.signature", why: "has \(wire.signature.count) bytes")
    }
    self.init(
      cluster: ClusterID(wire.cluster),
      incarnation: try bounded(wire.incarnation, "Introduction.incarnation"),
      node: try nodeID(wire.node, "Introduction.node"),
      key: try digest(wire.key, "Introduction.key"),
      index: try bounded(wire.index, "Introduction.index"), signer: array(wire.signer),
      signature: array(wire.signature))
  }
}
