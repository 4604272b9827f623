import Foundation
import NIOCore
import NIOPosix
import Testing

@testable import Transport

/// Says its name to whoever connects, then sends back what it gets; at the client's end of stream
/// it says `end` and ends too.
private final class NamedEcho: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer
  let name: String
  init(_ name: String) { self.name = name }

  func channelActive(context: ChannelHandlerContext) {
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: name)), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    context.writeAndFlush(data, promise: nil)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard let event = event as? ChannelEvent, event == .inputClosed else { return }
    let end = context.eventLoop.makePromise(of: Void.self)
    end.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "end")), promise: end)
  }
}

/// A socket that listens and whose queue is full: further connections get no answer at all.
private final class SilentServer: Sendable {
  let address: HostPort
  private let handles: [Int32]

  init() throws {
    func tcp() -> Int32 {
      socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    }
    func with(_ name: inout sockaddr_in, _ call: (UnsafeMutablePointer<sockaddr>) -> Int32) -> Int32
    {
      withUnsafeMutablePointer(to: &name) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0) }
      }
    }
    let listener = tcp()
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    try #require(with(&name) { bind(listener, $0, length) } == 0)
    try #require(listen(listener, 0) == 0)
    try #require(with(&name) { getsockname(listener, $0, &length) } == 0)
    address = HostPort("127.0.0.1", Int(UInt16(bigEndian: name.sin_port)))
    handles = [listener] + (0..<4).map { _ in tcp() }
    for handle in handles.dropFirst() { _ = with(&name) { connect(handle, $0, length) } }
  }

  deinit { for handle in handles { close(handle) } }
}

/// One event loop that tells whoever waits that it was given out.
private final class TellingGroup: EventLoopGroup {
  let base = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  let given = Recorder<Bool>()

  func next() -> any EventLoop {
    given.record(true)
    return base.next()
  }

  func makeIterator() -> EventLoopIterator { base.makeIterator() }

  func shutdownGracefully(
    queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void
  ) {
    base.shutdownGracefully(queue: queue, callback)
  }
}

@Suite(.timeLimit(.minutes(10))) struct TCPProxyTests {
  private func server(_ name: String) async throws -> (channel: any Channel, address: HostPort) {
    try await plainServer(halfClosure: true) { channel in
      try channel.pipeline.syncOperations.addHandler(NamedEcho(name))
    }
  }

  /// Connects, and returns the name of the server that answered.
  private func visit(_ proxy: HostPort) async throws -> String {
    let recorder = Recorder<Received>()
    let channel = try await plainClient(proxy, recorder)
    await recorder.wait { facts in
      facts.contains {
        switch $0 {
        case .bytes, .inactive: true
        default: false
        }
      }
    }
    channel.close(promise: nil)
    return String(decoding: recorder.bytes, as: UTF8.self)
  }

  private func proxy(
    _ backends: [HostPort], _ change: (inout ProxyOptions) -> Void = { _ in },
    log: @escaping @Sendable (ProxyNotice) -> Void = { _ in }
  ) -> TCPProxy {
    var options = ProxyOptions()
    options.check = .none
    change(&options)
    return TCPProxy(group: loops, backends: backends, options: options, log: log)
  }

  @Test("a server that refuses is passed over unseen, and only when all do is a client closed")
  func failOver() async throws {
    let (one, oneAddress) = try await server("1")
    let (two, twoAddress) = try await server("2")
    let dead = try await deadAddress()
    let proxy = proxy([oneAddress, dead, twoAddress])
    let address = try await proxy.listen(on: here)
    var names: [String] = []
    for _ in 0..<40 { names.append(try await visit(address)) }
    #expect(Set(names) == ["1", "2"])
    #expect(proxy.counters.failures == 1, "it is tried once and then known to be down")
    try await one.close()
    for _ in 0..<6 { #expect(try await visit(address) == "2") }
    try await two.close()
    #expect(try await visit(address) == "")
    #expect(proxy.counters.exhausted == 1)
    #expect(proxy.counters.accepted == 47)
    #expect(proxy.counters.connected == 46)
    await proxy.shutdown()
  }

  @Test("clients that come in one burst are spread over the threads")
  func burst() async throws {
    let (one, oneAddress) = try await server("1")
    let proxy = proxy([oneAddress]) { $0.threads = 2 }
    let address = try await proxy.listen(on: here)
    var clients: [any Channel] = []
    for _ in 0..<20 { clients.append(try await plainClient(address, Recorder<Received>())) }
    while proxy.counters.connected < 20 { await Task.yield() }
    let loads = proxy.loads
    #expect(loads.reduce(0, +) == 20 && loads.allSatisfy { (9...11).contains($0) }, "\(loads)")
    for client in clients { try await client.close() }
    while proxy.loads != [0, 0] { await Task.yield() }
    await proxy.shutdown()
    try await one.close()
  }

  @Test("what is known to be down is tried all the same when nothing else is left")
  func neverRefuses() async throws {
    let dead = try await deadAddress()
    let proxy = proxy([dead])
    let address = try await proxy.listen(on: here)
    #expect(try await visit(address) == "")
    let (back, _) = try await plainServer(halfClosure: true, at: dead) { channel in
      try channel.pipeline.syncOperations.addHandler(NamedEcho("back"))
    }
    #expect(try await visit(address) == "back")
    #expect(proxy.backends.map(\.trouble) == [nil])
    await proxy.shutdown()
    try await back.close()
  }

  @Test("a new list changes where the next client goes, and cuts nobody")
  func swap() async throws {
    let (one, oneAddress) = try await server("1")
    let (two, twoAddress) = try await server("2")
    let proxy = proxy([oneAddress])
    let address = try await proxy.listen(on: here)
    let recorder = Recorder<Received>()
    let old = try await plainClient(address, recorder)
    await recorder.waitForBytes(1)
    proxy.setBackends([twoAddress])
    #expect(try await visit(address) == "2")
    proxy.setBackends([])
    #expect(try await visit(address) == "")
    #expect(proxy.counters.withoutBackend == 1)
    try await old.writeAndFlush(ByteBuffer(string: "still here"))
    await recorder.waitForBytes(11)
    #expect(String(decoding: recorder.bytes, as: UTF8.self) == "1still here")
    proxy.setBackends([oneAddress])
    #expect(try await visit(address) == "1")
    await proxy.shutdown()
    await recorder.waitForEnd()
    try await one.close()
    try await two.close()
  }

  @Test(
    "an end of stream is passed on in its direction alone: the answer to it still arrives",
    arguments: [0, 1, 100_000])
  func halfClose(size: Int) async throws {
    let (listener, backend) = try await server("?")
    let proxy = proxy([backend])
    let address = try await proxy.listen(on: here)
    let recorder = Recorder<Received>()
    let channel = try await plainClient(address, halfClosure: true, recorder)
    // At once, so that it comes while the server is still being connected.
    let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    channel.writeAndFlush(ByteBuffer(bytes: payload), promise: nil)
    try await channel.close(mode: .output)
    await recorder.waitForEnd()
    #expect(recorder.bytes == Array("?".utf8) + payload + Array("end".utf8))
    #expect(proxy.counters.bytesToBackends == UInt64(size))
    #expect(proxy.counters.bytesToClients == UInt64(size + 4))
    await proxy.shutdown()
    try await listener.close()
  }

  @Test(
    "a server that never answers is passed over in time, and what the client sent meanwhile is kept"
  )
  func silentServer() async throws {
    let (listener, backend) = try await server("?")
    let silent = try SilentServer()
    let proxy = proxy([silent.address, backend]) { $0.connectTimeout = .milliseconds(200) }
    let address = try await proxy.listen(on: here)
    // Until one came to the silent server first.
    repeat {
      let recorder = Recorder<Received>()
      let channel = try await plainClient(address, halfClosure: true, recorder)
      channel.writeAndFlush(ByteBuffer(string: "early"), promise: nil)
      try await channel.close(mode: .output)
      await recorder.waitForEnd()
      #expect(String(decoding: recorder.bytes, as: UTF8.self) == "?earlyend")
    } while proxy.counters.failures == 0
    #expect(proxy.counters.failures == 1)
    await proxy.shutdown()
    try await listener.close()
  }

  @Test("checks end with the proxy, in the middle of an ask too, and none is held against a server")
  func checksEnd() async throws {
    let silent = try SilentServer()
    let group = TellingGroup()
    let notices = Recorder<ProxyNotice>()
    var options = ProxyOptions()
    options.checkTimeout = .seconds(60)
    options.connectTimeout = .seconds(60)
    let proxy = TCPProxy(group: group, backends: [silent.address], options: options) {
      notices.record($0)
    }
    // The second is the check's; the first is the proxy's clock.
    await group.given.wait { $0.count == 2 }
    await proxy.shutdown()
    // Whatever used its loop from here on would end the process.
    try await group.shutdownGracefully()
    #expect(notices.facts.isEmpty)
  }

  @Test("a large transfer comes back intact")
  func large() async throws {
    let (listener, backend) = try await server("")
    let proxy = proxy([backend])
    let address = try await proxy.listen(on: here)
    #expect(try await echo(through: address, size: 24 << 20))
    await proxy.shutdown()
    try await listener.close()
  }

  /// Sends `size` bytes and an end of stream, and says whether they came back with the server's
  /// last word.
  private func echo(through address: HostPort, size: Int) async throws -> Bool {
    let collector = Collector()
    let channel = try await plainClient(address, halfClosure: true, collector)
    let payload = pattern(size)
    channel.writeAndFlush(ByteBuffer(bytes: payload), promise: nil)
    try await channel.close(mode: .output)
    return await collector.all() == payload + Array("end".utf8)
  }

  private func pattern(_ size: Int) -> [UInt8] {
    var payload = [UInt8](repeating: 0, count: size)
    for index in stride(from: 0, to: size, by: 61) { payload[index] = UInt8(index / 61 & 255) }
    return payload
  }

  @Test(
    "a server that does not read holds its client back, not the proxy's memory or other clients")
  func backPressure() async throws {
    let accepted = Recorder<any Channel>()
    let collector = Collector()
    let (idle, idleAddress) = try await plainServer { channel in
      try channel.syncOptions?.setOption(.autoRead, value: false)
      try channel.pipeline.syncOperations.addHandler(collector)
      accepted.record(channel)
    }
    let (busy, busyAddress) = try await server("")
    let proxy = proxy([idleAddress]) { $0.threads = 1 }
    let address = try await proxy.listen(on: here)
    let client = try await plainClient(address, Recorder<Received>())
    let server = try await accepted.first { $0 }
    proxy.setBackends([busyAddress])

    // More than all kernel buffers on the way hold together.
    let payload = pattern(96 << 20)
    let written = Recorder<Bool>()
    let sending = client.eventLoop.makePromise(of: Void.self)
    client.writeAndFlush(ByteBuffer(bytes: payload), promise: sending)
    sending.futureResult.whenComplete { _ in written.record(true) }
    // The proxy's only thread moves as much for others meanwhile: time enough to take all of it, if
    // it did.
    for _ in 0..<8 { #expect(try await echo(through: address, size: 12 << 20)) }
    #expect(written.facts.isEmpty)

    try await server.setOption(.autoRead, value: true).get()
    server.read()
    try await sending.futureResult.get()
    try await client.close()
    let intact = await collector.all() == payload
    #expect(intact)
    await proxy.shutdown()
    try await idle.close()
    try await busy.close()
  }

  @Test("when one side breaks the other is closed")
  func breaks() async throws {
    let accepted = Recorder<any Channel>()
    let active = Recorder<Received>()
    let (listener, backend) = try await plainServer { channel in
      try channel.pipeline.syncOperations.addHandler(RecordingHandler(active))
      accepted.record(channel)
    }
    let proxy = proxy([backend])
    let address = try await proxy.listen(on: here)
    let recorder = Recorder<Received>()
    _ = try await plainClient(address, recorder)
    let server = try await accepted.first { $0 }
    // A reset instead of an end of stream.
    await active.wait { !$0.isEmpty }
    let options = try #require(server as? any SocketOptionProvider)
    try await options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
    try await server.close()
    await recorder.waitForEnd()
    await proxy.shutdown()
    try await listener.close()
  }

  @Test("a port in use is refused with its address, and so is an address of another machine")
  func portInUse() async throws {
    let proxy = proxy([])
    let address = try await proxy.listen(on: here)
    let taken = await #expect(throws: TransportError.self) { try await proxy.listen(on: address) }
    #expect(taken?.kind == .portInUse)
    #expect("\(try #require(taken))".contains(address.description))
    let foreign = await #expect(throws: TransportError.self) {
      try await proxy.listen(on: HostPort("192.0.2.1", 1))
    }
    #expect(foreign?.kind == .addressNotLocal)
    #expect("\(try #require(taken))".contains("process \(getpid()) "))
    await proxy.shutdown()
    let next = self.proxy([])
    #expect(try await next.listen(on: address) == address, "an ended proxy leaves its port")
    await next.shutdown()
  }
}
