package import NIOCore
import NIOPosix
import Synchronization

/// A layer-4 proxy in front of a changing list of servers.
///
/// Each client gets a server that is thought to be well and has few connections. A server that does
/// not accept in time, or ends or is silent before its first byte, is passed over unseen while the
/// client's first message is still at hand. Then both connections are glued: what one sends the
/// other receives, no faster than it reads. Laws: a new list touches neither the listeners nor an
/// open connection; no byte is lost or reordered; a client is refused only when every server of
/// the list failed it just now.
package final class TCPProxy: Sendable {
  private struct State {
    var loops: [ProxyLoop] = []
    var running = 0
    var listening: [HostPort] = []
    var listeners: [Socket] = []
    var drains: [BackendTable.ID: Scheduled<Void>] = [:]
    var isShutDown = false
    var atEnd: [CheckedContinuation<Void, Never>] = []
  }

  private let shared: ProxyShared
  private let checks: HealthChecks
  private let state: Mutex<State>
  private let threads: NIOThreadPool

  /// A proxy that listens nowhere yet.
  ///
  /// - Parameters:
  ///   - group: carries the checks; clients have threads of their own.
  ///   - backends: the servers.
  ///   - options: times and limits.
  ///   - seed: of the draws; different ones keep many proxies from agreeing.
  ///   - credentials: shown by the checks.
  ///   - log: is told what an operator should know, on any thread.
  package init(
    group: any EventLoopGroup, backends: [HostPort] = [], options: ProxyOptions = ProxyOptions(),
    seed: UInt64 = 1, credentials: ClientCredentials? = nil,
    log: @escaping @Sendable (ProxyNotice) -> Void = { _ in }
  ) {
    shared = ProxyShared(options: options, seed: seed, clock: group.next(), log: log)
    state = Mutex(State())
    threads = NIOThreadPool(numberOfThreads: max(1, options.threads))
    checks = HealthChecks(shared, group: group, seed: seed, credentials: credentials)
    shared.troubled.withLock { [checks] in $0 = { checks.hurry($0) } }
    checks.cut.withLock { cut in
      cut = { [weak self] id, moment in self?.command(.cut(id, heardBefore: moment)) }
    }
    setBackends(backends)
  }

  /// Listens on one more address.
  ///
  /// - Parameter address: with port 0 the system chooses one.
  /// - Returns: the address with the port it has.
  /// - Throws: `TransportError`, for a port in use with the address and, where it can be found, the
  ///   process that holds it.
  @discardableResult
  package func listen(on address: HostPort) async throws -> HostPort {
    var name = address.literal
    let listener: Socket
    do {
      let place =
        try name ?? SocketAddress.makeAddressResolvingHost(address.host, port: address.port)
      name = place
      try startLoops()
      listener = try Socket.listen(on: place)
    } catch {
      var problem = TransportError(error, subject: address.description)
      if problem.kind == .portInUse { problem.holder = name.flatMap(PortHolder.find) }
      throw problem
    }
    let own = listener.localAddress ?? address
    let isLate = state.withLock { state in
      state.listening.append(own)
      if !state.isShutDown { state.listeners.append(listener) }
      return state.isShutDown
    }
    if isLate { listener.close() } else { command(.listen(listener)) }
    return own
  }

  private func startLoops() throws {
    try state.withLock { state in
      guard state.loops.isEmpty, !state.isShutDown else { return }
      threads.start()
      for _ in 0..<max(1, shared.options.threads) {
        let loop = try ProxyLoop(shared, on: threads) { [self] in loopEnded() }
        state.loops.append(loop)
        shared.loops.withLock { $0.append(loop) }
        state.running += 1
      }
    }
  }

  private func command(_ command: ProxyLoop.Command) {
    for loop in state.withLock({ $0.loops }) { loop.send(command) }
  }

  /// The servers from now on. Connections to those no longer named go on for a while
  /// (`drainGrace`), or are closed at once where the server is dead.
  package func setBackends(_ backends: [HostPort]) {
    let own = state.withLock { $0.listening }
    let others = backends.filter { backend in
      let isOwn = own.contains {
        $0 == backend
          || $0.port == backend.port && ["0.0.0.0", "::"].contains($0.host)
            && ["127.0.0.1", "::1", "localhost"].contains(backend.host)
      }
      if isOwn { shared.say(.ownAddress(backend)) }
      return !isOwn
    }
    let (added, removed) = shared.table.withLock { $0.setList(others) }
    for id in added {
      state.withLock { $0.drains.removeValue(forKey: id) }?.cancel()
      resolve(id)
      checks.begin(id)
    }
    for id in removed {
      // Sooner where it is dead: a check finds that.
      checks.hurry(id)
      let drain = shared.clock.scheduleTask(in: shared.options.drainGrace) { [self] in
        state.withLock { $0.drains[id] = nil }
        command(.cut(id, heardBefore: .max))
      }
      state.withLock { $0.drains[id] = drain }
    }
  }

  /// Asks for the address of a name; a literal needs nothing.
  private func resolve(_ id: BackendTable.ID) {
    guard let backend = shared.table.withLock({ $0[id] }), backend.address == nil else { return }
    NIOThreadPool.singleton.submit { [shared] _ in
      let name = backend.name
      if let address = try? SocketAddress.makeAddressResolvingHost(name.host, port: name.port) {
        shared.table.withLock { $0.resolve(id, to: address) }
      } else {
        shared.failed(id, why: "has a name that is not known", silent: false, byCheck: false)
      }
    }
  }

  /// What the proxy has done so far.
  package var counters: ProxyCounters { shared.meter.counters }

  /// The servers, those that only finish what they have among them.
  package var backends: [ProxyBackend] {
    shared.table.withLock { table in
      table.backends.map {
        ProxyBackend(
          address: $0.name, trouble: $0.trouble?.why, connections: $0.connections,
          isListed: $0.isListed)
      }
    }
  }

  /// Clients that each thread carries.
  package var loads: [Int] {
    shared.loops.withLock { loops in loops.map { $0.load.load(ordering: .relaxed) } }
  }

  /// Stops listening, closes every connection, and returns when it is closed.
  package func shutdown() async {
    await checks.stop()
    // Each holds the other.
    shared.troubled.withLock { $0 = nil }
    checks.cut.withLock { $0 = nil }
    let drains = state.withLock { state in
      state.isShutDown = true
      return state.drains.values
    }
    for drain in drains { drain.cancel() }
    command(.stop)
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        if state.running > 0 { state.atEnd.append(continuation) }
        return state.running == 0
      }
      if isOver { continuation.resume() }
    }
    // No loop waits on them any more.
    for listener in state.withLock({ exchange(&$0.listeners, []) }) { listener.close() }
    try? await threads.shutdownGracefully()
  }

  private func loopEnded() {
    let waiting = state.withLock { state in
      state.running -= 1
      defer { if state.running == 0 { state.atEnd = [] } }
      return state.running == 0 ? state.atEnd : []
    }
    for continuation in waiting { continuation.resume() }
  }
}
