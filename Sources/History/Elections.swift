// Elections, and the silences before them: without a leader nothing is recorded, so that of a time
// without one the election that ends it is all that is left.

import Membership
import Projections

extension History {
  /// The elections at an index or before among the newest `effectHorizon` events, the newest first,
  /// and the first index that was looked at.
  func elections(through index: UInt64) throws -> (found: [RecordedEvent], start: UInt64) {
    let end = min(index, head)
    let start = max(first, end > Self.effectHorizon ? end - Self.effectHorizon + 1 : 1)
    var found: [RecordedEvent] = []
    try backwards(from: end, downTo: start, types: [.leaderElected]) { events in
      found += events.reversed()
      return true
    }
    return (found, start)
  }

  /// How long nothing was recorded before an election, in milliseconds, if that was long, and what
  /// lies before it.
  func silence(
    before election: RecordedEvent
  ) throws -> (last: RecordedEvent, time: Int64)? {
    guard election.index > first else { return nil }
    let last = try event(at: election.index - 1)
    guard
      let time = EventSummary.silence(from: last.envelope.time, to: election.envelope.time),
      try knowsState(at: last.index), try state(at: last.index).leader != nil
    else { return nil }
    return (last, time)
  }

  /// The newest silence before one of the last elections.
  func silence(through state: Cluster) throws -> (election: RecordedEvent, words: String)? {
    for election in try elections(through: state.lastIndex).found.prefix(20) {
      guard case .leaderElected(let elected) = election.envelope.event,
        let (last, time) = try silence(before: election)
      else { continue }
      return (
        election,
        "between \(Why.place(last.index, last.envelope.time)) and index \(election.index) "
          + "(\(election.envelope.time.rfc3339), \(state.name(of: elected.node)) elected) nothing "
          + "was recorded: for those \(length(milliseconds: time)) there may have been no leader"
      )
    }
    return nil
  }
}
