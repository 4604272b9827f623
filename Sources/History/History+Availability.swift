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
    where differs: (_ before: HighAvailability, _ after: HighAvailability) -> Bool = {
      $0.canLose != $1.canLose || $0.isHighlyAvailable != $1.isHighlyAvailable
        || $0.quorumHeld != $1.quorumHeld
    }
  ) throws -> RecordedEvent? {
    try lastChanges(
      ofAvailabilityAtOrBefore: index, count: 1, of: { HighAvailability($0) },
      where: { differs($0, $1) ? [0] : [] })[0]
  }

  /// The events at an index or before by which high availability was lost, among the newest
  /// `effectHorizon`, and the first index that was looked at.
  func losses(through index: UInt64) throws -> (found: [RecordedEvent], start: UInt64) {
    let end = min(index, head)
    let start = max(first, end > Self.effectHorizon ? end - Self.effectHorizon + 1 : 1)
    guard start <= end, try knowsState(at: start - 1) else { return ([], end + 1) }
    var count = 0
    let found = try changes(
      in: start...end, types: Self.availabilityTypes,
      of: { HighAvailability.recorded($0).verdict.isHighlyAvailable }
    ) { (before: Bool, after: Bool) -> [Int] in
      guard before, !after else { return [] }
      count += 1
      return [count]
    }
    return (found.sorted { $0.key < $1.key }.map(\.value), start)
  }

  /// The same for several questions at once.
  /// - Parameters:
  ///   - view: what of a state the questions are about: something that only the events which can
  ///     change availability change, so that it is looked at after these alone.
  ///   - changed: which of the questions, from 0 to `count` - 1, are answered otherwise.
  func lastChanges<View>(
    ofAvailabilityAtOrBefore index: UInt64, count: Int, of view: (Cluster) -> View,
    where changed: (_ before: View, _ after: View) -> [Int]
  ) throws -> [RecordedEvent?] {
    let found = try lastChanges(
      atOrBefore: index, types: Self.availabilityTypes, of: view, where: changed,
      until: { found, _ in found.count == count })
    return (0..<count).map { found[$0] }
  }

  /// For each question that was ever answered otherwise the newest event at an index or before
  /// since which its answer is what it is.
  /// - Parameters:
  ///   - types: only these can change what is looked at.
  ///   - view: what of a state the questions are about.
  ///   - changed: which of the questions are answered otherwise.
  ///   - isEnough: whether older ones are of interest no more, and all are found after an index.
  func lastChanges<View, Question: Hashable>(
    atOrBefore index: UInt64, types: Set<EventType>, of view: (Cluster) -> View,
    where changed: (_ before: View, _ after: View) -> [Question],
    until isEnough: ([Question: RecordedEvent], _ after: UInt64) -> Bool
  ) throws -> [Question: RecordedEvent] {
    var found: [Question: RecordedEvent] = [:]
    var end = min(index, head)
    var size: UInt64 = 64
    while !isEnough(found, end), let newest = try last(atOrBefore: end, types: types) {
      end = newest.index
      let start = try blockStart(before: end, size: size)
      guard try knowsState(at: start - 1) else { break }
      found.merge(
        try changes(in: start...end, types: types, of: view, where: changed)
      ) { newer, _ in newer }
      guard start > first else { break }
      end = start - 1
      size = min(size * 4, 16_384)
    }
    return found
  }

  /// Where a block of about that many events begins: after a stored state if one is near, since
  /// what lies between is folded in any case.
  private func blockStart(before end: UInt64, size: UInt64) throws -> UInt64 {
    let start = max(first, end >= size ? end - size + 1 : 1)
    guard start > 1 else { return start }
    if let stored = try source.storedState(atOrBefore: start - 1), stored + 1 >= first {
      return stored + 1
    }
    return first == 1 ? 1 : end
  }

  /// For each question the last event of the range that changed its answer.
  private func changes<View, Question: Hashable>(
    in range: ClosedRange<UInt64>, types: Set<EventType>, of view: (Cluster) -> View,
    where changed: (_ before: View, _ after: View) -> [Question]
  ) throws -> [Question: RecordedEvent] {
    var found: [Question: RecordedEvent] = [:]
    var state = try state(at: range.lowerBound - 1)
    var before = view(state)
    try forEachEvent(from: range.lowerBound, through: range.upperBound) { recorded in
      try Self.apply(recorded, to: &state)
      guard types.contains(recorded.envelope.event.type) else { return true }
      let after = view(state)
      for question in changed(before, after) { found[question] = recorded }
      before = after
      return true
    }
    return found
  }
}
