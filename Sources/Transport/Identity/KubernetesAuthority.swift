import Crypto
import FoundationEssentials
import SwiftASN1
import X509

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The certificate authority of the Kubernetes API, and of nothing else.
///
/// Node identities never come from it: who holds it can pose as a Kubernetes client, not as a
/// member. It is made by muster (P-256) or brought by the operator (P-256, P-384, P-521 or RSA),
/// lives on control-plane nodes and travels only as the two PEM texts. Certificates it signs run to
/// the end of its own validity.
package struct KubernetesAuthority: Sendable {
  /// The authority's certificate, PEM.
  package let certificatePEM: String
  /// The authority's private key, PEM: a secret.
  package let privateKeyPEM: String
  let certificate: Certificate
  let key: Certificate.PrivateKey

  /// A new authority with a key from the system's random source.
  ///
  /// - Parameter commonName: what it is called; kubeadm and MicroK8s have names of their own.
  package static func generate(commonName: String = "muster kubernetes CA") throws
    -> KubernetesAuthority
  {
    let key = P256.Signing.PrivateKey()
    let name = try DistinguishedName { CommonName(commonName) }
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
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
        Critical(KeyUsage(digitalSignature: true, keyCertSign: true, cRLSign: true))
        CertificateRules.keyIdentifier(of: key.publicKey)
      },
      issuerPrivateKey: .init(key))
    return try KubernetesAuthority(
      certificatePEM: certificate.serializeAsPEM().pemString + "\n",
      privateKeyPEM: key.pemRepresentation + "\n")
  }

  /// The authority in two PEM texts, as a joiner receives it.
  ///
  /// - Throws: `IdentityError.damaged` when they are not a CA certificate and its key.
  package init(certificatePEM: String, privateKeyPEM: String) throws {
    try self.init(
      certificatePEM: certificatePEM, privateKeyPEM: privateKeyPEM, certificatePath: "ca.crt",
      keyPath: "ca.key")
  }

  private init(
    certificatePEM: String, privateKeyPEM: String, certificatePath: String, keyPath: String
  ) throws {
    guard let certificate = try? Certificate(pemEncoded: certificatePEM) else {
      throw IdentityError.damaged(path: certificatePath, reason: "it is not a certificate")
    }
    guard let key = try? Certificate.PrivateKey(pemEncoded: privateKeyPEM) else {
      throw IdentityError.damaged(path: keyPath, reason: "it is not a private key")
    }
    guard key.publicKey == certificate.publicKey else {
      throw IdentityError.damaged(path: keyPath, reason: "it is not the key of \(certificatePath)")
    }
    guard case .isCertificateAuthority = try? certificate.extensions.basicConstraints else {
      throw IdentityError.damaged(path: certificatePath, reason: "it may not sign certificates")
    }
    self.certificatePEM = certificatePEM
    self.privateKeyPEM = privateKeyPEM
    self.certificate = certificate
    self.key = key
  }

  /// The authority kept in `directory` as ca.crt and ca.key (0600), strictly.
  ///
  /// - Throws: `IdentityError`.
  package static func load(from directory: String) throws -> KubernetesAuthority {
    let certificatePath = directory + "/ca.crt"
    let keyPath = directory + "/ca.key"
    let certificate = try PrivateFile.read(certificatePath, secret: false)
    let key = try PrivateFile.read(keyPath, secret: true)
    return try KubernetesAuthority(
      certificatePEM: String(decoding: certificate, as: UTF8.self),
      privateKeyPEM: String(decoding: key, as: UTF8.self), certificatePath: certificatePath,
      keyPath: keyPath)
  }

  /// Writes ca.key (0600) and ca.crt (0644), each whole or not at all.
  ///
  /// - Throws: `IdentityError`.
  package func store(in directory: String) throws {
    try PrivateFile.makeDirectory(directory)
    try PrivateFile.write(Array(privateKeyPEM.utf8), to: directory + "/ca.key", mode: 0o600)
    try PrivateFile.write(Array(certificatePEM.utf8), to: directory + "/ca.crt", mode: 0o644)
  }
}

/// A certificate that the authority signed, with its fresh key.
package struct IssuedCertificate: Sendable {
  /// The leaf certificate, PEM.
  package let certificatePEM: String
  /// Its private key (P-256), PEM: a secret.
  package let privateKeyPEM: String
  /// SHA-256 of the certificate's DER, 32 bytes.
  package let fingerprint: [UInt8]
}

extension KubernetesAuthority {
  /// The names that every Kubernetes API server of a cluster answers to, beside its addresses.
  package static let serverNames = [
    "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
  ]

  /// A server certificate for ``serverNames``, 127.0.0.1 and ::1, and for the addresses given.
  ///
  /// - Parameters:
  ///   - addresses: IP literals or DNS names.
  ///   - commonName: the subject, `kube-apiserver` as kubeadm has it.
  package func issueServer(
    addresses: [String], commonName: String = "kube-apiserver"
  ) throws -> IssuedCertificate {
    var names: [GeneralName] = []
    var seen: Set<String> = []
    for text in Self.serverNames + ["127.0.0.1", "::1"] + addresses
    where !text.isEmpty && seen.insert(text).inserted {
      names.append(Self.generalName(text))
    }
    return try issue(
      subject: try DistinguishedName { CommonName(commonName) }, usage: .serverAuth, names: names)
  }

  /// A client certificate for a Kubernetes user.
  ///
  /// - Parameters:
  ///   - commonName: the user's name, e.g. `system:node:n1`.
  ///   - organizations: the user's groups, e.g. `system:masters`.
  package func issueClient(
    commonName: String, organizations: [String]
  ) throws -> IssuedCertificate {
    let subject = try DistinguishedName {
      for organization in organizations { OrganizationName(organization) }
      CommonName(commonName)
    }
    return try issue(subject: subject, usage: .clientAuth, names: [])
  }

  private func issue(
    subject: DistinguishedName, usage: ExtendedKeyUsage.Usage, names: [GeneralName]
  ) throws -> IssuedCertificate {
    let leaf = P256.Signing.PrivateKey()
    let authorityKey = try? certificate.extensions.subjectKeyIdentifier
    let extensions = try Certificate.Extensions {
      Critical(BasicConstraints.notCertificateAuthority)
      Critical(KeyUsage(digitalSignature: true))
      try ExtendedKeyUsage([usage])
      CertificateRules.keyIdentifier(of: leaf.publicKey)
      if let authorityKey {
        AuthorityKeyIdentifier(keyIdentifier: authorityKey.keyIdentifier)
      }
      if !names.isEmpty { SubjectAlternativeNames(names) }
    }
    let issued = try Certificate(
      version: .v3,
      serialNumber: CertificateRules.serialNumber(for: leaf.publicKey),
      publicKey: .init(leaf.publicKey),
      notValidBefore: certificate.notValidBefore,
      notValidAfter: certificate.notValidAfter,
      issuer: certificate.subject,
      subject: subject,
      extensions: extensions,
      issuerPrivateKey: key)
    var serializer = DER.Serializer()
    try serializer.serialize(issued)
    return IssuedCertificate(
      certificatePEM: try issued.serializeAsPEM().pemString + "\n",
      privateKeyPEM: leaf.pemRepresentation + "\n",
      fingerprint: Array(SHA256.hash(data: serializer.serializedBytes)))
  }

  static func generalName(_ text: String) -> GeneralName {
    var bytes = [UInt8](repeating: 0, count: text.contains(":") ? 16 : 4)
    guard inet_pton(bytes.count == 16 ? AF_INET6 : AF_INET, text, &bytes) == 1 else {
      return .dnsName(text)
    }
    return .ipAddress(ASN1OctetString(contentBytes: bytes[...]))
  }
}
