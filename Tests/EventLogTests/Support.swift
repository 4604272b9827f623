import EventLog
import Foundation
import Raft

/// A directory that is gone after the test, with a place for a log in it.
final class TemporaryDirectory: Sendable {
  let path: String
  var log: String { path + "/log" }

  init() throws {
    path = NSTemporaryDirectory() + "/eventlog-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// SplitMix64: the same numbers for the same seed.
struct Seeded: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

let identity = LogIdentity(cluster: 0xC1, node: 0xA1)

extension EventLog {
  /// Submits and waits for the answer.
  func write(
    base: LogBase? = nil, _ entries: [Entry] = [], hardState: HardState? = nil,
    checkpoint: Checkpoint? = nil, newest: Checkpoint? = nil,
    facts: [String: [UInt8]] = [:]
  ) async -> Result<Void, Fault> {
    await withCheckedContinuation { continuation in
      submit(
        LogWrite(
          base: base, entries: entries, hardState: hardState, checkpoint: checkpoint,
          newest: newest, facts: facts
        ) { continuation.resume(returning: $0) })
    }
  }

  func allEntries() throws -> [Entry] {
    var found: [Entry] = []
    try forEach(from: 1) {
      found.append($0)
      return true
    }
    return found
  }
}

extension Result where Success == Void, Failure == Fault {
  var fault: Fault? {
    if case .failure(let fault) = self { return fault }
    return nil
  }
}

/// Entries of one term with a payload that tells them apart.
func entries(_ range: ClosedRange<Index>, term: Term = 1, size: Int = 20) -> [Entry] {
  range.map { index in
    Entry(
      index: index, term: term,
      payload: (0..<size).map { UInt8(truncatingIfNeeded: Int(index) + $0 * Int(term)) })
  }
}

func newLog(_ directory: TemporaryDirectory, mapSize: Int = 16 << 30) throws -> EventLog {
  try EventLog.create(directory: directory.log, identity: identity)
  return try EventLog.open(directory: directory.log, mode: .readWrite, mapSize: mapSize)
}

/// Overwrites bytes of a file.
func patch(_ path: String, at offset: UInt64, _ change: (inout Data) -> Void) throws {
  let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
  defer { try? file.close() }
  try file.seek(toOffset: offset)
  var data = try file.read(upToCount: 64) ?? Data()
  change(&data)
  try file.seek(toOffset: offset)
  try file.write(contentsOf: data)
}
