import FoundationEssentials
import SwiftASN1
import X509

/// From when until when certificates are valid, for those who only look.
package enum CertificateDates {
  /// Seconds since 1970, of the first certificate in a PEM text.
  /// - Throws: what the parser says when there is none.
  package static func seconds(ofPEM text: String) throws -> (from: Int64, until: Int64) {
    let certificate = try Certificate(pemEncoded: text)
    return (
      Int64(certificate.notValidBefore.timeIntervalSince1970),
      Int64(certificate.notValidAfter.timeIntervalSince1970)
    )
  }
}
