// The configuration changes under a running node.

extension Machine {
  /// The rules of change, standing on the configuration in force.
  var changer: Changer {
    if case .leader(let leadership) = office {
      return Changer(
        configuration, members: leadership.members, lastIndex: log.lastIndex,
        inflights: emptyInflights)
    }
    return Changer(configuration, lastIndex: log.lastIndex)
  }

  mutating func switchConfiguration(to next: Changer) {
    configuration = next.configuration
    guard office.isLeader else { return }
    leadership.members = next.members
    guard configuration.isElector(id) else {
      if options.stepDownOnRemoval { becomeFollower(term: term, leader: nil) }
      return
    }
    if advanceCommit() {
      // A smaller quorum: more is committed now.
      broadcastAppend()
    } else {
      // New members need not wait for the next heartbeat.
      for peer in others { _ = sendAppend(to: peer, evenIfEmpty: false) }
    }
    if let target = leadership.transferee, !configuration.isElector(target) { abortTransfer() }
  }

  /// Whether a leader may propose that change now, as the log stands.
  func validate(_ change: ConfigurationChange, pending: Index) throws(Refused) {
    guard options.validatesChanges else { return }
    if pending > log.applied { throw .changeInFlight(pending) }
    if configuration.isJoint && !change.steps.isEmpty { throw .alreadyJoint }
    if !configuration.isJoint && change.steps.isEmpty { throw .notJoint }
    // Nothing changes before this one is applied, so what holds now will hold then.
    _ = try changer.applying(change)
  }

  /// A joint configuration that is to be left by itself is left as soon as it is in force. Tried
  /// again with every applied entry: it may be refused while leadership is handed over.
  mutating func leaveJointIfDue() {
    guard case .leader(let leadership) = office, configuration.autoLeave,
      log.applied >= leadership.pendingChange, leadership.transferee == nil,
      configuration.contains(id)
    else { return }
    self.leadership.pendingChange = log.lastIndex + 1
    appendOwn([makeEntry(.change)])
    broadcastAppend()
  }
}
