// What a worker keeps on disk of the control plane. Everything it was ever told of who is in it
// stays: a worker that was cut off while all servers were replaced one by one finds the new ones
// from any old one that is still a member.

import FoundationEssentials
import Membership

/// `worker.json`: the last list, and the servers of the lists before it.
struct WorkerState: Equatable {
  typealias Server = EndpointsAnswer.Server

  /// What is kept beyond the join's own list; more than any control plane is replaced in a year.
  private static let mostEarlier = 64

  var list: EndpointsAnswer
  /// Every server that was told of, the join's first; each key once.
  private(set) var seeds: [Server]
  /// How many of them the join told.
  private var joinCount: Int

  init(_ list: EndpointsAnswer) {
    self.list = list
    seeds = list.servers
    joinCount = list.servers.count
  }

  /// Seeds that are not in the list now.
  var earlier: [Server] {
    let now = Set(list.servers.map(\.key))
    return seeds.filter { !now.contains($0.key) }
  }

  /// Whether what a server said counts for little: it may have left, and no longer know this node.
  func isEarlier(_ server: Server, _ error: APIError) -> Bool {
    error.code != "departed" && !list.servers.contains { $0.key == server.key }
  }

  /// The state after news; nil if it is no news, or not for this worker.
  func following(_ news: EndpointsAnswer) -> WorkerState? {
    guard news.cluster == list.cluster, news.incarnation >= list.incarnation,
      news.index > list.index, !news.servers.isEmpty
    else { return nil }
    var next = self
    next.list = news
    for server in news.servers {
      if let index = next.seeds.firstIndex(where: { $0.key == server.key }) {
        next.seeds[index] = server
      } else {
        next.seeds.append(server)
      }
    }
    let excess = next.seeds.count - joinCount - Self.mostEarlier
    if excess > 0 { next.seeds.removeSubrange(joinCount..<(joinCount + excess)) }
    return next
  }

  /// Besides the list's own fields, which a join writes alone.
  private struct Extra: Codable {
    var seeds: [Server]?
    var joinCount: Int?
  }

  private struct Kept: Encodable {
    var cluster: String
    var incarnation: UInt64
    var index: UInt64
    var servers: [Server]
    var seeds: [Server]
    var joinCount: Int
  }

  /// Nil if this node never was a worker.
  /// - Throws: `Failure` if the file cannot be understood.
  static func load(_ directory: DataDirectory) throws(Failure) -> WorkerState? {
    guard let bytes = try directory.read(directory.workerState) else { return nil }
    return try WorkerState(parsing: bytes)
  }

  init(parsing bytes: [UInt8]) throws(Failure) {
    self.init(try JSON.decode(EndpointsAnswer.self, bytes))
    let extra = try JSON.decode(Extra.self, bytes)
    guard let seeds = extra.seeds, let count = extra.joinCount, (0...seeds.count).contains(count)
    else { return }
    self.seeds = seeds
    joinCount = count
  }

  func encoded() throws(Failure) -> [UInt8] {
    try JSON.encode(
      Kept(
        cluster: list.cluster, incarnation: list.incarnation, index: list.index,
        servers: list.servers, seeds: seeds, joinCount: joinCount))
  }

  func save(_ directory: DataDirectory) throws(Failure) {
    try directory.write(try encoded(), to: directory.workerState)
  }
}
