// Another cluster begins where the log of this one ended. Its log holds this one's history as it
// was; of what that history made, everything that gives somebody a right ends with this event:
// members are left behind with their keys, votes and invitations, so that nobody of the old
// cluster, should one live on somewhere, is ever taken for one of the new. What happened stays:
// who was there, who went and why, and which commands were carried out.

extension Cluster {
  /// Why another cluster cannot begin here; nil if it can.
  func contradiction(_ imported: ClusterImported) -> String? {
    if imported.source != id { return "the cluster before it is \(id), not \(imported.source)" }
    if imported.cluster == id { return "the cluster is the same before and after it" }
    if imported.sourceIndex != lastIndex {
      return "it follows index \(imported.sourceIndex), and the index before it is \(lastIndex)"
    }
    let first = imported.first
    guard first.role == .controlPlane else { return "its first node is not a control-plane node" }
    let isKnown =
      roster[first.id] != nil || departed(first.id) != nil || activeNode(key: first.key) != nil
      || tombstones[first.key] != nil
    return isKnown ? "its first node \(first.id) is one of the cluster before it" : nil
  }

  mutating func apply(_ imported: ClusterImported, _ recorded: RecordedEvent) {
    let time = recorded.envelope.time
    for member in nodes where member.isActive { bury(member.id, .leftBehind, recorded) }
    roster = Register()
    controlPlaneIDs = []
    leftByName = [:]
    for token in tokens where token.state(at: time) == .active {
      invitations.update(token.id) {
        $0.revocation = Token.Revocation(
          index: recorded.index, time: time, actor: recorded.envelope.actor)
      }
    }
    leader = nil
    joint = nil
    departure = nil
    id = imported.cluster
    incarnation += 1
    formed = time
    enrol(
      Member(
        record: imported.first, joined: time, joinIndex: recorded.index, datastoreRole: .voter,
        endpointIndex: recorded.index))
  }
}
