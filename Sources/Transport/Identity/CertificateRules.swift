import Crypto
import FoundationEssentials
import X509

/// What all certificates made here have in common.
enum CertificateRules {
  /// From 2000-01-01 to 9999-12-31 23:59:59 UTC: no clock on any board falls outside in practice.
  /// The end is RFC 5280's value (section 4.1.2.5) for a certificate without a well-defined expiry.
  static let always =
    Date(timeIntervalSince1970: 946_684_800)...Date(timeIntervalSince1970: 253_402_300_799)

  /// A serial number from the key itself: unique because every certificate is for a fresh key, and
  /// it needs no source of randomness of its own.
  static func serialNumber(for key: P256.Signing.PublicKey) -> Certificate.SerialNumber {
    var bytes = Array(SHA256.hash(data: key.derRepresentation).prefix(16))
    bytes[0] = bytes[0] & 0x3F | 0x40  // positive, and without leading zeros
    return Certificate.SerialNumber(bytes: bytes)
  }

  /// Distinguishes keys under one subject name when chains are searched.
  static func keyIdentifier(of key: P256.Signing.PublicKey) -> SubjectKeyIdentifier {
    let digest = SHA256.hash(data: key.x963Representation)
    return SubjectKeyIdentifier(keyIdentifier: Array(digest.prefix(20))[...])
  }
}

/// Lower-case hexadecimal, as digests are written in every text of muster.
enum Hex {
  static func encode(_ bytes: some Sequence<UInt8>) -> String {
    var text = ""
    for byte in bytes {
      text.unicodeScalars.append(digit(byte >> 4))
      text.unicodeScalars.append(digit(byte & 15))
    }
    return text
  }

  private static func digit(_ value: UInt8) -> Unicode.Scalar {
    Unicode.Scalar(value < 10 ? 48 + value : 87 + value)
  }
}
