// Entries, configuration changes and snapshots, as they travel between members. A payload is
// passed on as it is.

import Raft
import SwiftProtobuf

/// A member of the group; 0 is nobody.
func peer(_ value: UInt64, _ field: String) throws(Malformed) -> PeerID {
  guard value != 0 else { throw .missing(field) }
  return value
}

extension WireEntry {
  init(_ entry: Entry) {
    self.init()
    index = entry.index
    term = entry.term
    switch entry.kind {
    case .normal: break
    case .newTerm: kind = .newTerm
    case .change: kind = .change
    }
    if let value = entry.change { change = WireConfigurationChange(value) }
    payload = blob(entry.payload)
  }
}

extension Entry {
  init(_ wire: WireEntry) throws(Malformed) {
    let kind = try known(wire.kind, as: Kind.self, "Entry.kind")
    guard wire.hasChange == (kind == .change) else {
      throw .invalid("Entry.change", why: "does not go with the entry's kind")
    }
    self.init(
      index: try bounded(wire.index, "Entry.index"), term: try bounded(wire.term, "Entry.term"),
      kind: kind, change: wire.hasChange ? try ConfigurationChange(wire.change) : nil,
      payload: array(wire.payload))
  }
}

extension WireConfigurationChange {
  init(_ change: ConfigurationChange) {
    self.init()
    switch change.transition {
    case .automatic: break
    case .jointImplicit: transition = .jointImplicit
    case .jointExplicit: transition = .jointExplicit
    }
    steps = change.steps.map { step in
      .with {
        switch step {
        case .addVoter(let id): $0.step = .addVoter(id)
        case .addLearner(let id): $0.step = .addLearner(id)
        case .remove(let id): $0.step = .remove(id)
        case .update(let id): $0.step = .update(id)
        }
      }
    }
  }
}

extension ConfigurationChange {
  init(_ wire: WireConfigurationChange) throws(Malformed) {
    self.init(
      transition: try known(
        wire.transition, as: Transition.self, "ConfigurationChange.transition"),
      steps: try wire.steps.map { (wire) throws(Malformed) -> Step in
        switch wire.step {
        case .addVoter(let id): .addVoter(try peer(id, "ConfigurationChange.Step.add_voter"))
        case .addLearner(let id):
          .addLearner(try peer(id, "ConfigurationChange.Step.add_learner"))
        case .remove(let id): .remove(try peer(id, "ConfigurationChange.Step.remove"))
        case .update(let id): .update(try peer(id, "ConfigurationChange.Step.update"))
        case nil: throw .missing("ConfigurationChange.Step.step")
        }
      })
  }
}

extension WireSnapshot {
  init(_ snapshot: Snapshot) {
    self.init()
    index = snapshot.index
    term = snapshot.term
    configuration = .with {
      $0.voters = snapshot.configuration.voters
      $0.outgoing = snapshot.configuration.outgoing
      $0.learners = snapshot.configuration.learners
      $0.learnersNext = snapshot.configuration.learnersNext
      $0.autoLeave = snapshot.configuration.autoLeave
    }
    data = blob(snapshot.data)
  }
}

extension Snapshot {
  init(_ wire: WireSnapshot) throws(Malformed) {
    self.init(
      index: try bounded(wire.index, "Snapshot.index"),
      term: try bounded(wire.term, "Snapshot.term"),
      configuration: try Configuration(wire.configuration), data: array(wire.data))
  }
}

extension Configuration {
  init(_ wire: WireConfiguration) throws(Malformed) {
    self.init(
      voters: try memberList(wire.voters, "Configuration.voters"),
      outgoing: try memberList(wire.outgoing, "Configuration.outgoing"),
      learners: try memberList(wire.learners, "Configuration.learners"),
      learnersNext: try memberList(wire.learnersNext, "Configuration.learners_next"),
      autoLeave: wire.autoLeave)
  }
}

private func memberList(_ ids: [PeerID], _ field: String) throws(Malformed) -> [PeerID] {
  guard ids.first != 0, zip(ids, ids.dropFirst()).allSatisfy({ $0 < $1 }) else {
    throw .invalid(field, why: "are not sorted, name a member twice, or name nobody")
  }
  return ids
}
