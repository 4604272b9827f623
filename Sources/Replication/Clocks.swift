// Whose clock is wrong.
//
// Recorded time never goes back, so one leader with a clock a year ahead would push it ahead for
// good. Control-plane nodes tell each other what time they have; whoever is more than five seconds
// from the median of a majority stamps with the median's time instead of its own, and hands
// leadership over. Order is the index's, so a few milliseconds on the way do not matter.

import Membership
import Schema

struct Clocks: Sendable {
  /// From so many milliseconds on a clock is wrong.
  static let limit: Int64 = 5000
  /// An offset counts for so long, nanoseconds.
  private static let freshness: UInt64 = 5_000_000_000

  private struct Offset {
    /// Milliseconds that the peer's clock is ahead of the own one.
    var ahead: Int64
    var at: UInt64
  }

  private var offsets: [NodeID: Offset] = [:]
  /// How far the own clock is ahead of the median, in milliseconds; nil if no majority is heard.
  private(set) var skew: Int64?

  /// The own clock when it was last looked at.
  private var last: Clock?

  /// Whether the own clock is wrong.
  var isWrong: Bool { (skew ?? 0).magnitude > UInt64(Self.limit) }

  /// How far a peer's clock is ahead of the median, as far as that is known.
  func skew(of node: NodeID) -> Int64? {
    guard let skew, let offset = offsets[node] else { return nil }
    return offset.ahead + skew
  }

  func isWrong(of node: NodeID) -> Bool { (skew(of: node) ?? 0).magnitude > UInt64(Self.limit) }

  /// The time to stamp with.
  func corrected(_ wall: Timestamp) -> Timestamp {
    isWrong ? Timestamp(milliseconds: wall.milliseconds &- (skew ?? 0)) : wall
  }

  /// Looks at the own clock. One that was set, which is seen by the time that passed, is so much
  /// further from all others, before any of them can say so.
  mutating func look(_ clock: Clock) {
    defer { last = clock }
    guard let last, clock.wall.milliseconds.magnitude < 1 << 50,
      last.wall.milliseconds.magnitude < 1 << 50
    else { return }
    let passed = Int64(
      clamping: (max(clock.monotonic, last.monotonic) - last.monotonic) / 1_000_000)
    let step = clock.wall.milliseconds - last.wall.milliseconds &- passed
    guard step.magnitude > 1000 else { return }
    for peer in offsets.keys { offsets[peer]?.ahead &-= step }
    skew = skew.map { $0 &+ step }
  }

  /// A peer told its time.
  mutating func heard(_ time: Timestamp, of peer: NodeID, at clock: Clock) {
    guard time.milliseconds != 0, time.milliseconds.magnitude < 1 << 50,
      clock.wall.milliseconds.magnitude < 1 << 50
    else { return }
    offsets[peer] = Offset(
      ahead: time.milliseconds - clock.wall.milliseconds, at: clock.monotonic)
  }

  /// A leader compares its own clock with those of a majority of the voters.
  mutating func settle(voters: [NodeID], own: NodeID, at now: UInt64) {
    offsets = offsets.filter { $0.value.at + Self.freshness > now }
    var ahead = voters.compactMap { $0 == own ? 0 : offsets[$0]?.ahead }
    guard ahead.count > 1, ahead.count > voters.count / 2 else { return skew = nil }
    ahead.sort()
    let (low, high) = (ahead[(ahead.count - 1) / 2], ahead[ahead.count / 2])
    // Of two middles the one that speaks for the own clock.
    let median = low.magnitude < high.magnitude ? low : high
    skew = -median
  }

  /// The leader told how far this node's clock is ahead of the median.
  mutating func told(skew: Int64?) {
    guard let skew, skew.magnitude < 1 << 50 else { return self.skew = nil }
    self.skew = skew
  }
}
