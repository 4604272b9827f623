package import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

/// Looks at the certificate of a server before anything is said to it.
///
/// A joiner holds CHECK, the beginning of the fingerprint of the right certificate, and must not
/// show its token or its own certificate to anybody else. So it makes one TLS 1.3 connection that
/// presents nothing and sends no application byte; where the fingerprint is not the expected one
/// the handshake itself is broken off. Where it is, the handshake is finished, which proves that
/// the server has the key, and the connection is closed.
package enum PinnedProbe {
  /// The certificate that a server presents.
  ///
  /// - Parameters:
  ///   - address: the server; a host name is resolved.
  ///   - expectedFingerprint: the first hex digits of the SHA-256 of the certificate's DER, as
  ///     CHECK has them, in either case; nil takes any certificate.
  ///   - timeout: for the connection, and once more for the handshake.
  ///   - group: an event loop of it carries the connection.
  /// - Returns: the certificate, DER.
  /// - Throws: `TransportError`: `.unexpectedKey` with the fingerprint seen in `raw` where it is
  ///   not the expected one.
  package static func fetchCertificate(
    _ address: HostPort, expectedFingerprint: String?, timeout: TimeAmount,
    group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  ) async throws -> [UInt8] {
    let subject = address.description
    let loop = group.next()
    let answer = loop.makePromise(of: [UInt8].self)
    let expected = expectedFingerprint?.lowercased()
    do {
      let context = try NIOSSLContext(configuration: configuration)
      let channel = try await ClientBootstrap(group: loop)
        .connectTimeout(timeout)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            let handler = ProbeHandler(subject: subject, expected: expected, answer: answer)
            let seen = NIOLoopBound(handler, eventLoop: channel.eventLoop)
            let tls = try NIOSSLClientHandler(
              context: context, serverHostname: nil,
              customVerificationCallback: { chain, promise in
                promise.succeed(seen.value.judge(chain) ? .certificateVerified : .failed)
              })
            try channel.pipeline.syncOperations.addHandlers([tls, handler])
          }
        }
        .connect(to: address).get()
      let deadline = channel.eventLoop.scheduleTask(in: timeout) {
        answer.fail(TransportError(.timedOut, subject: subject))
      }
      defer {
        deadline.cancel()
        channel.close(promise: nil)
      }
      return try await answer.futureResult.get()
    } catch {
      // Without a connection nobody else completes the promise.
      answer.fail(error)
      throw TransportError(error, subject: subject)
    }
  }

  private static var configuration: TLSConfiguration {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv13
    configuration.certificateVerification = .noHostnameVerification
    configuration.trustRoots = .certificates([])
    configuration.shutdownTimeout = .seconds(1)
    return configuration
  }
}

/// Keeps what the server showed and completes the promise when the handshake ends.
private final class ProbeHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let subject: String
  private let expected: String?
  private let answer: EventLoopPromise<[UInt8]>
  private var certificate: [UInt8]?
  private var mismatch: TransportError?

  init(subject: String, expected: String?, answer: EventLoopPromise<[UInt8]>) {
    self.subject = subject
    self.expected = expected
    self.answer = answer
  }

  func judge(_ chain: [NIOSSLCertificate]) -> Bool {
    guard let der = try? chain.first?.toDERBytes() else { return false }
    let fingerprint = Hex.encode(NodeIdentity.fingerprint(ofCertificate: der))
    if let expected, expected.isEmpty || !fingerprint.hasPrefix(expected) {
      mismatch = TransportError(
        .unexpectedKey, subject: subject,
        raw: "its certificate's SHA-256 is \(fingerprint), expected \(expected)...")
      return false
    }
    certificate = der
    return true
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case TLSUserEvent.handshakeCompleted = event, let certificate {
      answer.succeed(certificate)
    }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    answer.fail(mismatch ?? TransportError(error, subject: subject))
    context.close(promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    answer.fail(mismatch ?? TransportError(.closed, subject: subject))
    context.fireChannelInactive()
  }
}
