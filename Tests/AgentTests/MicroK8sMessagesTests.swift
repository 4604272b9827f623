// What MicroK8s's client sends and what it is answered, held against files that show both.

import Foundation
import History
import Membership
import Testing
import Transport

@testable import Agent

@Suite("MicroK8s's requests and answers")
struct MicroK8sMessagesTests {
  private static let folder = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures/microk8s")

  private func recorded(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: Self.folder.appending(path: name + ".json")))
  }

  /// Compares an answer with the file of that name; `UPDATE_GOLDEN=1` rewrites it.
  private func expect(_ document: Document, is name: String) throws {
    if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
      try Data(document.line.utf8).write(to: Self.folder.appending(path: name + ".json"))
    }
    #expect(document.line == String(decoding: try recorded(name), as: UTF8.self), "\(name)")
  }

  private static let token = "92b2db237428470dc4fcfc4ebbd9dc81"

  @Test("requests are read as they are recorded")
  func requests() throws {
    var join = try MicroK8sJoin(body: recorded("join.request"))
    #expect(join.token == Self.token && join.name == "worker-1" && join.port == 25000)
    #expect(join.isWorker)
    join = try MicroK8sJoin(body: recorded("join-control-plane.request"))
    #expect(!join.isWorker)
    let subjects: [CertificateUse: (String, [String])] = [
      .proxy: ("system:kube-proxy", []),
      .kubelet: ("system:node:worker-1", ["system:nodes"]),
    ]
    for (use, (user, groups)) in subjects {
      let signing = try MicroK8sSigning(body: recorded("sign-cert.\(use.rawValue).request"))
      #expect(signing.secret == Self.token && signing.use == use)
      let request = try CertificateRequest(pem: signing.request)
      #expect(request.speaks(as: user, in: groups))
      #expect(request.speaks(as: use.commonName(of: "worker-1"), in: use.organizations))
      #expect(request.foreignName(beside: "worker-1") == nil)
    }
  }

  @Test("answers are those that are recorded, to the byte")
  func answers() throws {
    let welcome = MicroK8sWelcome(
      authority: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
      callback: String(repeating: "0123456789abcdef", count: 4), apiserverPort: 16443,
      kubeletArguments: MicroK8sWelcome.kubeletArguments, address: try Host(parsing: "192.0.2.5"),
      controlPlane: ["192.0.2.2", "192.0.2.3"])
    try expect(welcome.document, is: "join.reply")
    try expect(MicroK8sRefusal.invalidToken.document, is: "invalid-token.reply")
    try expect(MicroK8sRefusal.unknownPath.document, is: "not-found.reply")
  }

  @Test("the kubelet's arguments always end in a newline: the client appends to them")
  func newline() throws {
    for text in ["", "--a=b", "--a=b\n"] {
      var welcome = MicroK8sWelcome(
        authority: "", callback: "", apiserverPort: 1, kubeletArguments: text, address: .ipv4(1),
        controlPlane: [])
      #expect(welcome.document.line.contains(#"\n","hostname_override""#))
      welcome.kubeletArguments = MicroK8sWelcome.kubeletArguments
      #expect(!welcome.document.line.contains(#"\n\n"#))
    }
  }

  @Test("each version of the client says in its own way that it is a worker, or is not")
  func roles() throws {
    func isWorker(_ role: String) throws -> Bool {
      try MicroK8sJoin(
        body: Array(#"{"token":"t","hostname":"A","port":"1","worker":\#(role)}"#.utf8)
      ).isWorker
    }
    for role in ["true", "\"as-worker\""] { #expect(try isWorker(role)) }
    for role in ["false", "null", "\"as-master\"", "\"False\"", "\"\""] {
      #expect(try !isWorker(role))
    }
    for role in ["1", "[]", "{}", "0.5"] {
      #expect(throws: MicroK8sRefusal.self) { try isWorker(role) }
    }
  }

  @Test("nonsense is refused with 400 and words, whatever it is")
  func nonsense() throws {
    let valid = try recorded("join.request")
    for length in 0..<valid.count - 2 {
      let (joined, signed) = (
        Result { () throws(MicroK8sRefusal) in try MicroK8sJoin(body: Array(valid[..<length])) },
        Result { () throws(MicroK8sRefusal) in try MicroK8sSigning(body: Array(valid[..<length])) }
      )
      guard case .failure(let one) = joined, case .failure(let other) = signed else {
        Issue.record("cut at \(length) it was read")
        continue
      }
      #expect(one.code == 400 && other.code == 400 && !one.text.isEmpty)
    }
    let deep = String(repeating: "[", count: 60_000)
    #expect(throws: MicroK8sRefusal.self) { try MicroK8sJoin(body: Array(deep.utf8)) }
    #expect(throws: MicroK8sRefusal.invalidToken) {
      try MicroK8sSigning(body: Array(#"{"token":"a-b","request":""}"#.utf8))
    }
  }

  @Test("a certificate is for who joined by that secret, from that address, and lacks it")
  func holders() {
    var cluster = Cluster()
    func append(_ event: Event) {
      let found = cluster.evolve(
        RecordedEvent(
          index: cluster.lastIndex + 1, term: 1,
          envelope: Envelope(
            time: Timestamp(milliseconds: 1), command: CommandID(high: 0, low: cluster.lastIndex),
            fingerprint: 0, actor: "", event: event)))
      #expect(found == nil)
    }
    func record(_ n: UInt64, _ role: NodeRole, _ address: String) -> NodeRecord {
      NodeRecord(
        id: NodeID(n), name: "n\(n)", role: role,
        endpoints: Endpoints(cluster: Address(address) ?? Self.nowhere),
        key: NodeRecord.keyless(NodeID(n)), failureDomain: "1", version: NodeRecord.microK8s)
    }
    append(
      .clusterFormed(
        .init(cluster: ClusterID(1), first: record(1, .controlPlane, "10.0.0.1:25000"))))
    let secret = Daemon.digest("secret")
    append(
      .tokenIssued(
        .init(
          id: TokenID(1), secrets: [.init(hash: secret, roles: [.worker])], uses: 0, expires: nil)))
    for (n, address) in [(2, "10.0.0.9:25000"), (3, "10.0.0.9:25001"), (4, "10.0.0.8:25000")] {
      append(
        .nodeJoined(.init(node: record(UInt64(n), .worker, address), token: TokenID(1))))
    }
    func names(_ use: CertificateUse, _ host: UInt32) -> [String] {
      cluster.waiting(for: use, by: secret, at: .ipv4(host)).map(\.name)
    }
    #expect(names(.kubelet, 0x0a00_0009) == ["n2", "n3"])
    #expect(names(.proxy, 0x0a00_0008) == ["n4"])
    #expect(names(.kubelet, 0x0a00_0007) == [])
    append(
      .certificateIssued(
        .init(
          node: NodeID(2), subject: "/CN=system:kube-proxy", certificate: secret, serial: [1],
          expires: Timestamp(milliseconds: 2))))
    #expect(names(.proxy, 0x0a00_0009) == ["n3"])
    #expect(names(.kubelet, 0x0a00_0009) == ["n2", "n3"])
    let other = Daemon.digest("other")
    #expect(cluster.waiting(for: .proxy, by: other, at: .ipv4(0x0a00_0009)).isEmpty)
  }

  @Test("What the log refuses is told to people who have no muster on their machine")
  func refusals() throws {
    let body = #"{"token":"x","hostname":"a_b","port":"25000","worker":true}"#
    let wish = try MicroK8sJoin(body: Array(body.utf8))
    let refusals: [Refusal] = [
      .nameTaken("a_b", by: NodeID(2), since: 5), .nameInvalid("a_b", .localhost),
      .addressTaken(Self.nowhere, by: "n2", since: 5),
      .recordInvalid(node: "n3", why: "choose an address with --address"), .tokenUnknown,
      .tokenExpired(TokenID(1), at: Timestamp(milliseconds: 1)), .lowOnSpace,
    ]
    for refusal in refusals {
      let told = MicroK8sRefusal.admission(
        code: refusal.code, message: refusal.message, of: wish, from: .ipv4(0x0a00_0009))
      #expect(told.code == 500 && !told.text.isEmpty)
      #expect(!told.text.contains("--"), "no flag of a program that is not there: \(told.text)")
    }
  }

  private static let nowhere = Address(host: .ipv4(1), port: 1)!  // a constant that is valid
}
