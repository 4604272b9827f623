import Foundation
import Testing

@testable import Transport

@Suite struct KubernetesAuthorityTests {
  @Test("an authority survives the disk and the wire, and its key is a secret on the disk")
  func roundTrip() throws {
    let scratch = try Scratch()
    let made = try KubernetesAuthority.generate()
    try made.store(in: scratch.file("kubernetes"))
    let loaded = try KubernetesAuthority.load(from: scratch.file("kubernetes"))
    #expect(loaded.certificatePEM == made.certificatePEM)
    #expect(loaded.privateKeyPEM == made.privateKeyPEM)
    #expect(try scratch.mode("kubernetes/ca.key") == 0o600)
    #expect(try scratch.mode("kubernetes/ca.crt") == 0o644)
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o644], ofItemAtPath: scratch.file("kubernetes/ca.key"))
    #expect {
      try KubernetesAuthority.load(from: scratch.file("kubernetes"))
    } throws: { "\($0)".contains("chmod 600") }
  }

  @Test("texts that are not an authority and its key are refused")
  func mismatches() throws {
    let one = try KubernetesAuthority.generate()
    let other = try KubernetesAuthority.generate()
    let leaf = try one.issueServer(addresses: [])
    #expect(throws: IdentityError.self) {
      try KubernetesAuthority(
        certificatePEM: one.certificatePEM, privateKeyPEM: other.privateKeyPEM)
    }
    #expect(throws: IdentityError.self) {
      try KubernetesAuthority(
        certificatePEM: leaf.certificatePEM, privateKeyPEM: leaf.privateKeyPEM)
    }
    #expect(throws: IdentityError.self) {
      try KubernetesAuthority(certificatePEM: "", privateKeyPEM: one.privateKeyPEM)
    }
  }

  @Test(
    "openssl accepts a server certificate for every name and address, and for no other",
    .enabled(if: hasOpenSSL))
  func serverCertificate() throws {
    let scratch = try Scratch()
    let authority = try KubernetesAuthority.generate()
    let issued = try authority.issueServer(addresses: ["10.1.2.3", "fd00::7", "api.example"])
    let root = try scratch.write(authority.certificatePEM, to: "ca.crt")
    let leaf = try scratch.write(issued.certificatePEM, to: "leaf.crt")
    func verify(_ arguments: String...) throws -> Bool {
      try run(
        "openssl",
        ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", root]
          + arguments + [leaf]
      ).0 == 0
    }
    for ip in ["127.0.0.1", "::1", "10.1.2.3", "fd00::7"] {
      #expect(try verify("-verify_ip", ip), "\(ip)")
    }
    for name in ["localhost", "kubernetes", "kubernetes.default.svc", "api.example"] {
      #expect(try verify("-verify_hostname", name), "\(name)")
    }
    #expect(try !verify("-verify_ip", "10.1.2.4"))
    #expect(try !verify("-verify_hostname", "other.example"))
    let stranger = try scratch.write(
      KubernetesAuthority.generate().certificatePEM, to: "stranger.crt")
    #expect(try run("openssl", ["verify", "-CAfile", stranger, leaf]).0 != 0)
  }

  @Test(
    "openssl reads user and groups of a client certificate, which is no server's",
    .enabled(if: hasOpenSSL))
  func clientCertificate() throws {
    let scratch = try Scratch()
    let authority = try KubernetesAuthority.generate()
    let issued = try authority.issueClient(commonName: "admin", organizations: ["system:masters"])
    let root = try scratch.write(authority.certificatePEM, to: "ca.crt")
    let leaf = try scratch.write(issued.certificatePEM, to: "leaf.crt")
    let verify = ["verify", "-x509_strict", "-CAfile", root, "-purpose"]
    #expect(try run("openssl", verify + ["sslclient", leaf]).0 == 0)
    #expect(try run("openssl", verify + ["sslserver", leaf]).0 != 0)
    let (_, subject) = try run("openssl", ["x509", "-in", leaf, "-noout", "-subject"])
    #expect(subject.contains("system:masters"))
    #expect(subject.contains("admin"))
  }

  @Test("an authority that the operator brings may have an RSA key", .enabled(if: hasOpenSSL))
  func foreignAuthority() throws {
    let scratch = try Scratch()
    let (status, text) = try run(
      "openssl",
      [
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=10.152.183.1", "-days",
        "3650", "-keyout", scratch.file("ca.key"), "-out", scratch.file("ca.crt"),
      ])
    #expect(status == 0, "\(text)")
    let authority = try KubernetesAuthority.load(from: scratch.path)
    let issued = try authority.issueServer(addresses: ["10.1.2.3"])
    let leaf = try scratch.write(issued.certificatePEM, to: "leaf.crt")
    let (verified, reason) = try run(
      "openssl", ["verify", "-CAfile", scratch.file("ca.crt"), "-verify_ip", "10.1.2.3", leaf])
    #expect(verified == 0, "\(reason)")
  }
}
