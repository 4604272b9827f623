// What the log says of Kubernetes certificates, as bytes.

import Membership
import SwiftProtobuf

extension WireCertificateIssued {
  init(_ event: CertificateIssued) {
    self.init()
    node = event.node.rawValue
    subject = event.subject
    certificate = blob(event.certificate.bytes)
    serial = blob(event.serial)
    expires = event.expires.milliseconds
  }
}

extension CertificateIssued {
  init(_ wire: WireCertificateIssued) throws(Malformed) {
    guard !wire.subject.isEmpty else { throw .missing("CertificateIssued.subject") }
    guard !wire.serial.isEmpty else { throw .missing("CertificateIssued.serial") }
    self.init(
      node: try nodeID(wire.node, "CertificateIssued.node"), subject: wire.subject,
      certificate: try digest(wire.certificate, "CertificateIssued.certificate"),
      serial: array(wire.serial), expires: Timestamp(milliseconds: wire.expires))
  }

  /// Limits on what a request may bring in.
  func checkLimits() throws(Malformed) {
    try checkText(subject, upTo: 512, "CertificateIssued.subject")
    guard serial.count <= 20 else {
      throw .invalid("CertificateIssued.serial", why: "has \(serial.count) bytes, more than 20")
    }
  }
}

// In a checkpoint, after everything that was there before: the nodes that have certificates.

extension PackedWriter {
  mutating func putCertificates(_ nodes: [Member]) {
    put(nodes.filter { !$0.certificates.isEmpty }) { out, member in
      out.putFixed(member.id.rawValue)
      out.put(member.certificates) { out, certificate in
        out.put(certificate.subject)
        out.put(certificate.expires)
        out.put(certificate.index)
      }
    }
  }
}

extension PackedReader {
  mutating func certificates(_ nodes: inout [Member]) throws(Malformed) {
    for _ in 0..<(try count()) {
      let id = NodeID(try fixed())
      guard let place = nodes.firstIndex(where: { $0.id == id }) else {
        throw invalid("has certificates of an unknown node")
      }
      for _ in 0..<(try count()) {
        nodes[place].certificates.append(
          .init(subject: try text(), expires: try time(), index: try number()))
      }
    }
  }
}
