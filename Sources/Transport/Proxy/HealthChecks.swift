// Looking at the servers between clients. To accept a connection proves little: a stopped process
// and a full queue accept too. So a check goes as far as a TLS handshake, and on to /readyz, where
// a server says that it wants no clients. A server that answered a client just now is not asked.
// The check shows this node's credentials, where there are any: an API server may answer nobody
// else. One that does not know them (401) is asked as a stranger from then on, which may tell more.

import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Synchronization

/// The checks of one proxy's servers.
final class HealthChecks: Sendable {
  private struct State {
    var planned: [BackendTable.ID: Scheduled<Void>] = [:]
    /// Looks under way, by their number.
    var running: [Int: Task<Void, Never>] = [:]
    var begun = 0
    var jitter: UInt64
    var isStopped = false
    /// Servers that do not know the credentials.
    var strangers: Set<BackendTable.ID> = []
  }

  private let shared: ProxyShared
  private let group: any EventLoopGroup
  private let state: Mutex<State>
  private let anonymous: NIOSSLContext?
  private let known: NIOSSLContext?
  private let token: String?
  /// Closes what has heard nothing from that server since then.
  let cut = Mutex<(@Sendable (BackendTable.ID, _ heardBefore: UInt64) -> Void)?>(nil)

  init(
    _ shared: ProxyShared, group: any EventLoopGroup, seed: UInt64, credentials: ClientCredentials?
  ) {
    self.shared = shared
    self.group = group
    state = Mutex(State(jitter: seed))
    var configuration = TLSConfiguration.makeClientConfiguration()
    // Clients verify the server, through the proxy; here it only matters whether it answers.
    configuration.certificateVerification = .none
    configuration.applicationProtocols = ["http/1.1"]
    configuration.shutdownTimeout = .milliseconds(100)
    anonymous = try? NIOSSLContext(configuration: configuration)
    credentials?.apply(to: &configuration)
    known = credentials.flatMap { _ in try? NIOSSLContext(configuration: configuration) }
    token = credentials?.token
  }

  /// Looks at a server from now on, for the first time at once.
  func begin(_ id: BackendTable.ID) { plan(id, in: .zero) }

  /// A client found it wanting: look soon.
  func hurry(_ id: BackendTable.ID) { plan(id, in: .milliseconds(100)) }

  /// Ends the checks, those under way too: nothing of them uses an event loop afterwards.
  func stop() async {
    let (planned, running) = state.withLock { state in
      state.isStopped = true
      return (state.planned.values, state.running.values)
    }
    for check in planned { check.cancel() }
    for look in running { look.cancel() }
    for look in running { await look.value }
  }

  private func plan(_ id: BackendTable.ID, in time: TimeAmount) {
    guard shared.options.check != .none else { return }
    let delay = TimeAmount.nanoseconds(time.nanoseconds * (80 + draw(40)) / 100)
    state.withLock { state in
      guard !state.isStopped else { return }
      state.planned[id]?.cancel()
      state.planned[id] = shared.clock.scheduleTask(in: delay) { [self] in look(id) }
    }
  }

  /// Less than `bound`.
  private func draw(_ bound: UInt64) -> Int64 {
    state.withLock { state in
      state.jitter = state.jitter &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int64((state.jitter >> 33) % bound)
    }
  }

  private func look(_ id: BackendTable.ID) {
    guard let backend = shared.table.withLock({ $0[id] }) else {
      state.withLock { state in
        state.planned[id] = nil
        state.strangers.remove(id)
      }
      return
    }
    let interval = shared.options.checkInterval
    if backend.trouble == nil,
      shared.now < backend.lastAnswer + UInt64(interval.nanoseconds)
    {
      return plan(id, in: interval)
    }
    state.withLock { state in
      guard !state.isStopped else { return }
      state.begun += 1
      state.running[state.begun] = Task { [self, number = state.begun] in
        await look(at: backend)
        self.state.withLock { $0.running[number] = nil }
      }
    }
  }

  private func look(at backend: BackendTable.Backend) async {
    var finding: Finding?
    do { try await probe(backend) } catch { finding = error }
    // Then it found out nothing.
    if Task.isCancelled { return }
    if let finding {
      shared.failed(backend.id, why: finding.words, silent: finding.isSilent, byCheck: true)
    } else {
      shared.answered(backend.id, byCheck: true)
    }
    next(backend.id)
  }

  /// Plans the next look, and gives up connections that nothing will come from.
  private func next(_ id: BackendTable.ID) {
    guard let backend = shared.table.withLock({ $0[id] }) else { return }
    guard let trouble = backend.trouble else { return plan(id, in: shared.options.checkInterval) }
    let limit =
      backend.isListed ? UInt64(shared.options.silenceLimit.nanoseconds) : 0
    if trouble.isSilent || !backend.isListed, trouble.failedChecks > 1,
      shared.now >= trouble.since + limit
    {
      cut.withLock { $0 }?(id, backend.isListed ? trouble.since : .max)
    }
    // Soon at first: most are back at once or not for long.
    let pause = min(Int64(250) << min(trouble.failedChecks, 5), 2000)
    plan(id, in: min(.milliseconds(pause), shared.options.checkInterval))
  }

  // MARK: One look

  /// What was found wrong, to follow "it".
  private struct Finding: Error {
    var words: String
    /// It did not answer at all, in contrast to answering badly.
    var isSilent = true
  }

  private func probe(_ backend: BackendTable.Backend) async throws(Finding) {
    let name = backend.name
    let answer: HealthAnswer
    do {
      answer = try await ask(backend)
    } catch {
      let problem = TransportError(error, subject: name.description)
      switch problem.kind {
      case .tooManyFiles, .addressNotLocal, .notPermitted: return
      case .refused: throw Finding(words: "refused a connection", isSilent: false)
      case .timedOut: throw Finding(words: "does not answer a check in time")
      case .notTLS: throw Finding(words: "does not speak TLS", isSilent: false)
      case .closed:
        throw Finding(words: "closed the connection of a check", isSilent: false)
      case .certificateRefused, .tlsVersion, .noCertificate: return
      default: throw Finding(words: "failed a check: \(problem)")
      }
    }
    if case .status(401) = answer {
      state.withLock { _ = $0.strangers.insert(backend.id) }
    }
    guard case .status(let status) = answer, status >= 500 else { return }
    throw Finding(words: "says that it is not ready (\(status))", isSilent: false)
  }

  private func ask(_ backend: BackendTable.Backend) async throws -> HealthAnswer {
    let kind = shared.options.check
    let loop = group.next()
    let promise = loop.makePromise(of: HealthAnswer.self)
    let timeout = shared.options.checkTimeout
    let host = backend.name.description
    let isStranger = state.withLock { $0.strangers.contains(backend.id) }
    let context = isStranger ? anonymous : known ?? anonymous
    let request = kind == .readyz ? request(to: host, asStranger: isStranger) : nil
    let bootstrap = ClientBootstrap(group: loop)
      .connectTimeout(min(timeout, shared.options.connectTimeout))
      .channelInitializer { channel in
        promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
        return channel.eventLoop.makeCompletedFuture {
          guard kind != .connect, let context else { return }
          try channel.pipeline.syncOperations.addHandlers([
            try NIOSSLClientHandler(context: context, serverHostname: nil),
            HealthHandler(promise, request: request),
          ])
        }
      }
    bootstrap.connect(to: backend.name).whenComplete { [shared] result in
      switch result {
      case .failure(let error): promise.fail(error)
      case .success(let channel):
        if backend.name.literal == nil, let address = channel.remoteAddress {
          shared.table.withLock { $0.resolve(backend.id, to: address) }
        }
        if kind == .connect { promise.succeed(.connected) }
        let deadline = loop.scheduleTask(in: timeout) {
          promise.fail(TransportError(.timedOut, subject: host))
        }
        promise.futureResult.whenComplete { _ in deadline.cancel() }
      }
    }
    return try await withTaskCancellationHandler {
      try await promise.futureResult.get()
    } onCancel: {
      promise.fail(CancellationError())
    }
  }

  private func request(to host: String, asStranger isStranger: Bool) -> String {
    "GET /readyz HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: muster-proxy\r\nAccept: */*\r\n"
      + (isStranger ? "" : token.map { "Authorization: Bearer \($0)\r\n" } ?? "")
      + "Connection: close\r\n\r\n"
  }
}

/// How far a check came.
enum HealthAnswer: Sendable {
  case connected
  case handshake
  case status(Int)
}

/// Completes a promise with what the server answers.
private final class HealthHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let promise: EventLoopPromise<HealthAnswer>
  /// What is asked; nil where the handshake is enough.
  private let request: String?
  private var head: [UInt8] = []
  private var isSecure = false

  init(_ promise: EventLoopPromise<HealthAnswer>, request: String?) {
    self.promise = promise
    self.request = request
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case TLSUserEvent.handshakeCompleted = event {
      isSecure = true
      if let request {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: request)), promise: nil)
      } else {
        promise.succeed(.handshake)
      }
    }
    context.fireUserInboundEventTriggered(event)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    head += unwrapInboundIn(data).readableBytesView.prefix(64)
    guard head.count >= 12 || head.contains(10) else { return }
    let words = String(decoding: head.prefix(64), as: UTF8.self).split(separator: " ")
    // Whatever it is, it speaks TLS and answers.
    let isHTTP = words.first?.hasPrefix("HTTP/1.") == true && words.count > 1
    promise.succeed(isHTTP ? Int(words[1].prefix(3)).map { .status($0) } ?? .handshake : .handshake)
    context.close(promise: nil)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    ended(with: error)
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    ended(with: ChannelError.eof)
    context.fireChannelInactive()
  }

  /// A server that wants a client certificate says so only after the handshake: it is well.
  private func ended(with error: any Error) {
    if isSecure { promise.succeed(.handshake) } else { promise.fail(error) }
  }
}
