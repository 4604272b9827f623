import Crypto
package import NIOCore
package import NIOSSL

/// A server's TLS settings together with the callback that must go with them.
package struct ServerTLS: Sendable {
  package var configuration: TLSConfiguration
  /// Decides on a client's certificate; replaces BoringSSL's own checks entirely.
  package var verify:
    @Sendable ([NIOSSLCertificate], EventLoopPromise<NIOSSLVerificationResult>) -> Void
}

/// A client's TLS settings together with the callback that must go with them.
package struct ClientTLS: Sendable {
  package var configuration: TLSConfiguration
  /// Decides on the server's certificate; replaces BoringSSL's own checks entirely.
  package var verify:
    @Sendable ([NIOSSLCertificate], EventLoopPromise<NIOSSLVerificationResult>) -> Void
}

/// TLS as muster uses it: keys are pinned, authorities are not asked.
///
/// The handshake proves that the other side has the private key of the certificate it shows; the
/// callback says whether that key is one we want to speak with. Two facts of NIOSSL shape this
/// file: the callback is never called when verification is off altogether (so it never is), and
/// without explicit trust roots the machine's whole list of public authorities is loaded (so ours
/// is given, though nothing is checked against it). Law: a resumed session skips the callback, so
/// whoever accepts connections judges the key again on each of them.
package enum TLSSettings {
  /// Whether a server insists on a certificate.
  package enum ClientCertificates: Sendable {
    case required, optional
  }

  /// A server that speaks with keys which `accepts` knows.
  ///
  /// - Parameters:
  ///   - identity: what it shows of itself.
  ///   - clientCertificates: with `.optional`, a client without any is let in too, as nobody.
  ///   - minimumVersion: TLS 1.3, or 1.2 where MicroK8s's clients must be served.
  ///   - accepts: whether a key (SHA-256 of its SubjectPublicKeyInfo) may connect; called on the
  ///     event loop, so it must be quick.
  package static func server(
    identity: NodeIdentity, clientCertificates: ClientCertificates,
    minimumVersion: TLSVersion = .tlsv13,
    accepts: @escaping @Sendable (_ keyDigest: [UInt8]) -> Bool = { _ in true }
  ) throws -> ServerTLS {
    let own = try identity.tlsCertificate
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: [.certificate(own)], privateKey: .privateKey(try identity.tlsKey))
    configuration.minimumTLSVersion = minimumVersion
    configuration.shutdownTimeout = farewell
    configuration.trustRoots = .certificates([own])
    configuration.certificateVerification =
      clientCertificates == .required ? .noHostnameVerification : .optionalVerification
    return ServerTLS(configuration: configuration, verify: pinning(accepts))
  }

  /// The cluster API on port 25000: a client certificate is asked for, not insisted on; any that
  /// parses passes, with a key of any kind, since what its key may do is decided, and refused with
  /// words, for each request.
  ///
  /// - Parameters:
  ///   - identity: what it shows of itself; CHECK is the fingerprint of this certificate.
  ///   - allowTLS12: whether MicroK8s's clients of TLS 1.2 are served.
  package static func clusterAPI(identity: NodeIdentity, allowTLS12: Bool = true) throws
    -> ServerTLS
  {
    var settings = try server(
      identity: identity, clientCertificates: .optional,
      minimumVersion: allowTLS12 ? .tlsv12 : .tlsv13)
    settings.verify = { chain, promise in
      let digest = chain.first.flatMap { try? keyDigest(of: $0) }
      promise.succeed(digest == nil ? .failed : .certificateVerified)
    }
    return settings
  }

  /// A client that shows its own certificate and speaks only with the key it expects. TLS 1.3.
  ///
  /// - Parameter pin: whether the server's key (SHA-256 of its SubjectPublicKeyInfo) is the right
  ///   one.
  package static func client(
    identity: NodeIdentity, pin: @escaping @Sendable (_ keyDigest: [UInt8]) -> Bool
  ) throws -> ClientTLS {
    let own = try identity.tlsCertificate
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv13
    configuration.certificateChain = [.certificate(own)]
    configuration.privateKey = .privateKey(try identity.tlsKey)
    configuration.trustRoots = .certificates([own])
    configuration.certificateVerification = .noHostnameVerification
    return ClientTLS(configuration: configuration, verify: pinning(pin))
  }

  /// For HTTP clients that take a configuration but no callback: the only server trusted is the one
  /// with exactly this certificate. TLS 1.3; host names are not compared.
  ///
  /// - Parameters:
  ///   - identity: what the client shows of itself; nil shows nothing.
  ///   - serverCertificateDER: the verified certificate, e.g. from ``PinnedProbe``.
  package static func pinnedClient(
    identity: NodeIdentity?, serverCertificateDER: [UInt8]
  ) throws -> TLSConfiguration {
    try pinnedClient(identity: identity, serverCertificatesDER: [serverCertificateDER])
  }

  /// The same for a client that may speak with any of several servers.
  package static func pinnedClient(
    identity: NodeIdentity?, serverCertificatesDER: [[UInt8]]
  ) throws -> TLSConfiguration {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv13
    configuration.shutdownTimeout = farewell
    configuration.certificateVerification = .noHostnameVerification
    configuration.trustRoots = .certificates(
      try serverCertificatesDER.map { try NIOSSLCertificate(bytes: $0, format: .der) })
    if let identity {
      configuration.certificateChain = [.certificate(try identity.tlsCertificate)]
      configuration.privateKey = .privateKey(try identity.tlsKey)
    }
    return configuration
  }

  /// How long a closing connection waits for the other side's word that it closes too. One that is
  /// busy with a long request does not read it, and nothing depends on it.
  private static let farewell = TimeAmount.milliseconds(250)

  /// SHA-256 of the public key in a certificate of the TLS library.
  package static func keyDigest(of certificate: NIOSSLCertificate) throws -> [UInt8] {
    // Not by the library's own accessor, which traps on a key that it cannot represent.
    try NodeIdentity.keyDigest(ofCertificate: certificate.toDERBytes())
  }

  /// SHA-256 of a certificate of the TLS library; CHECK is its first 32 hex digits.
  package static func fingerprint(of certificate: NIOSSLCertificate) throws -> [UInt8] {
    NodeIdentity.fingerprint(ofCertificate: try certificate.toDERBytes())
  }

  static func pinning(
    _ accepts: @escaping @Sendable ([UInt8]) -> Bool
  ) -> @Sendable ([NIOSSLCertificate], EventLoopPromise<NIOSSLVerificationResult>) -> Void {
    { chain, promise in
      guard let leaf = chain.first, chain.count == 1,
        let publicKey = try? NodeIdentity.publicKeyDER(ofCertificate: leaf.toDERBytes()),
        (try? P256.Signing.PublicKey(derRepresentation: publicKey)) != nil,
        accepts(NodeIdentity.keyDigest(ofPublicKey: publicKey))
      else { return promise.succeed(.failed) }
      promise.succeed(.certificateVerified)
    }
  }
}

extension NodeIdentity {
  var tlsCertificate: NIOSSLCertificate {
    get throws { try NIOSSLCertificate(bytes: certificateDER, format: .der) }
  }

  var tlsKey: NIOSSLPrivateKey {
    get throws { try NIOSSLPrivateKey(bytes: Array(key.derRepresentation), format: .der) }
  }
}
