// What a watcher is told: the difference between what it was shown and what is.
//
// A watcher holds no queue. It has a place in the log and what it was last shown of each object; how
// far it reads is up to it, and who reads slowly is told of fewer steps, never of wrong ones.

import History
import Membership
import Projections

/// One line of a watch.
struct KubernetesChange: Sendable {
  enum Kind: String, Sendable {
    case added = "ADDED"
    case modified = "MODIFIED"
    case deleted = "DELETED"
  }
  var kind: Kind
  var object: KubernetesObject
}

/// What a watcher was shown so far, of what it asked for.
struct KubernetesShown: Sendable {
  let selection: KubernetesSelection
  private var objects: [String: KubernetesObject] = [:]

  /// - Parameter objects: what it knows already.
  init(_ selection: KubernetesSelection, _ objects: [KubernetesObject] = []) {
    self.selection = selection
    for object in objects where selection.admits(object) { self.objects[object.name] = object }
  }

  /// What to tell so that it knows `now`, everything there is, in order: first what went.
  mutating func changes(to now: [KubernetesObject], at index: UInt64) -> [KubernetesChange] {
    let admitted = now.filter(selection.admits)
    let names = Set(admitted.map(\.name))
    let gone = objects.keys.filter { !names.contains($0) }.sorted()
    return gone.flatMap { changes(of: $0, to: nil, at: index) }
      + admitted.flatMap { changes(of: $0.name, to: $0, at: index) }
  }

  /// What to tell so that it knows what became of one object; nil: it is no more.
  mutating func changes(
    of name: String, to next: KubernetesObject?, at index: UInt64
  ) -> [KubernetesChange] {
    let next = next.flatMap { selection.admits($0) ? $0 : nil }
    let known = objects[name]
    objects[name] = next
    var changes: [KubernetesChange] = []
    if var known, known.uid != next?.uid {
      known.version = index
      changes.append(KubernetesChange(kind: .deleted, object: known))
    }
    if var next {
      next.version = index
      if known?.uid != next.uid {
        changes.append(KubernetesChange(kind: .added, object: next))
      } else if known?.isSame(as: next) == false {
        changes.append(KubernetesChange(kind: .modified, object: next))
      }
    }
    return changes
  }
}

/// The log as a watcher of one kind sees it, event by event.
struct KubernetesReplay {
  private(set) var state: Cluster
  let kind: KubernetesKind

  /// - Parameter state: the state after what the watcher has seen.
  init(_ state: Cluster, _ kind: KubernetesKind) {
    self.state = state
    self.kind = kind
  }

  /// Applies the next event, and says what it changed of what was shown.
  /// - Throws: `HistoryFault` if it contradicts those before it.
  mutating func apply(
    _ recorded: RecordedEvent, _ shown: inout KubernetesShown
  ) throws(HistoryFault) -> [KubernetesChange] {
    let ids = kind == .nodes ? recorded.envelope.event.nodes : []
    let before = ids.map { state.node($0)?.name }
    if let problem = state.evolve(recorded) {
      throw HistoryFault(index: problem.index, text: problem.description)
    }
    guard kind != .nodes else {
      return zip(ids, before).flatMap { id, name -> [KubernetesChange] in
        let member = state.node(id)
        guard let name = member?.name ?? name else { return [] }
        return shown.changes(
          of: name, to: member.map { KubernetesView.past($0, state) }, at: recorded.index)
      }
    }
    guard state.endpointIndex == recorded.index else { return [] }
    return shown.changes(
      to: KubernetesView.others(state).filter { $0.kind == kind }, at: recorded.index)
  }
}

extension KubernetesView {
  /// A member as far as the log tells.
  static func past(_ member: Member, _ cluster: Cluster) -> KubernetesObject {
    var sightings = Sightings()
    sightings.statuses[member.id] = NodeTable.status(member, isHere: false, outlook: nil)
    return node(member, cluster, sightings)
  }
}
