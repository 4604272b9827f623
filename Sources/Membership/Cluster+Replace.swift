// A machine that was rebuilt comes back under a new key, and its old identity would stay behind: a
// member that never answers, perhaps with a vote. One event takes the old one out, lets the new one
// in and spends its token, so that there is no moment with both and none with neither.
//
// Where the old identity had a datastore role, the same event takes it out of the configuration, as
// `role.assigned` does for a departure. It may then still count in the outgoing half of a joint
// configuration; nothing waits for it there, since it is replaced only while a majority of both
// halves is within reach without it.

extension Cluster {
  /// A joiner asks for the place of a member.
  func replace(
    _ target: String, by join: Command.Join, _ scene: Scene
  ) throws(Refusal) -> Decision {
    let old = try resolve(target)
    if old.isActive, isAlive(old.id, scene) { throw .replacesAlive(old.name) }
    let token = try requireAdmissible(join, insteadOf: old.id, scene)
    // Whoever may take a node's place could have been admitted as such a node.
    if old.isControlPlane, let admits = self.token(secret: join.secret)?.roles,
      !admits.contains(.controlPlane)
    {
      throw .tokenRole(token, asked: .controlPlane, admits: admits)
    }
    var event = NodeReplaced(
      node: old.id, joined: NodeJoined(node: join.node, token: token, bundle: join.bundle))
    if old.isActive, old.datastoreRole != nil {
      try requireQuiet()
      guard let leader else { throw .busy("an election") }
      let assigned = try RolePolicy.departing(
        RoleAssigned.Departing(node: old.id, kind: .remove, forced: false), self, leader: leader,
        observation: scene.observation)
      event.assignments = assigned.assignments
      event.joint = assigned.joint
    } else if departure?.node == old.id {
      try requireQuiet()
    }
    return scene.append(.nodeReplaced(event))
  }

  /// Why a node cannot take that one's place; nil if it can.
  func contradiction(_ replaced: NodeReplaced) -> String? {
    guard let old = roster[replaced.node] else { return "node \(replaced.node) is unknown" }
    if let why = contradiction(replaced.joined) { return why }
    if departure?.node == old.id { return "node \(old.id) departs already" }
    let hasRole = old.datastoreRole != nil
    guard hasRole == replaced.assignments.contains(where: { $0.node == old.id && $0.role == nil })
    else { return "its assignments do not say what becomes of node \(old.id)" }
    guard hasRole else {
      return replaced.assignments.isEmpty && !replaced.joint ? nil : "it moves roles without need"
    }
    return contradiction(replaced.assignments, joint: replaced.joint, out: old.id)
  }

  mutating func apply(_ replaced: NodeReplaced, _ recorded: RecordedEvent) {
    if !replaced.assignments.isEmpty {
      assign(replaced.assignments, joint: replaced.joint, cause: .departure, recorded)
    }
    if roster[replaced.node]?.isActive == true {
      bury(replaced.node, .replaced(by: replaced.joined.node.id), recorded)
    }
    close(replaced.node)
    apply(replaced.joined, recorded)
  }
}
