// From a data dir to a serving node, and back.

import EventLog
import Hummingbird
import HummingbirdTLS
import Logging
import Membership
import NIOCore
import NIOPosix
import Replication
import Schema
import ServiceLifecycle
import Synchronization
import Transport
import UnixSignals

#if canImport(Glibc)
  import Glibc
#endif

extension Daemon {
  /// Runs an agent until it is told to stop (SIGTERM, SIGINT) or cannot go on.
  /// - Throws: `Failure` with the exit code of the process.
  package static func run(_ given: AgentOptions) async throws {
    umask(0o077)
    // A file over its size limit is a failed write, not the end of the process.
    signal(SIGXFSZ, SIG_IGN)
    signal(SIGPIPE, SIG_IGN)
    // Else nobody could tell how a hook ended.
    signal(SIGCHLD, SIG_DFL)
    OpenFiles.raiseLimit()
    let options = try given.merged()
    let directory = DataDirectory(options.dataDirectory)
    try directory.prepare()
    let lock = try AgentLock(directory)
    let logger = try LogOutput.logger(level: options.logLevel, format: options.logFormat)
    try Formation.recover(directory)
    let recorded = try NodeFile.load(directory)
    let settings = try options.resolved(recorded: recorded)
    let identity: NodeIdentity
    do {
      identity = try NodeIdentity.loadOrCreate(in: directory.identity)
    } catch {
      throw Failure("cannot read this node's identity: \(error)")
    }
    let file: NodeFile
    if let recorded {
      file = recorded
    } else {
      file = try Formation.form(settings, identity: identity, into: directory.identity)
      try Formation.recover(directory)
      logger.info("formed a cluster of its own", metadata: ["cluster": "\(file.cluster)"])
    }
    let core = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let daemon = Daemon(
      lock: lock, settings: settings, identity: identity, file: file, logger: logger,
      coreGroup: core,
      group: group)
    let outcome = await daemon.serve()
    try? await group.shutdownGracefully()
    try? await core.shutdownGracefully()
    try outcome.get()
  }

  private func serve() async -> Result<Void, Failure> {
    let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
    let listening = Task { [end] in
      for await _ in signals {
        end.finish(.success(()))
        return
      }
    }
    defer { listening.cancel() }
    do {
      // What peers say meanwhile of this node's role is said again when it is up.
      try beginChange("the start")
      try await finishChanges()
      try await start()
    } catch {
      await stop()
      return .failure(Failure.starting("start", error))
    }
    logger.info(
      "\(settings.name) serves", metadata: ["cluster": "\(settings.clusterAddress)"])
    ServiceNotification.send("READY=1\nSTATUS=\(settings.name) serves")
    let resuming = Task { await self.resume() }
    let outcome = await end.wait()
    resuming.cancel()
    ServiceNotification.send("STOPPING=1")
    logger.info("stopping")
    await stop()
    return outcome
  }

  /// What a crash left half done and can be finished without asking anybody.
  private func finishChanges() async throws {
    if let intent = try LeaveIntent.load(directory), intent.departed {
      try await becomeFresh(intent)
    }
    if let intent = try JoinIntent.load(directory), let answer = intent.answer {
      let string = try JoinString(parsing: intent.connection)
      try await switchOver(
        intent, answer,
        joinedBy: Self.digest(string.address + "/" + string.token).description, report: { _ in })
    }
  }

  /// What needs others to be finished: a join or a leave whose outcome was not known.
  private func resume() async {
    let quiet: Report = { [logger] line in
      if let text = line.progress ?? line.output { logger.info("\(text)") }
    }
    while !Task.isCancelled {
      do {
        if let intent = try JoinIntent.load(directory) {
          logger.info("resuming a join that was interrupted")
          try await join(
            LocalJoin(
              connection: intent.connection, worker: intent.worker, dryRun: false,
              replaces: intent.replaces, timeoutSeconds: 60), report: quiet)
        } else if try LeaveIntent.load(directory) != nil {
          logger.info("resuming a leave that was interrupted")
          try await leave(
            LocalLeave(local: false, timeoutSeconds: 60), actor: settings.name, report: quiet)
        }
        return
      } catch let error as APIError where error.exitCode != 7 && error.exitCode != 5 {
        logger.warning("\(error.error)")
        return
      } catch {
        logger.info("not finished yet: \(error)")
        try? await Task.sleep(for: .seconds(2))
      }
    }
  }

  private func start() async throws {
    if case .starting = mode { try await startNode() }
    endChange()
    if servers.withLock({ $0.cluster.isEmpty }) { try await startClusterServers() }
    try await startLocalServer()
    try rememberPlace()
    await tellOfUnusedHints()
    await announceEndpoints()
  }

  /// A later start that is told no address is at this one's.
  private func rememberPlace() throws {
    let next = state.withLock { state in
      var next = state.file
      next.address = settings.address.description
      next.clusterPort = settings.clusterPort
      next.datastorePort = settings.datastorePort
      next.apiserverPort = settings.apiserverPort
      defer { state.file = next }
      return next == state.file ? nil : next
    }
    try next?.save(directory)
  }

  /// In an order that lets nobody down who asked: another leads before anything ends, then what was
  /// asked is answered, and the node ends last.
  private func stop() async {
    state.withLock { $0.isStopping = true }
    if case .controlPlane(let node) = mode {
      await node.handOver()
      // Long polls are answered now, and streams end.
      node.board.close()
      // Who comes now finds nobody; who was there already is heard, and told with an answer to go.
      try? directory.remove(directory.socket)
      try? await Task.sleep(for: Self.farewell)
    }
    await hooks.stop(killing: true)
    let local = servers.withLock { servers in
      defer { servers.local = nil }
      return servers.local
    }
    async let stoppedKubernetes: Void = stopKubernetes()
    async let stoppedCluster: Void = stopClusterServers()
    await local?.stop()
    _ = await (stoppedKubernetes, stoppedCluster)
    await stopNode()
    if let client = servers.withLock({ $0.client }) { await client.shutdown() }
    try? directory.remove(directory.socket)
  }

  /// How long answers say that the connection closes before it does.
  private static let farewell = Duration.milliseconds(100)

  // MARK: The node

  /// Starts what `file` says that this node is.
  func startNode() async throws {
    let hooks = ControlPlane.Hooks(
      departed: { gone in Task { await self.learnOfDeparture(gone) } },
      demoted: { notice in Task { await self.learnOfDemotion(notice) } },
      promoted: { Task { await self.learnOfPromotion() } },
      stopped: { failure in self.end.finish(.failure(failure)) })
    let next: Mode
    if let gone = file.departed {
      next = .departed(gone)
    } else if file.role == .worker {
      next = .worker(try await WorkerNode.start(context, client: client, hooks: hooks))
    } else {
      next = .controlPlane(try await ControlPlane.start(context, hooks: hooks))
    }
    state.withLock { $0.mode = next }
    if case .controlPlane(let node) = next { beginInquiries(node) }
    startHooks()
    do {
      switch next {
      case .controlPlane(let node): try await startKubernetes(node)
      case .worker: try KubernetesFiles(directory).writeWorkerKubeconfig(settings)
      case .starting, .departed: break
      }
    } catch {
      await stopNode()
      throw error
    }
  }

  func stopNode() async {
    await hooks.stop()
    let mode = state.withLock { state in
      defer { state.mode = .starting }
      return state.mode
    }
    await stopKubernetes()
    switch mode {
    case .controlPlane(let node): await node.stop()
    case .worker(let worker): await worker.stop()
    case .starting, .departed: break
    }
  }

  /// Tells the log where this node is, if that differs from what the log says.
  func announceEndpoints() async {
    guard let own = file.nodeID else { return }
    switch mode {
    case .controlPlane(let node): await announce(own, by: node)
    case .worker(let worker): worker.announce(own)
    case .starting, .departed: break
    }
  }

  private func announce(_ own: NodeID, by node: ControlPlane) async {
    guard await endpointNews(node, own, isReady: nil) != nil else { return }
    Task {
      while !Task.isCancelled, let said = await endpointNews(node, own, isReady: nil) {
        let outcome = await node.driver.submit(
          Membership.Request(
            id: .drawn(), command: .refreshEndpoints(said), actor: settings.name, origin: own),
          timeout: .seconds(30))
        switch outcome {
        case .committed: return
        case .refused(_, _, let message):
          logger.warning("the endpoints were not taken: \(message)")
          return
        case .unknown, .notLeader:
          guard case .controlPlane(let current) = mode, current === node else { return }
        }
      }
    }
  }

  // MARK: Servers

  func startClusterServers() async throws {
    let settled = try TLSSettings.clusterAPI(identity: identity)
    let tls = TLSChannelConfiguration(
      tlsConfiguration: settled.configuration, customVerificationCallback: settled.verify)
    let responder = Routes(daemon: self, isLocal: false).router().buildResponder()
    var started: [HTTPServer] = []
    let port = settings.clusterPort
    started.append(
      try await HTTPServer.start(
        responder, on: .hostname(settings.listen.description, port: port),
        named: "\(settings.listen.bracketed):\(port)", tls: tls, loops: group, logger: logger))
    for extra in settings.extraClusterAddresses where extra.host != settings.listen {
      do {
        started.append(
          try await HTTPServer.start(
            responder, on: .hostname(extra.host.description, port: port), named: "\(extra)",
            tls: tls, loops: group, logger: logger))
      } catch {
        logger.info("not listening on \(extra): \(error)")
      }
    }
    servers.withLock { $0.cluster = started }
  }

  func stopClusterServers() async {
    let running = servers.withLock { servers in
      defer { servers.cluster = [] }
      return servers.cluster
    }
    await withTaskGroup(of: Void.self) { stops in
      for server in running { stops.addTask { await server.stop() } }
    }
  }

  private func startLocalServer() async throws {
    try directory.remove(directory.socket)
    let server = try await HTTPServer.start(
      Routes(daemon: self, isLocal: true).router().buildResponder(),
      on: .unixDomainSocket(path: directory.socket), named: directory.socket, tls: nil,
      loops: group, logger: logger)
    servers.withLock { $0.local = server }
  }

  /// The embedded Kubernetes API, unless a real one is on this node.
  private func startKubernetes(_ node: ControlPlane) async throws {
    let files = KubernetesFiles(directory)
    try files.writeKubeconfig(server: settings.apiserverAddress)
    if settings.apiserverEndpoint == nil {
      let server = try await KubernetesServer.start(self, node)
      servers.withLock { $0.kubernetes = server }
    } else {
      let watch = try watchAPIServer(node)
      servers.withLock { $0.watch = watch }
    }
    let proxy = await ControlPlaneProxy.start(context, node.board)
    servers.withLock { $0.proxy = proxy }
  }

  private func stopKubernetes() async {
    let (server, proxy, watch) = servers.withLock { servers in
      defer { (servers.kubernetes, servers.proxy, servers.watch) = (nil, nil, nil) }
      return (servers.kubernetes, servers.proxy, servers.watch)
    }
    await watch?.stop()
    await proxy?.stop()
    await server?.stop()
  }
}
