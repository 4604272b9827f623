// Who may read the Kubernetes API: whoever shows a client certificate of the Kubernetes CA, and
// every member of the cluster, by the key that the log knows it by. Workers have no other
// credentials, and lose these with their membership: also those of MicroK8s, which have
// certificates that name their node.

import Membership
import NIOCore
import NIOSSL
import Synchronization
import Transport

final class KubernetesCallers: Sendable {
  private let authority: KubernetesAuthority
  private struct Verified {
    /// Until when it need not be verified again: that costs more than to answer.
    var until: NIODeadline
    /// The node that it was signed for, where it was signed for one.
    var holder: UInt64?
  }
  /// Certificates, by their DER.
  private let verified = Mutex<[[UInt8]: Verified]>([:])
  private static let remembered = 256

  init(_ authority: KubernetesAuthority) { self.authority = authority }

  func knows(_ context: AgentRequestContext, node: ControlPlane) async -> Bool {
    guard let key = await context.clientKey() else { return false }
    if node.board.directory.members[key] != nil { return true }
    guard let der = await certificate(context.channel) else { return false }
    let now = NIODeadline.now()
    let known = verified.withLock { $0[der] }
    if let known, now < known.until { return isMember(known.holder, node) }
    guard await authority.hasSigned(clientCertificate: der) else { return false }
    let entry = Verified(
      until: now + .minutes(1), holder: KubernetesAuthority.holder(ofCertificate: der))
    verified.withLock { verified in
      if verified.count >= Self.remembered { verified = [:] }
      verified[der] = entry
    }
    return isMember(entry.holder, node)
  }

  private func isMember(_ holder: UInt64?, _ node: ControlPlane) -> Bool {
    guard let holder else { return true }
    return node.board.directory.members[NodeRecord.keyless(NodeID(holder))] != nil
  }

  private func certificate(_ channel: any Channel) async -> [UInt8]? {
    try? await channel.eventLoop.submit {
      try channel.pipeline.syncOperations.nioSSL_peerCertificate()?.toDERBytes()
    }.get()
  }
}
