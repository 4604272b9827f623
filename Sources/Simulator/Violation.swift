// What must hold after every event, by name.

/// The laws of the simulated world.
package enum Law: String, Sendable, CaseIterable {
  case electionSafety = "at most one leader a term"
  case leaderCompleteness = "a leader has everything committed before its term"
  case logMatching = "equal index and term: equal entry, equal entries before it"
  case oneHistory = "all nodes apply the same events in the same order"
  case durableCommit = "what is committed is durable on a quorum"
  case durableWord = "no vote and no acknowledgement leaves before it is durable"
  case ownTerm = "a leader commits by counting only what is of its own term"
  case appliedDurable = "nothing is applied that is not durable here"
  case progress = "what a leader knows that a member has stays known, and is not sent again"
  case heardLeader = "a leader that hears from no majority steps down"
  case boundedTail = "a leader's unapplied tail has an end"
  case readyCandidate = "nobody campaigns with a committed change unapplied"
  case oneVote = "a node votes once a term"
  case monotony = "term, commit and applied index never fall"
  case oneChange = "at most one configuration change is unapplied in a leader's log"
  case configuration = "the configuration is what the events say"
  case equalStates = "equal prefixes fold into equal states"
  case tokenUses = "a token is redeemed at most as often as it says"
  case exactlyOnce = "a command happens once"
  case rightAnswer = "an answer is about the request that was asked"
  case oneAnswer = "a caller is answered once, by the deadline"
  case linearizable = "reads and refusals know what was acknowledged before they were asked"
  case readableLog = "a log can be read and folded by whoever has it"
  case codec = "a frame arrives as it was sent"
  case noHalt = "no replica halts"
  case noSpin = "a node whose time is not yet due waits"
  case liveness = "a healed cluster recovers"
  case asTold = "a scenario ends as it was told"
}

/// A law was broken: which, and how.
package struct Violation: Error, Sendable, Equatable, CustomStringConvertible {
  /// Which law.
  package var law: Law
  /// Who broke it, and how.
  package var detail: String

  package init(_ law: Law, _ detail: String) {
    self.law = law
    self.detail = detail
  }

  /// One line.
  package var description: String { "\(law.rawValue): \(detail)" }
}
