import NIOCore

/// One of the two glued connections: passes on what it reads, and reads only while the other can
/// take it.
///
/// Law: a connection is closed, or its sending half shut, only after the last byte written to it
/// was handed to the kernel.
final class ProxySide: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let onBytes: (Int) -> Void
  /// Called once, when the connection stands.
  var onActive: ((ProxySide) -> Void)?
  private var context: ChannelHandlerContext?
  private var partner: ProxySide?
  /// What was read before there was a partner: a client that sends and ends at once is read while
  /// the server is still being connected.
  private var early: [ByteBuffer] = []
  private var wantsRead = false
  /// Writes to this connection that are not with the kernel yet.
  private var unwritten = 0
  private var isEnding: CloseMode?
  private var sawEnd = false
  private var sentEnd = false

  /// - Parameter onBytes: told how many bytes this side read.
  init(onBytes: @escaping (Int) -> Void) { self.onBytes = onBytes }

  /// Glues two connections of one event loop and starts reading from both.
  static func glue(_ one: ProxySide, _ other: ProxySide) {
    one.partner = other
    other.partner = one
    one.begin()
    other.begin()
  }

  private func begin() {
    let bytes = early
    early = []
    for buffer in bytes { partner?.write(buffer) }
    partner?.context?.flush()
    if sawEnd { partner?.end(.output) }
    readIfPossible()
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    partner = nil
    onActive = nil
  }

  func channelActive(context: ChannelHandlerContext) {
    context.fireChannelActive()
    let action = onActive
    onActive = nil
    action?(self)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let bytes = unwrapInboundIn(data)
    onBytes(bytes.readableBytes)
    if let partner { partner.write(bytes) } else { early.append(bytes) }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    partner?.context?.flush()
    readIfPossible()
  }

  private func readIfPossible() {
    guard let context, let partner, !sawEnd else { return }
    if partner.context?.channel.isWritable == true {
      wantsRead = false
      context.read()
    } else {
      wantsRead = true
    }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable, let partner, partner.wantsRead { partner.readIfPossible() }
    context.fireChannelWritabilityChanged()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if let event = event as? ChannelEvent, event == .inputClosed {
      sawEnd = true
      partner?.end(.output)
    }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    partner?.end(.all)
    partner = nil
    context.fireChannelInactive()
  }

  private func write(_ bytes: ByteBuffer) {
    guard let context else { return }
    unwritten += 1
    let promise = context.eventLoop.makePromise(of: Void.self)
    promise.futureResult.assumeIsolated().whenComplete { [self] _ in
      unwritten -= 1
      endIfWritten()
    }
    context.write(wrapOutboundOut(bytes), promise: promise)
  }

  private func end(_ mode: CloseMode) {
    if isEnding != .all { isEnding = mode }
    context?.flush()
    endIfWritten()
  }

  private func endIfWritten() {
    guard let mode = isEnding, unwritten == 0, let context else { return }
    if mode == .output {
      if sentEnd { return }
      sentEnd = true
      // With both directions ended nothing is left to wait for.
      context.close(mode: sawEnd ? .all : .output, promise: nil)
    } else {
      context.close(promise: nil)
    }
  }
}
