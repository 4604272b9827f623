// Kubernetes certificates that the cluster signs for nodes, and the nodes that need them: workers
// that run another program than muster (MicroK8s), are members by their invitation, and have no key
// of muster's.
//
// Such a node is recorded with a digest that no key has, made of its id, so that everybody can tell
// it from the others: to speak as this node somebody would need a public key whose SHA-256 is this
// very value. It is a member in every view, can be removed like any other, and can ask muster for
// nothing. What it may do at the API server its certificates say: two, of fixed subjects, each
// signed once, within an hour after it joined.

extension NodeRecord {
  /// The version that a worker of MicroK8s is recorded with.
  package static let microK8s = "microk8s"

  /// The digest in the place of a key, for a node that has none.
  package static func keyless(_ id: NodeID) -> Digest {
    // "muster: keyless " in ASCII.
    Digest(words: [0x6d75_7374_6572_3a20, 0x6b65_796c_6573_7320, 0, id.rawValue])
  }

  /// Whether the node has no key that muster could know it by: it is never heard from.
  package var isKeyless: Bool { key == Self.keyless(id) }

  /// The program that it runs, with its version.
  package var program: String { isKeyless ? version : "muster-" + version }
}

/// What a node's Kubernetes certificate is for.
package enum CertificateUse: String, Sendable, CaseIterable {
  case kubelet
  case proxy

  /// Who it speaks as, in the words of `openssl -subj`.
  package func subject(of node: String) -> String {
    ([("CN", commonName(of: node))] + organizations.map { ("O", $0) })
      .map { "/\($0)=\($1)" }.joined()
  }

  /// The user.
  package func commonName(of node: String) -> String {
    switch self {
    case .kubelet: "system:node:\(node)"
    case .proxy: "system:kube-proxy"
    }
  }

  /// The user's groups.
  package var organizations: [String] { self == .kubelet ? ["system:nodes"] : [] }

  /// What a subject of that node is for.
  package init?(subject: String, of node: String) {
    guard let use = Self.allCases.first(where: { $0.subject(of: node) == subject }) else {
      return nil
    }
    self = use
  }
}

/// A Kubernetes certificate was signed for a node. Recorded before it is handed out.
package struct CertificateIssued: Hashable, Sendable {
  package var node: NodeID
  /// `/CN=system:node:w1/O=system:nodes`.
  package var subject: String
  /// SHA-256 of the certificate's DER.
  package var certificate: Digest
  /// 1 to 20 bytes.
  package var serial: [UInt8]
  package var expires: Timestamp
  package init(
    node: NodeID, subject: String, certificate: Digest, serial: [UInt8], expires: Timestamp
  ) {
    self.node = node
    self.subject = subject
    self.certificate = certificate
    self.serial = serial
    self.expires = expires
  }
}

extension Member {
  /// A Kubernetes certificate that it holds.
  package struct Certificate: Hashable, Sendable {
    package var subject: String
    package var expires: Timestamp
    /// Index of the event that issued it.
    package var index: UInt64
    package init(subject: String, expires: Timestamp, index: UInt64) {
      self.subject = subject
      self.expires = expires
      self.index = index
    }
  }

  /// The one for that use; nil if none was signed.
  package func certificate(_ use: CertificateUse) -> Certificate? {
    certificates.first { $0.subject == use.subject(of: name) }
  }

  /// How many are kept, the newest: more than there are subjects.
  static let certificateLimit = 4
}

extension Cluster {
  /// For how long after it joined a node may have certificates signed, seconds.
  private static var certificateTime: Int64 { 3600 }

  /// Only for nodes that cannot prove who they are by a key, and so only once each.
  func issue(_ issued: CertificateIssued, _ scene: Scene) throws(Refusal) -> Decision {
    guard let member = node(issued.node), member.isActive else {
      throw .nodeUnknown(issued.node.description, gone: departed(issued.node))
    }
    func refuse(_ why: String) -> Refusal { .certificateRefused(member.name, why: why) }
    guard member.record.isKeyless else { throw refuse("it is no worker of MicroK8s") }
    guard CertificateUse(subject: issued.subject, of: member.name) != nil else {
      throw refuse("\(quoted(issued.subject)) is not a subject of that node")
    }
    try requireTrustworthy(scene)
    if let known = member.certificates.first(where: { $0.subject == issued.subject }) {
      throw refuse("one for \(issued.subject) was signed at index \(known.index)")
    }
    if let token = member.token.flatMap({ token($0) }), let revocation = token.revocation {
      throw .tokenRevoked(token.id, revocation)
    }
    guard scene.at <= member.joined.adding(seconds: Self.certificateTime) else {
      throw refuse("it joined more than an hour ago")
    }
    if let why = contradiction(issued) { throw refuse(why) }
    return scene.append(.certificateIssued(issued))
  }

  func contradiction(_ issued: CertificateIssued) -> String? {
    guard let member = roster[issued.node], member.isActive else {
      return "node \(issued.node) is not an active member"
    }
    if !(1...20).contains(issued.serial.count) { return "its serial number has no possible length" }
    return issued.subject.isEmpty ? "it has no subject" : nil
  }

  mutating func apply(_ issued: CertificateIssued, _ recorded: RecordedEvent) {
    roster.update(issued.node) { member in
      member.certificates.removeAll { $0.subject == issued.subject }
      member.certificates = member.certificates.suffix(Member.certificateLimit - 1)
      member.certificates.append(
        .init(subject: issued.subject, expires: issued.expires, index: recorded.index))
    }
  }
}
