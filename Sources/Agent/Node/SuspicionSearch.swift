// By whom a node is suspected. The state keeps since when; who said so stands in the event of that
// time, found in the log by halving, as time never goes back in it.

import EventLog
import Membership
import Projections
import Replication
import Schema

extension Suspicion {
  /// The events behind all suspicions of that state; those that cannot be found are left out.
  static func all(_ state: Cluster, in log: EventLog) -> [NodeID: Suspicion] {
    var found: [NodeID: Suspicion] = [:]
    for member in state.controlPlane {
      guard let since = member.suspectedSince else { continue }
      found[member.id] = find(member.id, since: since, through: state.lastIndex, in: log)
    }
    return found
  }

  private static func find(
    _ node: NodeID, since: Timestamp, through last: UInt64, in log: EventLog
  ) -> Suspicion? {
    func event(_ index: UInt64) -> RecordedEvent? {
      log.entries(from: index, to: index + 1, maxBytes: 1)?.first.flatMap {
        try? RecordedEvent(decoding: $0)
      }
    }
    var (low, high) = (log.firstIndex, last)
    while low < high {
      let middle = low + (high - low) / 2
      guard let time = event(middle)?.envelope.time else { return nil }
      if time < since { low = middle + 1 } else { high = middle }
    }
    while low <= last, let recorded = event(low), recorded.envelope.time == since {
      if case .nodeSuspected(let suspected) = recorded.envelope.event, suspected.node == node {
        return Suspicion(index: recorded.index, by: recorded.envelope.actor)
      }
      low += 1
    }
    return nil
  }
}
