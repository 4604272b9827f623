// What operators say about how the cluster is kept: which node may be away for a while, and how
// many should vote. Neither is ever refused for what it would cost: it changes no role by itself,
// and `RolePolicy` moves a vote only where that lowers nothing.

extension Cluster {
  func enter(_ wish: Command.EnterMaintenance, _ scene: Scene) throws(Refusal) -> Decision {
    let member = try activeMember(wish.target)
    if let seconds = wish.seconds, !(1...longestMaintenance).contains(seconds) {
      throw .requestInvalid("a maintenance lasts from 1 s to 366 days, or until it is ended")
    }
    let until = wish.seconds.map { scene.at.adding(seconds: $0) }
    if let maintenance = member.maintenance, maintenance.until == until {
      return already(maintenance.index)
    }
    return scene.append(.maintenanceEntered(MaintenanceEntered(node: member.id, until: until)))
  }

  func exit(_ target: String, _ scene: Scene) throws(Refusal) -> Decision {
    let member = try activeMember(target)
    if member.maintenance == nil { throw .notInMaintenance(member.name) }
    return scene.append(.maintenanceExited(MaintenanceExited(node: member.id)))
  }

  func decide(_ change: PolicyChanged, _ scene: Scene) throws(Refusal) -> Decision {
    let changed = policy.changed(by: change)
    if let flaw = changed.flaw { throw .policyInvalid(flaw) }
    if changed == policy { return already(policyIndex) }
    return scene.append(.policyChanged(change))
  }

  /// A node in maintenance whose time is over, as a clock has it.
  package func maintenanceOver(at: Timestamp) -> Member? {
    nodes.first { member in
      member.isActive && member.maintenance?.until.map { $0 <= at } == true
    }
  }

  private var longestMaintenance: Int64 { 366 * 86_400 }

  /// The active node meant by a name, an id or an address.
  package func activeMember(_ target: String) throws(Refusal) -> Member {
    let member = try resolve(target)
    guard member.isActive else { throw .nodeUnknown(target, gone: departed(member.id)) }
    return member
  }
}
