// Clients that go on asking while servers come and go: one request at a time each, sent again as it
// was (muster knows it by its command id, etcd by its key) until it is committed. A server that
// does not listen, or says that it closes the connection, is left for the next one; that is no
// failure. A failure is a request that was sent and not answered with a commit.

import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

#if canImport(Glibc)
  import Glibc
#endif

enum Steady {
  /// Asks until there is a file at `stop`; returns what came of it, as words.
  static func run(
    _ access: Access, servers: [String], clients: Int, stop: String, on loop: any EventLoop
  ) throws -> String {
    let done = loop.makePromise(of: String.self)
    loop.execute {
      let tally = SteadyTally(at: now())
      let all = (0..<clients).map { place in
        SteadyClient(access, servers: servers, from: place, tally, on: loop)
      }
      for client in all { client.proceed() }
      finish(all, tally, when: stop, done, on: loop)
    }
    return try done.futureResult.wait()
  }

  private static func finish(
    _ all: [SteadyClient], _ tally: SteadyTally, when stop: String,
    _ done: EventLoopPromise<String>, on loop: any EventLoop
  ) {
    if Glibc.access(stop, F_OK) == 0 { for client in all { client.isOver = true } }
    if all.allSatisfy({ $0.isOver && !$0.isAsking }) { return done.succeed(tally.words) }
    loop.assumeIsolated().scheduleTask(in: .milliseconds(10)) {
      finish(all, tally, when: stop, done, on: loop)
    }
  }
}

/// What became of the requests of all clients.
private final class SteadyTally {
  private var round = Round()
  private var refused = 0
  private var lastCommit: UInt64
  private var longestGap: UInt64 = 0

  init(at time: UInt64) { lastCommit = time }

  func committed(asked: UInt64) {
    let time = now()
    round.committed += 1
    round.latencies.append(time - asked)
    longestGap = max(longestGap, time - lastCommit)
    lastCommit = time
  }

  func failed(_ why: String) {
    round.failed += 1
    if round.firstFailure == nil { round.firstFailure = why }
  }

  func notServed() { refused += 1 }

  var words: String {
    var words = [
      "committed=\(round.committed)", "failed=\(round.failed)", "refused=\(refused)",
      "gap=\(longestGap / 1_000_000)", "p50=\(Int(round.microseconds(0.5)))",
      "p99=\(Int(round.microseconds(0.99)))", "max=\(Int(round.microseconds(1)))",
    ]
    if let why = round.firstFailure {
      words.append("failure=\(why.filter { !$0.isWhitespace }.prefix(160))")
    }
    return words.joined(separator: " ")
  }
}

private final class SteadyClient {
  private static let patience = TimeAmount.seconds(5)

  private let access: Access
  private let servers: [String]
  private let tally: SteadyTally
  private let loop: any EventLoop
  private var place: Int
  private var wishes: Wishes
  /// The request that is to be committed.
  private var wish: [UInt8]?
  private var begun: UInt64 = 0
  private var link: SteadyLink?
  private var limit: Scheduled<Void>?
  /// It finishes what it has in hand.
  var isOver = false

  var isAsking: Bool { wish != nil }

  init(
    _ access: Access, servers: [String], from place: Int, _ tally: SteadyTally,
    on loop: any EventLoop
  ) {
    self.access = access
    self.servers = servers
    self.place = place
    self.tally = tally
    self.loop = loop
    wishes = Wishes(access.peer, host: "bench", bytes: access.bytes)
  }

  /// Asks for the next thing, or again for what is not committed yet.
  func proceed() {
    if wish == nil {
      guard !isOver else { return }
      wish = wishes.next(at: wallClock())
      begun = now()
    }
    guard let link, link.isUsable else { return connect() }
    limit = loop.assumeIsolated().scheduleTask(in: Self.patience) { [weak self] in
      self?.link?.abandon("no answer within 5 s")
    }
    link.send(wish ?? [])
  }

  private func connect() {
    let server = servers[place % servers.count]
    place += 1
    let access = access
    let client = NIOLoopBound(self, eventLoop: loop)
    access.connect(server, on: loop) { SteadyLink(access.peer, client.value) }
      .assumeIsolated()
      .whenFailure { _ in client.value.notServed() }
  }

  /// There is no server at that address now.
  func notServed() {
    tally.notServed()
    link = nil
    loop.assumeIsolated().scheduleTask(in: .milliseconds(5)) { self.proceed() }
  }

  func ready(_ link: SteadyLink) {
    self.link = link
    proceed()
  }

  func answered(_ verdict: Verdict) {
    limit?.cancel()
    switch verdict {
    case .committed:
      tally.committed(asked: begun)
      wish = nil
    case .failed(let why):
      tally.failed("\(servers[(place - 1) % servers.count]): \(why)")
      link = nil
    }
    proceed()
  }
}

/// A connection of a client, from the handshake to its end.
private final class SteadyLink: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let peer: Peer
  private let client: SteadyClient
  private var parser = AnswerParser()
  private var context: ChannelHandlerContext?
  private var isReady = false
  private var isAsked = false
  private var isOver = false
  private var why = "the connection was closed"

  init(_ peer: Peer, _ client: SteadyClient) {
    self.peer = peer
    self.client = client
  }

  var isUsable: Bool { !isOver && !parser.closes && context?.channel.isActive == true }

  func send(_ bytes: [UInt8]) {
    guard let context else { return end() }
    isAsked = true
    context.writeAndFlush(
      wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes)), promise: nil)
  }

  func abandon(_ why: String) {
    self.why = why
    end()
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }
  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case TLSUserEvent.handshakeCompleted = event, !isReady {
      isReady = true
      client.ready(self)
    }
    context.fireUserInboundEventTriggered(event)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    parser.take(unwrapInboundIn(data).readableBytesView)
    do {
      guard isAsked, let (status, body) = try parser.next() else { return }
      isAsked = false
      client.answered(peer.judge(status: status, body: body))
    } catch {
      abandon("\(error)")
    }
  }

  func channelInactive(context: ChannelHandlerContext) { end() }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { abandon("\(error)") }

  private func end() {
    guard !isOver else { return }
    isOver = true
    context?.close(promise: nil)
    if isAsked {
      client.answered(.failed(why))
    } else if !isReady {
      client.notServed()
    }
  }
}
