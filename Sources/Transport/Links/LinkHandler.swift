import NIOCore
import NIOSSL
import NIOTLS

/// One connection between two nodes, from the handshake to its end.
///
/// After TLS has proved the peer's key, the side that dialled sends its greeting, the other judges
/// it together with the key and answers with its own greeting or a refusal; only then do frames
/// flow, from the dialler to the other side alone. Law: ``end(_:afterWriting:)`` takes effect once;
/// afterwards nothing is delivered.
final class LinkHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private enum State {
    case handshake, greeting, open, over
  }

  /// The greeting format; a peer of another one is refused here, before its bytes are looked at.
  private static let version: UInt8 = 1

  /// The peer that was dialled; nil for a connection from outside.
  let dialled: DialledPeer?
  private let table: LinkTable
  /// SHA-256 of the peer's public key, known once TLS stands.
  private(set) var keyDigest: [UInt8] = []
  /// Who it is, once the link is open.
  private(set) var peer: UInt64?
  private(set) var remote: String

  private var state = State.handshake
  private var decoder: FrameDecoder
  private var received: [LinkFrame] = []
  private var receivedBytes = 0
  private var context: ChannelHandlerContext?
  private var deadline: Scheduled<Void>?
  private var unwritten = 0
  private var closesWhenWritten = false

  init(table: LinkTable, dialled: DialledPeer?) {
    self.table = table
    self.dialled = dialled
    remote = dialled?.target.address.description ?? ""
    decoder = FrameDecoder(limit: table.shared.limits.greetingBytes + 1)
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    if dialled == nil { remote = LinkTable.name(of: context.remoteAddress) }
    table.began(on: context.channel)
    if context.channel.isActive { begin(context) }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    table.gone(context.channel)
    deadline?.cancel()
    self.context = nil
  }

  func channelActive(context: ChannelHandlerContext) {
    begin(context)
    context.fireChannelActive()
  }

  private func begin(_ context: ChannelHandlerContext) {
    guard deadline == nil, state == .handshake else { return }
    if dialled == nil { remote = LinkTable.name(of: context.remoteAddress) }
    let limit = TimeAmount.milliseconds(Int64(table.shared.limits.greetingMilliseconds))
    deadline = context.eventLoop.assumeIsolated().scheduleTask(in: limit) { [weak self] in
      self?.end(.noGreeting)
    }
    table.connected(self)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case TLSUserEvent.handshakeCompleted = event { handshakeCompleted(context) }
    context.fireUserInboundEventTriggered(event)
  }

  private func handshakeCompleted(_ context: ChannelHandlerContext) {
    guard state == .handshake else { return }
    do {
      guard let certificate = try context.pipeline.syncOperations.nioSSL_peerCertificate() else {
        return end(.failed(TransportError(.noCertificate, subject: remote)))
      }
      keyDigest = try TLSSettings.keyDigest(of: certificate)
    } catch {
      return end(.failed(TransportError(error, subject: remote)))
    }
    state = .greeting
    if dialled != nil { greet() }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard state != .over else { return }
    decoder.append(unwrapInboundIn(data))
    do throws(FrameDecoder.Fault) {
      while state != .over, let frame = try decoder.next() { take(frame) }
    } catch {
      switch error {
      case .empty: end(.emptyFrame)
      case .tooLarge(let bytes): end(.frameTooLarge(bytes))
      }
    }
  }

  private func take(_ frame: LinkFrame) {
    switch (state, dialled) {
    case (.open, nil) where frame.group < FrameDecoder.greeting:
      received.append(frame)
      receivedBytes += frame.payload.count
    case (.greeting, nil) where frame.group == FrameDecoder.greeting:
      judge(frame.payload)
    case (.greeting, _?) where frame.group == FrameDecoder.greeting:
      judge(frame.payload)
    case (.greeting, let peer?) where frame.group == FrameDecoder.refusal:
      let id = peer.target.id
      table.shared.onEvent(.refused(peer: id, reply: Array(frame.payload.dropFirst())))
      end(.refusedThere)
    default: end(.unexpectedFrame(group: frame.group))
    }
  }

  private func judge(_ greeting: [UInt8]) {
    guard greeting.first == Self.version else {
      return end(.refusedHere("its links speak version \(greeting.first ?? 0)"))
    }
    switch table.shared.admit(keyDigest, Array(greeting.dropFirst())) {
    case .refuse(let reply, let reason):
      writeControl(FrameDecoder.refusal, reply)
      end(.refusedHere(reason), afterWriting: true)
    case .accept(let id):
      if let wanted = dialled?.target.id, wanted != id { return end(.wrongPeer(id)) }
      peer = id
      state = .open
      deadline?.cancel()
      decoder.limit = table.shared.limits.frameBytes
      if dialled == nil { greet() }
      table.opened(self, peer: id)
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    deliver()
    context.fireChannelReadComplete()
  }

  private func deliver() {
    guard let peer, !received.isEmpty else { return }
    let frames = received
    received = []
    let bytes = receivedBytes
    receivedBytes = 0
    table.shared.count {
      $0.framesReceived += UInt64(frames.count)
      $0.bytesReceived += UInt64(bytes)
    }
    table.shared.onEvent(.frames(peer: peer, frames))
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if state == .open, dialled != nil, let peer { table.flush(peer) }
    context.fireChannelWritabilityChanged()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let error = error as? NIOSSLError, error == .uncleanShutdown {
      end(.endOfStream)
    } else {
      end(.failed(TransportError(error, subject: remote)))
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    end(.endOfStream)
    context.fireChannelInactive()
  }

  // MARK: Writing and ending

  var isWritable: Bool { context?.channel.isWritable ?? false }

  /// Encodes frames into one write and flushes it.
  func write(_ frames: [LinkFrame]) {
    guard let context, !frames.isEmpty else { return }
    let bytes = frames.reduce(0) { $0 + $1.payload.count }
    var buffer = context.channel.allocator.buffer(
      capacity: bytes + frames.count * FrameDecoder.headerBytes)
    for frame in frames { FrameDecoder.encode(frame, into: &buffer) }
    unwritten += 1
    let promise = context.eventLoop.makePromise(of: Void.self)
    promise.futureResult.assumeIsolated().whenComplete { [self] _ in
      unwritten -= 1
      table.written(self, bytes: bytes, frames: frames.count)
      if closesWhenWritten, unwritten == 0 { self.context?.close(promise: nil) }
    }
    if frames[0].group < FrameDecoder.greeting {
      table.shared.count {
        $0.framesSent += UInt64(frames.count)
        $0.bytesSent += UInt64(bytes)
      }
    }
    context.writeAndFlush(wrapOutboundOut(buffer), promise: promise)
  }

  private func greet() { writeControl(FrameDecoder.greeting, table.shared.greeting()) }

  private func writeControl(_ group: UInt8, _ payload: [UInt8]) {
    write([LinkFrame(group: group, payload: [Self.version] + payload)])
  }

  /// Ends the link, at once for everybody above; the connection closes, with `afterWriting` once
  /// what was queued has left.
  func end(_ reason: LinkCloseReason, afterWriting: Bool = false) {
    guard state != .over else { return }
    deliver()
    state = .over
    deadline?.cancel()
    let waiting = table.ended(self, peer: peer, reason: reason)
    guard let context else { return }
    guard afterWriting, context.channel.isActive else {
      return context.close(promise: nil)
    }
    closesWhenWritten = true
    // In parts, so that progress can be seen.
    var part: [LinkFrame] = []
    var size = 0
    for frame in waiting {
      part.append(frame)
      size += frame.payload.count
      if size < LinkTable.batchBytes { continue }
      write(part)
      part = []
      size = 0
    }
    write(part)
    if unwritten == 0 { return context.close(promise: nil) }
    watchParting()
  }

  /// A peer that takes nothing any more must not hold the connection for ever.
  private func watchParting() {
    guard let context else { return }
    let before = unwritten
    let pause = TimeAmount.milliseconds(Int64(table.shared.limits.unacknowledgedMilliseconds))
    context.eventLoop.assumeIsolated().scheduleTask(in: pause) { [weak self] in
      guard let self, let context = self.context else { return }
      if self.unwritten < before { return self.watchParting() }
      context.close(promise: nil)
    }
  }
}
