package import NIOSSL

/// What a client shows of itself to a Kubernetes API server: a certificate, a token, or nothing.
package struct ClientCredentials: Sendable {
  package var certificates: [NIOSSLCertificate] = []
  package var key: NIOSSLPrivateKey?
  package var token: String?

  package init() {}

  /// A node's own key.
  package init(_ identity: NodeIdentity) throws {
    certificates = [try identity.tlsCertificate]
    key = try identity.tlsKey
  }

  /// Puts the certificate into a client's TLS settings.
  package func apply(to configuration: inout TLSConfiguration) {
    guard let key else { return }
    configuration.certificateChain = certificates.map { .certificate($0) }
    configuration.privateKey = .privateKey(key)
  }
}
