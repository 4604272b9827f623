import Crypto
import FoundationEssentials
import SwiftASN1
import X509

/// Who a node is: a P-256 key made on the node, and the one certificate that carries it for life.
///
/// The certificate is self-signed and without dates that matter, since nobody checks it against an
/// authority: peers compare the SHA-256 of its public key with what the log says, a joiner compares
/// the SHA-256 of the whole certificate with CHECK. So nothing expires on a board without a clock,
/// and there is no authority whose theft would open the cluster. Law: the private key leaves this
/// type only into a file of mode 0600 and into the TLS library.
package struct NodeIdentity: Sendable {
  /// The certificate, DER.
  package let certificateDER: [UInt8]
  /// The public key as DER SubjectPublicKeyInfo.
  package let publicKeyDER: [UInt8]
  /// SHA-256 of ``publicKeyDER``, 32 bytes: what `node.joined` records and peers pin.
  package let keyDigest: [UInt8]
  /// SHA-256 of ``certificateDER``, 32 bytes.
  package let certificateFingerprint: [UInt8]
  let key: P256.Signing.PrivateKey

  /// CHECK of a connection string: the first 32 hex digits of the certificate's fingerprint.
  package var check: String { String(Hex.encode(certificateFingerprint).prefix(32)) }

  /// A new identity with a key from the system's random source.
  package static func generate() throws -> NodeIdentity {
    try NodeIdentity(certifying: P256.Signing.PrivateKey())
  }

  /// The identity of an existing key, under a new certificate.
  init(certifying key: P256.Signing.PrivateKey) throws {
    let digest = SHA256.hash(data: key.publicKey.derRepresentation)
    // Unique per node, so that a list of several roots is searched by name without ambiguity.
    let name = try DistinguishedName {
      CommonName("muster node \(Hex.encode(digest.prefix(8)))")
    }
    let certificate = try Certificate(
      version: .v3,
      serialNumber: CertificateRules.serialNumber(for: key.publicKey),
      publicKey: .init(key.publicKey),
      notValidBefore: CertificateRules.always.lowerBound,
      notValidAfter: CertificateRules.always.upperBound,
      issuer: name,
      subject: name,
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.notCertificateAuthority)
        // No KeyUsage: one without keyCertSign makes BoringSSL refuse the certificate as its own
        // trust root, one with it would say that it may sign others.
        try ExtendedKeyUsage([.serverAuth, .clientAuth])
      },
      issuerPrivateKey: .init(key))
    var serializer = DER.Serializer()
    try serializer.serialize(certificate)
    self.init(key: key, certificateDER: serializer.serializedBytes)
  }

  /// Trusts that the certificate carries the key; ``load(from:)`` checks it.
  init(key: P256.Signing.PrivateKey, certificateDER: [UInt8]) {
    self.key = key
    self.certificateDER = certificateDER
    publicKeyDER = Array(key.publicKey.derRepresentation)
    keyDigest = Array(SHA256.hash(data: publicKeyDER))
    certificateFingerprint = Array(SHA256.hash(data: certificateDER))
  }
}

extension NodeIdentity {
  /// Signs a small statement, such as an introduction, with the node's key.
  ///
  /// - Returns: an ECDSA signature (P-256, SHA-256), DER.
  package func sign(_ statement: [UInt8]) throws -> [UInt8] {
    Array(try key.signature(for: statement).derRepresentation)
  }

  /// Whether `signature` over `statement` was made by the key in a DER SubjectPublicKeyInfo.
  ///
  /// Anything malformed, in the key or in the signature, is simply no valid signature.
  package static func verify(
    signature: [UInt8], over statement: [UInt8], publicKeyDER: [UInt8]
  ) -> Bool {
    guard let key = try? P256.Signing.PublicKey(derRepresentation: publicKeyDER),
      let signature = try? P256.Signing.ECDSASignature(derRepresentation: signature)
    else { return false }
    return key.isValidSignature(signature, for: statement)
  }

  /// Whether `signature` over `statement` was made by the key in a DER certificate.
  package static func verify(
    signature: [UInt8], over statement: [UInt8], certificateDER: [UInt8]
  ) -> Bool {
    guard let publicKey = try? publicKeyDER(ofCertificate: certificateDER) else { return false }
    return verify(signature: signature, over: statement, publicKeyDER: publicKey)
  }

  /// The DER SubjectPublicKeyInfo of a DER certificate, byte for byte as it stands there, whatever
  /// kind of key it is (RFC 5280 section 4.1).
  ///
  /// - Throws: what the parser says when it is not a certificate.
  package static func publicKeyDER(ofCertificate der: [UInt8]) throws -> [UInt8] {
    let fields = try children(of: DER.parse(der)).first.map(children(of:)) ?? []
    // The version, where present, is tagged [0]; then serial number, signature, issuer, validity,
    // subject, key.
    let start = fields.first?.identifier.tagClass == .contextSpecific ? 1 : 0
    guard fields.count > start + 5, fields[start + 5].identifier == .sequence else {
      throw ASN1Error.invalidASN1Object(reason: "not a certificate")
    }
    return Array(fields[start + 5].encodedBytes)
  }

  private static func children(of node: ASN1Node) throws -> [ASN1Node] {
    guard node.identifier == .sequence, case .constructed(let nodes) = node.content else {
      throw ASN1Error.invalidASN1Object(reason: "not a certificate")
    }
    return Array(nodes)
  }

  /// SHA-256 of the public key of a DER certificate: the digest that the log records.
  ///
  /// - Throws: what the parser says when it is not a certificate.
  package static func keyDigest(ofCertificate der: [UInt8]) throws -> [UInt8] {
    keyDigest(ofPublicKey: try publicKeyDER(ofCertificate: der))
  }

  /// SHA-256 of a DER SubjectPublicKeyInfo.
  package static func keyDigest(ofPublicKey der: [UInt8]) -> [UInt8] {
    Array(SHA256.hash(data: der))
  }

  /// SHA-256 of a DER certificate; CHECK is its first 32 hex digits.
  package static func fingerprint(ofCertificate der: [UInt8]) -> [UInt8] {
    Array(SHA256.hash(data: der))
  }
}
