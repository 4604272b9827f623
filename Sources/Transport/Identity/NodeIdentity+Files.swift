import Crypto
import SwiftASN1
import X509

extension NodeIdentity {
  /// The identity kept in `directory`; a new one is made and kept there when there is none.
  ///
  /// - Parameter directory: holds node.key and node.crt; created with mode 0700 where missing.
  /// - Throws: `IdentityError`, also for a certificate whose key is lost.
  package static func loadOrCreate(in directory: String) throws -> NodeIdentity {
    let keyPath = directory + "/node.key"
    let certificatePath = directory + "/node.crt"
    if PrivateFile.exists(certificatePath) { return try load(from: directory) }
    let identity: NodeIdentity
    if PrivateFile.exists(keyPath) {
      // Stopped between the two files: nobody has seen the certificate yet, so a new one harms
      // nobody.
      identity = try NodeIdentity(certifying: readKey(keyPath))
      try PrivateFile.write(
        Array(identity.certificatePEM.utf8), to: certificatePath, mode: 0o600)
    } else {
      identity = try generate()
      try identity.store(in: directory)
    }
    return identity
  }

  /// The identity kept in `directory`, strictly: both files, of one key, the key readable by its
  /// owner alone.
  ///
  /// - Throws: `IdentityError`.
  package static func load(from directory: String) throws -> NodeIdentity {
    let key = try readKey(directory + "/node.key")
    let path = directory + "/node.crt"
    let der = try PEMFile.decode(
      PrivateFile.read(path, secret: false), type: "CERTIFICATE", path: path)
    guard let carried = try? publicKeyDER(ofCertificate: der) else {
      throw IdentityError.damaged(path: path, reason: "it is not a certificate")
    }
    guard carried == Array(key.publicKey.derRepresentation) else {
      throw IdentityError.damaged(path: path, reason: "it is of another key than node.key")
    }
    return NodeIdentity(key: key, certificateDER: der)
  }

  /// Writes node.key and node.crt, the key first, each whole or not at all.
  ///
  /// - Throws: `IdentityError`.
  package func store(in directory: String) throws {
    try PrivateFile.makeDirectory(directory)
    try PrivateFile.write(
      Array((key.pemRepresentation + "\n").utf8), to: directory + "/node.key", mode: 0o600)
    try PrivateFile.write(
      Array(certificatePEM.utf8), to: directory + "/node.crt", mode: 0o600)
  }

  /// The certificate as PEM text, which may be shown to anybody.
  package var certificatePEM: String {
    PEMDocument(type: "CERTIFICATE", derBytes: certificateDER).pemString + "\n"
  }

  private static func readKey(_ path: String) throws -> P256.Signing.PrivateKey {
    let bytes = try PrivateFile.read(path, secret: true)
    guard
      let key = try? P256.Signing.PrivateKey(
        pemRepresentation: String(decoding: bytes, as: UTF8.self))
    else { throw IdentityError.damaged(path: path, reason: "it is not a P-256 private key") }
    return key
  }
}

/// One PEM document in a file.
enum PEMFile {
  static func decode(
    _ bytes: [UInt8], type: String, path: String
  ) throws(IdentityError) -> [UInt8] {
    let document: PEMDocument
    do {
      document = try PEMDocument(pemString: String(decoding: bytes, as: UTF8.self))
    } catch {
      throw .damaged(path: path, reason: "it is not PEM")
    }
    guard document.discriminator == type else {
      throw .damaged(path: path, reason: "it holds a \(document.discriminator), not a \(type)")
    }
    return document.derBytes
  }
}
