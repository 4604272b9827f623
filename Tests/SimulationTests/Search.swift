import Foundation

/// The seeds among which a planted bug is looked for: from shortly before the one that finds it, or
/// all of them (ALL_SEEDS=1), which also tells which one it is.
struct Search {
  private static let isWhole = ProcessInfo.processInfo.environment["ALL_SEEDS"] != nil

  let seeds: ClosedRange<UInt64>

  init(from first: Int, to last: Int) {
    seeds = UInt64(Self.isWhole ? 1 : first)...UInt64(last)
  }

  func tell(_ bug: some Any, _ seed: UInt64) {
    if Self.isWhole { print("found with seed \(seed): \(bug)") }
  }
}
