// No two clocks agree.

import Membership
import Raft
import Replication

/// The clocks of one machine: a monotonic one that begins anywhere at every boot and runs a little
/// fast or slow, and a wall clock that is off and may jump.
struct NodeClock {
  /// How many millionths of true time pass here in one unit of true time.
  var rate: UInt64
  /// What the monotonic clock showed at `start`, in nanoseconds.
  var base: UInt64
  /// True time of the boot.
  var start: UInt64
  /// Milliseconds that the wall clock is ahead of true time.
  var offset: Int64

  private static let parts: UInt64 = 1_000_000
  /// True wall time at the beginning of the world: 2026-01-01, in milliseconds.
  static let epoch: Int64 = 1_767_225_600_000

  func monotonic(at time: UInt64) -> UInt64 { base + (time - start) * rate / Self.parts }

  func clock(at time: UInt64) -> Clock {
    let wall = Self.wall(at: time).milliseconds + offset
    return Clock(monotonic: monotonic(at: time), wall: Timestamp(milliseconds: wall))
  }

  /// The first moment of true time at which the monotonic clock shows `reading`.
  func time(of reading: UInt64) -> UInt64 {
    guard reading > base else { return start }
    // Beyond some months nothing is ever due.
    guard reading - base < 10_000_000 * second else { return .max }
    return start + ((reading - base) * Self.parts + rate - 1) / rate
  }

  /// What a right clock shows.
  static func wall(at time: UInt64) -> Timestamp {
    Timestamp(milliseconds: epoch + Int64(time / millisecond))
  }
}
