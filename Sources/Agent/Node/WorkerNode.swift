// A running worker: it follows the control plane's endpoints, writes provider.yaml, and forwards
// connections to the API servers.
//
// What it knows comes from the last list it accepted, kept on disk with the keys of the control
// plane, and from every list before it: whoever was once in the control plane stays a seed, so the
// way back is found from any one that is left. It asks the control plane itself, never through its
// own proxy; where the proxy finds that the machine it waits for is in trouble, it asks another. A
// list of another cluster, an older incarnation or a lower index is never taken, nor an empty one.

import FoundationEssentials
import Logging
import Membership
import NIOCore
import NIOHTTP1
import Replication
import Schema
import Synchronization
import Transport

final class WorkerNode: Sendable {
  private let context: NodeContext
  private let client: ClusterClient
  private let proxy: TCPProxy
  private let hooks: ControlPlane.Hooks
  private let state: Mutex<WorkerState>
  private let tasks = Mutex<[Task<Void, Never>]>([])
  private let lastContact = Mutex<UInt64?>(nil)
  private let arguments: ProxyArguments
  /// Whom the long poll waits for, and the task that does.
  private let poll = Mutex(Poll())
  /// Whether the files are behind what is known.
  private let isUnsaved = Mutex(false)

  private struct Poll {
    var host: String?
    var task: Task<[UInt8], any Error>?
  }

  /// Where the API servers are known from a file that belongs to the operator.
  var isPinned: Bool { arguments.refreshInterval == 0 }

  private init(
    context: NodeContext, client: ClusterClient, proxy: TCPProxy, hooks: ControlPlane.Hooks,
    state: WorkerState, arguments: ProxyArguments
  ) {
    self.context = context
    self.client = client
    self.proxy = proxy
    self.hooks = hooks
    self.state = Mutex(state)
    self.arguments = arguments
  }

  /// Listens on the proxy's port and begins to follow.
  static func start(
    _ context: NodeContext, client: ClusterClient, hooks: ControlPlane.Hooks
  ) async throws -> WorkerNode {
    let directory = context.directory
    guard let state = try WorkerState.load(directory) else {
      throw Failure(
        "cannot start as a worker: \(directory.workerState) is missing, so no control plane is "
          + "known; leave with `muster leave --local` and join again", exitCode: 65)
    }
    let told = Mutex<(@Sendable (ProxyNotice) -> Void)?>(nil)
    let proxy = ProxyFactory.make(
      context.group, logger: context.logger, credentials: try ClientCredentials(context.identity)
    ) { notice in told.withLock { $0 }?(notice) }
    let worker = WorkerNode(
      context: context, client: client, proxy: proxy, hooks: hooks, state: state,
      arguments: try ProxyArguments.load(directory))
    told.withLock { told in told = { [weak worker] in worker?.noticed($0) } }
    do {
      try await worker.listen()
      worker.begin()
    } catch {
      await proxy.shutdown()
      throw error
    }
    return worker
  }

  private func listen() async throws {
    let port = Int(context.settings.apiserverPort)
    guard context.settings.hasProxy else { return }
    let hosts =
      context.settings.address.isLoopback
      ? [context.settings.address.description] : Settings.loopback
    var bound = 0
    var problem: (any Error)?
    for host in hosts {
      do {
        _ = try await proxy.listen(on: HostPort(host, port))
        bound += 1
      } catch {
        problem = error
      }
    }
    // A machine without IPv6 has only the first.
    if bound == 0, let problem { throw Failure.starting("listen for the API servers", problem) }
  }

  private func begin() {
    use(known)
    var tasks: [Task<Void, Never>] = []
    if isPinned {
      var watch = ProviderWatch(context.directory.provider, logger: context.logger)
      do {
        use(try watch.begin())
      } catch {
        context.logger.warning("\(error); the servers known so far are used")
      }
      tasks.append(Task { [watch] in await obey(watch) })
    } else {
      save()
    }
    tasks.append(Task { await follow() })
    self.tasks.withLock { $0 = tasks }
  }

  /// Tells the log where this worker is; nothing is appended if it knows.
  func announce(_ own: NodeID) {
    let said = EndpointRefreshed(
      node: own, endpoints: context.settings.endpoints(for: .worker), apiserverReady: false,
      version: Version.program)
    let task = Task {
      let request = Membership.Request(
        id: .drawn(), command: .refreshEndpoints(said), actor: context.settings.name, origin: own)
      while !Task.isCancelled {
        let answer = try? await submit(request.encoded(), timeout: .seconds(30))
        if let answer, case .answer(_, let outcome)? = try? Frame(decoding: answer) {
          switch outcome {
          case .committed: return
          case .refused(_, _, let message):
            return context.logger.warning("this worker's address was not taken: \(message)")
          case .unknown, .notLeader: break
          }
        }
        try? await Task.sleep(for: .milliseconds(1000 + Random.number() % 4000))
      }
    }
    tasks.withLock { $0.append(task) }
  }

  func stop() async {
    let tasks = tasks.withLock { $0 }
    for task in tasks { task.cancel() }
    for task in tasks { await task.value }
    await proxy.shutdown()
  }

  var unreadiness: String? {
    let contact = lastContact.withLock { $0 }
    guard let contact else { return "no control-plane node has answered yet" }
    let silence = (ReplicaDriver.now() - contact) / 1_000_000_000
    return silence > 90 ? "no control-plane node has answered for \(silence) s" : nil
  }

  /// The control plane as last told.
  var endpoints: EndpointsAnswer { state.withLock { $0.list } }

  /// Names of all control-plane nodes that it was ever told of and still keeps.
  var knownServers: [String] { state.withLock { $0.seeds.map(\.name) } }

  // MARK: Following

  private func follow() async {
    var failures = 0
    // At first an answer is wanted at once, but not by all workers in the same moment.
    var wait: Int64 = 0
    try? await Task.sleep(for: .milliseconds(Random.number() % 500))
    while !Task.isCancelled {
      let begin = ReplicaDriver.now()
      do {
        let body = try await longPoll(wait)
        lastContact.withLock { $0 = ReplicaDriver.now() }
        let isNews = take(try JSON.decode(EndpointsAnswer.self, body))
        failures = 0
        if endpoints.servers.contains(where: isItself) {
          hooks.promoted()
          // If nothing comes of it, it is told again.
          try? await Task.sleep(for: .seconds(1))
          wait = 0
          continue
        }
        // One that does not wait is not asked without end.
        if !isNews, wait > 0, ReplicaDriver.now() &- begin < 500_000_000 {
          try? await Task.sleep(for: .seconds(1))
        }
        wait = pollTime
      } catch let error as APIError where error.code == "departed" {
        if await departed() { return }
        try? await Task.sleep(for: .seconds(1))
      } catch {
        if Task.isCancelled { return }
        // The one who was asked fell ill: another one is.
        if error is CancellationError {
          wait = 0
          try? await Task.sleep(for: .milliseconds(50))
          continue
        }
        failures += 1
        wait = 0
        if failures == 1 { context.logger.warning("endpoints cannot be refreshed: \(error)") }
        let pause = min(5000, 100 << min(failures, 6))
        try? await Task.sleep(
          for: .milliseconds(UInt64(pause / 2) + Random.number() % UInt64(pause)))
      }
    }
  }

  /// Seconds of one long poll: the refresh interval, a little less than a server allows, each time
  /// another so that many workers do not fall into step.
  private var pollTime: Int64 {
    let most = min(max(isPinned ? 30 : arguments.refreshInterval, 1), 55)
    return max(1, most - Int64(Random.number() % UInt64(max(1, most / 5))))
  }

  /// Asks for the list, waiting for a newer one; given up where whoever is asked falls ill.
  private func longPoll(_ wait: Int64) async throws -> [UInt8] {
    let index = endpoints.index
    let task = Task {
      try await askAny(
        "/v1/endpoints?after=\(index)&wait=\(wait)", timeout: .seconds(wait + 5)
      ) { host in poll.withLock { $0.host = host } }
    }
    poll.withLock { $0.task = task }
    defer { poll.withLock { $0 = Poll() } }
    return try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
    }
  }

  /// A server that the proxy finds in trouble shares its machine with a control-plane node.
  private func noticed(_ notice: ProxyNotice) {
    guard case .down(let server, _) = notice else { return }
    poll.withLock { poll in
      if poll.host == server.host { poll.task?.cancel() }
    }
  }

  /// - Returns: whether it is newer than what was known.
  private func take(_ news: EndpointsAnswer) -> Bool {
    guard let next = state.withLock({ $0.following(news) }) else {
      // Somebody may have edited the list, which is not theirs.
      save(listOnly: !isUnsaved.withLock { $0 })
      return false
    }
    state.withLock { $0 = next }
    if !isPinned {
      // Clients first: a full disk is no reason to send them to servers that are gone.
      use(known)
      context.logger.info(
        "\(news.addresses.count) API servers", metadata: ["index": "\(news.index)"])
    }
    save()
    return true
  }

  /// The API servers as the control plane last told.
  private var known: [Address] {
    endpoints.servers.compactMap { $0.apiserver.flatMap { Address($0) } }
  }

  /// Brings worker.json and provider.yaml in line with what is known; tried again with every poll
  /// until it succeeds.
  private func save(listOnly: Bool = false) {
    do {
      if !listOnly { try state.withLock { $0 }.save(context.directory) }
      let known = known
      if !isPinned, !known.isEmpty,
        try ProviderStore(context.directory).write(known), listOnly
      {
        context.logger.warning(
          """
          provider.yaml did not list what the control plane said and was put right; with \
          --refresh-interval 0 in args/apiserver-proxy it is yours
          """)
      }
      isUnsaved.withLock { $0 = false }
    } catch {
      let isFirst = isUnsaved.withLock { isUnsaved in
        defer { isUnsaved = true }
        return !isUnsaved
      }
      if isFirst { context.logger.warning("\(error); the servers are used all the same") }
    }
  }

  private func use(_ addresses: [Address]) {
    guard !addresses.isEmpty else { return }
    proxy.setBackends(addresses.map { HostPort($0.host.description, Int($0.port)) })
  }

  /// Follows the operator's provider.yaml.
  private func obey(_ given: ProviderWatch) async {
    var watch = given
    while !Task.isCancelled {
      try? await Task.sleep(for: ProviderWatch.pause)
      if let addresses = watch.look() { use(addresses) }
    }
  }

  // MARK: Asking

  /// What this node begins with as a control-plane node.
  /// - Throws: `Failure`, `APIError` if nobody has it.
  func membership() async throws -> JoinAnswer {
    try JSON.decode(
      JoinAnswer.self, try await askAny("/v1/membership", timeout: .seconds(5)))
  }

  private func isItself(_ server: EndpointsAnswer.Server) -> Bool {
    server.node == context.file.node
  }

  /// A text from the control plane, for commands typed on this worker.
  func ask(_ path: String) async throws -> String {
    String(decoding: try await askAny(path, timeout: .seconds(5)), as: UTF8.self)
  }

  /// Has the control plane decide a request of this node.
  func submit(_ request: [UInt8], timeout: Duration) async throws -> [UInt8] {
    try await askAny(
      "/v1/commands?timeout=\(timeout.components.seconds)", method: .POST, body: request,
      timeout: timeout + .seconds(2))
  }

  /// The first answer of any control-plane node, those of now before those of earlier; the reasons
  /// of all if none answers.
  private func askAny(
    _ path: String, method: ClusterClient.Method = .GET, body: [UInt8] = [], timeout: Duration,
    asking: @Sendable (String) -> Void = { _ in }
  ) async throws -> [UInt8] {
    let known = state.withLock { $0 }
    let ill = Set(proxy.backends.filter { $0.trouble != nil }.map(\.address.host))
    let now = Random.shuffled(known.list.servers.filter { !isItself($0) }).map {
      ($0, Address($0.cluster))
    }
    // Whose API server is ill may be ill itself: it is asked after the others.
    let moved = now.compactMap { server, address in
      address.flatMap { context.settings.moved($0, of: server.name) }.map { (server, Address?($0)) }
    }
    let order =
      moved + now.filter { !ill.contains($0.1?.host.description ?? "") }
      + now.filter { ill.contains($0.1?.host.description ?? "") }
      + Random.shuffled(known.earlier).map { ($0, Address($0.cluster)) }
    var problems: [String] = []
    for (server, address) in order {
      try Task.checkCancellation()
      guard let address, let key = Digest(server.key) else { continue }
      asking(address.host.description)
      do {
        return try await client.call(
          method, path, at: address, key: key, body: body, timeout: timeout)
      } catch let error as APIError
        where error.exitCode != 7 && error.code != "worker" && !known.isEarlier(server, error)
      {
        throw error
      } catch {
        let problem = "\(server.name): \(error)"
        if !problems.contains(problem) { problems.append(problem) }
      }
    }
    try Task.checkCancellation()
    throw Failure(
      "no control-plane node could be asked: \(problems.joined(separator: "; ")). This worker goes "
        + "on with what it knows; muster doctor here says what is wrong on the way to them",
      exitCode: 5)
  }

  /// A verified member says that this node departed: learn when and by whom.
  /// - Returns: whether that was told.
  private func departed() async -> Bool {
    guard let body = try? await askAny("/v1/self", timeout: .seconds(5)),
      let answer = try? JSON.decode(SelfAnswer.self, body), let departure = answer.departure
    else { return false }
    hooks.departed(departure)
    return true
  }
}
