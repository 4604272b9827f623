// What a node knows of another's promises. A node cannot find out by itself that its disk was put
// back or copied; its peers can, and tell it when they meet.

package import Membership
import SwiftProtobuf

/// What is remembered of a control-plane node: told to it when a link opens, kept beside the log.
package struct Recollection: Hashable, Sendable {
  package var node: NodeID
  /// The highest boot number that it greeted with, and what it drew at its last start.
  package var boot: UInt64
  package var nonce: UInt64
  /// The highest term that it was durably in.
  package var term: UInt64
  /// The last entry that it acknowledged in that term.
  package var acknowledged: UInt64
  /// The last entry that it acknowledged and that is committed.
  package var committed: UInt64
  /// Two starts of it were alive at once: there are two copies of its disk.
  package var isContested: Bool

  package init(
    node: NodeID, boot: UInt64 = 0, nonce: UInt64 = 0, term: UInt64 = 0, acknowledged: UInt64 = 0,
    committed: UInt64 = 0, isContested: Bool = false
  ) {
    self.node = node
    self.boot = boot
    self.nonce = nonce
    self.term = term
    self.acknowledged = acknowledged
    self.committed = committed
    self.isContested = isContested
  }
}

extension Recollection {
  /// All that is remembered, as it is stored: the same bytes for equal values.
  package static func encode(_ all: [Recollection]) -> [UInt8] {
    serialized(WireRecollections.with { $0.peers = all.map(WireRecollection.init) })
  }

  /// Reads what `encode` wrote. Throws `Malformed`.
  package static func decode(_ bytes: [UInt8]) throws(Malformed) -> [Recollection] {
    try WireRecollections(parsing: bytes).peers.map { (wire) throws(Malformed) in
      try Recollection(wire)
    }
  }

  init(_ wire: WireRecollection) throws(Malformed) {
    self.init(
      node: try nodeID(wire.node, "Recollection.node"), boot: wire.boot, nonce: wire.nonce,
      term: try bounded(wire.term, "Recollection.term"),
      acknowledged: try bounded(wire.acknowledged, "Recollection.acknowledged"),
      committed: try bounded(wire.committed, "Recollection.committed"),
      isContested: wire.contested)
  }
}

extension WireRecollection {
  init(_ value: Recollection) {
    self.init()
    node = value.node.rawValue
    boot = value.boot
    nonce = value.nonce
    term = value.term
    acknowledged = value.acknowledged
    committed = value.committed
    contested = value.isContested
  }
}
