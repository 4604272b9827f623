// What no member's message can say. A message comes from outside and is believed only as far as its
// numbers can be true of some log; whatever is not is refused with one of these reasons.

extension Message {
  /// Why a message cannot be true.
  package enum Flaw: String, Sendable, CaseIterable {
    case termOutOfRange = "term-out-of-range"
    case termMissing = "term-missing"
    case indexOutOfRange = "index-out-of-range"
    /// A term of the log above the sender's own.
    case termFromFuture = "term-from-future"
    /// Entries that do not follow one another by index, or whose terms fall.
    case entriesOutOfOrder = "entries-out-of-order"
    /// An entry whose kind and change do not agree.
    case changeMisplaced = "change-misplaced"
    /// A configuration with a member twice, or without voters.
    case configurationIllegal = "configuration-illegal"
  }

  /// Terms and indexes beyond this are nobody's: adding to one never overflows.
  static let limit: UInt64 = 1 << 62

  /// What makes it impossible; nil if it can be true.
  package var flaw: Flaw? {
    if term >= Self.limit { return .termOutOfRange }
    switch body {
    case .append(let append): return flaw(of: append)
    case .appendResponse(let response):
      return response.index < Self.limit && response.hint < Self.limit ? nil : .indexOutOfRange
    case .vote(let vote):
      if term == 0 { return .termMissing }
      if vote.lastIndex >= Self.limit { return .indexOutOfRange }
      return vote.lastTerm <= term ? nil : .termFromFuture
    case .voteResponse(let response):
      return response.commit < Self.limit ? nil : .indexOutOfRange
    case .heartbeat(let heartbeat):
      if term == 0 { return .termMissing }
      return heartbeat.commit < Self.limit ? nil : .indexOutOfRange
    case .snapshot(let snapshot): return flaw(of: snapshot)
    case .timeoutNow:
      return term > 0 ? nil : .termMissing
    case .readIndexResponse(let index, _):
      return index < Self.limit ? nil : .indexOutOfRange
    case .heartbeatResponse, .transferLeader, .propose, .readIndex:
      return nil
    }
  }

  private func flaw(of append: Append) -> Flaw? {
    if term == 0 { return .termMissing }
    if append.previousIndex >= Self.limit || append.commit >= Self.limit {
      return .indexOutOfRange
    }
    if append.previousTerm > term { return .termFromFuture }
    var index = append.previousIndex
    var last = append.previousTerm
    for entry in append.entries {
      index += 1
      if entry.index != index || entry.term < last { return .entriesOutOfOrder }
      if entry.term > term { return .termFromFuture }
      if (entry.change != nil) != (entry.kind == .change) { return .changeMisplaced }
      last = entry.term
    }
    return nil
  }

  private func flaw(of snapshot: Snapshot) -> Flaw? {
    if term == 0 || snapshot.term == 0 { return .termMissing }
    if snapshot.index == 0 || snapshot.index >= Self.limit { return .indexOutOfRange }
    if snapshot.term > term { return .termFromFuture }
    let configuration = snapshot.configuration
    return configuration.flaw == nil && !configuration.voters.isEmpty
      ? nil : .configurationIllegal
  }
}
