// A control-plane node that hears of no leader asks those it knows what became of it.
//
// A node that was demoted or removed while it was away is told so by its peers, as soon as it dials
// one. But those it knew may all be workers by now, which have no log and take no links. They ask
// for it: by its own log they are of the control plane, whose word on this it would take anyhow.

import Logging
import Membership
import NIOHTTP1
import Replication

extension Daemon {
  /// How long a node hears of no leader before it asks, and asks again.
  private static let patience = Duration.seconds(5)

  /// Asks from time to time, for as long as that control plane runs here and has no leader.
  func beginInquiries(_ node: ControlPlane) {
    Task {
      var asked = ReplicaDriver.now()
      while case .controlPlane(let current) = mode, current === node, !node.board.isClosed {
        try? await Task.sleep(for: .seconds(1))
        let now = ReplicaDriver.now()
        guard node.board.leaderless >= Self.patience, now - asked >= Self.patience.nanoseconds
        else {
          continue
        }
        await inquire(node)
        asked = ReplicaDriver.now()
      }
    }
  }

  /// Asks the control-plane nodes that are known here, until one knows better.
  private func inquire(_ node: ControlPlane) async {
    guard let own = file.nodeID else { return }
    for peer in node.board.directory.peers(without: own) {
      let address = settings.moved(peer.cluster, of: peer.name) ?? peer.cluster
      guard let answer = await standing(at: address, key: peer.key) else { continue }
      if let gone = answer.departure { return await learnOfDeparture(gone) }
      guard let since = answer.workerSince else { continue }
      return await learnOfDemotion(
        DemotionNotice(workerSince: since, endpoints: answer.endpoints))
    }
  }

  /// What the node with that key says of this one; nil if it says nothing.
  private func standing(at address: Address, key: Digest) async -> SelfAnswer? {
    guard
      let bytes = try? await client.call(
        .GET, "/v1/self", at: address, key: key, timeout: .seconds(2)),
      let answer = try? JSON.decode(SelfAnswer.self, bytes), answer.cluster == file.cluster
    else { return nil }
    return answer
  }
}
