// When what may be lost changed. Looked for backwards in blocks: a block is folded once, however
// many events in it might be the one, and blocks grow, so that what is recent is found at once.

import Membership
import Projections

extension History {
  /// Events that can change what may be lost, or what is asked of the voters.
  private static let availabilityTypes: Set<EventType> = [
    .clusterFormed, .clusterImported, .roleAssigned, .rolesSettled, .nodeSuspected,
    .nodeRecovered, .nodeLeft, .nodeRemoved, .nodeReplaced, .nodeDemoted, .replicaLost,
    .replicaRefetched,
  ]

  /// The newest event at an index or before that changed what may be lost, or what is asked for.
  func lastChange(
    ofAvailabilityAtOrBefore index: UInt64,
    where differs: (_ before: Cluster, _ after: Cluster) -> Bool = { before, after in
      let (old, new) = (HighAvailability(before), HighAvailability(after))
      return old.canLose != new.canLose || old.isHighlyAvailable != new.isHighlyAvailable
        || old.quorumHeld != new.quorumHeld
    }
  ) throws -> RecordedEvent? {
    try lastChanges(ofAvailabilityAtOrBefore: index, count: 1) { before, after in
      differs(before, after) ? [0] : []
    }[0]
  }

  /// The same for several questions at once.
  /// - Parameter changed: which of the questions, from 0 to `count` - 1, are answered otherwise.
  func lastChanges(
    ofAvailabilityAtOrBefore index: UInt64, count: Int,
    _ changed: (_ before: Cluster, _ after: Cluster) -> [Int]
  ) throws -> [RecordedEvent?] {
    var found = [RecordedEvent?](repeating: nil, count: count)
    var end = min(index, head)
    var size: UInt64 = 64
    while found.contains(where: { $0 == nil }),
      let newest = try last(atOrBefore: end, types: Self.availabilityTypes)
    {
      end = newest.index
      var start = max(first, end >= size ? end - size + 1 : 1)
      if try !knowsState(at: start - 1) { start = end }
      guard try knowsState(at: start - 1) else { break }
      var inBlock = [RecordedEvent?](repeating: nil, count: count)
      try walk(from: start, through: end) { recorded, before, after in
        guard Self.availabilityTypes.contains(recorded.envelope.event.type) else { return true }
        for question in changed(before, after) { inBlock[question] = recorded }
        return true
      }
      for question in found.indices where found[question] == nil {
        found[question] = inBlock[question]
      }
      guard start > first else { break }
      end = start - 1
      size = min(size * 4, 16_384)
    }
    return found
  }
}
