// What a departure cannot undo, in words for whoever asked for it.

import Membership
import Replication

extension Daemon {
  /// What stays behind where a node is removed, asked before it is; nil if no such node is known.
  func remains(of target: String) async throws -> [String]? {
    let node = try controlPlane("remove nodes")
    guard let member = await node.driver.look({ $0.cluster.node(matching: target) }) else {
      return nil
    }
    return ["Workloads on \(member.name) run until the machine is stopped."]
      + credentials(of: member.name, isControlPlane: member.isControlPlane)
      + (member.certificate(.kubelet).map {
        [
          "The kubelet's certificate of \(member.name) is valid until \($0.expires.rfc3339), and a "
            + "real API server takes it until then: remove the Node object there as well."
        ]
      } ?? [])
  }

  /// Credentials that a node had, and goes on having if it kept a copy.
  func credentials(of name: String, isControlPlane: Bool) -> [String] {
    let authority = (try? KubernetesFiles(directory).texts()) ?? nil
    guard isControlPlane, authority?.key != nil else { return [] }
    return [
      """
      \(name) held the key of the Kubernetes CA and whatever came in its bundle: a copy that it \
      kept still signs certificates. To rotate the CA of muster's own API: stop the agent of one \
      control-plane node, remove kubernetes/ca.crt and kubernetes/ca.key there and start it, \
      which makes new ones; copy both to the other control-plane nodes, ca.crt alone to the \
      workers, and restart their agents. Rotate the CA of a Kubernetes beside muster as its own \
      manual says, and renew bundle/.
      """
    ]
  }
}
