// Chance, from a seed and in whole numbers only, so that it falls the same way on every machine.

package import Raft

extension SplitMix64 {
  /// A stream of its own for one concern of one thing: draws in one never move another.
  package init(seed: UInt64, stream: UInt64, of thing: UInt64 = 0) {
    var root = SplitMix64(seed: seed)
    var second = SplitMix64(seed: root.next() ^ (stream &* 0x9E37_79B9_7F4A_7C15))
    self.init(seed: second.next() ^ (thing &* 0xD1B5_4A32_D192_ED03))
  }

  /// A number from 0 to `bound` - 1; 0 if `bound` is 0.
  package mutating func below(_ bound: UInt64) -> UInt64 {
    next().multipliedFullWidth(by: bound).high
  }

  package mutating func below(_ bound: Int) -> Int { Int(below(UInt64(max(0, bound)))) }

  /// A number from `low` to `high`, both included.
  package mutating func between(_ low: UInt64, _ high: UInt64) -> UInt64 {
    low + below(high - low + 1)
  }

  /// True so many times in a million.
  package mutating func chance(perMillion: UInt64) -> Bool { below(1_000_000) < perMillion }

  /// True so many times in a hundred.
  package mutating func chance(percent: UInt64) -> Bool { below(100) < percent }

  /// A time from `low` to `high` in which every order of magnitude is as likely as the others.
  package mutating func spread(_ low: UInt64, _ high: UInt64) -> UInt64 {
    var top = low
    while top < high, chance(percent: 60) { top = top &* 3 }
    return between(low, max(low, min(high, top)))
  }

  /// One of them; nil if there is none.
  package mutating func pick<Element>(_ all: [Element]) -> Element? {
    all.isEmpty ? nil : all[below(all.count)]
  }
}

/// In nanoseconds, as all simulated time.
package let microsecond: UInt64 = 1_000
/// In nanoseconds.
package let millisecond: UInt64 = 1_000_000
/// In nanoseconds.
package let second: UInt64 = 1_000_000_000
