// The agent: one process, one node, which may change what it is without stopping.
//
// It holds the node as it is at the moment (control plane, worker, or departed), the servers that
// ask it, and the changes from one to another, of which only one runs at a time.

import FoundationEssentials
import Logging
import Membership
import NIOCore
import NIOPosix
import Replication
import Schema
import Synchronization
import Transport

package final class Daemon: Sendable {
  /// What this node is.
  enum Mode: Sendable {
    case starting
    case controlPlane(ControlPlane)
    case worker(WorkerNode)
    /// It was removed, and was told so by a member that it could verify.
    case departed(NodeFile.Departure)
  }

  struct State: Sendable {
    var mode = Mode.starting
    var identity: NodeIdentity
    var file: NodeFile
    /// The process is about to end.
    var isStopping = false
    /// A join or a leave is under way.
    var changing: String?
    /// The digest of the connection string, while it is a join.
    var joining: String?
    /// What a verified member told while a leave was under way: it is through. Or a join: in vain.
    var told: NodeFile.Departure?
  }

  /// Held as long as this runs.
  private let lock: AgentLock
  let settings: Settings
  let logger: Logger
  let hooks: HookRunner
  /// Carries the replica and the links.
  let coreGroup: MultiThreadedEventLoopGroup
  /// Carries HTTP and the proxy.
  let group: MultiThreadedEventLoopGroup
  let state: Mutex<State>
  let servers = Mutex(Servers())
  /// Browsers that may see the page of history.
  let pages = Mutex(PageAccess())
  let invitations = Mutex(Invitations())
  /// Resumed once when the process must end.
  let end = EndSignal()

  struct Servers: Sendable {
    var cluster: [HTTPServer] = []
    var kubernetes: KubernetesServer?
    /// Of a control-plane node.
    var proxy: ControlPlaneProxy?
    var watch: APIServerWatch?
    var local: HTTPServer?
    var client: ClusterClient?
  }

  init(
    lock: AgentLock, settings: Settings, identity: NodeIdentity, file: NodeFile, logger: Logger,
    coreGroup: MultiThreadedEventLoopGroup, group: MultiThreadedEventLoopGroup
  ) {
    self.lock = lock
    self.settings = settings
    self.logger = logger
    hooks = HookRunner(settings, logger: logger)
    self.coreGroup = coreGroup
    self.group = group
    state = Mutex(State(identity: identity, file: file))
  }

  var directory: DataDirectory { settings.dataDirectory }
  var mode: Mode { state.withLock { $0.mode } }
  var isStopping: Bool { state.withLock { $0.isStopping } }
  var identity: NodeIdentity { state.withLock { $0.identity } }
  var file: NodeFile { state.withLock { $0.file } }

  var context: NodeContext {
    NodeContext(
      settings: settings, identity: identity, file: file, coreLoop: coreGroup.next(),
      group: group, logger: logger)
  }

  var client: ClusterClient {
    servers.withLock { servers in
      if let client = servers.client { return client }
      let client = ClusterClient(identity: identity, group: group)
      servers.client = client
      return client
    }
  }

  /// Claims the right to change what this node is.
  /// - Throws: `Failure` naming the change under way.
  func beginChange(_ what: String, joining digest: String? = nil) throws {
    try state.withLock { state throws(Failure) in
      if let under = state.changing {
        throw Failure("\(under) is under way on this node; wait for it", exitCode: 7)
      }
      state.changing = what
      state.joining = digest
    }
  }

  func endChange() {
    state.withLock { state in
      state.changing = nil
      state.joining = nil
    }
  }

  // MARK: Questions about itself

  /// The running control plane, for something that only one can do.
  /// - Throws: `APIError` that says why this node cannot.
  func controlPlane(_ verb: String) throws -> ControlPlane {
    switch mode {
    case .controlPlane(let node): return node
    case .worker:
      throw APIError(
        "cannot \(verb) here: \(settings.name) is a worker of its cluster; run the command on a "
          + "control-plane node", code: "worker", exitCode: 6)
    case .departed(let gone): throw Self.departed(gone)
    case .starting:
      throw APIError("cannot \(verb) yet: the agent is starting", code: "starting", exitCode: 7)
    }
  }

  static func departed(_ gone: NodeFile.Departure) -> APIError {
    APIError(
      "this node is no member of its cluster any more: \(gone.words); run `muster leave` here to "
        + "make it a fresh cluster of its own",
      code: "departed", exitCode: 1)
  }

  /// Why this node cannot serve; nil if it can.
  var unreadiness: String? {
    if isStopping { return "stopping" }
    return switch mode {
    case .starting: "starting"
    case .departed: "this node departed from its cluster"
    case .worker(let worker): worker.unreadiness
    case .controlPlane(let node):
      if node.board.leader == nil {
        "no leader is known"
      } else if !node.board.directory.isFormed {
        "the log has not arrived yet"
      } else {
        nil
      }
    }
  }

  /// The member with that key, as the applied log has it.
  /// - Throws: `APIError`: not allowed; what the log says where it departed.
  func member(_ key: Digest) throws -> Directory.Entry {
    // It may have been one when whoever asks last heard of it: others know more.
    if case .worker = mode { _ = try controlPlane("answer for the cluster") }
    guard case .controlPlane(let node) = mode else { throw Routes.forbidden }
    let directory = node.board.directory
    if let gone = directory.departed[key] {
      throw Self.departed(NodeFile.Departure(gone))
    }
    guard let member = directory.members[key] ?? directory.introduced[key] else {
      throw Routes.forbidden
    }
    return member
  }

  /// A worker asked: that is a sign of life, and tells the index of the endpoint list it has.
  func noteSeen(_ key: Digest, has index: UInt64?) throws {
    let member = try member(key)
    if member.role == .worker, case .controlPlane(let node) = mode {
      node.driver.post(.seen(member.id))
      if let index { node.board.notePoll(member.id, index: index) }
    }
  }

  /// What the log says of a key; a worker, which has none, asks the control plane.
  func standing(of key: Digest) async throws -> SelfAnswer {
    if case .worker(let worker) = mode {
      let told = try await worker.ask("/v1/self?of=\(key)")
      return try JSON.decode(SelfAnswer.self, Array(told.utf8))
    }
    let directory = try controlPlane("look up members").board.directory
    let cluster = directory.cluster.description
    if let gone = directory.departed[key] {
      return SelfAnswer(
        standing: "departed", cluster: cluster, departure: NodeFile.Departure(gone))
    }
    let entry = directory.members[key] == nil ? nil : directory.entry(key)
    return SelfAnswer(
      standing: entry == nil ? "unknown" : "member", cluster: cluster,
      workerSince: entry?.role == .worker ? entry?.since : nil,
      endpoints: entry == nil ? nil : directory.endpoints)
  }
}

/// Ends the process once, with a reason.
final class EndSignal: Sendable {
  private struct State {
    var outcome: Result<Void, Failure>?
    var waiter: CheckedContinuation<Result<Void, Failure>, Never>?
  }
  private let state = Mutex(State())

  func finish(_ outcome: Result<Void, Failure>) {
    let waiter = state.withLock { state -> CheckedContinuation<Result<Void, Failure>, Never>? in
      guard state.outcome == nil else { return nil }
      state.outcome = outcome
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume(returning: outcome)
  }

  func wait() async -> Result<Void, Failure> {
    await withCheckedContinuation { continuation in
      let outcome = state.withLock { state in
        if state.outcome == nil { state.waiter = continuation }
        return state.outcome
      }
      if let outcome { continuation.resume(returning: outcome) }
    }
  }
}
