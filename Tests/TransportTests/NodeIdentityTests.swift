import Foundation
import Testing

@testable import Transport

@Suite struct NodeIdentityTests {
  @Test(
    "an identity that was stored is loaded as the same one, from files that only the owner reads")
  func roundTrip() throws {
    let scratch = try Scratch()
    let made = try NodeIdentity.loadOrCreate(in: scratch.file("identity"))
    let loaded = try NodeIdentity.loadOrCreate(in: scratch.file("identity"))
    #expect(loaded.certificateDER == made.certificateDER)
    #expect(loaded.keyDigest == made.keyDigest)
    #expect(loaded.keyDigest.count == 32)
    #expect(made.check.count == 32)
    #expect(try scratch.mode("identity") == 0o700)
    #expect(try scratch.mode("identity/node.key") == 0o600)
    #expect(try scratch.mode("identity/node.crt") == 0o600)
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.file("identity"))
    #expect(names.sorted() == ["node.crt", "node.key"])
  }

  @Test("a key that others may read is refused, and the text says the chmod line")
  func openKey() throws {
    let scratch = try Scratch()
    _ = try NodeIdentity.loadOrCreate(in: scratch.path)
    for mode in [0o640, 0o604, 0o620, 0o610] {
      try FileManager.default.setAttributes(
        [.posixPermissions: mode], ofItemAtPath: scratch.file("node.key"))
      let error = #expect(throws: IdentityError.self) { try NodeIdentity.load(from: scratch.path) }
      #expect(error == .tooOpen(path: scratch.file("node.key"), mode: UInt16(mode)))
      #expect("\(try #require(error))".contains("chmod 600 \(scratch.file("node.key"))"))
    }
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o400], ofItemAtPath: scratch.file("node.key"))
    _ = try NodeIdentity.load(from: scratch.path)
  }

  @Test("a link, another node's key, a lost key and damaged files are refused and left as they are")
  func damaged() throws {
    let scratch = try Scratch()
    let key = scratch.file("node.key")
    _ = try NodeIdentity.loadOrCreate(in: scratch.path)
    try FileManager.default.moveItem(atPath: key, toPath: scratch.file("elsewhere"))
    #expect(throws: IdentityError.missing(path: key)) {
      try NodeIdentity.loadOrCreate(in: scratch.path)
    }
    try FileManager.default.createSymbolicLink(
      atPath: key, withDestinationPath: scratch.file("elsewhere"))
    #expect(throws: IdentityError.notAFile(path: key)) {
      try NodeIdentity.loadOrCreate(in: scratch.path)
    }
    try FileManager.default.removeItem(atPath: key)
    _ = try NodeIdentity.loadOrCreate(in: scratch.file("other"))
    try FileManager.default.copyItem(atPath: scratch.file("other/node.key"), toPath: key)
    #expect {
      try NodeIdentity.loadOrCreate(in: scratch.path)
    } throws: { "\($0)".contains("another key") }
    _ = try scratch.write("-----BEGIN RUBBISH-----", to: "node.crt")
    #expect(
      throws: IdentityError.damaged(path: scratch.file("node.crt"), reason: "it is not PEM")
    ) { try NodeIdentity.load(from: scratch.path) }
  }

  @Test("stopped between the two files, the key is kept and gets its certificate at the next start")
  func interrupted() throws {
    let scratch = try Scratch()
    let first = try NodeIdentity.loadOrCreate(in: scratch.path)
    try FileManager.default.removeItem(atPath: scratch.file("node.crt"))
    let second = try NodeIdentity.loadOrCreate(in: scratch.path)
    #expect(second.keyDigest == first.keyDigest)
    #expect(try NodeIdentity.load(from: scratch.path).certificateDER == second.certificateDER)
  }

  @Test("a signature holds for the key that made it and the bytes it was made over, and no others")
  func signatures() throws {
    let one = try NodeIdentity.generate()
    let other = try NodeIdentity.generate()
    let statement = Array("n4 is a member".utf8)
    let signature = try one.sign(statement)
    #expect(
      NodeIdentity.verify(signature: signature, over: statement, publicKeyDER: one.publicKeyDER))
    #expect(
      NodeIdentity.verify(
        signature: signature, over: statement, certificateDER: one.certificateDER))
    #expect(
      !NodeIdentity.verify(signature: signature, over: statement, publicKeyDER: other.publicKeyDER))
    #expect(
      !NodeIdentity.verify(
        signature: signature, over: statement + [0], publicKeyDER: one.publicKeyDER))
    #expect(
      !NodeIdentity.verify(signature: [], over: statement, publicKeyDER: one.publicKeyDER))
    for cut in stride(from: 0, to: one.publicKeyDER.count, by: 7) {
      let part = Array(one.publicKeyDER[..<cut])
      #expect(!NodeIdentity.verify(signature: signature, over: statement, publicKeyDER: part))
    }
  }

  @Test("no cut or flipped byte of a certificate makes the reader of its key trap")
  func hostileCertificates() throws {
    let identity = try NodeIdentity.generate()
    let der = identity.certificateDER
    for index in der.indices {
      _ = try? NodeIdentity.keyDigest(ofCertificate: Array(der[..<index]))
      for bit in [UInt8(1), 0x20, 0x80, 0xFF] {
        var changed = der
        changed[index] ^= bit
        _ = try? NodeIdentity.keyDigest(ofCertificate: changed)
      }
    }
    #expect(try NodeIdentity.keyDigest(ofCertificate: der) == identity.keyDigest)
  }

  @Test(
    "openssl reads the same digests, verifies the certificate by itself, and finds no expiry",
    .enabled(if: hasOpenSSL))
  func judgedByOpenSSL() throws {
    let scratch = try Scratch()
    let identity = try NodeIdentity.loadOrCreate(in: scratch.path)
    let path = scratch.file("node.crt")
    let (_, fingerprint) = try run(
      "openssl", ["x509", "-in", path, "-noout", "-fingerprint", "-sha256"])
    let digits = fingerprint.filter { $0.isHexDigit || $0 == "=" }.split(separator: "=").last ?? ""
    #expect(digits.lowercased().hasPrefix(identity.check))
    for purpose in ["sslserver", "sslclient"] {
      let (status, text) = try run(
        "openssl", ["verify", "-purpose", purpose, "-CAfile", path, path])
      #expect(status == 0, "\(text)")
    }
    let (_, dates) = try run("openssl", ["x509", "-in", path, "-noout", "-enddate"])
    #expect(dates.contains("9999"))
    let (_, key) = try run("openssl", ["x509", "-in", path, "-noout", "-pubkey"])
    let publicKey = try scratch.write(key, to: "public.pem")
    let (_, digest) = try run(
      "sh", ["-c", "openssl pkey -pubin -in \(publicKey) -outform DER | openssl sha256"])
    #expect(digest.contains(Hex.encode(identity.keyDigest)))
    let statement = try scratch.write("n4 is a member", to: "statement")
    try Data(identity.sign(Array("n4 is a member".utf8)))
      .write(to: URL(fileURLWithPath: scratch.file("signature")))
    let (verified, text) = try run(
      "openssl",
      ["dgst", "-sha256", "-verify", publicKey, "-signature", scratch.file("signature"), statement])
    #expect(verified == 0, "\(text)")
  }
}
