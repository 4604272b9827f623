// Who may read the Kubernetes API: whoever shows a client certificate of the Kubernetes CA, and every
// member of the cluster, by the key that the log knows it by. Workers have no other credentials, and
// lose these with their membership.

import Membership
import NIOCore
import NIOSSL
import Synchronization
import Transport

final class KubernetesCallers: Sendable {
  private let authority: KubernetesAuthority
  /// Until when a certificate, by its DER, need not be verified again: that costs more than to
  /// answer.
  private let verified = Mutex<[[UInt8]: NIODeadline]>([:])
  private static let remembered = 256

  init(_ authority: KubernetesAuthority) { self.authority = authority }

  func knows(_ context: AgentRequestContext, node: ControlPlane) async -> Bool {
    guard let key = await context.clientKey() else { return false }
    if node.board.directory.members[key] != nil { return true }
    guard let der = await certificate(context.channel) else { return false }
    let now = NIODeadline.now()
    if verified.withLock({ $0[der].map { now < $0 } ?? false }) { return true }
    guard await authority.hasSigned(clientCertificate: der) else { return false }
    verified.withLock { verified in
      if verified.count >= Self.remembered { verified = [:] }
      verified[der] = now + .minutes(1)
    }
    return true
  }

  private func certificate(_ channel: any Channel) async -> [UInt8]? {
    try? await channel.eventLoop.submit {
      try channel.pipeline.syncOperations.nioSSL_peerCertificate()?.toDERBytes()
    }.get()
  }
}
