// Who must agree: pure functions of sets of voters.

/// Majorities, and pairs of majorities.
///
/// An entry is committed, a vote is won and a read is confirmed when a majority says so; in a joint
/// configuration, when a majority of each half says so (dissertation §4.3). Everything here is a
/// function of its arguments, so that a test can compare it with the naive definition.
package enum Quorum {
  /// What an election came to so far.
  package enum Vote: Equatable, Sendable {
    case pending
    case lost
    case won
  }

  /// The highest index that a majority of `voters` has acknowledged; `Index.max` for no voters, so
  /// that an empty half of a joint configuration never holds the other one back.
  ///
  /// - Parameter acked: What a voter has acknowledged; nil counts as nothing.
  package static func committed(_ voters: [PeerID], acked: (PeerID) -> Index?) -> Index {
    if voters.isEmpty { return .max }
    let majority = voters.count / 2 + 1
    var best: Index = 0
    // Quadratic on purpose: a handful of voters, and nothing is allocated.
    for voter in voters {
      guard let candidate = acked(voter), candidate > best else { continue }
      var count = 0
      for other in voters where (acked(other) ?? 0) >= candidate { count += 1 }
      if count >= majority { best = candidate }
    }
    return best
  }

  /// The highest index that both halves of a configuration have acknowledged.
  package static func committed(
    _ configuration: Configuration, acked: (PeerID) -> Index?
  ) -> Index {
    min(
      committed(configuration.voters, acked: acked),
      committed(configuration.outgoing, acked: acked))
  }

  /// What the votes so far mean to a majority of `voters`; no voters at all always agree.
  ///
  /// - Parameter votes: Yes, no, or nil if that voter has not answered.
  package static func vote(_ voters: [PeerID], votes: (PeerID) -> Bool?) -> Vote {
    if voters.isEmpty { return .won }
    let majority = voters.count / 2 + 1
    var yes = 0
    var open = 0
    for voter in voters {
      switch votes(voter) {
      case true?: yes += 1
      case false?: break
      case nil: open += 1
      }
    }
    if yes >= majority { return .won }
    return yes + open >= majority ? .pending : .lost
  }

  /// What the votes so far mean to both halves of a configuration: won if both won, lost if one is.
  package static func vote(_ configuration: Configuration, votes: (PeerID) -> Bool?) -> Vote {
    let incoming = vote(configuration.voters, votes: votes)
    let outgoing = vote(configuration.outgoing, votes: votes)
    if incoming == outgoing { return incoming }
    return incoming == .lost || outgoing == .lost ? .lost : .pending
  }
}
