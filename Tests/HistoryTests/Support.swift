// A history made without a disk: a small cluster's life, told by the rules themselves.

import EventLog
import Foundation
import History
import Membership
import Raft
import Schema
import Testing

/// Entries in memory.
struct MemorySource: HistorySource {
  var name = "memory"
  var cluster = ClusterID(7)
  var node = NodeID(1)
  var redaction: String?
  var entries: [Entry]
  /// States that are stored, by index.
  var stored: [UInt64: Cluster] = [:]
  private var hashes: [ChainHash]

  init(_ entries: [Entry]) {
    self.entries = entries
    hashes = entries.reduce(into: [.genesis]) { $0.append($0[$0.count - 1].extended(by: $1)) }
  }

  var firstIndex: UInt64 { 1 }
  var lastIndex: UInt64 { UInt64(entries.count) }

  func forEach(
    from first: UInt64, through last: UInt64, _ body: (Entry, ChainHash) throws -> Bool
  ) throws {
    guard first <= min(last, lastIndex) else { return }
    for entry in entries[Int(first) - 1..<Int(min(last, lastIndex))]
    where try !body(entry, hashes[Int(entry.index)]) {
      return
    }
  }

  var baseTerm: UInt64 { 0 }
  func storedState(atOrBefore index: UInt64) throws -> UInt64? {
    stored.keys.filter { $0 <= index }.max()
  }

  func chainHash(at index: UInt64) throws -> ChainHash? {
    index <= lastIndex ? hashes[Int(index)] : nil
  }

  func checkpoint(atOrBefore index: UInt64) throws -> Cluster? {
    stored.keys.filter { $0 <= index }.max().flatMap { stored[$0]?.withoutCommands }
  }

  func newest() throws -> Cluster? { stored.max { $0.key < $1.key }?.value }
}

/// A cluster and its log, driven by requests; one second passes before each event.
struct Story {
  var cluster = Cluster()
  var entries: [Entry] = []
  /// The state after each index.
  var states: [Cluster] = [Cluster()]
  var now = Timestamp(milliseconds: 1_792_811_520_000)
  var drawn: UInt64 = 0
  var up: Set<NodeID>?

  var source: MemorySource { MemorySource(entries) }
  var history: History { History(source) }

  var observation: Observation {
    let up = self.up ?? Set(cluster.controlPlane.map(\.id))
    return Observation(reachable: up, caughtUp: up, alive: up)
  }

  mutating func append(_ envelope: Envelope, term: UInt64? = nil) {
    let recorded = RecordedEvent(
      index: cluster.lastIndex + 1, term: term ?? max(1, cluster.term), envelope: envelope)
    #expect(cluster.evolve(recorded) == nil)
    entries.append(
      Entry(
        index: recorded.index, term: recorded.term, kind: .normal, payload: envelope.encoded()))
    states.append(cluster)
    now = now.adding(seconds: 1)
  }

  mutating func append(_ event: Event, term: UInt64? = nil) {
    append(
      Envelope(
        time: now, command: CommandID(high: cluster.term, low: cluster.lastIndex + 1),
        fingerprint: 0, actor: "n1", event: event), term: term)
  }

  mutating func ask(
    _ command: Command, actor: String = "root@n1", reason: String = ""
  ) throws {
    drawn += 1
    let request = Request(
      id: CommandID(at: now, random: (0, drawn)), command: command, actor: actor, reason: reason)
    let decision = try cluster.decide(
      request, fingerprint: 1, at: now, observation: observation)
    if case .append(let envelope, _) = decision { append(envelope) }
  }

  mutating func keepRoles() throws {
    while true {
      if cluster.joint != nil || cluster.departure != nil {
        try ask(.settle)
      } else if let leader = cluster.leader,
        let next = RolePolicy.next(cluster, leader: leader, observation: observation)
      {
        try ask(.assignRoles(next), actor: "n1")
      } else {
        return
      }
    }
  }

  mutating func join(
    _ n: Int, _ role: NodeRole = .controlPlane, domain: String = "1", named name: String? = nil
  ) throws {
    var node = record(n, role, domain: domain)
    node.name = name ?? node.name
    try ask(
      .issueToken(
        TokenIssued(
          id: TokenID(UInt64(n)), secrets: [.init(hash: digest(1, n), roles: [role])], uses: 1,
          expires: now.adding(seconds: 3600))))
    try ask(
      .join(.init(node: node, secret: digest(1, n))),
      actor: "token \(TokenID(UInt64(n)))")
    guard role == .controlPlane else { return }
    try ask(
      .refreshEndpoints(
        EndpointRefreshed(
          node: NodeID(UInt64(n)), endpoints: record(n).endpoints, apiserverReady: true,
          version: "0.1.0")), actor: "n\(n)")
    try keepRoles()
  }

  /// Three voters, a standby and a worker; n2 is out of contact and comes back as standby; n4
  /// leaves; n5 is removed by force.
  static func life() throws -> Story {
    var story = Story()
    story.append(.clusterFormed(ClusterFormed(cluster: ClusterID(7), first: record(1))))
    story.append(.leaderElected(LeaderElected(node: NodeID(1))), term: 2)
    for n in 2...4 { try story.join(n, domain: n == 2 ? "b" : "a") }
    try story.join(5, .worker)
    story.up = [NodeID(1), NodeID(3), NodeID(4)]
    try story.ask(.suspect(NodeID(2)), actor: "n1")
    try story.keepRoles()
    story.up = nil
    try story.ask(.recover(NodeID(2)), actor: "n1")
    try story.keepRoles()
    try story.ask(.leave(NodeID(4)), actor: "root@n4")
    try story.keepRoles()
    try story.ask(
      .removeNode(.init(target: "n5", force: true)), reason: "burnt down, see 10.9.8.7")
    try story.ask(.revokeToken(TokenID(3)))
    return story
  }
}

extension Story {
  /// Another cluster begins here, with node n as its first, called m1.
  mutating func importing(_ n: Int, as cluster: ClusterID) throws {
    var first = record(n)
    first.name = "m1"
    let hash = try #require(try history.source.chainHash(at: history.head))
    let envelope = Envelope(
      time: now, command: CommandID(high: 7, low: UInt64(n)), fingerprint: 0, actor: "root@m1",
      reason: "the machine room is under water",
      event: .clusterImported(
        ClusterImported(
          cluster: cluster, first: first, source: self.cluster.id, sourceIndex: history.head,
          sourceHash: try #require(Digest(bytes: hash.bytes)), file: digest(5, 5))))
    append(envelope, term: self.cluster.term + 1)
  }

  /// The cluster is lost; another goes on from its log and grows to three voters.
  mutating func goOn() throws {
    try ask(
      .issueToken(
        TokenIssued(
          id: TokenID(77), secrets: [.init(hash: digest(1, 77), roles: [.worker])], uses: 0,
          expires: nil)))
    try importing(201, as: ClusterID(20))
    append(.leaderElected(LeaderElected(node: NodeID(201))), term: cluster.term + 1)
    for n in [202, 203] { try join(n) }
  }
}

func digest(_ kind: UInt8, _ n: Int) -> Digest {
  var bytes = [UInt8](repeating: 0, count: 32)
  bytes[0] = kind
  bytes[31] = UInt8(n & 255)
  guard let digest = Digest(bytes: bytes) else { preconditionFailure("32 bytes") }
  return digest
}

func address(_ text: String) -> Address {
  guard let address = Address(text) else { preconditionFailure("address \(text)") }
  return address
}

func record(_ n: Int, _ role: NodeRole = .controlPlane, domain: String = "a") -> NodeRecord {
  let isWorker = role == .worker
  return NodeRecord(
    id: NodeID(UInt64(n)), name: "n\(n)", role: role,
    endpoints: Endpoints(
      cluster: address("10.0.0.\(n):25000"),
      datastore: isWorker ? nil : address("10.0.0.\(n):19001"),
      apiserver: isWorker ? nil : address("10.0.0.\(n):16443")),
    key: digest(2, n), failureDomain: domain, version: "0.1.0")
}

extension History {
  func bytes(redacted: Bool = false) throws -> [UInt8] {
    var bytes: [UInt8] = []
    try export(redaction: redacted ? Redaction() : nil) { bytes += $0 }
    return bytes
  }

  func lines(
    _ filter: EventFilter = EventFilter(), limit: Int = .max, newest: Bool = true,
    reversed: Bool = false
  ) throws -> [EventLine] {
    var reader = EventReader()
    var lines: [EventLine] = []
    try reader.lines(filter, of: self, limit: limit, newest: newest, reversed: reversed) {
      lines.append($0)
    }
    return lines
  }
}

/// Golden files under Fixtures; UPDATE_GOLDEN=1 writes them anew.
enum Golden {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures")
  static let isUpdating = ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1"

  static func expect(
    _ text: String, is path: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let url = root.appending(path: path)
    if isUpdating {
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      return try Data(text.utf8).write(to: url)
    }
    let recorded = try String(contentsOf: url, encoding: .utf8)
    #expect(text == recorded, "\(path)", sourceLocation: sourceLocation)
  }
}

/// A folder that is removed at the end.
func inFolder<R>(_ body: (URL) throws -> R) throws -> R {
  let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder)
}
