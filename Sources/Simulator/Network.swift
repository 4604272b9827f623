// What lies between the nodes.

import Membership
import Raft
import Schema

/// A frame on its way.
final class Parcel {
  let from: NodeID
  /// Of the start that sent it.
  let boot: Int
  let frame: Frame
  /// What travels, if the world encodes frames.
  let bytes: [UInt8]?
  /// Of the link when it was sent; a link that was closed meanwhile delivers nothing of before.
  let epoch: UInt64

  init(from: NodeID, boot: Int, frame: Frame, bytes: [UInt8]?, epoch: UInt64) {
    self.from = from
    self.boot = boot
    self.frame = frame
    self.bytes = bytes
    self.epoch = epoch
  }
}

/// Directed links between nodes, by their places in the world.
struct Network {
  private struct Link {
    /// How many cuts lie on it: cuts may overlap.
    var cuts = 0
    var epoch: UInt64 = 0
    var lastDelivery: UInt64 = 0
  }
  // Never iterated: what happens must not depend on the order of a hash table.
  private var links: [Int: Link] = [:]

  private func key(_ from: Int, _ to: Int) -> Int { from << 20 | to }

  func isCut(_ from: Int, _ to: Int) -> Bool { (links[key(from, to)]?.cuts ?? 0) > 0 }
  func epoch(_ from: Int, _ to: Int) -> UInt64 { links[key(from, to)]?.epoch ?? 0 }

  mutating func cut(_ from: Int, _ to: Int) { links[key(from, to), default: Link()].cuts += 1 }

  mutating func mend(_ from: Int, _ to: Int) {
    links[key(from, to), default: Link()].cuts -= 1
  }

  /// The connection between these two is gone, in both directions.
  mutating func close(_ a: Int, _ b: Int) {
    links[key(a, b), default: Link()].epoch += 1
    links[key(b, a), default: Link()].epoch += 1
  }

  /// The moment of delivery: not before what was sent earlier, if order is kept.
  mutating func arrival(_ from: Int, _ to: Int, at time: UInt64, inOrder: Bool) -> UInt64 {
    guard inOrder else { return time }
    let arrival = max(time, links[key(from, to)]?.lastDelivery ?? 0)
    links[key(from, to), default: Link()].lastDelivery = arrival
    return arrival
  }
}
