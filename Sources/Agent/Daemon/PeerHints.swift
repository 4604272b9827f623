// `--peer NAME=ADDRESS` names nodes that this one may not know yet, so that no name can be refused;
// but a name that nobody has is most likely a slip of the hand, and its hint finds nobody.

import Logging
import Membership
import Replication

extension Daemon {
  /// Warns of hints that nothing uses, as far as this node knows the cluster.
  func tellOfUnusedHints() async {
    guard !settings.peers.isEmpty, let known = await knownNodes() else { return }
    for (name, host) in settings.peers.sorted(by: { $0.key < $1.key }) {
      guard let why = unusedness(of: name, known) else { continue }
      logger.warning("--peer \(name)=\(host) is not used: \(why)")
    }
  }

  /// Names and roles of the others; nil where this node does not know the cluster yet.
  private func knownNodes() async -> [String: NodeRole]? {
    switch mode {
    case .controlPlane(let node):
      let cluster = await node.driver.look { $0.cluster }
      guard cluster.isFormed else { return nil }
      return Dictionary(
        cluster.nodes.filter { $0.isActive && $0.id != file.nodeID }.map {
          ($0.name, $0.record.role)
        }
      ) { first, _ in first }
    case .worker(let worker):
      return Dictionary(worker.knownServers.map { ($0, NodeRole.controlPlane) }) { first, _ in
        first
      }
    case .starting, .departed: return nil
    }
  }

  private func unusedness(of name: String, _ known: [String: NodeRole]) -> String? {
    if name == settings.name { return "this node itself is \(name)" }
    switch known[name] {
    case .controlPlane: return nil
    case .worker: return "\(name) is a worker, and only control-plane nodes are dialled"
    case nil:
      let names = known.filter { $0.value == .controlPlane }.keys.sorted()
      return "this node knows no \(quoted(name)); "
        + (names.isEmpty
          ? "it knows no other control-plane node" : "it knows \(words(names, "and"))")
    }
  }
}
