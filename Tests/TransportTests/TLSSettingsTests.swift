import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing

@testable import Transport

/// A TLS server that says `hello` once the handshake stands, tells whose key it saw, and closes.
private func tlsServer(
  _ tls: ServerTLS, keys: Recorder<[UInt8]?>, _ recorder: Recorder<Received>
) async throws -> (channel: any Channel, address: HostPort) {
  let context = try NIOSSLContext(configuration: tls.configuration)
  return try await plainServer { channel in
    try channel.pipeline.syncOperations.addHandlers([
      NIOSSLServerHandler(context: context, customVerificationCallback: tls.verify),
      Hello(keys: keys), RecordingHandler(recorder),
    ])
  }
}

private final class Hello: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer
  let keys: Recorder<[UInt8]?>
  init(keys: Recorder<[UInt8]?>) { self.keys = keys }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if "\(event)".contains("handshakeCompleted") {
      let certificate = try? context.pipeline.syncOperations.nioSSL_peerCertificate()
      keys.record(certificate.flatMap { try? TLSSettings.keyDigest(of: $0) })
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "hello")), promise: nil)
      context.close(promise: nil)
    }
    context.fireUserInboundEventTriggered(event)
  }
}

private func tlsClient(
  _ configuration: TLSConfiguration, to address: HostPort, _ recorder: Recorder<Received>
) async throws -> any Channel {
  let context = try NIOSSLContext(configuration: configuration)
  return try await ClientBootstrap(group: loops)
    .channelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandlers([
          try NIOSSLClientHandler(context: context, serverHostname: nil),
          RecordingHandler(recorder),
        ])
      }
    }
    .connect(host: address.host, port: address.port).get()
}

@Suite(.timeLimit(.minutes(10))) struct TLSSettingsTests {
  let node = Result { try NodeIdentity.generate() }
  let member = Result { try NodeIdentity.generate() }

  /// What a client of this configuration gets from a cluster API, and whose key the server saw.
  private func visit(
    _ server: ServerTLS, with client: TLSConfiguration
  ) async throws -> (greeting: String, key: [UInt8]??) {
    let keys = Recorder<[UInt8]?>()
    let atServer = Recorder<Received>()
    let (listener, address) = try await tlsServer(server, keys: keys, atServer)
    let recorder = Recorder<Received>()
    let channel = try await tlsClient(client, to: address, recorder)
    await recorder.wait { facts in
      facts.contains {
        switch $0 {
        case .bytes, .inactive: true
        default: false
        }
      }
    }
    try? await channel.close()
    try await listener.close()
    return (String(decoding: recorder.bytes, as: UTF8.self), keys.facts.first)
  }

  @Test(
    "an HTTP client that trusts the probed certificate alone is served, and its own key is seen")
  func pinnedClient() async throws {
    let node = try node.get()
    let member = try member.get()
    let seen = try await visit(
      TLSSettings.clusterAPI(identity: node),
      with: TLSSettings.pinnedClient(
        identity: member, serverCertificateDER: node.certificateDER))
    #expect(seen.greeting == "hello")
    #expect(seen.key == .some(member.keyDigest))
  }

  @Test("a client that pins another node's certificate refuses this one")
  func wrongPin() async throws {
    let node = try node.get()
    let other = try NodeIdentity.generate()
    let seen = try await visit(
      TLSSettings.clusterAPI(identity: node),
      with: TLSSettings.pinnedClient(identity: nil, serverCertificateDER: other.certificateDER))
    #expect(seen.greeting == "")
    let several = try await visit(
      TLSSettings.clusterAPI(identity: node),
      with: TLSSettings.pinnedClient(
        identity: nil, serverCertificatesDER: [other.certificateDER, node.certificateDER]))
    #expect(several.greeting == "hello")
  }

  @Test("the cluster API serves a client without a certificate, as nobody")
  func nobody() async throws {
    let node = try node.get()
    let seen = try await visit(
      TLSSettings.clusterAPI(identity: node),
      with: TLSSettings.pinnedClient(identity: nil, serverCertificateDER: node.certificateDER))
    #expect(seen.greeting == "hello")
    #expect(seen.key == .some(nil))
  }

  @Test("a server that requires a certificate serves only keys that it accepts")
  func required() async throws {
    let node = try node.get()
    let member = try member.get()
    let stranger = try NodeIdentity.generate()
    let known = member.keyDigest
    let server = try TLSSettings.server(identity: node, clientCertificates: .required) {
      $0 == known
    }
    for (client, expected) in [(member, "hello"), (stranger, ""), (nil, "")] {
      let seen = try await visit(
        server,
        with: TLSSettings.pinnedClient(identity: client, serverCertificateDER: node.certificateDER))
      #expect(seen.greeting == expected)
    }
  }

  @Test("TLS 1.2 is served on the cluster API where it is allowed, and nowhere else")
  func versions() async throws {
    let node = try node.get()
    var old = try TLSSettings.pinnedClient(
      identity: nil, serverCertificateDER: node.certificateDER)
    old.minimumTLSVersion = .tlsv12
    old.maximumTLSVersion = .tlsv12
    let allowed = try await visit(
      TLSSettings.clusterAPI(identity: node, allowTLS12: true), with: old)
    #expect(allowed.greeting == "hello")
    let refused = try await visit(
      TLSSettings.clusterAPI(identity: node, allowTLS12: false), with: old)
    #expect(refused.greeting == "")
    old.maximumTLSVersion = .tlsv11
    old.minimumTLSVersion = .tlsv1
    let ancient = try await visit(
      TLSSettings.clusterAPI(identity: node, allowTLS12: true), with: old)
    #expect(ancient.greeting == "")
  }

  @Test(
    "openssl as a client is asked for a certificate by the cluster API and shows one of any key",
    .enabled(if: hasOpenSSL))
  func openSSLClient() async throws {
    let scratch = try Scratch()
    let keys = Recorder<[UInt8]?>()
    let (listener, address) = try await tlsServer(
      TLSSettings.clusterAPI(identity: node.get()), keys: keys, Recorder())
    let made = try run(
      "openssl",
      [
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=stranger", "-keyout",
        scratch.file("key.pem"), "-out", scratch.file("cert.pem"),
      ])
    #expect(made.0 == 0, "\(made.1)")
    let certificate = try node.get().certificatePEM
    let root = try scratch.write(certificate, to: "root.pem")
    let (status, text) = try await onThread {
      try run(
        "openssl",
        [
          "s_client", "-connect", address.description, "-CAfile", root, "-verify_return_error",
          "-cert", scratch.file("cert.pem"), "-key", scratch.file("key.pem"), "-brief",
          "-ign_eof",
        ])
    }
    #expect(status == 0, "\(text)")
    #expect(text.contains("TLSv1.3"), "\(text)")
    let seen = try await keys.first { $0 }
    #expect(seen.count == 32)
    #expect(try seen != node.get().keyDigest)
    try await listener.close()
  }

  @Test(
    "a resumed session tells the server the key that was proved in the first one",
    .enabled(if: hasOpenSSL))
  func resumption() async throws {
    let scratch = try Scratch()
    let keys = Recorder<[UInt8]?>()
    let tls = try TLSSettings.server(identity: node.get(), clientCertificates: .required)
    let (listener, address) = try await tlsServer(tls, keys: keys, Recorder())
    let member = try NodeIdentity.loadOrCreate(in: scratch.path)
    for option in ["-sess_out", "-sess_in"] {
      let (status, text) = try await onThread {
        try run(
          "openssl",
          [
            "s_client", "-connect", address.description, "-cert", scratch.file("node.crt"), "-key",
            scratch.file("node.key"), "-ign_eof", option, scratch.file("session"),
          ])
      }
      #expect(status == 0, "\(text)")
      #expect(text.contains("hello"))
      #expect(text.contains("Reused") == (option == "-sess_in"))
    }
    #expect(keys.facts == [member.keyDigest, member.keyDigest])
    try await listener.close()
  }
}

/// Blocking work, off the threads that Swift's tasks share.
func onThread<Value: Sendable>(
  _ work: @escaping @Sendable () throws -> Value
) async throws -> Value {
  try await NIOThreadPool.singleton.runIfActive(work)
}
