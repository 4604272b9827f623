// One listening HTTP server, started and stopped on its own: a node that gets a new identity
// changes the certificate of its cluster port while the admin socket stays.

import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import ServiceLifecycle
import Transport

final class HTTPServer: Sendable {
  private let group: ServiceGroup
  private let task: Task<Void, any Error>

  private init(group: ServiceGroup, task: Task<Void, any Error>) {
    self.group = group
    self.task = task
  }

  /// Listens, and returns once it does.
  /// - Throws: `Failure` naming the address if that is not possible.
  static func start<Responder: HTTPResponder>(
    _ responder: Responder, on address: BindAddress, named name: String,
    tls: TLSChannelConfiguration?,
    loops: any EventLoopGroup, logger: Logger
  ) async throws -> HTTPServer
  where Responder.Context: InitializableFromSource<ApplicationRequestContextSource> {
    let http = HTTPServerBuilder.http1(
      configuration: .init(
        additionalChannelHandlers: [ClientKey()], idleTimeout: .seconds(120),
        httpDecoderConfiguration: .init(
          maxHeaderFieldSize: 8 << 10, maxHeaderListSize: 8 << 10, maxHeaderFieldCount: 100)))
    let builder =
      if let tls {
        try HTTPServerBuilder.tls(http, configuration: tls)
      } else {
        http
      }
    var quiet = logger
    quiet.logLevel = max(logger.logLevel, .warning)
    let (outcome, report) = AsyncStream<(any Error)?>.makeStream()
    let application = Application(
      responder: responder, server: builder,
      configuration: .init(address: address, backlog: 1024),
      onServerRunning: { _ in report.yield(nil) }, eventLoopGroupProvider: .shared(loops),
      logger: quiet)
    let group = ServiceGroup(
      configuration: .init(services: [application], gracefulShutdownSignals: [], logger: quiet))
    let task = Task(executorPreference: LoopExecutor(loops.next())) {
      do {
        try await group.run()
      } catch {
        report.yield(error)
        throw error
      }
    }
    var started = outcome.makeAsyncIterator()
    if let error = await started.next() ?? nil {
      throw Failure("\(TransportError(error, subject: name))", exitCode: 1)
    }
    return HTTPServer(group: group, task: task)
  }

  /// Ends accepting, lets open requests finish for a moment, and closes.
  func stop() async {
    await group.triggerGracefulShutdown()
    let task = task
    await withTaskGroup(of: Void.self) { race in
      race.addTask { _ = await task.result }
      race.addTask {
        try? await Task.sleep(for: .seconds(2))
        task.cancel()
      }
      await race.next()
      race.cancelAll()
    }
  }
}

/// Runs tasks on an event loop: where requests are read and answered they are also worked on, since
/// every change of thread on the way of a small request costs more than the work between two.
final class LoopExecutor: TaskExecutor {
  private let loop: any EventLoop

  init(_ loop: any EventLoop) { self.loop = loop }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
