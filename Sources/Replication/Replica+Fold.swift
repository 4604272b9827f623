// Answer on commit: from entries of the log to the state, the events and the answers.

package import Membership
package import Raft
import Schema

extension Replica {
  /// Folds committed entries, in order. Total: what does not fit halts this replica, loudly.
  mutating func fold(_ entries: [Entry]) {
    guard let last = entries.last else { return }
    for entry in entries {
      guard entry.index > cluster.lastIndex else { continue }
      guard let event = read(entry) else { return }
      let expected = ConfigurationChange(of: event.envelope.event, in: cluster)
      guard expected == entry.change else {
        return halt(
          "entry \(entry.index): its event \(event.envelope.event.type.name) and its "
            + "configuration change do not agree")
      }
      if let problem = cluster.evolve(event) {
        return halt("entry \(entry.index) does not fit the state before it: \(problem)")
      }
      if let change = entry.change, !apply(change, of: entry.index) { return }
      effects.events.append(event)
      answerWaiting(for: event)
      welcome(event.envelope.event)
      keeper.tickDue = true
    }
    core(.applied(last.index))
  }

  /// Who joined was there a moment ago, whether or not it has been heard from otherwise yet.
  private mutating func welcome(_ event: Event) {
    let record: NodeRecord
    switch event {
    case .nodeJoined(let joined): record = joined.node
    case .nodeReplaced(let replaced): record = replaced.joined.node
    default: return
    }
    if isLeader, !record.isKeyless { keeper.seen[record.id] = now.monotonic }
  }

  /// The event of an entry: as it was decided here, or decoded.
  private mutating func read(_ entry: Entry) -> RecordedEvent? {
    while let first = decided.first, first.index < entry.index { _ = decided.popFirst() }
    if let first = decided.first, first.index == entry.index, first.term == entry.term {
      return decided.popFirst()
    }
    do throws(Malformed) {
      return RecordedEvent(
        index: entry.index, term: entry.term, envelope: try Envelope(decoding: entry.payload))
    } catch {
      halt("entry \(entry.index) is unreadable: \(error)")
      return nil
    }
  }

  private mutating func apply(_ change: ConfigurationChange, of index: UInt64) -> Bool {
    do throws(Refused) {
      var configuration = raft.configuration
      for part in change.parts(in: raft.configuration) { configuration = try raft.apply(part) }
      guard configuration.sameMembers(as: cluster.configuration) else {
        halt(
          "entry \(index): the configuration \(configuration) is not what the events say: "
            + "\(cluster.configuration)")
        return false
      }
      return true
    } catch {
      halt("entry \(index): its configuration change cannot be applied: \(error)")
      return false
    }
  }

  private mutating func answerWaiting(for event: RecordedEvent) {
    for (origin, first) in requests.waiting.removeValue(forKey: event.index) ?? [] {
      answer(origin, .committed(first: first, last: event.index))
    }
    switch event.envelope.event {
    case .nodeLeft, .nodeRemoved, .nodeDemoted:
      for origin in requests.departures.removeValue(forKey: event.envelope.command) ?? [] {
        answer(origin, .committed(first: event.index, last: event.index))
      }
    default: break
    }
  }
}

extension ConfigurationChange {
  /// The change that an event brings about in the state before it; nil for most events.
  package init?(of event: Event, in cluster: Cluster) {
    switch event {
    case .clusterFormed(let formed):
      self.init(steps: [.addVoter(formed.first.id.rawValue)])
    case .clusterImported(let imported):
      // Nobody of the configuration before has a say in this one: it is not agreed on, it is how a
      // log begins. Whoever receives that log passes through it.
      let before = cluster.nodes.filter { $0.datastoreRole != nil }.map(\.id).sorted()
      self.init(
        transition: .jointImplicit,
        steps: before.map { .remove($0.rawValue) } + [.addVoter(imported.first.id.rawValue)])
    case .rolesSettled:
      self.init()
    case .roleAssigned(let assigned):
      self.init(assigned.assignments, joint: assigned.joint, in: cluster)
    case .nodeReplaced(let replaced):
      self.init(replaced.assignments, joint: replaced.joint, in: cluster)
    default:
      return nil
    }
  }

  private init?(_ assignments: [RoleAssigned.Assignment], joint: Bool, in cluster: Cluster) {
    let steps = assignments.compactMap { assignment -> Step? in
      let before = cluster.node(assignment.node)?.datastoreRole
      switch (before, assignment.role) {
      case (.voter, .voter), (nil, nil): return nil
      case (_, .voter): return .addVoter(assignment.node.rawValue)
      case (_, nil): return .remove(assignment.node.rawValue)
      case (nil, _), (.voter, _): return .addLearner(assignment.node.rawValue)
      case (.standby, _), (.spare, _): return nil
      }
    }
    guard !steps.isEmpty else { return nil }
    self.init(transition: joint ? .jointExplicit : .automatic, steps: steps)
  }
}

extension ConfigurationChange {
  /// Several steps at once would make the configuration joint (as in etcd), which only a change of
  /// voters needs: learners come and go one by one. What is joint for no entry is left at once.
  fileprivate func parts(in configuration: Configuration) -> [ConfigurationChange] {
    let leave = ConfigurationChange()
    if transition == .jointImplicit {
      return (configuration.isJoint ? [leave] : [])
        + [ConfigurationChange(transition: .jointExplicit, steps: steps), leave]
    }
    guard transition == .automatic, steps.count > 1 else { return [self] }
    return steps.map { ConfigurationChange(steps: [$0]) }
  }
}

extension Cluster {
  /// The Raft configuration that the events up to here stand for.
  package var configuration: Configuration {
    var out = Configuration(outgoing: outgoingVoters.map(\.rawValue).sorted())
    for node in nodes {
      switch node.datastoreRole {
      case .voter: out.voters.append(node.id.rawValue)
      case .standby, .spare:
        if outgoingVoters.contains(node.id) {
          out.learnersNext.append(node.id.rawValue)
        } else {
          out.learners.append(node.id.rawValue)
        }
      case nil: break
      }
    }
    out.voters.sort()
    out.learners.sort()
    out.learnersNext.sort()
    return out
  }
}

extension Configuration {
  /// Equal in who votes and who learns.
  func sameMembers(as other: Configuration) -> Bool {
    voters == other.voters && outgoing == other.outgoing && learners == other.learners
      && learnersNext == other.learnersNext
  }
}
