import NIOCore
import NIOPosix
import NIOSSL
import Testing

@testable import Transport

/// What comes to the link port from those who do not keep its rules.
@Suite(.timeLimit(.minutes(10))) struct HostilePeerTests {
  let members = LinkNode.Members()

  /// A client with the right TLS that then says whatever a test wants.
  private func crooked(
    _ identity: NodeIdentity, to node: LinkNode, _ address: HostPort,
    change: (inout TLSConfiguration) -> Void = { _ in }
  ) async throws -> (channel: any Channel, recorder: Recorder<Received>) {
    let key = node.identity.keyDigest
    var tls = try TLSSettings.client(identity: identity) { $0 == key }
    change(&tls.configuration)
    let context = try NIOSSLContext(configuration: tls.configuration)
    let verify = tls.verify
    let recorder = Recorder<Received>()
    let channel = try await ClientBootstrap(group: loops)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandlers([
            try NIOSSLClientHandler(
              context: context, serverHostname: nil, customVerificationCallback: verify),
            RecordingHandler(recorder),
          ])
        }
      }
      .connect(host: address.host, port: address.port).get()
    return (channel, recorder)
  }

  private func bytes(_ group: UInt8, length: UInt32? = nil, _ payload: [UInt8]) -> ByteBuffer {
    var buffer = ByteBuffer(integer: length ?? UInt32(payload.count))
    buffer.writeInteger(group)
    buffer.writeBytes(payload)
    return buffer
  }

  /// A good peer is still served.
  private func expectService(_ node: LinkNode, at address: HostPort) async throws {
    let good = try LinkNode(77, members)
    good.links.setPeers([node.target(address)])
    await good.opened(node.id, .outbound)
    good.links.send(frame("good"), to: node.id)
    await node.waitForFrames(1, from: 77)
    await good.links.shutdown()
  }

  /// Why a node turned away those who said these things.
  private func reasons(of openings: [[UInt8]], patience: Int) async throws -> [String] {
    var limits = LinkLimits()
    limits.greetingMilliseconds = patience
    let node = try LinkNode(1, members, limits: limits)
    let address = try await node.links.listen(on: here)
    var recorders: [Recorder<Received>] = []
    for opening in openings {
      let recorder = Recorder<Received>()
      let channel = try await plainClient(address, recorder)
      channel.writeAndFlush(ByteBuffer(bytes: opening), promise: nil)
      recorders.append(recorder)
    }
    for recorder in recorders { await recorder.waitForEnd() }
    let facts = await node.events.wait { facts in
      facts.count { if case .turnedAway = $0 { true } else { false } } >= openings.count
    }
    try await expectService(node, at: address)
    await node.links.shutdown()
    return facts.compactMap { event in
      if case .turnedAway(_, let reason) = event { reason.label } else { nil }
    }
  }

  @Test(
    "plain text, random bytes and silence on the link port end in a reason, and others are served")
  func garbage() async throws {
    // On a busy machine a short time for greetings would be over first.
    let plain = try await reasons(
      of: [Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), Array("SSH-2.0-x\r\n".utf8)],
      patience: 60_000)
    #expect(plain == ["notTLS", "notTLS"])
    // Of these some may wait for more.
    var generator = SystemRandomNumberGenerator()
    var openings: [[UInt8]] = [
      [0], [], [0x16, 0x03, 0x01, 0xFF, 0xFF] + [UInt8](repeating: 0, count: 300),
    ]
    for size in [1, 5, 100, 5000] {
      openings.append((0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }
    #expect(try await reasons(of: openings, patience: 300).contains("no-greeting"))
  }

  @Test("TLS 1.2, and a client without a certificate, do not get as far as a greeting")
  func oldOrAnonymous() async throws {
    var limits = LinkLimits()
    limits.greetingMilliseconds = 60_000
    let node = try LinkNode(1, members, limits: limits)
    let member = try LinkNode(2, members)
    let address = try await node.links.listen(on: here)
    let old = try await crooked(member.identity, to: node, address) {
      $0.minimumTLSVersion = .tlsv12
      $0.maximumTLSVersion = .tlsv12
    }
    await old.recorder.waitForEnd()
    let version = try await node.events.first {
      if case .turnedAway(_, let reason) = $0 { reason.label } else { nil }
    }
    #expect(version == "tlsVersion")
    let anonymous = try await crooked(member.identity, to: node, address) {
      $0.certificateChain = []
      $0.privateKey = nil
    }
    await anonymous.recorder.waitForEnd()
    await node.events.wait { facts in
      facts.contains {
        if case .turnedAway(_, let reason) = $0 { reason.label == "noCertificate" } else { false }
      }
    }
    try await expectService(node, at: address)
    await node.links.shutdown()
  }

  @Test(
    "empty, oversized, untimely frames and other versions end the connection with that reason",
    arguments: [
      ("empty-frame", true), ("frame-too-large", true), ("unexpected-frame", true),
      ("frame-too-large", false), ("unexpected-frame", false), ("refused-here", false),
      ("empty-frame", false),
    ])
  func badFrames(label: String, admitted: Bool) async throws {
    var limits = LinkLimits()
    // On a busy machine the time for greetings would be over first.
    limits.greetingMilliseconds = 60_000
    let node = try LinkNode(1, members, limits: limits)
    let member = try LinkNode(2, members)
    let address = try await node.links.listen(on: here)
    let (channel, recorder) = try await crooked(member.identity, to: node, address)
    if admitted {
      channel.write(bytes(254, [1, 2, 3]), promise: nil)
      channel.write(bytes(0, [42]), promise: nil)
    }
    let over = UInt32(admitted ? limits.frameBytes + 1 : limits.greetingBytes + 2)
    let bad =
      switch label {
      case "empty-frame": bytes(0, [])
      case "frame-too-large": bytes(0, length: over, [1])
      case "unexpected-frame": bytes(admitted ? 254 : 0, [1])
      default: bytes(254, [9])
      }
    channel.writeAndFlush(bad, promise: nil)
    await recorder.waitForEnd()
    if admitted {
      #expect(try await node.closed(2, .inbound).label == label)
      #expect(node.frames(2) == [LinkFrame(payload: [42])])
    } else {
      let reason = try await node.events.first {
        if case .turnedAway(_, let reason) = $0 { reason.label } else { nil }
      }
      #expect(reason == label)
      #expect(node.links.counters.opened == 0)
    }
    #expect(node.links.counters.closed[label] == 1)
    try await expectService(node, at: address)
    await node.links.shutdown()
  }

  @Test(
    "beyond the bound of strangers a connection is closed at once, members come in when they leave")
  func strangers() async throws {
    var limits = LinkLimits()
    limits.strangers = 3
    limits.greetingMilliseconds = 60_000
    let node = try LinkNode(1, members, limits: limits)
    let address = try await node.links.listen(on: here)
    var silent: [any Channel] = []
    for _ in 0..<3 { silent.append(try await plainClient(address, Recorder<Received>())) }
    let extra = Recorder<Received>()
    _ = try? await plainClient(address, extra)
    await node.events.wait { facts in
      facts.contains {
        if case .turnedAway(_, .tooManyStrangers) = $0 { true } else { false }
      }
    }
    for channel in silent { try await channel.close() }
    try await expectService(node, at: address)
    await node.links.shutdown()
  }

  @Test(
    "frames cut at every byte are put together, and a bad length is found as soon as it is there")
  func decoder() throws {
    var whole = ByteBuffer()
    let frames = (1..<40).map {
      LinkFrame(group: UInt8($0), payload: Array(repeating: 7, count: $0))
    }
    for frame in frames { FrameDecoder.encode(frame, into: &whole) }
    for size in 1...whole.readableBytes {
      var decoder = FrameDecoder(limit: 40)
      var rest = whole
      var seen: [LinkFrame] = []
      while let part = rest.readSlice(length: min(size, max(1, rest.readableBytes))) {
        decoder.append(part)
        while let frame = try decoder.next() { seen.append(frame) }
      }
      #expect(seen == frames)
    }
    var decoder = FrameDecoder(limit: 40)
    decoder.append(ByteBuffer(bytes: [0xFF, 0xFF, 0xFF, 0xFF, 0]))
    #expect(throws: FrameDecoder.Fault.tooLarge(0xFFFF_FFFF)) { try decoder.next() }
  }
}
