// One client: a connection on which one request at a time is asked and answered.

import NIOCore
import NIOPosix
import NIOSSL

/// Asks, waits for the answer, tells what became of it, and asks again if it is told to.
final class Client: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let peer: Peer
  private var wishes: Wishes
  private var parser = AnswerParser()
  private var context: ChannelHandlerContext?
  /// When the request that is open was sent, in nanoseconds of the monotonic clock.
  private var asked: UInt64?
  /// Why there is no connection.
  private var lost = "the connection was closed"
  /// Takes the verdict and when it was asked for; says whether to go on.
  var answered: (Verdict, _ asked: UInt64) -> Bool = { _, _ in false }

  init(_ peer: Peer, wishes: Wishes) {
    self.peer = peer
    self.wishes = wishes
  }

  /// Whether it can still be asked anything.
  var isConnected: Bool { context?.channel.isActive ?? false }
  /// Whether it can be asked something now.
  var isFree: Bool { isConnected && asked == nil }

  func ask() {
    guard asked == nil else { return }
    asked = now()
    guard let context, isConnected else { return settle(.failed(lost)) }
    context.writeAndFlush(
      wrapOutboundOut(context.channel.allocator.buffer(bytes: wishes.next(at: wallClock()))),
      promise: nil)
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }
  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    parser.take(unwrapInboundIn(data).readableBytesView)
    do {
      guard let (status, body) = try parser.next() else { return }
      settle(peer.judge(status: status, body: body))
    } catch {
      errorCaught(context: context, error: error)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.context = nil
    settle(.failed(lost))
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    self.context = nil
    lost = "\(error)"
    settle(.failed(lost))
    context.close(promise: nil)
  }

  private func settle(_ verdict: Verdict) {
    guard let since = asked else { return }
    asked = nil
    if answered(verdict, since) { ask() }
  }
}

/// How to reach the servers.
struct Access: Sendable {
  let peer: Peer
  let tls: NIOSSLContext
  let bytes: Int

  /// TLS 1.3, or 1.2 where the server offers no more (etcd 3.5), with the client's certificate. The
  /// server is not checked: muster's certificates are pinned by key and etcd's are made for the
  /// occasion, and both cost the client the same.
  init(_ peer: Peer, certificate: String, key: String, bytes: Int) throws {
    self.peer = peer
    self.bytes = bytes
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = peer == .etcd ? .tlsv12 : .tlsv13
    configuration.certificateVerification = .none
    configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate).map {
      .certificate($0)
    }
    configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
    tls = try NIOSSLContext(configuration: configuration)
  }

  /// Connects to HOST:PORT; the client is ready once the handshake is through or fails later.
  func connect(_ address: String, on loop: any EventLoop) -> EventLoopFuture<NIOLoopBound<Client>> {
    connect(address, on: loop) {
      Client(peer, wishes: Wishes(peer, host: address, bytes: bytes))
    }.flatMapThrowing { channel in
      NIOLoopBound(
        try channel.pipeline.syncOperations.handler(type: Client.self), eventLoop: loop)
    }
  }

  /// Connects to HOST:PORT, and has what `make` makes speak there.
  func connect(
    _ address: String, on loop: any EventLoop,
    _ make: @escaping @Sendable () -> some ChannelInboundHandler
  ) -> EventLoopFuture<any Channel> {
    let parts = address.split(separator: ":")
    guard parts.count == 2, let port = Int(parts[1]) else {
      return loop.makeFailedFuture(Usage("\(address) is not HOST:PORT"))
    }
    return ClientBootstrap(group: loop)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandlers([
            try NIOSSLClientHandler(context: tls, serverHostname: nil)
          ])
          try channel.pipeline.syncOperations.addHandler(make())
        }
      }
      .connect(host: String(parts[0]), port: port)
  }
}

/// Nanoseconds of the monotonic clock.
func now() -> UInt64 { NIODeadline.now().uptimeNanoseconds }
