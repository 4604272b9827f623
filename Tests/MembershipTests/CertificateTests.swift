import Membership
import Testing

@Suite("Kubernetes certificates of nodes without a key")
struct CertificateTests {
  private func worker(_ n: Int) -> NodeRecord {
    var node = record(n, .worker)
    node.key = NodeRecord.keyless(node.id)
    node.version = NodeRecord.microK8s
    return node
  }

  /// A cluster with one such worker, n5, admitted by the token 5.
  private func stage() throws -> Stage {
    var stage = Stage.formed()
    try stage.invite(5)
    try stage.ask(.join(.init(node: worker(5), secret: secret(1005))))
    return stage
  }

  private func issued(
    _ stage: Stage, _ use: CertificateUse, node: UInt64 = 5, subject: String? = nil
  ) -> CertificateIssued {
    CertificateIssued(
      node: NodeID(node), subject: subject ?? use.subject(of: "n\(node)"), certificate: key(9),
      serial: [1, 2], expires: stage.now.adding(seconds: 86_400))
  }

  private func refusal(
    _ stage: inout Stage, _ issued: CertificateIssued
  ) -> Refusal? {
    do {
      try stage.ask(.issueCertificate(issued))
      return nil
    } catch { return error }
  }

  @Test("Each of the two is issued once, and kept with its index and expiry")
  func once() throws {
    var stage = try stage()
    for use in CertificateUse.allCases {
      #expect(stage.cluster.node(NodeID(5))?.certificate(use) == nil)
      #expect(refusal(&stage, issued(stage, use)) == nil)
      let known = try #require(stage.cluster.node(NodeID(5))?.certificate(use))
      #expect(known.index == stage.cluster.lastIndex)
      #expect(known.expires == stage.now.adding(seconds: 86_400))
      let again = refusal(&stage, issued(stage, use))
      #expect(again?.code == "certificate-refused" && again?.exitCode == 6)
      #expect(again?.message.contains("index \(known.index)") == true)
    }
    #expect(stage.cluster.node(NodeID(5))?.certificates.count == 2)
  }

  @Test("Subjects are the node's own two, to the letter")
  func subjects() throws {
    var stage = try stage()
    #expect(CertificateUse.kubelet.subject(of: "n5") == "/CN=system:node:n5/O=system:nodes")
    #expect(CertificateUse.proxy.subject(of: "n5") == "/CN=system:kube-proxy")
    for subject in [
      "", "/CN=evil/O=system:masters", "/CN=system:node:n1/O=system:nodes", "/CN=system:node:n5",
      "/CN=system:kube-proxy/O=system:masters", "/O=system:nodes/CN=system:node:n5",
      "/CN=system:node:N5/O=system:nodes", "/CN=system:kube-proxy ",
    ] {
      let answer = refusal(&stage, issued(stage, .kubelet, subject: subject))
      #expect(answer?.code == "certificate-refused", "\(subject)")
    }
  }

  @Test("Nodes with a key, unknown and departed ones get none")
  func holders() throws {
    var stage = try stage()
    try stage.join(6, .worker)
    #expect(
      refusal(&stage, issued(stage, .kubelet, node: 6))?.code == "certificate-refused")
    #expect(refusal(&stage, issued(stage, .kubelet, node: 1))?.code == "certificate-refused")
    #expect(refusal(&stage, issued(stage, .kubelet, node: 77))?.code == "node-unknown")
    stage.alive = []
    try stage.ask(.removeNode(.init(target: "n5", force: false)))
    #expect(refusal(&stage, issued(stage, .kubelet))?.code == "node-unknown")
  }

  @Test("They are signed within an hour of log time after the join, and not by a revoked token")
  func time() throws {
    var late = try stage()
    late.now = late.now.adding(seconds: 3600)
    #expect(refusal(&late, issued(late, .proxy)) == nil)
    late.now = late.now.adding(seconds: 1)
    #expect(refusal(&late, issued(late, .kubelet))?.code == "certificate-refused")
    var revoked = try stage()
    try revoked.ask(.revokeToken(TokenID(5)))
    #expect(refusal(&revoked, issued(revoked, .proxy))?.code == "token-revoked")
    var ahead = try stage()
    ahead.clock = ahead.now.adding(seconds: -60)
    #expect(refusal(&ahead, issued(ahead, .proxy))?.code == "clock-behind")
  }

  @Test("An event for nobody, or without a subject or a serial number, contradicts the state")
  func contradictions() throws {
    let stage = try stage()
    var events = [issued(stage, .proxy, node: 77)]
    events.append(issued(stage, .proxy))
    events[1].serial = []
    events.append(issued(stage, .proxy))
    events[2].serial = Array(repeating: 1, count: 21)
    events.append(issued(stage, .proxy, subject: ""))
    for event in events {
      var cluster = stage.cluster
      let found = cluster.evolve(
        RecordedEvent(
          index: cluster.lastIndex + 1, term: cluster.term,
          envelope: Envelope(
            time: stage.now, command: CommandID(high: 0, low: 5), fingerprint: 1, actor: "a",
            event: .certificateIssued(event))))
      #expect(found != nil && cluster == stage.cluster, "\(event)")
    }
  }

  @Test("However many events there are, a member keeps few")
  func bounded() throws {
    var stage = try stage()
    for n in 0..<20 {
      stage.append(.certificateIssued(issued(stage, .proxy, subject: "/CN=\(n)")))
    }
    #expect(stage.cluster.node(NodeID(5))?.certificates.map(\.subject).last == "/CN=19")
    #expect(stage.cluster.node(NodeID(5))?.certificates.count == 4)
  }

  @Test("A keyless digest is its node's alone, and such a node can be removed without force")
  func keyless() throws {
    #expect(NodeRecord.keyless(NodeID(5)) != NodeRecord.keyless(NodeID(6)))
    #expect(worker(5).isKeyless && !record(5, .worker).isKeyless)
    #expect(worker(5).program == "microk8s" && record(5).program == "muster-0.1.0")
    var stage = try stage()
    stage.alive = []
    try stage.ask(.removeNode(.init(target: "n5", force: false)))
    #expect(stage.cluster.node(NodeID(5)) == nil)
    #expect(stage.cluster.departed(key: NodeRecord.keyless(NodeID(5))) != nil)
  }
}
