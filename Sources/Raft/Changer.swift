// From one configuration to the next.

/// The rules of configuration changes (dissertation §4.1 and §4.3), as functions to new values.
///
/// One step may change at most one voter, so that every majority of the old set meets every
/// majority of the new one. Anything larger goes through a joint configuration, in which both sets
/// must agree. A voter that is demoted while its vote still counts in the outgoing half waits in
/// `learnersNext` until that half is gone. A value is either legal or refused, never half changed.
package struct Changer: Sendable, Equatable {
  package private(set) var configuration: Configuration
  /// One per member, sorted by id.
  package private(set) var members: [Progress]
  private let newMember: NewMember

  /// What the leader assumes about a member that it did not know before.
  private struct NewMember: Sendable, Equatable {
    var next: Index
    var inflights: Inflights
  }

  /// - Parameters:
  ///   - configuration: The configuration in force.
  ///   - lastIndex: The last index of the log: where probing of a new member begins.
  package init(_ configuration: Configuration, lastIndex: Index) {
    let inflights = Inflights(maxMessages: .max, maxBytes: .max)
    self.init(
      configuration, members: [], lastIndex: lastIndex, inflights: inflights)
    for id in configuration.members { insert(id) }
  }

  init(
    _ configuration: Configuration, members: [Progress], lastIndex: Index, inflights: Inflights
  ) {
    self.configuration = configuration
    self.members = members
    newMember = NewMember(next: max(lastIndex, 1), inflights: inflights)
  }

  /// The same with another last index.
  package func at(lastIndex: Index) -> Changer {
    Changer(
      configuration, members: members, lastIndex: lastIndex, inflights: newMember.inflights)
  }

  /// The change in the way that it asks for: leave, enter a joint configuration, or one step.
  ///
  /// - Throws: `Refused.invalidChange` if the result would not be legal.
  package func applying(_ change: ConfigurationChange) throws(Refused) -> Changer {
    if change.leavesJoint { return try leavingJoint() }
    if change.transition != .automatic || change.steps.count > 1 {
      return try enteringJoint(
        autoLeave: change.transition != .jointExplicit, change.steps)
    }
    return try simple(change.steps)
  }

  /// Changes at most one voter, at once.
  package func simple(_ steps: [ConfigurationChange.Step]) throws(Refused) -> Changer {
    guard !configuration.isJoint else {
      throw .invalidChange("can't apply simple config change in joint config")
    }
    var result = self
    try result.take(steps)
    let old = configuration.voters
    let new = result.configuration.voters
    let changed =
      old.count { !new.contains($0) } + new.count { !old.contains($0) }
    guard changed <= 1 else {
      throw .invalidChange("more than one voter changed without entering joint config")
    }
    return result
  }

  /// Keeps the present voters as the outgoing half, and changes the incoming one.
  package func enteringJoint(
    autoLeave: Bool, _ steps: [ConfigurationChange.Step]
  ) throws(Refused) -> Changer {
    guard !configuration.isJoint else { throw .invalidChange("config is already joint") }
    guard !configuration.voters.isEmpty else {
      throw .invalidChange("can't make a zero-voter config joint")
    }
    var result = self
    result.configuration.outgoing = configuration.voters
    try result.take(steps)
    result.configuration.autoLeave = autoLeave
    return result
  }

  /// Lets go of the outgoing half.
  package func leavingJoint() throws(Refused) -> Changer {
    guard configuration.isJoint else { throw .invalidChange("can't leave a non-joint config") }
    var result = self
    for id in configuration.learnersNext {
      result.configuration.learners.insertSorted(id)
      result.edit(id) { $0.isLearner = true }
    }
    result.configuration.learnersNext = []
    result.configuration.outgoing = []
    result.configuration.autoLeave = false
    let left = result.configuration
    result.members.removeAll { !left.contains($0.id) }
    return result
  }

  private mutating func take(_ steps: [ConfigurationChange.Step]) throws(Refused) {
    for step in steps {
      switch step {
      // Peer 0 is nobody: a step that was made void.
      case .addVoter(0), .addLearner(0), .remove(0), .update: break
      case .addVoter(let id): makeVoter(id)
      case .addLearner(let id): makeLearner(id)
      case .remove(let id): remove(id)
      }
    }
    guard !configuration.voters.isEmpty else { throw .invalidChange("removed all voters") }
  }

  private mutating func makeVoter(_ id: PeerID) {
    insert(id)
    edit(id) { $0.isLearner = false }
    configuration.learners.removeAll { $0 == id }
    configuration.learnersNext.removeAll { $0 == id }
    configuration.voters.insertSorted(id)
  }

  private mutating func makeLearner(_ id: PeerID) {
    guard let known = members.member(id) else {
      configuration.learners.insertSorted(id)
      insert(id)
      return
    }
    if known.isLearner { return }
    configuration.voters.removeAll { $0 == id }
    if configuration.outgoing.contains(id) {
      configuration.learnersNext.insertSorted(id)
    } else {
      configuration.learners.insertSorted(id)
      edit(id) { $0.isLearner = true }
    }
  }

  private mutating func remove(_ id: PeerID) {
    configuration.voters.removeAll { $0 == id }
    configuration.learners.removeAll { $0 == id }
    configuration.learnersNext.removeAll { $0 == id }
    if !configuration.outgoing.contains(id) { members.removeAll { $0.id == id } }
  }

  private mutating func insert(_ id: PeerID) {
    guard members.position(of: id) == nil else { return }
    var progress = Progress(
      id: id, next: newMember.next, isLearner: configuration.learners.contains(id),
      inflights: newMember.inflights)
    // It had no chance to be heard yet; the next check of the quorum must not count that.
    progress.isActive = true
    members.insert(progress, at: members.firstIndex { $0.id > id } ?? members.count)
  }

  private mutating func edit(_ id: PeerID, _ body: (inout Progress) -> Void) {
    if let position = members.position(of: id) { body(&members[position]) }
  }
}

extension Configuration {
  /// Everybody who is sent entries, sorted.
  package var members: [PeerID] {
    var all = voters
    for id in outgoing + learners + learnersNext { all.insertSorted(id) }
    return all
  }

  /// Everybody whose vote counts in either half, sorted.
  package var electors: [PeerID] {
    var all = voters
    for id in outgoing { all.insertSorted(id) }
    return all
  }

  package func isElector(_ id: PeerID) -> Bool { voters.contains(id) || outgoing.contains(id) }

  package func contains(_ id: PeerID) -> Bool {
    isElector(id) || learners.contains(id) || learnersNext.contains(id)
  }

  /// Why this is not a legal configuration; nil if it is. Having nobody at all is legal: a node
  /// that waits to be told.
  package var flaw: String? {
    for list in [voters, outgoing, learners, learnersNext] {
      if list.contains(0) { return "0 is not a member" }
      if zip(list, list.dropFirst()).contains(where: { $0 >= $1 }) {
        return "\(list) is not sorted and without duplicates"
      }
    }
    if let id = learners.first(where: isElector) { return "\(id) votes and learns" }
    if let id = learnersNext.first(where: { !outgoing.contains($0) }) {
      return "\(id) is to become a learner and is not in the outgoing half"
    }
    if !isJoint && autoLeave { return "nothing to leave" }
    if isJoint && voters.isEmpty { return "no voters" }
    return nil
  }
}

extension [PeerID] {
  /// Puts an id where it belongs, once.
  mutating func insertSorted(_ id: PeerID) {
    let position = firstIndex { $0 >= id } ?? count
    if position == count || self[position] != id { insert(id, at: position) }
  }
}
