// Agents for one test: each with an address of its own under 127.0.0.0/8, so that tests and other
// programs never meet, and with its data directory in the stage's folder.

import Foundation
import Synchronization
import Testing

final class Stage {
  let folder: URL
  private(set) var nodes: [Node] = []
  private static let used = Mutex(0)

  init() throws {
    // Short: the path of a socket must fit into 107 bytes.
    folder = URL(fileURLWithPath: "/tmp/muster-\(getpid())-\(Self.number())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private static func number() -> Int {
    used.withLock {
      $0 += 1
      return $0
    }
  }

  /// An address that none of the last thousand nodes of this process has, and hardly one of another
  /// process.
  static func address() -> String {
    let (pid, number) = (Int(getpid()), number())
    let block = (pid >> 8 + 32 * (number / 250)) & 127
    return "127.\(64 + block).\(pid & 255).\(1 + number % 250)"
  }

  /// A node whose agent does not run yet.
  func node(_ name: String) -> Node {
    let node = Node(name, Self.address(), in: folder)
    nodes.append(node)
    return node
  }

  /// A node in a namespace of its own, or like the others if there is none.
  func node(_ name: String, _ place: (address: String, launcher: [String])?) -> Node {
    guard let place else { return node(name) }
    let node = Node(name, place.address, in: folder)
    node.launcher = place.launcher
    nodes.append(node)
    return node
  }

  /// A node that serves.
  func started(_ name: String) async throws -> Node {
    let node = node(name)
    try await node.start()
    return node
  }

  /// Starts that many nodes, joins all to n1, and waits until it is as available as it will be.
  func cluster(_ count: Int) async throws -> [Node] {
    var nodes: [Node] = []
    for number in 1...count { nodes.append(try await started("n\(number)")) }
    for node in nodes.dropFirst() { try await nodes[0].admit(node) }
    let voters = count >= 3 ? 3 : 1
    try await eventually("\(voters) of \(count) nodes vote, and all have caught up") {
      let status = try await nodes[0].status()
      return status.masters.count == voters && status.highAvailability == (voters == 3)
        && status.pending == nil && status.nodes.allSatisfy { $0.status == "Ready" }
    }
    return nodes
  }

  /// Ends what still runs, by its id, and removes the folder.
  func end() {
    for node in nodes { node.kill() }
    try? FileManager.default.removeItem(at: folder)
  }
}

/// Runs a test's body on a stage that is cleared whatever happens.
func onStage(_ body: (Stage) async throws -> Void) async throws {
  let stage = try Stage()
  defer { stage.end() }
  do {
    try await body(stage)
  } catch {
    for node in stage.nodes {
      let end = node.log.split(separator: "\n").suffix(12).joined(separator: "\n")
      print("--- the log of \(node.name) ends:\n\(end)")
    }
    throw error
  }
}

/// What tests read of `status --format json`.
struct StatusAnswer: Decodable {
  struct Row: Decodable {
    var id: String
    var name: String
    var role: String
    var status: String
    var state: String
    var datastoreRole: String?
    var index: UInt64?
  }
  var schemaVersion: Int
  var running: Bool
  var highAvailability: Bool
  var canLose: Int
  var leader: String?
  var masters: [String]
  var standbys: [String]
  var index: UInt64
  var cluster: String
  var pending: String?
  var nodes: [Row]
}

/// What tests read of `events -o json`.
struct EventAnswer: Decodable {
  var index: UInt64
  var term: UInt64
  var time: String
  var type: String
  var actor: String
  var commandId: String
  var hash: String
  var reason: String?
}
