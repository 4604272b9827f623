// How a worker of MicroK8s becomes a member, and gets the two certificates of its kubelet and
// kube-proxy.
//
// The token is spent by the event that makes the node a member. Its own token is also what it asks
// for certificates with, as the original's client does: so any control-plane node can answer, from
// the log alone, and nothing secret is kept in between. The invitation says who was admitted; who
// of those it is says the address that it joined from. Each certificate is recorded before it is
// handed out, and once; subject, names and uses are the node's, whatever its request asks for.

import FoundationEssentials
import History
import Logging
import Membership
import NIOCore
import NIOHTTP1
import Replication
import Schema
import Transport

extension Daemon {
  // MARK: Joining

  /// A worker of MicroK8s asks to become a member.
  /// - Returns: what its client wants to know.
  func admit(_ wish: MicroK8sJoin, from channel: any Channel) async throws -> Document {
    let node = try controlPlane("admit nodes")
    let secret = Self.digest(wish.token)
    _ = await node.driver.confirm(timeout: .milliseconds(250))
    let token = await node.driver.look { $0.cluster.token(secret: secret)?.token.id }
    guard let token else { throw MicroK8sRefusal.invalidToken }
    guard wish.isWorker else {
      throw MicroK8sRefusal(
        501,
        "not possible to join: a control-plane node of this cluster runs muster; join this "
          + "node as a worker with --worker, or install muster on it and use muster join")
    }
    guard await frontsKubernetes(node) else {
      logger.warning(
        """
        \(wish.name) asked to join as a worker of MicroK8s and was refused: no kubelet could \
        register here. Start an agent beside a Kubernetes API server with --apiserver-endpoint, or \
        say with --accept-microk8s that there is one
        """)
      throw MicroK8sRefusal(
        501,
        "not possible to join: this cluster has no Kubernetes API server that a kubelet could "
          + "register at, or its operator has not told muster of it (the log of \(settings.name) "
          + "says how)")
    }
    let source = try Self.source(channel, contacted: settings.address)
    let id = NodeID(Random.number())
    guard let address = Address(host: source, port: wish.port) else {
      throw MicroK8sRefusal(400, "the port of the cluster agent is 0")
    }
    let record = NodeRecord(
      id: id, name: wish.name, role: .worker, endpoints: Endpoints(cluster: address),
      key: NodeRecord.keyless(id), failureDomain: "1", version: NodeRecord.microK8s)
    try await append(
      .join(.init(node: record, secret: secret)), by: token, node,
      refused: { .admission(code: $0, message: $1, of: wish, from: source) })
    logger.info("\(wish.name) joined as a worker of MicroK8s", metadata: ["address": "\(address)"])
    return try welcome(node, address: source).document
  }

  private func welcome(_ node: ControlPlane, address: Host) throws -> MicroK8sWelcome {
    let own = try directory.read(directory.path + "/args/kubelet")
    let servers = node.board.directory.endpoints.servers.compactMap { server in
      server.apiserver.flatMap { Address($0) }
    }
    return MicroK8sWelcome(
      authority: try KubernetesFiles(directory).authority().certificatePEM,
      callback: hex(Random.bytes(32)), apiserverPort: settings.apiserverAddress.port,
      kubeletArguments: own.map { String(decoding: $0, as: UTF8.self) }
        ?? MicroK8sWelcome.kubeletArguments,
      address: address, controlPlane: servers.map(\.host.description).sorted())
  }

  /// Whether a kubelet finds an API server here where it can register: this node was told so, or
  /// another control-plane node says that it was.
  private func frontsKubernetes(_ node: ControlPlane) async -> Bool {
    if settings.acceptsMicroK8s || settings.apiserverEndpoint != nil { return true }
    let peers = node.board.directory.peers(without: file.nodeID ?? NodeID(0))
    let client = client
    return await withTaskGroup(of: Bool.self) { group in
      for peer in peers {
        group.addTask {
          let body = try? await client.call(
            .GET, "/version", at: peer.cluster, key: peer.key, timeout: .seconds(2))
          let version = body.flatMap { try? JSON.decode([String: String].self, $0) }
          return version?["apiserver"] == "kubernetes"
        }
      }
      for await answer in group where answer {
        group.cancelAll()
        return true
      }
      return false
    }
  }

  /// Where a request comes from.
  /// - Throws: `MicroK8sRefusal` (503) where that is this very machine.
  private static func source(
    _ channel: any Channel, contacted own: Host
  ) throws(MicroK8sRefusal) -> Host {
    func host(_ address: SocketAddress?) -> Host? {
      guard let text = address?.ipAddress else { return nil }
      // A socket for both families shows IPv4 so.
      let plain = text.lowercased().hasPrefix("::ffff:") ? String(text.dropFirst(7)) : text
      return (try? Host(parsing: plain)) ?? (try? Host(parsing: text))
    }
    guard let source = host(channel.remoteAddress) else {
      throw MicroK8sRefusal(500, "the address of the joining node is not known")
    }
    guard source != own, source != host(channel.localAddress) else {
      throw MicroK8sRefusal(
        503, "the joining node has the same IP (\(source)) as the node we contact")
    }
    return source
  }

  // MARK: Certificates

  /// Signs one of the two certificates of a worker that joined from where this request comes from.
  func sign(_ wish: MicroK8sSigning, for channel: any Channel) async throws -> Document {
    let node = try controlPlane("sign certificates")
    let source = try Self.source(channel, contacted: settings.address)
    let secret = Self.digest(wish.secret)
    _ = await node.driver.confirm(timeout: .milliseconds(250))
    let waiting = await node.driver.look { replica in
      replica.cluster.waiting(for: wish.use, by: secret, at: source)
    }
    guard var holder = waiting.first else { throw MicroK8sRefusal.invalidToken }
    func failed(_ why: String) -> MicroK8sRefusal {
      MicroK8sRefusal(500, "failed to sign certificate: \(why)")
    }
    let checked: CertificateRequest
    do throws(CertificateRequest.Flaw) {
      checked = try CertificateRequest(pem: wish.request)
    } catch {
      throw failed("the request \(error)")
    }
    // Several may be behind one address.
    if let named = waiting.first(where: {
      wish.use.commonName(of: $0.name) == checked.commonName
    }) {
      holder = named
    }
    let subject = wish.use.subject(of: holder.name)
    guard
      checked.speaks(
        as: wish.use.commonName(of: holder.name), in: wish.use.organizations)
    else { throw failed("the request is not for \(subject)") }
    if let foreign = checked.foreignName(beside: holder.name) {
      throw failed("the request asks for \(foreign), which is not \(holder.name)")
    }
    let names = wish.use == .kubelet ? [holder.name, source.description] : []
    let (certificate, serial) = try KubernetesFiles(directory).authority().sign(
      checked, commonName: wish.use.commonName(of: holder.name),
      organizations: wish.use.organizations, use: wish.use == .kubelet ? .clientAndServer : .client,
      names: names, holder: holder.id.rawValue, random: Random.bytes(6),
      from: Timestamp.now.milliseconds / 1000, seconds: Self.certificateLife)
    guard let fingerprint = Membership.Digest(bytes: certificate.fingerprint) else {
      preconditionFailure("a SHA-256 value has 32 bytes")
    }
    let issued = CertificateIssued(
      node: holder.id, subject: subject, certificate: fingerprint, serial: serial,
      expires: Timestamp(milliseconds: certificate.expires * 1000))
    try await append(.issueCertificate(issued), by: holder.token, node) { _, message in
      failed(message)
    }
    logger.info("signed a certificate", metadata: ["subject": "\(subject)"])
    return .object([("certificate", .text(certificate.pem))])
  }

  /// As long as MicroK8s's own, seconds: ten years of 365 days.
  private static let certificateLife: Int64 = 3650 * 86_400

  /// Asks under one id until the outcome is known: what a client was not told it cannot ask again.
  private func append(
    _ command: Command, by token: TokenID?, _ node: ControlPlane,
    refused: (_ code: String, _ message: String) -> MicroK8sRefusal
  ) async throws {
    let request = Membership.Request(
      id: .drawn(), command: command, actor: token.map { "token \($0)" } ?? settings.name)
    let end = ReplicaDriver.now() &+ 30_000_000_000
    while true {
      switch await node.driver.submit(request, timeout: .seconds(10)) {
      case .committed(_, let last):
        _ = await node.board.applied.wait(above: last - 1, timeout: .seconds(5))
        return
      case .refused(let code, _, let message): throw refused(code, message)
      case .unknown, .notLeader:
        guard ReplicaDriver.now() < end else {
          throw MicroK8sRefusal(
            503,
            "timed out: no leader has decided it, and whether it happened is unknown: have the "
              + "cluster's operator look at muster nodes")
        }
        try await Task.sleep(for: .milliseconds(200))
      }
    }
  }
}

extension Cluster {
  /// From whom a request for a certificate may come: workers of MicroK8s that this secret's
  /// invitation admitted from that address, and that have no such certificate yet.
  func waiting(
    for use: CertificateUse, by secret: Membership.Digest, at source: Host
  ) -> [Member] {
    guard let (token, _) = token(secret: secret) else { return [] }
    return token.redemptions.compactMap { node($0.node) }.filter {
      $0.isActive && $0.record.isKeyless && $0.record.endpoints.cluster.host == source
        && $0.certificate(use) == nil
    }
  }
}
