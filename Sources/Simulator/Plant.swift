// Faults that no machine may have. A simulator that does not find them proves nothing.

/// A bug to be planted into the layers round the replica, for the simulator's own tests.
package enum Plant: String, Sendable, CaseIterable {
  /// The disk reports success at once and syncs later.
  case acknowledgesBeforeSync
  /// A restarted node does not know whom it voted for.
  case forgetsVote
  /// Hard state is written, but the entries of the last transaction are lost in a crash.
  case tearsTransactions
  /// What waits for the disk is dropped when the disk is full.
  case dropsWhenFull
  /// Votes and acknowledgements leave before the disk has what they rest on.
  case releasesEarly
  /// A restarted node takes its whole log as committed.
  case foldsUncommitted
  /// A vote that was denied arrives as granted.
  case turnsVotes
  /// An entry's time is changed on the way.
  case altersEntries
  /// The host answers reads without asking.
  case answersReadsAtOnce
  /// The host tells its callers that an unknown outcome is a success.
  case claimsSuccess
  /// The host draws a new command id for every attempt.
  case redrawsCommands
  /// The host loses requests and never answers.
  case losesRequests
}
