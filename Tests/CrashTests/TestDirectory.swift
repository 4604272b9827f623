import EventLog
import Foundation

/// A directory that is gone after the test, with a place for a log in it.
final class TestDirectory: Sendable {
  let path: String
  var log: String { path + "/log" }

  init() throws {
    // Resolved, as the kernel names it.
    path =
      URL(fileURLWithPath: NSTemporaryDirectory()).resolvingSymlinksInPath().path
      + "/crash-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  /// One with a log in it, new and empty.
  static func withLog() throws -> TestDirectory {
    let directory = try TestDirectory()
    try EventLog.create(directory: directory.log, identity: LogIdentity(cluster: 1, node: 2))
    return directory
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// SplitMix64: the same numbers for the same seed.
struct Seeded: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
