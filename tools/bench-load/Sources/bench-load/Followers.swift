// Many workers that follow one control-plane node's endpoints, without what a worker does with
// them: TLS clients in one long poll each, as WorkerNode asks. When all that were told of a change
// have been quiet for a while, a line says when the first, half, nearly all and the last of them
// were.

import NIOCore
import NIOPosix
import NIOSSL

#if canImport(Glibc)
  import Glibc
#endif

/// What all of them have in common; on the loop.
final class Following {
  /// When a follower had that index: microseconds since 1970-01-01 UTC.
  private var news: [UInt64: [UInt64]] = [:]
  private var lastNews: UInt64 = 0
  private(set) var waiting = 0
  private(set) var lost = 0

  func told(_ index: UInt64) {
    news[index, default: []].append(wallMicroseconds())
    lastNews = now()
  }

  func began() { waiting += 1 }

  func ended(_ why: String) {
    if lost == 0 { FileHandle.error("bench-load: a follower was lost: \(why)\n") }
    lost += 1
  }

  /// Prints what is over.
  func report() {
    guard !news.isEmpty, now() > lastNews + 1_000_000_000 else { return }
    for (index, times) in news.sorted(by: { $0.key < $1.key }) {
      let sorted = times.sorted()
      func at(_ part: Double) -> UInt64 {
        sorted[min(sorted.count - 1, Int(part * Double(sorted.count)))]
      }
      print(
        "index=\(index) answers=\(sorted.count) first=\(sorted[0]) p50=\(at(0.5)) "
          + "p99=\(at(0.99)) last=\(at(1)) lost=\(lost)")
    }
    news = [:]
    fflush(nil)
  }

  /// Followers are made, `together` at a time; then reports are printed until the process is ended.
  static func run(_ access: Access, server: String, count: Int, on loop: any EventLoop) throws {
    let following = try loop.submit { NIOLoopBound(Following(), eventLoop: loop) }.wait()
    let together = 32
    for start in stride(from: 0, to: count, by: together) {
      let some = (start..<min(count, start + together)).map { _ in
        access.connect(server, on: loop) { Follower(following.value, host: server) }
      }
      for one in some { _ = try one.wait() }
      while try loop.submit({ following.value.waiting + following.value.lost }).wait()
        < min(count, start + together)
      {
        usleep(1000)
      }
    }
    print("following=\(count)")
    fflush(nil)
    while true {
      usleep(100_000)
      try loop.submit { following.value.report() }.wait()
    }
  }
}

/// One of them.
private final class Follower: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let following: Following
  private let host: String
  private var parser = AnswerParser()
  private var index: UInt64?
  private var problem = "the connection was closed"

  init(_ following: Following, host: String) {
    self.following = following
    self.host = host
  }

  func channelActive(context: ChannelHandlerContext) { ask(context, seconds: 0) }

  private func ask(_ context: ChannelHandlerContext, seconds: Int) {
    let request =
      "GET /v1/endpoints?after=\(index ?? 0)&wait=\(seconds) HTTP/1.1\r\nhost: \(host)\r\n\r\n"
    context.writeAndFlush(
      wrapOutboundOut(context.channel.allocator.buffer(string: request)), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    parser.take(unwrapInboundIn(data).readableBytesView)
    do {
      while let (status, body) = try parser.next() {
        guard status == 200, let told = Self.index(in: body) else {
          problem = "HTTP \(status): \(String(decoding: body.prefix(200), as: UTF8.self))"
          context.close(promise: nil)
          return
        }
        if let index, told > index { following.told(told) }
        if index == nil { following.began() }
        index = told
        // As a worker with --refresh-interval 30s: from 24 to 30 s, each time another.
        ask(context, seconds: .random(in: 24...30))
      }
    } catch {
      errorCaught(context: context, error: error)
    }
  }

  func channelInactive(context: ChannelHandlerContext) { following.ended(problem) }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    problem = "\(error)"
    context.close(promise: nil)
  }

  /// The number after `"index":`.
  private static func index(in body: [UInt8]) -> UInt64? {
    guard let start = AnswerParser.find("\"index\"", in: body[...]) else { return nil }
    let digits = body[start...].drop { !(48...57).contains($0) }.prefix { (48...57).contains($0) }
    return UInt64(String(decoding: digits, as: UTF8.self))
  }
}

/// Microseconds since 1970-01-01 UTC.
private func wallMicroseconds() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
}

private enum FileHandle {
  static func error(_ text: String) { _ = text.withCString { write(2, $0, strlen($0)) } }
}
