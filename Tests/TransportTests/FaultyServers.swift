// What servers behind a proxy may do wrong, one handler each.

import NIOCore
import NIOPosix
import NIOSSL

@testable import Transport

/// Hears what it is told and answers nothing until it is let.
final class Listener: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  enum Way: Sendable {
    case silent, closing, resetting
  }
  let heard: Recorder<[UInt8]>
  let way: Way

  init(_ heard: Recorder<[UInt8]>, _ way: Way) {
    self.heard = heard
    self.way = way
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    heard.record(Array(unwrapInboundIn(data).readableBytesView))
    defer { context.fireChannelRead(data) }
    switch way {
    case .silent: break
    case .closing: context.close(promise: nil)
    case .resetting:
      let options = context.channel as? any SocketOptionProvider
      _ = options?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
      context.close(promise: nil)
    }
  }
}

/// Knows nobody who shows a certificate, and is not ready.
final class Judge: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer
  private let shown: Recorder<Bool>
  init(_ shown: Recorder<Bool>) { self.shown = shown }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let pipeline = context.pipeline.syncOperations
    let isKnown = (try? pipeline.nioSSL_peerCertificate()) != nil
    shown.record(isKnown)
    let answer = "HTTP/1.1 \(isKnown ? 401 : 500) No\r\nContent-Length: 0\r\n\r\n"
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
  }
}

/// Sends back what it gets.
final class Echo: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    context.writeAndFlush(data, promise: nil)
  }
}

/// Talks first, and not TLS.
final class Greeter: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer
  func channelActive(context: ChannelHandlerContext) {
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "220 smtp\r\n")), promise: nil)
  }
}
