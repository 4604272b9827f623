// Certificates for keys that were made elsewhere: a node that runs another program than muster
// sends a request (PKCS #10), signed with its own key. What such a request asks for is never taken
// over: subject, names and uses of the certificate are those that the caller gives.

import Crypto
import FoundationEssentials
import SwiftASN1
import X509

/// A request for a certificate, with a signature that holds and a key that is strong enough.
package struct CertificateRequest: Sendable {
  /// What is wrong with a request, to follow "it".
  package struct Flaw: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
  }

  let publicKey: Certificate.PublicKey
  private let subject: [(type: ASN1ObjectIdentifier, value: String)]
  private let names: [GeneralName]
  let isRSA: Bool

  /// Reads and judges a request.
  ///
  /// - Parameter text: PEM.
  /// - Throws: `Flaw`: not such a request; an RSA key of less than 2,048 bits or more than 8,192,
  ///   another curve than P-256 and P-384; a signature that does not hold, or by SHA-1.
  package init(pem text: String) throws(Flaw) {
    let request: CertificateSigningRequest
    do {
      request = try CertificateSigningRequest(pemEncoded: text)
    } catch {
      throw Flaw(
        description: "is no certificate request with an RSA key of 2048 bits or more, or one on "
          + "P-256 or P-384")
    }
    publicKey = request.publicKey
    isRSA = try Self.judge(publicKey)
    let algorithms: [Certificate.SignatureAlgorithm] = [
      .sha256WithRSAEncryption, .sha384WithRSAEncryption, .sha512WithRSAEncryption,
      .ecdsaWithSHA256, .ecdsaWithSHA384, .ecdsaWithSHA512,
    ]
    guard algorithms.contains(request.signatureAlgorithm) else {
      throw Flaw(description: "is not signed by way of SHA-256, SHA-384 or SHA-512")
    }
    guard request.publicKey.isValidSignature(request.signature, for: request) else {
      throw Flaw(description: "is not signed with its own key")
    }
    var subject: [(type: ASN1ObjectIdentifier, value: String)] = []
    for part in request.subject {
      guard part.count == 1, let attribute = part.first, let value = String(attribute.value) else {
        throw Flaw(description: "has a subject of an unusual form")
      }
      subject.append((attribute.type, value))
    }
    self.subject = subject
    do {
      names = Array(
        try request.attributes.extensionRequest?.extensions.subjectAlternativeNames
          ?? SubjectAlternativeNames())
    } catch {
      throw Flaw(description: "asks for names that cannot be read")
    }
  }

  /// - Returns: whether it is an RSA key.
  private static func judge(_ key: Certificate.PublicKey) throws(Flaw) -> Bool {
    if P256.Signing.PublicKey(key) != nil || P384.Signing.PublicKey(key) != nil { return false }
    // An RSA key is a sequence of modulus and exponent (RFC 8017, A.1.1).
    let modulus = try? DER.sequence(
      DER.parse(Array(key.subjectPublicKeyInfoBytes)), identifier: .sequence
    ) { nodes in
      let modulus = try ArraySlice<UInt8>(derEncoded: &nodes)
      _ = try ArraySlice<UInt8>(derEncoded: &nodes)
      return modulus
    }
    guard let modulus else {
      throw Flaw(description: "has a key that is neither RSA nor on P-256 or P-384")
    }
    let significant = modulus.drop { $0 == 0 }
    let bits = significant.count * 8 - (significant.first?.leadingZeroBitCount ?? 0)
    guard (2048...8192).contains(bits) else {
      throw Flaw(description: "has an RSA key of \(bits) bits, not of 2048 to 8192")
    }
    return true
  }

  /// Whether its subject is that user in exactly these groups, and nothing else.
  package func speaks(as commonName: String, in organizations: [String]) -> Bool {
    let users = subject.filter { $0.type == .RDNAttributeType.commonName }.map(\.value)
    let groups = subject.filter { $0.type == .RDNAttributeType.organizationName }.map(\.value)
    return users == [commonName] && groups == organizations
      && subject.count == users.count + groups.count
  }

  /// The user that its subject names; nil if there is not exactly one.
  package var commonName: String? {
    let users = subject.filter { $0.type == .RDNAttributeType.commonName }
    return users.count == 1 ? users.first?.value : nil
  }

  /// A name it asks for that is neither an address nor `host`, in whatever case; nil if there is
  /// none.
  package func foreignName(beside host: String) -> String? {
    for name in names {
      switch name {
      case .ipAddress: continue
      case .dnsName(let text) where text.lowercased() == host: continue
      default: return "\(name)"
      }
    }
    return nil
  }
}

/// A certificate for a key that stays with its owner.
package struct SignedCertificate: Sendable {
  package let pem: String
  /// SHA-256 of its DER, 32 bytes.
  package let fingerprint: [UInt8]
  /// Seconds since 1970.
  package let expires: Int64
}

extension KubernetesAuthority {
  /// What a certificate may be used for.
  package enum Use: Sendable { case client, clientAndServer }

  /// Serial numbers of certificates for nodes begin so, and go on with the node's id: whose a
  /// certificate is can be told from it alone.
  private static let mark: [UInt8] = Array("muster".utf8)

  /// Signs a certificate for the key of a request.
  ///
  /// - Parameters:
  ///   - commonName: the user's name.
  ///   - organizations: the user's groups.
  ///   - names: IP literals or DNS names that it answers to.
  ///   - holder: the id of the node that it is for.
  ///   - random: 6 random bytes, which make the serial number one of its own.
  ///   - from: seconds since 1970; it is valid from an hour earlier on.
  ///   - seconds: for how long from then on, within the authority's own validity.
  package func sign(
    _ request: CertificateRequest, commonName: String, organizations: [String], use: Use,
    names: [String], holder: UInt64, random: [UInt8], from: Int64, seconds: Int64
  ) throws -> (certificate: SignedCertificate, serial: [UInt8]) {
    let serial =
      Self.mark + (0..<8).map { UInt8(truncatingIfNeeded: holder >> (56 - 8 * $0)) }
      + random
    let authorityKey = try? certificate.extensions.subjectKeyIdentifier
    let extensions = try Certificate.Extensions {
      Critical(BasicConstraints.notCertificateAuthority)
      Critical(KeyUsage(digitalSignature: true, keyEncipherment: request.isRSA))
      try ExtendedKeyUsage(use == .client ? [.clientAuth] : [.clientAuth, .serverAuth])
      SubjectKeyIdentifier(hash: request.publicKey)
      if let authorityKey {
        AuthorityKeyIdentifier(keyIdentifier: authorityKey.keyIdentifier)
      }
      if !names.isEmpty { SubjectAlternativeNames(names.map(Self.generalName)) }
    }
    let begin = Date(timeIntervalSince1970: Double(from - 3600))
    let end = Date(timeIntervalSince1970: Double(from + seconds))
    let issued = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(bytes: serial),
      publicKey: request.publicKey,
      notValidBefore: max(begin, certificate.notValidBefore),
      notValidAfter: min(end, certificate.notValidAfter), issuer: certificate.subject,
      subject: try DistinguishedName {
        for organization in organizations { OrganizationName(organization) }
        CommonName(commonName)
      }, extensions: extensions, issuerPrivateKey: key)
    var serializer = DER.Serializer()
    try serializer.serialize(issued)
    return (
      SignedCertificate(
        pem: try issued.serializeAsPEM().pemString + "\n",
        fingerprint: Array(SHA256.hash(data: serializer.serializedBytes)),
        expires: Int64(issued.notValidAfter.timeIntervalSince1970)), serial
    )
  }

  /// The id of the node that a certificate was signed for by `sign`; nil for any other.
  package static func holder(ofCertificate der: [UInt8]) -> UInt64? {
    guard let leaf = try? Certificate(derEncoded: der) else { return nil }
    let serial = Array(leaf.serialNumber.bytes)
    guard serial.count > mark.count + 8, serial.starts(with: mark) else { return nil }
    return serial[mark.count..<mark.count + 8].reduce(0) { $0 << 8 | UInt64($1) }
  }
}
