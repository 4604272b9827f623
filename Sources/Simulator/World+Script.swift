// What a scripted scenario does to a world, where no dice are wanted.

package import Membership
import Raft
import Replication

extension World {
  /// The node that leads in the newest term, if any does.
  package var leader: SimulatedNode? {
    nodes.filter(\.isLeader).max {
      ($0.running?.raft.term ?? 0) < ($1.running?.raft.term ?? 0)
    }
  }

  /// The node with that id; nil if no machine has it.
  package func node(_ id: NodeID) -> SimulatedNode? { indexes[id].map { nodes[$0] } }

  /// A machine that is in no cluster yet.
  package func drawRecord(_ role: NodeRole) -> NodeRecord { workload.drawRecord(role) }

  /// An invitation for any role that was not issued yet.
  /// - Parameter uses: How many nodes it admits; 0 for any number.
  package func drawToken(uses: UInt32) -> TokenIssued {
    workload.drawToken(uses: uses, expires: nil)
  }

  /// The process is gone at once; only what was synced is left.
  package func kill(_ node: SimulatedNode) {
    do throws(Violation) { try crash(node) } catch { violation = error }
  }

  /// A machine that is never seen again: the cluster may be settled without it.
  package func lose(_ node: SimulatedNode) {
    workload.lost.append(node.id)
    do throws(Violation) { try switchOff(node) } catch { violation = error }
  }

  /// Starts it soon, with what its disk has.
  package func restart(_ node: SimulatedNode) { schedule(.start(node.index), after: 0) }

  /// Cuts that node off from all others, in both directions; nobody is told.
  package func isolate(_ node: SimulatedNode) {
    for other in nodes where other.index != node.index {
      network.cut(node.index, other.index)
      network.cut(other.index, node.index)
    }
  }

  /// Mends every cut.
  package func mend() {
    for a in nodes.indices {
      for b in nodes.indices where a != b {
        while network.isCut(a, b) { network.mend(a, b) }
      }
    }
  }
}
