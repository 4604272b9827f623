// A watch: history from where the client is, then the present as it comes, one JSON object a line.

import FoundationEssentials
import History
import Hummingbird
import Membership
import NIOCore

struct KubernetesStream: Sendable {
  let hub: KubernetesHub
  let kind: KubernetesKind
  let options: KubernetesOptions
  let form: KubernetesForm
  let channel: any Channel

  /// At most so many seconds, also where a client asks for more; kube-apiserver ends watches after
  /// half an hour to an hour, so clients know to come again.
  private static let longest: UInt64 = 3600
  /// Clients learn how far they are, and a connection that is dead is found out.
  private static let bookmarkPause: Duration = .seconds(60)

  func response() -> Response {
    Response(
      status: .ok,
      headers: [.contentType: "application/json", .cacheControl: "no-cache, private"],
      body: ResponseBody { writer in
        // Reading history must not hold up the loop that serves everybody.
        try await withTaskExecutorPreference(globalConcurrentExecutor) {
          let writer = writer
          var lines = Lines(writer: writer, stream: self)
          do {
            try await run(&lines)
          } catch let error as KubernetesError {
            try await lines.fail(error)
          } catch is CancellationError {
            // The client went, or the agent stops.
          } catch let error as ChannelError {
            throw error
          } catch {
            try await lines.fail(.failed(error))
          }
          try await lines.writer.finish(nil)
        }
      })
  }

  private func run(_ lines: inout Lines) async throws {
    let end = ContinuousClock.now + .seconds(Int64(min(options.timeout ?? 1800, Self.longest)))
    try await Departures.report(on: channel, to: hub.news)
    var shown: KubernetesShown
    var index: UInt64
    if let version = options.version, version > 0, !options.sendsInitialEvents {
      (shown, index) = try await replay(from: version, &lines)
    } else {
      try await hub.reach(options.version ?? 0)
      let view = options.version == nil ? await hub.latest(patience: .milliseconds(250)) : nil
      let now = if let view { view } else { await hub.here() }
      shown = KubernetesShown(options.selection)
      index = now.index
      try await lines.write(shown.changes(to: now.objects(kind), at: index))
      if options.sendsInitialEvents { try await lines.bookmark(index, endsInitial: true) }
    }
    try await hub.following { [shown, index] in
      var shown = shown
      var index = index
      var bookmarked = ContinuousClock.now
      while !hub.isClosed, channel.isActive, !Task.isCancelled {
        let version = hub.news.version
        let view = await hub.view()
        if view.index >= index {
          index = view.index
          try await lines.write(shown.changes(to: view.objects(kind), at: index))
        }
        let now = ContinuousClock.now
        guard now < end else { break }
        if options.allowsBookmarks, now - bookmarked >= Self.bookmarkPause {
          try await lines.bookmark(index)
          bookmarked = now
        }
        _ = await hub.news.wait(
          above: version, timeout: min(end - now, bookmarked + Self.bookmarkPause - now))
      }
      if options.allowsBookmarks, channel.isActive { try await lines.bookmark(index) }
    }
  }

  /// Tells what happened after an index, up to what is applied.
  private func replay(
    from version: UInt64, _ lines: inout Lines
  ) async throws -> (KubernetesShown, UInt64) {
    try await hub.reach(version)
    let history = hub.history
    var replay = KubernetesReplay(try hub.state(at: version), kind)
    let view = KubernetesView(replay.state, hub.sightings(toldAt: version))
    var shown = KubernetesShown(options.selection, view.objects(kind))
    while replay.state.lastIndex < history.head {
      var changes: [KubernetesChange] = []
      let last = min(history.head, replay.state.lastIndex + 512)
      try history.forEachEvent(from: replay.state.lastIndex + 1, through: last) { recorded in
        changes += try replay.apply(recorded, &shown)
        return true
      }
      try await lines.write(changes)
      try Task.checkCancellation()
    }
    return (shown, history.head)
  }

  /// Writes lines as the client wants them.
  private struct Lines {
    var writer: any ResponseBodyWriter
    let stream: KubernetesStream
    private var hasColumns = true

    init(writer: any ResponseBodyWriter, stream: KubernetesStream) {
      self.writer = writer
      self.stream = stream
    }

    mutating func write(_ changes: [KubernetesChange]) async throws {
      for chunk in changes.chunks(of: 64) {
        let text = chunk.map { line($0.kind.rawValue, document($0.object)) }.joined()
        try await writer.write(ByteBuffer(string: text))
      }
    }

    mutating func bookmark(_ index: UInt64, endsInitial: Bool = false) async throws {
      var metadata: [(String, Document)] = [("resourceVersion", .text("\(index)"))]
      let kind = stream.kind
      if case .table(let version) = stream.form {
        let table = KubernetesTable(version: version, kind: kind, now: .now)
          .document([], metadata: .object(metadata), hasColumns: hasColumns)
        hasColumns = false
        return try await writer.write(ByteBuffer(string: line("BOOKMARK", table)))
      }
      metadata.append(("creationTimestamp", .null))
      if endsInitial {
        metadata.append(
          ("annotations", .object([("k8s.io/initial-events-end", .text("true"))])))
      }
      let object = Document.object([
        ("kind", .text(kind.kind)), ("apiVersion", .text(kind.apiVersion)),
        ("metadata", .object(metadata)),
      ])
      try await writer.write(ByteBuffer(string: line("BOOKMARK", object)))
    }

    mutating func fail(_ error: KubernetesError) async throws {
      try await writer.write(ByteBuffer(string: line("ERROR", error.document)))
    }

    private func line(_ type: String, _ object: Document) -> String {
      Document.object([("type", .text(type)), ("object", object)]).line
    }

    private mutating func document(_ object: KubernetesObject) -> Document {
      switch stream.form {
      case .table(let version):
        defer { hasColumns = false }
        return KubernetesTable(
          version: version, include: stream.options.include, kind: stream.kind, now: .now
        ).document(
          [object],
          metadata: .object([("resourceVersion", .text("\(object.version)"))]),
          hasColumns: hasColumns)
      case .partial(let version): return KubernetesTable.partial(object, version: version)
      case .plain, .aggregated: return object.document
      }
    }
  }
}

/// Notices that a client went while nothing is written to it: it is not asked, it is told.
final class Departures: ChannelInboundHandler, RemovableChannelHandler, Sendable {
  typealias InboundIn = Any
  typealias InboundOut = Any

  private let news: Versioned

  private init(_ news: Versioned) { self.news = news }

  /// From now on the end of that connection wakes whoever waits for news.
  static func report(on channel: any Channel, to news: Versioned) async throws {
    try await channel.eventLoop.submit {
      let pipeline = channel.pipeline.syncOperations
      guard (try? pipeline.handler(type: Departures.self)) == nil else { return }
      try pipeline.addHandler(Departures(news))
    }.get()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    // Whoever closes its side of TLS reads no more.
    if event as? ChannelEvent == .inputClosed { context.close(promise: nil) }
    context.fireUserInboundEventTriggered(event)
  }

  func channelInactive(context: ChannelHandlerContext) {
    news.wakeAll()
    context.fireChannelInactive()
  }
}
