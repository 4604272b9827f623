// Requests as openssl makes them, and certificates as openssl judges them.

import Foundation
import Testing

@testable import Transport

@Suite("Certificate requests", .enabled(if: hasOpenSSL))
struct CertificateRequestTests {
  private let scratch: Scratch
  private let authority: KubernetesAuthority

  init() throws {
    scratch = try Scratch()
    authority = try KubernetesAuthority.generate()
  }

  /// A request by `openssl req`, with a new key.
  private func pem(
    _ key: [String] = ["rsa:2048"], subject: String = "/CN=system:node:w1/O=system:nodes",
    _ more: String...
  ) throws -> String {
    let file = scratch.file("request.pem")
    let (code, text) = try run(
      "openssl",
      ["req", "-new", "-nodes", "-newkey"] + key + ["-subj", subject, "-out", file]
        + ["-keyout", scratch.file("key.pem")] + more)
    try #require(code == 0, "\(text)")
    return try String(contentsOfFile: file, encoding: .utf8)
  }

  private func flaw(_ text: String) -> String? {
    do throws(CertificateRequest.Flaw) {
      _ = try CertificateRequest(pem: text)
      return nil
    } catch { return error.description }
  }

  @Test("RSA from 2048 bits on, P-256 and P-384 are taken, other keys are not")
  func keys() throws {
    #expect(flaw(try pem()) == nil)
    #expect(flaw(try pem(["rsa:3072"])) == nil)
    #expect(flaw(try pem(["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])) == nil)
    #expect(flaw(try pem(["ec", "-pkeyopt", "ec_paramgen_curve:P-384"])) == nil)
    for key in [
      ["rsa:1024"], ["rsa:2040"], ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
      ["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"], ["ed25519"],
    ] {
      #expect(flaw(try pem(key)) != nil, "\(key)")
    }
  }

  @Test("A signature by SHA-1, of another key or of other bytes is refused, and so is no request")
  func signatures() throws {
    #expect(flaw(try pem(["rsa:2048"], "-sha1")) != nil)
    #expect(flaw(try pem(["rsa:2048"], "-sha512")) == nil)
    let good = try pem()
    let body = good.split(separator: "\n").dropFirst().dropLast().joined()
    let der = try #require(Data(base64Encoded: body))
    for position in stride(from: 0, to: der.count, by: 7) {
      var altered = der
      altered[position] ^= 0x01
      let text =
        "-----BEGIN CERTIFICATE REQUEST-----\n" + altered.base64EncodedString()
        + "\n-----END CERTIFICATE REQUEST-----\n"
      #expect(flaw(text) != nil, "a flipped bit at \(position)")
    }
    for length in stride(from: 0, to: der.count, by: 31) {
      let text =
        "-----BEGIN CERTIFICATE REQUEST-----\n" + der.prefix(length).base64EncodedString()
        + "\n-----END CERTIFICATE REQUEST-----\n"
      #expect(flaw(text) != nil, "cut at \(length)")
    }
    for text in ["", "x", authority.certificatePEM, authority.privateKeyPEM, "-----BEGIN"] {
      #expect(flaw(text) != nil)
    }
  }

  @Test("A subject counts as a whole: another attribute, order of values or text is another one")
  func subjects() throws {
    func speaks(_ subject: String) throws -> Bool {
      try CertificateRequest(pem: try pem(subject: subject))
        .speaks(as: "system:node:w1", in: ["system:nodes"])
    }
    #expect(try speaks("/CN=system:node:w1/O=system:nodes"))
    #expect(try speaks("/O=system:nodes/CN=system:node:w1"))
    for subject in [
      "/CN=system:node:w1", "/O=system:nodes", "/CN=system:node:w2/O=system:nodes",
      "/CN=system:node:w1/O=system:masters", "/CN=system:node:w1/O=system:nodes/O=system:masters",
      "/CN=system:node:w1/CN=admin/O=system:nodes", "/CN=system:node:w1/O=system:nodes/OU=x",
      #"/CN=system:node:w1\/O=system:nodes"#, "/CN=System:node:w1/O=system:nodes",
    ] {
      #expect(try !speaks(subject), "\(subject)")
    }
    let proxy = try CertificateRequest(pem: try pem(subject: "/CN=system:kube-proxy"))
    #expect(proxy.speaks(as: "system:kube-proxy", in: []))
    #expect(proxy.commonName == "system:kube-proxy")
  }

  @Test("Names of other hosts are told; addresses are not looked at, since none is taken over")
  func names() throws {
    func foreign(_ names: String) throws -> String? {
      try CertificateRequest(
        pem: try pem(["rsa:2048"], subject: "/CN=x", "-addext", "subjectAltName=\(names)")
      ).foreignName(beside: "w1")
    }
    #expect(try foreign("DNS:w1,IP:10.0.0.5,IP:fd00::1") == nil)
    #expect(try foreign("DNS:W1") == nil)
    for names in [
      "DNS:w2", "DNS:w1,DNS:kubernetes", "email:a@b", "URI:https://w1", "DNS:w1.example",
    ] {
      #expect(try foreign(names) != nil, "\(names)")
    }
  }

  @Test("What is signed is what was said, whatever the request asks for")
  func signed() throws {
    let request = try CertificateRequest(
      pem: try pem(
        ["rsa:2048"], "-addext", "subjectAltName=DNS:w1,IP:10.9.9.9", "-addext",
        "basicConstraints=critical,CA:TRUE"))
    let from: Int64 = 1_790_000_000
    let (certificate, serial) = try authority.sign(
      request, commonName: "system:node:w1", organizations: ["system:nodes"],
      use: .clientAndServer, names: ["w1", "10.0.0.5"], holder: 0x0123_4567_89ab_cdef,
      random: [1, 2, 3, 4, 5, 6], from: from, seconds: 3650 * 86_400)
    #expect(certificate.expires == from + 3650 * 86_400)
    #expect(serial.count == 20)
    let leaf = try scratch.write(certificate.pem, to: "leaf.crt")
    let root = try scratch.write(authority.certificatePEM, to: "ca.crt")
    for purpose in ["sslclient", "sslserver"] {
      let (code, text) = try run(
        "openssl",
        [
          "verify", "-x509_strict", "-attime", "\(from + 60)", "-purpose", purpose, "-CAfile",
          root, leaf,
        ])
      #expect(code == 0, "\(text)")
    }
    let (_, text) = try run("openssl", ["x509", "-in", leaf, "-noout", "-text"])
    #expect(text.contains("DNS:w1, IP Address:10.0.0.5") && !text.contains("10.9.9.9"))
    #expect(text.contains("CA:FALSE") && !text.contains("CA:TRUE"))
    #expect(text.contains("Key Encipherment"))
    #expect(text.contains("system:nodes") && text.contains("system:node:w1"))
    let body = certificate.pem.split(separator: "\n").dropFirst().dropLast().joined()
    let der = Array(try #require(Data(base64Encoded: body)))
    #expect(KubernetesAuthority.holder(ofCertificate: der) == 0x0123_4567_89ab_cdef)
    #expect(NodeIdentity.fingerprint(ofCertificate: der) == certificate.fingerprint)
    let admin = try authority.issueClient(commonName: "a", organizations: [])
    let other = admin.certificatePEM.split(separator: "\n").dropFirst().dropLast().joined()
    #expect(
      KubernetesAuthority.holder(
        ofCertificate: Array(try #require(Data(base64Encoded: other)))) == nil)
  }

  @Test("A certificate lasts no longer than its authority, and one for a client is no server's")
  func limits() throws {
    let (code, text) = try run(
      "openssl",
      [
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=10.152.183.1", "-days",
        "30", "-keyout", scratch.file("ca.key"), "-out", scratch.file("ca.crt"),
      ])
    try #require(code == 0, "\(text)")
    let short = try KubernetesAuthority.load(from: scratch.path)
    let now = Int64(Date().timeIntervalSince1970)
    let (certificate, _) = try short.sign(
      try CertificateRequest(pem: try pem(["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])),
      commonName: "system:kube-proxy", organizations: [], use: .client, names: [], holder: 1,
      random: [0, 0, 0, 0, 0, 0], from: now, seconds: 3650 * 86_400)
    #expect(certificate.expires < now + 31 * 86_400)
    let leaf = try scratch.write(certificate.pem, to: "leaf.crt")
    let verify = ["verify", "-CAfile", scratch.file("ca.crt"), "-purpose"]
    #expect(try run("openssl", verify + ["sslclient", leaf]).0 == 0)
    #expect(try run("openssl", verify + ["sslserver", leaf]).0 != 0)
  }
}
