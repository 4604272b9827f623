// When the log is told that an API server became ready, or is no longer: not before that has lasted
// for a while, and the longer the more often it changed of late. A value; time is given to it.

/// What was seen of an API server since the log last said otherwise.
struct Readiness: Equatable, Sendable {
  /// How long a change must last, in nanoseconds.
  static let hold: UInt64 = 10_000_000_000
  /// So many changes within an hour wait no longer than that; each further one doubles the time.
  static let calm = 3
  private static let hour: UInt64 = 3_600_000_000_000

  private var differsSince: UInt64?
  /// When the log was told, within the last hour.
  private var told: [UInt64] = []

  init() {}

  /// Looks once.
  /// - Parameters:
  ///   - isReady: what was seen.
  ///   - recorded: what the log says.
  ///   - now: monotonic nanoseconds.
  /// - Returns: whether the log is to be told now.
  mutating func saw(_ isReady: Bool, recorded: Bool, at now: UInt64) -> Bool {
    guard isReady != recorded else {
      differsSince = nil
      return false
    }
    let since = differsSince ?? now
    differsSince = since
    return now - min(now, since) >= patience(at: now)
  }

  /// The log was told.
  mutating func wasTold(at now: UInt64) {
    differsSince = nil
    told = told.filter { now - min(now, $0) < Self.hour } + [now]
  }

  /// How long a change must last now: 10 s, up to some 11 minutes.
  func patience(at now: UInt64) -> UInt64 {
    let recent = told.count { now - min(now, $0) < Self.hour }
    return Self.hold << UInt64(min(max(0, recent - Self.calm + 1), 6))
  }
}
