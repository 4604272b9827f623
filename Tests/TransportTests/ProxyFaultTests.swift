import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing

@testable import Transport

@Suite(.serialized, .timeLimit(.minutes(10))) struct ProxyFaultTests {
  private let hello: [UInt8] = [22, 3, 1, 0, 5, 1, 0, 0, 1, 9]

  private func proxy(
    _ backends: [HostPort], _ change: (inout ProxyOptions) -> Void = { _ in },
    log: @escaping @Sendable (ProxyNotice) -> Void = { _ in }
  ) -> TCPProxy {
    var options = ProxyOptions()
    options.check = .none
    options.firstByteTimeout = .milliseconds(300)
    change(&options)
    return TCPProxy(group: loops, backends: backends, options: options, log: log)
  }

  private func listener(_ way: Listener.Way, _ heard: Recorder<[UInt8]>) async throws
    -> (channel: any Channel, address: HostPort)
  {
    try await plainServer { channel in
      try channel.pipeline.syncOperations.addHandler(Listener(heard, way))
    }
  }

  private func answering(_ heard: Recorder<[UInt8]>) async throws
    -> (channel: any Channel, address: HostPort)
  {
    try await plainServer { channel in
      try channel.pipeline.syncOperations.addHandlers([Listener(heard, .silent), Echo()])
    }
  }

  // MARK: Processes that are hurt

  @Test(
    "no fresh TLS connection fails when a server is killed, ended or stopped, and it is used again",
    .enabled(if: TLSServer.isPossible), arguments: [SIGKILL, SIGTERM, SIGSTOP])
  func hurt(signal: Int32) async throws {
    let scratch = try Scratch()
    var servers: [TLSServer] = []
    for _ in 0..<3 { servers.append(try await TLSServer(scratch)) }
    let notices = Recorder<ProxyNotice>()
    let proxy = proxy(servers.map(\.address)) {
      $0.check = .handshake
      $0.checkInterval = .milliseconds(500)
      $0.checkTimeout = .milliseconds(500)
    } log: {
      notices.record($0)
    }
    let address = try await proxy.listen(on: here)
    for _ in 0..<10 { #expect(try await visitTLS(address)) }
    let hurt = servers[1]
    hurt.signal(signal)
    for visit in 0..<20 { #expect(try await visitTLS(address), "visit \(visit)") }
    await notices.wait { $0.contains { "\($0)".contains("\(hurt.address) is passed over") } }
    if signal == SIGSTOP {
      hurt.signal(SIGCONT)
    } else {
      try await hurt.waitForEnd()
      servers[1] = try await TLSServer(scratch, at: hurt.address)
    }
    await notices.wait { $0.contains(.up(hurt.address)) }
    for _ in 0..<10 { #expect(try await visitTLS(address)) }
    await proxy.shutdown()
  }

  @Test(
    "an open connection to a server that fell silent is closed, and to one that is well it is not",
    .enabled(if: TLSServer.isPossible))
  func silence() async throws {
    let scratch = try Scratch()
    let server = try await TLSServer(scratch)
    let proxy = proxy([server.address]) {
      $0.check = .handshake
      $0.checkInterval = .milliseconds(100)
      $0.checkTimeout = .milliseconds(200)
      $0.silenceLimit = .milliseconds(500)
    }
    let address = try await proxy.listen(on: here)
    let recorder = Recorder<Received>()
    _ = try await plainClient(address, recorder)
    while proxy.backends.first?.connections != 1 { await Task.yield() }
    for _ in 0..<5 { #expect(try await visitTLS(address)) }
    #expect(
      !recorder.facts.contains {
        if case .inactive = $0 { return true }
        return false
      })
    server.signal(SIGSTOP)
    await recorder.waitForEnd()
    await proxy.shutdown()
  }

  @Test("a check shows the node's credentials, and none to a server that does not know them")
  func credentials() async throws {
    let identity = try NodeIdentity.generate()
    let shown = Recorder<Bool>()
    let tls = try TLSSettings.clusterAPI(identity: identity)
    let context = try NIOSSLContext(configuration: tls.configuration)
    let (server, address) = try await plainServer { channel in
      try channel.pipeline.syncOperations.addHandlers([
        NIOSSLServerHandler(context: context, customVerificationCallback: tls.verify),
        Judge(shown),
      ])
    }
    let notices = Recorder<ProxyNotice>()
    var options = ProxyOptions()
    options.checkInterval = .milliseconds(100)
    let proxy = TCPProxy(
      group: loops, backends: [address], options: options,
      credentials: try ClientCredentials(identity)
    ) { notices.record($0) }
    await notices.wait { $0.contains { "\($0)".contains("is not ready (500)") } }
    #expect(Array(shown.facts.prefix(2)) == [true, false])
    await proxy.shutdown()
    try await server.close()
  }

  // MARK: Before the first byte

  /// Says its hello and hears it again, until the server that does not answer was chosen once.
  /// - Returns: how many visits that took, fifty at most.
  private func visit(
    _ address: HostPort, until lost: Recorder<[UInt8]>
  ) async throws -> Int {
    var visits = 0
    repeat {
      visits += 1
      let recorder = Recorder<Received>()
      let client = try await plainClient(address, recorder)
      try await client.writeAndFlush(ByteBuffer(bytes: hello))
      await recorder.waitForBytes(hello.count)
      #expect(recorder.bytes == hello)
      try await client.close()
    } while lost.facts.isEmpty && visits < 50
    return visits
  }

  @Test(
    "a ClientHello that a server drops is said again to another, whole and once",
    arguments: [0, 1])
  func saidAgain(way: Int) async throws {
    let lost = Recorder<[UInt8]>()
    let heard = Recorder<[UInt8]>()
    let (bad, badAddress) = try await listener(way == 0 ? .closing : .resetting, lost)
    let (good, goodAddress) = try await answering(heard)
    let proxy = proxy([badAddress, goodAddress])
    let address = try await proxy.listen(on: here)
    let visits = try await visit(address, until: lost)
    #expect(lost.facts.flatMap { $0 } == hello)
    #expect(heard.facts.flatMap { $0 } == (0..<visits).flatMap { _ in hello })
    await proxy.shutdown()
    try await bad.close()
    try await good.close()
  }

  @Test("a server that accepts and never answers a ClientHello is passed over, if another is left")
  func neverAnswers() async throws {
    let lost = Recorder<[UInt8]>()
    let heard = Recorder<[UInt8]>()
    let (bad, badAddress) = try await listener(.silent, lost)
    let (good, goodAddress) = try await answering(heard)
    let proxy = proxy([badAddress, goodAddress])
    let address = try await proxy.listen(on: here)
    _ = try await visit(address, until: lost)
    #expect(proxy.backends.first { $0.address == badAddress }?.trouble != nil)
    await proxy.shutdown()
    try await bad.close()
    try await good.close()
  }

  @Test("what is no ClientHello reaches one server alone, and its end is told as it was")
  func saidOnce() async throws {
    let first = Recorder<[UInt8]>()
    let (one, oneAddress) = try await listener(.closing, first)
    let (two, twoAddress) = try await listener(.closing, first)
    let proxy = proxy([oneAddress, twoAddress])
    let address = try await proxy.listen(on: here)
    let recorder = Recorder<Received>()
    let client = try await plainClient(address, recorder)
    try await client.writeAndFlush(ByteBuffer(string: "POST /order HTTP/1.1\r\n\r\n"))
    await recorder.waitForEnd()
    #expect(recorder.bytes.isEmpty)
    #expect(first.facts.count == 1)
    #expect(proxy.counters.failures == 0)
    await proxy.shutdown()
    try await one.close()
    try await two.close()
  }

  @Test("a client that says half a ClientHello, or nothing, or ends, gets no server into trouble")
  func innocent() async throws {
    let heard = Recorder<[UInt8]>()
    let (one, oneAddress) = try await listener(.silent, heard)
    let (two, twoAddress) = try await listener(.silent, heard)
    let proxy = proxy([oneAddress, twoAddress]) { $0.firstByteTimeout = .milliseconds(50) }
    let address = try await proxy.listen(on: here)
    for count in [0, 3, hello.count - 1] {
      let recorder = Recorder<Received>()
      let client = try await plainClient(address, halfClosure: true, recorder)
      if count > 0 {
        try await client.writeAndFlush(ByteBuffer(bytes: hello.prefix(count)))
        await heard.wait { $0.count >= (count > 3 ? 2 : 1) }
      }
      try await client.close(mode: .output)
      await recorder.waitForEnd()
    }
    #expect(proxy.counters.failures == 0)
    #expect(proxy.backends.allSatisfy { $0.trouble == nil })
    await proxy.shutdown()
    try await one.close()
    try await two.close()
  }

  // MARK: The list

  @Test(
    "a server off the list: its connections go on till the grace is over, or it is listed again")
  func drain() async throws {
    let heard = Recorder<[UInt8]>()
    let (one, oneAddress) = try await answering(heard)
    let (two, twoAddress) = try await answering(heard)
    let notices = Recorder<ProxyNotice>()
    let proxy = proxy([oneAddress]) {
      $0.drainGrace = .milliseconds(400)
    } log: {
      notices.record($0)
    }
    let address = try await proxy.listen(on: here)
    let recorder = Recorder<Received>()
    let client = try await plainClient(address, recorder)
    try await client.writeAndFlush(ByteBuffer(string: "a"))
    await recorder.waitForBytes(1)
    proxy.setBackends([twoAddress])
    proxy.setBackends([twoAddress, oneAddress])
    let other = Recorder<Received>()
    while proxy.backends.first(where: { $0.address == twoAddress })?.connections == 0 {
      let channel = try await plainClient(address, other)
      try await channel.writeAndFlush(ByteBuffer(string: "b"))
      await other.wait { _ in proxy.backends.reduce(0) { $0 + $1.connections } > 1 }
    }
    proxy.setBackends([oneAddress])
    await notices.wait { $0.contains { "\($0)".contains("connections to \(twoAddress)") } }
    try await client.writeAndFlush(ByteBuffer(string: "c"))
    await recorder.waitForBytes(2)
    #expect(String(decoding: recorder.bytes, as: UTF8.self) == "ac")
    await proxy.shutdown()
    try await one.close()
    try await two.close()
  }

  @Test("a server off the list that is dead: its connections are closed without waiting")
  func drainDead() async throws {
    let heard = Recorder<[UInt8]>()
    let (one, oneAddress) = try await answering(heard)
    let (two, twoAddress) = try await answering(heard)
    let proxy = proxy([oneAddress]) {
      $0.check = .connect
      $0.checkInterval = .milliseconds(100)
    }
    let address = try await proxy.listen(on: here)
    let recorder = Recorder<Received>()
    let client = try await plainClient(address, recorder)
    try await client.writeAndFlush(ByteBuffer(string: "a"))
    await recorder.waitForBytes(1)
    // Its listener is gone, its connection is not.
    try await one.close()
    proxy.setBackends([twoAddress])
    await recorder.waitForEnd()
    await proxy.shutdown()
    try await two.close()
  }

  @Test("at the limit of connections further clients wait, and come in when one ends")
  func limit() async throws {
    let heard = Recorder<[UInt8]>()
    let (server, serverAddress) = try await answering(heard)
    let notices = Recorder<ProxyNotice>()
    let proxy = proxy([serverAddress]) {
      $0.maxConnections = 2
    } log: {
      notices.record($0)
    }
    let address = try await proxy.listen(on: here)
    var clients: [(channel: any Channel, recorder: Recorder<Received>)] = []
    for _ in 0..<3 {
      let recorder = Recorder<Received>()
      let channel = try await plainClient(address, recorder)
      try await channel.writeAndFlush(ByteBuffer(string: "x"))
      clients.append((channel, recorder))
    }
    await notices.wait { $0.contains(.full(limit: 2)) }
    #expect(proxy.counters.open == 2)
    let firsts = clients.prefix(2)
    for client in firsts { await client.recorder.waitForBytes(1) }
    #expect(clients[2].recorder.bytes.isEmpty)
    try await clients[0].channel.close()
    await clients[2].recorder.waitForBytes(1)
    await proxy.shutdown()
    try await server.close()
  }

  @Test("the proxy's own address on the list is left out, lest a client go round for ever")
  func ownAddress() async throws {
    let notices = Recorder<ProxyNotice>()
    let proxy = proxy([]) { _ in
    } log: {
      notices.record($0)
    }
    let address = try await proxy.listen(on: here)
    proxy.setBackends([address])
    #expect(notices.facts == [.ownAddress(address)])
    let recorder = Recorder<Received>()
    _ = try await plainClient(address, recorder)
    await recorder.waitForEnd()
    #expect(proxy.counters.withoutBackend == 1)
    await proxy.shutdown()
  }

  @Test("a check finds who does not speak TLS and who says it is not ready, and clients avoid them")
  func checks() async throws {
    let heard = Recorder<[UInt8]>()
    let (plain, plainAddress) = try await plainServer { channel in
      try channel.pipeline.syncOperations.addHandler(Greeter())
    }
    let (good, goodAddress) = try await answering(heard)
    let notices = Recorder<ProxyNotice>()
    let proxy = proxy([plainAddress]) {
      $0.check = .handshake
      $0.checkInterval = .milliseconds(100)
    } log: {
      notices.record($0)
    }
    await notices.wait { $0.contains(.down(plainAddress, why: "does not speak TLS")) }
    await notices.wait { $0.contains(.allDown) }
    // All the same it is used while it is the only one.
    let address = try await proxy.listen(on: here)
    let recorder = Recorder<Received>()
    _ = try await plainClient(address, recorder)
    await recorder.waitForBytes(1)
    await proxy.shutdown()
    try await plain.close()
    try await good.close()
    _ = goodAddress
  }
}
