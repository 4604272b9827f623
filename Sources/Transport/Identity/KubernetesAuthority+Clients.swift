import SwiftASN1
import X509

extension KubernetesAuthority {
  /// Whether a certificate is a client's, signed by this authority, and valid now.
  ///
  /// - Parameter der: the certificate that the handshake proved possession of the key for.
  package func hasSigned(clientCertificate der: [UInt8]) async -> Bool {
    guard let leaf = try? Certificate(derEncoded: der),
      let usage = try? leaf.extensions.extendedKeyUsage,
      usage.contains(.clientAuth) || usage.contains(.any)
    else { return false }
    var verifier = Verifier(rootCertificates: CertificateStore([certificate])) { RFC5280Policy() }
    let result = await verifier.validate(leaf: leaf, intermediates: CertificateStore())
    guard case .validCertificate = result else { return false }
    return true
  }
}
