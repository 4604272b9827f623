import Foundation
import LMDB
import Testing

/// A directory that is gone after the test.
final class TemporaryDirectory: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/lmdb-tests-" + UUID().uuidString
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

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
private struct Abort: Error {}

@Suite struct TableTests {
  let directory: TemporaryDirectory
  let environment: Environment
  let table: Table

  init() throws {
    directory = try TemporaryDirectory()
    environment = try Environment(directory: directory.path)
    table = try environment.table("things", create: true)
  }

  private func contents() throws -> [(key: [UInt8], value: [UInt8])] {
    try environment.read { transaction in
      try transaction.withCursor(on: table) { cursor in
        var found: [(key: [UInt8], value: [UInt8])] = []
        var isThere = try cursor.move(to: .first)
        while isThere {
          found.append((cursor.key, cursor.value))
          isThere = try cursor.move(to: .next)
        }
        return found
      }
    }
  }

  @Test("A table is a sorted dictionary", arguments: [1, 2, 3] as [UInt64])
  func model(seed: UInt64) throws {
    var random = Seeded(state: seed)
    var model: [[UInt8]: [UInt8]] = [:]
    for _ in 0..<60 {
      try environment.write { transaction in
        for _ in 0..<Int.random(in: 1...20, using: &random) {
          let key = [UInt8](repeating: 0, count: Int.random(in: 1...3, using: &random))
            .map { _ in UInt8.random(in: 0...9, using: &random) }
          switch Int.random(in: 0..<10, using: &random) {
          case 0...5:
            let value = [UInt8](
              repeating: .random(in: 0...255, using: &random),
              count: .random(in: 0...6000, using: &random))
            try transaction.put(value, for: key, in: table)
            model[key] = value
          case 6...8:
            let wasThere = try transaction.delete(key, from: table)
            #expect(wasThere == (model.removeValue(forKey: key) != nil))
          default:
            let end = key + [5]
            let removed = try transaction.deleteRange(from: key, through: end, in: table)
            let doomed = model.keys.filter {
              !$0.lexicographicallyPrecedes(key) && !end.lexicographicallyPrecedes($0)
            }
            #expect(removed == doomed.count)
            for key in doomed { model[key] = nil }
          }
        }
        let last = try transaction.lastKey(of: table)
        #expect(last == model.keys.max { $0.lexicographicallyPrecedes($1) })
      }
      let found = try contents()
      let sorted = model.sorted { $0.key.lexicographicallyPrecedes($1.key) }
      #expect(found.map(\.key) == sorted.map(\.key))
      #expect(found.map(\.value) == sorted.map(\.value))
    }
  }

  @Test("A cursor finds the nearest key on either side, and walks backward as forward")
  func cursors() throws {
    try environment.write { transaction in
      for key in ["b", "d", "f"] {
        try transaction.append(bytes("value of \(key)"), for: bytes(key), to: table)
      }
    }
    let walked = try environment.read { transaction in
      try transaction.withCursor(on: table) { cursor in
        let moves: [Cursor.Move] = [
          .atOrAfter(bytes("c")), .atOrAfter(bytes("d")), .atOrAfter(bytes("g")),
          .atOrBefore(bytes("c")), .atOrBefore(bytes("d")), .atOrBefore(bytes("z")),
          .atOrBefore(bytes("a")), .last, .previous, .previous, .previous,
        ]
        var found: [String] = []
        for move in moves {
          let isThere = try cursor.move(to: move)
          found.append(isThere ? String(decoding: cursor.key, as: UTF8.self) : "-")
        }
        return found
      }
    }
    #expect(walked == ["d", "d", "-", "b", "d", "f", "-", "f", "d", "b", "-"])
    try environment.read { transaction in
      let lent = try transaction.withValue(bytes("d"), in: table) { $0.bytes(from: 9) }
      #expect(lent == bytes("d"))
      let missing = try transaction.get(bytes("c"), in: table)
      #expect(missing == nil)
      let count = try transaction.count(of: table)
      #expect(count == 3)
    }
  }

  @Test("What a transaction did before it threw is not there")
  func abort() throws {
    #expect(throws: Abort.self) {
      try environment.write { transaction in
        try transaction.put([1], for: [1], in: table)
        throw Abort()
      }
    }
    #expect(try contents().isEmpty)
  }

  @Test("Appending takes no key that is not above the last")
  func append() throws {
    try environment.write { try $0.append([], for: [2], to: table) }
    for key in [[1], [2]] as [[UInt8]] {
      let error = #expect(throws: LMDBError.self) {
        try environment.write { try $0.append([], for: key, to: table) }
      }
      #expect(error?.isKeyExists == true)
    }
    #expect(try contents().map(\.key) == [[2]])
  }

  @Test("A key that is empty or too long is an error")
  func keys() throws {
    for key in [[], [UInt8](repeating: 1, count: 512)] {
      #expect(throws: LMDBError.self) {
        try environment.write { try $0.put([1], for: key, in: table) }
      }
    }
    #expect(throws: LMDBError.self) { try environment.read { try $0.get([], in: table) } }
    #expect(try environment.read { try $0.get(.init(repeating: 1, count: 512), in: table) } == nil)
  }

  @Test("A reader sees what was there when it began")
  func isolation() throws {
    try environment.write { try $0.put([1], for: [1], in: table) }
    try environment.read { transaction in
      try environment.write { try $0.put([2], for: [1], in: table) }
      let seen = try transaction.get([1], in: table)
      #expect(seen == [1])
    }
    #expect(try environment.read { try $0.get([1], in: table) } == [2])
  }
}

@Suite struct EnvironmentTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("A directory is open once in a process, and again after closing")
  func once() throws {
    let environment = try Environment(directory: directory.path)
    let error = #expect(throws: LMDBError.self) {
      _ = try Environment(directory: directory.path + "/.")
    }
    #expect(error?.code == EBUSY)
    environment.close()
    try Environment(directory: directory.path).close()
  }

  @Test("Closing waits for what runs, and what begins after it fails")
  func close() throws {
    let environment = try Environment(directory: directory.path)
    let table = try environment.table("t", create: true)
    try environment.write { try $0.put([7], for: [1], in: table) }
    try environment.read { transaction in
      environment.close()
      let seen = try transaction.get([1], in: table)
      #expect(seen == [7])
      #expect(throws: LMDBError.self) { _ = try Environment(directory: directory.path) }
    }
    let error = #expect(throws: LMDBError.self) { try environment.read { _ in } }
    #expect(error?.code == EBADF)
    try Environment(directory: directory.path).close()
  }

  @Test("A map that is full refuses the write and keeps what it has")
  func mapFull() throws {
    let environment = try Environment(
      directory: directory.path, options: .init(mapSize: 1 << 20, smallestMapSize: 1 << 20))
    let table = try environment.table("t", create: true)
    try environment.write { try $0.put([1], for: [1], in: table) }
    let error = #expect(throws: LMDBError.self) {
      try environment.write { transaction in
        for key in 2...200 as ClosedRange<UInt8> {
          try transaction.append([UInt8](repeating: key, count: 8192), for: [key], to: table)
        }
      }
    }
    #expect(error?.isMapFull == true)
    try environment.write { try $0.put([2], for: [2], in: table) }
    #expect(try environment.read { try $0.count(of: table) } == 2)
  }

  @Test("It takes the address space that it can get")
  func halving() throws {
    let environment = try Environment(directory: directory.path, options: .init(mapSize: 1 << 52))
    #expect(environment.mapSize < 1 << 52)
    #expect(try environment.info().mapSize == environment.mapSize)
    let other = try TemporaryDirectory()
    let error = #expect(throws: LMDBError.self) {
      _ = try Environment(
        directory: other.path,
        options: .init(mapSize: 1 << 52, smallestMapSize: 1 << 52))
    }
    #expect(error?.code == ENOMEM)
  }

  @Test("A table that is missing is an error, and is not made by a reader")
  func missingTable() throws {
    try Environment(directory: directory.path).close()
    let environment = try Environment(directory: directory.path, options: .init(isReadOnly: true))
    let error = #expect(throws: LMDBError.self) { _ = try environment.table("t") }
    #expect(error?.isNotFound == true)
    #expect(throws: LMDBError.self) { _ = try environment.table("t", create: true) }
    #expect(throws: LMDBError.self) { try environment.write { _ in } }
  }

  @Test("A copy has what the original had, and is not made over another")
  func copy() throws {
    let environment = try Environment(directory: directory.path)
    let table = try environment.table("t", create: true)
    try environment.write { transaction in
      for key in 0...255 as ClosedRange<UInt8> {
        try transaction.append([UInt8](repeating: key, count: 100), for: [key], to: table)
      }
    }
    let target = try TemporaryDirectory()
    try environment.copy(to: target.path)
    #expect(throws: LMDBError.self) { try environment.copy(to: target.path) }
    let copy = try Environment(directory: target.path, options: .init(isReadOnly: true))
    let same = try copy.table("t")
    #expect(try copy.read { try $0.count(of: same) } == 256)
    #expect(try copy.read { try $0.get([9], in: same) } == [UInt8](repeating: 9, count: 100))
  }

  @Test("Extending adds whole steps before the pages need them, and nothing when there is room")
  func extend() throws {
    let environment = try Environment(
      directory: directory.path, options: .init(mapSize: 4 << 20, smallestMapSize: 4 << 20))
    try environment.extend(by: 1000, step: 1 << 20)
    #expect(try environment.info().fileSize == 1 << 20)
    try environment.extend(by: 1 << 19, step: 1 << 20)
    #expect(try environment.info().fileSize == 1 << 20)
    try environment.extend(by: 1 << 20, step: 1 << 20)
    #expect(try environment.info().fileSize == 2 << 20)
    try environment.extend(by: 100 << 20, step: 1 << 20)
    #expect(try environment.info().fileSize == 4 << 20)
  }

  @Test(
    "It notices that its files are not those on the disk any more", arguments: ["data", "lock"])
  func replaced(name: String) throws {
    let environment = try Environment(directory: directory.path)
    #expect(environment.isInPlace())
    try FileManager.default.removeItem(atPath: "\(directory.path)/\(name).mdb")
    #expect(!environment.isInPlace())
  }

  @Test("More readers than slots are refused, and those that run are not disturbed")
  func readers() throws {
    let environment = try Environment(directory: directory.path, options: .init(maxReaders: 4))
    let limit = try environment.info().maxReaders
    func nest(_ depth: Int) throws -> Int {
      do {
        return try environment.read { _ in depth < 200 ? try nest(depth + 1) : depth }
      } catch let error as LMDBError where error.isReadersFull {
        return depth
      }
    }
    #expect(try nest(0) == limit)
    #expect(try nest(0) == limit)
  }

  @Test("A write inside a write ends the process instead of hanging it")
  func nestedWrite() async throws {
    await #expect(processExitsWith: .failure) { [path = directory.path as String] in
      let environment = try Environment(directory: path)
      try environment.write { _ in try environment.write { _ in } }
    }
  }

  @Test("The slot of a reader that died is found and freed")
  func staleReader() async throws {
    let environment = try Environment(directory: directory.path)
    _ = try environment.table("t", create: true)
    #expect(try environment.clearStaleReaders() == 0)
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = directory.path as String] in
      let other = try Environment(directory: path, options: .init(isReadOnly: true))
      try other.read { _ in _ = kill(getpid(), SIGKILL) }
    }
    #expect(try environment.clearStaleReaders() == 1)
  }
}
