import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing

@testable import Transport

@Suite(.timeLimit(.minutes(10))) struct PinnedProbeTests {
  /// A TLS server that records what it gets, and whether a client showed a certificate.
  private func server(
    _ identity: NodeIdentity, certificates: Recorder<Bool>, _ recorder: Recorder<Received>
  ) async throws -> (channel: any Channel, address: HostPort) {
    let tls = try TLSSettings.clusterAPI(identity: identity)
    let context = try NIOSSLContext(configuration: tls.configuration)
    return try await plainServer { channel in
      try channel.pipeline.syncOperations.addHandlers([
        NIOSSLServerHandler(
          context: context,
          customVerificationCallback: { chain, promise in
            certificates.record(true)
            tls.verify(chain, promise)
          }),
        RecordingHandler(recorder),
      ])
    }
  }

  @Test("the probe returns the certificate that CHECK names, having said and shown nothing")
  func right() async throws {
    let identity = try NodeIdentity.generate()
    let certificates = Recorder<Bool>()
    let recorder = Recorder<Received>()
    let (listener, address) = try await server(
      identity, certificates: certificates, recorder)
    for check in [identity.check, identity.check.uppercased(), nil] {
      let der = try await PinnedProbe.fetchCertificate(
        address, expectedFingerprint: check, timeout: .seconds(10))
      #expect(der == identity.certificateDER)
    }
    await recorder.wait { facts in
      facts.count { if case .inactive = $0 { true } else { false } } == 3
    }
    #expect(recorder.bytes.isEmpty)
    #expect(certificates.facts.isEmpty)
    try await listener.close()
  }

  @Test("an impostor gets no byte, no certificate and no finished handshake, and is named")
  func impostor() async throws {
    let identity = try NodeIdentity.generate()
    let certificates = Recorder<Bool>()
    let recorder = Recorder<Received>()
    let (listener, address) = try await server(
      NodeIdentity.generate(), certificates: certificates, recorder)
    for check in [identity.check, ""] {
      let error = await #expect(throws: TransportError.self) {
        try await PinnedProbe.fetchCertificate(
          address, expectedFingerprint: check, timeout: .seconds(10))
      }
      #expect(error?.kind == .unexpectedKey)
      #expect(error?.subject == address.description)
    }
    await recorder.wait { facts in
      facts.count { if case .inactive = $0 { true } else { false } } == 2
    }
    #expect(recorder.bytes.isEmpty)
    #expect(certificates.facts.isEmpty)
    #expect(!recorder.facts.contains { if case .handshake = $0 { true } else { false } })
    try await listener.close()
  }

  @Test(
    "nobody there, a silent server, one that talks plain text and one of TLS 1.2 are told apart")
  func failures() async throws {
    let identity = try NodeIdentity.generate()
    func kind(_ address: HostPort, _ timeout: TimeAmount = .seconds(10)) async -> TransportError
      .Kind?
    {
      let error = await #expect(throws: TransportError.self) {
        try await PinnedProbe.fetchCertificate(
          address, expectedFingerprint: nil, timeout: timeout)
      }
      return error?.kind
    }
    #expect(try await kind(deadAddress()) == .refused)
    #expect(await kind(HostPort("no-such-host.invalid", 1)) == .nameNotFound)

    let (silent, silentAddress) = try await plainServer { _ in }
    #expect(await kind(silentAddress, .milliseconds(50)) == .timedOut)
    try await silent.close()

    let (plain, plainAddress) = try await plainServer { channel in
      channel.writeAndFlush(ByteBuffer(string: "HTTP/1.1 400 Bad Request\r\n\r\n"), promise: nil)
    }
    #expect(await kind(plainAddress) == .notTLS)
    try await plain.close()

    var tls = try TLSSettings.clusterAPI(identity: identity)
    tls.configuration.maximumTLSVersion = .tlsv12
    let context = try NIOSSLContext(configuration: tls.configuration)
    let (old, oldAddress) = try await plainServer { channel in
      try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
    }
    #expect(await kind(oldAddress) == .tlsVersion)
    try await old.close()
  }
}
