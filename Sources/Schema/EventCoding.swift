// Each kind of event, to its frozen message and back. Both directions are exhaustive switches: a
// new case does not compile until it has its bytes.

import Membership
import SwiftProtobuf

extension WireEnvelope.OneOf_Event {
  init(_ event: Event) {
    switch event {
    case .clusterFormed(let event):
      self = .clusterFormed(
        .with {
          $0.cluster = event.cluster.rawValue
          $0.first = WireNodeRecord(event.first)
        })
    case .clusterImported(let event): self = .clusterImported(WireClusterImported(event))
    case .leaderElected(let event):
      self = .leaderElected(.with { $0.node = event.node.rawValue })
    case .tokenIssued(let event): self = .tokenIssued(WireTokenIssued(event))
    case .tokenRevoked(let event): self = .tokenRevoked(.with { $0.id = event.id.rawValue })
    case .nodeJoined(let event):
      self = .nodeJoined(
        .with {
          $0.node = WireNodeRecord(event.node)
          $0.token = event.token.rawValue
          if let bundle = event.bundle { $0.bundle = blob(bundle.bytes) }
        })
    case .nodeLeft(let event): self = .nodeLeft(.with { $0.node = event.node.rawValue })
    case .nodeRemoved(let event):
      self = .nodeRemoved(
        .with {
          $0.node = event.node.rawValue
          $0.forced = event.forced
        })
    case .nodeReplaced(let event): self = .nodeReplaced(WireNodeReplaced(event))
    case .nodePromoted(let event):
      self = .nodePromoted(
        .with {
          $0.node = event.node.rawValue
          $0.endpoints = WireEndpoints(event.endpoints)
          if let bundle = event.bundle { $0.bundle = blob(bundle.bytes) }
        })
    case .nodeDemoted(let event):
      self = .nodeDemoted(
        .with {
          $0.node = event.node.rawValue
          $0.endpoints = WireEndpoints(event.endpoints)
        })
    case .endpointRefreshed(let event): self = .endpointRefreshed(WireEndpointRefreshed(event))
    case .roleAssigned(let event): self = .roleAssigned(WireRoleAssigned(event))
    case .rolesSettled: self = .rolesSettled(WireRolesSettled())
    case .nodeSuspected(let event):
      self = .nodeSuspected(.with { $0.node = event.node.rawValue })
    case .nodeRecovered(let event):
      self = .nodeRecovered(.with { $0.node = event.node.rawValue })
    case .replicaLost(let event): self = .replicaLost(WireReplicaLost(event))
    case .replicaRefetched(let event): self = .replicaRefetched(WireReplicaRefetched(event))
    case .maintenanceEntered(let event):
      self = .maintenanceEntered(WireMaintenanceEntered(event))
    case .maintenanceExited(let event):
      self = .maintenanceExited(.with { $0.node = event.node.rawValue })
    case .policyChanged(let event): self = .policyChanged(WirePolicyChanged(event))
    case .certificateIssued(let event): self = .certificateIssued(WireCertificateIssued(event))
    }
  }
}

extension Event {
  init(_ wire: WireEnvelope.OneOf_Event) throws(Malformed) {
    switch wire {
    case .clusterFormed(let wire): self = .clusterFormed(try ClusterFormed(wire))
    case .clusterImported(let wire): self = .clusterImported(try ClusterImported(wire))
    case .leaderElected(let wire):
      self = .leaderElected(LeaderElected(node: try nodeID(wire.node, "LeaderElected.node")))
    case .tokenIssued(let wire): self = .tokenIssued(try TokenIssued(wire))
    case .tokenRevoked(let wire):
      self = .tokenRevoked(TokenRevoked(id: try tokenID(wire.id, "TokenRevoked.id")))
    case .nodeJoined(let wire): self = .nodeJoined(try NodeJoined(wire))
    case .nodeLeft(let wire):
      self = .nodeLeft(NodeLeft(node: try nodeID(wire.node, "NodeLeft.node")))
    case .nodeRemoved(let wire):
      self = .nodeRemoved(
        NodeRemoved(node: try nodeID(wire.node, "NodeRemoved.node"), forced: wire.forced))
    case .nodeReplaced(let wire): self = .nodeReplaced(try NodeReplaced(wire))
    case .nodePromoted(let wire):
      guard wire.hasEndpoints else { throw .missing("NodePromoted.endpoints") }
      self = .nodePromoted(
        NodePromoted(
          node: try nodeID(wire.node, "NodePromoted.node"),
          endpoints: try Endpoints(wire.endpoints),
          bundle: wire.bundle.isEmpty ? nil : try digest(wire.bundle, "NodePromoted.bundle")))
    case .nodeDemoted(let wire):
      guard wire.hasEndpoints else { throw .missing("NodeDemoted.endpoints") }
      self = .nodeDemoted(
        NodeDemoted(
          node: try nodeID(wire.node, "NodeDemoted.node"),
          endpoints: try Endpoints(wire.endpoints)))
    case .endpointRefreshed(let wire): self = .endpointRefreshed(try EndpointRefreshed(wire))
    case .roleAssigned(let wire): self = .roleAssigned(try RoleAssigned(wire))
    case .rolesSettled: self = .rolesSettled(RolesSettled())
    case .nodeSuspected(let wire):
      self = .nodeSuspected(NodeSuspected(node: try nodeID(wire.node, "NodeSuspected.node")))
    case .nodeRecovered(let wire):
      self = .nodeRecovered(NodeRecovered(node: try nodeID(wire.node, "NodeRecovered.node")))
    case .replicaLost(let wire): self = .replicaLost(try ReplicaLost(wire))
    case .replicaRefetched(let wire): self = .replicaRefetched(try ReplicaRefetched(wire))
    case .maintenanceEntered(let wire):
      self = .maintenanceEntered(try MaintenanceEntered(wire))
    case .maintenanceExited(let wire):
      self = .maintenanceExited(
        MaintenanceExited(node: try nodeID(wire.node, "MaintenanceExited.node")))
    case .policyChanged(let wire): self = .policyChanged(PolicyChanged(wire))
    case .certificateIssued(let wire): self = .certificateIssued(try CertificateIssued(wire))
    // Named in the catalogue, without a meaning in this version.
    case .endpointPinned: throw Malformed.unknown(.endpointPinned)
    case .endpointUnpinned: throw Malformed.unknown(.endpointUnpinned)
    case .kubernetesCaRotated: throw Malformed.unknown(.kubernetesCARotated)
    case .noteAttached: throw Malformed.unknown(.noteAttached)
    case .backupTaken: throw Malformed.unknown(.backupTaken)
    case .clusterRecovered: throw Malformed.unknown(.clusterRecovered)
    case .formatRaised: throw Malformed.unknown(.formatRaised)
    }
  }
}

extension Malformed {
  fileprivate static func unknown(_ type: EventType) -> Malformed { .unknownEvent(type.rawValue) }
}

extension ClusterFormed {
  init(_ wire: WireClusterFormed) throws(Malformed) {
    guard wire.cluster != 0 else { throw .missing("ClusterFormed.cluster") }
    guard wire.hasFirst else { throw .missing("ClusterFormed.first") }
    self.init(cluster: ClusterID(wire.cluster), first: try NodeRecord(wire.first))
  }
}

extension WireClusterImported {
  init(_ event: ClusterImported) {
    self.init()
    cluster = event.cluster.rawValue
    first = WireNodeRecord(event.first)
    sourceCluster = event.source.rawValue
    sourceIndex = event.sourceIndex
    sourceHash = blob(event.sourceHash.bytes)
    if let file = event.file { sourceFile = blob(file.bytes) }
  }
}

extension ClusterImported {
  init(_ wire: WireClusterImported) throws(Malformed) {
    guard wire.cluster != 0 else { throw .missing("ClusterImported.cluster") }
    guard wire.hasFirst else { throw .missing("ClusterImported.first") }
    guard wire.sourceCluster != 0 else { throw .missing("ClusterImported.source_cluster") }
    self.init(
      cluster: ClusterID(wire.cluster), first: try NodeRecord(wire.first),
      source: ClusterID(wire.sourceCluster),
      sourceIndex: try bounded(wire.sourceIndex, "ClusterImported.source_index"),
      sourceHash: try digest(wire.sourceHash, "ClusterImported.source_hash"),
      file: wire.sourceFile.isEmpty
        ? nil : try digest(wire.sourceFile, "ClusterImported.source_file"))
  }
}

extension NodeJoined {
  init(_ wire: WireNodeJoined) throws(Malformed) {
    guard wire.hasNode else { throw .missing("NodeJoined.node") }
    self.init(
      node: try NodeRecord(wire.node), token: try tokenID(wire.token, "NodeJoined.token"),
      bundle: wire.bundle.isEmpty ? nil : try digest(wire.bundle, "NodeJoined.bundle"))
  }
}

extension WireTokenIssued {
  init(_ event: TokenIssued) {
    self.init()
    id = event.id.rawValue
    secrets = event.secrets.map { secret in
      .with {
        $0.hash = blob(secret.hash.bytes)
        $0.roles = secret.roles.map(WireNodeRole.init)
      }
    }
    uses = event.uses
    if let moment = event.expires { expires = moment.milliseconds }
  }
}

extension TokenIssued {
  init(_ wire: WireTokenIssued) throws(Malformed) {
    self.init(
      id: try tokenID(wire.id, "TokenIssued.id"),
      secrets: try wire.secrets.map { (wire) throws(Malformed) in
        Secret(
          hash: try digest(wire.hash, "TokenIssued.Secret.hash"),
          roles: try wire.roles.map { (role) throws(Malformed) in
            try known(role, as: NodeRole.self, "TokenIssued.Secret.roles")
          })
      },
      uses: wire.uses, expires: wire.hasExpires ? Timestamp(milliseconds: wire.expires) : nil)
  }
}

extension WireEndpointRefreshed {
  init(_ event: EndpointRefreshed) {
    self.init()
    node = event.node.rawValue
    endpoints = WireEndpoints(event.endpoints)
    apiserverReady = event.apiserverReady
    version = event.version
  }
}

extension EndpointRefreshed {
  init(_ wire: WireEndpointRefreshed) throws(Malformed) {
    guard wire.hasEndpoints else { throw .missing("EndpointRefreshed.endpoints") }
    self.init(
      node: try nodeID(wire.node, "EndpointRefreshed.node"),
      endpoints: try Endpoints(wire.endpoints), apiserverReady: wire.apiserverReady,
      version: wire.version)
  }
}

extension WireRoleAssigned {
  init(_ event: RoleAssigned) {
    self.init()
    assignments = event.assignments.map(WireRoleAssigned.Assignment.init)
    cause = Cause(event.cause)
    if let departure = event.departing {
      departing = .with {
        $0.node = departure.node.rawValue
        $0.kind = WireRoleAssigned.Departing.Kind(departure.kind)
        $0.forced = departure.forced
      }
    }
    joint = event.joint
  }
}

extension WireRoleAssigned.Assignment {
  init(_ assignment: RoleAssigned.Assignment) {
    self.init()
    node = assignment.node.rawValue
    role = WireDatastoreRole(assignment.role)
  }
}

extension RoleAssigned.Assignment {
  init(_ wire: WireRoleAssigned.Assignment) throws(Malformed) {
    self.init(
      node: try nodeID(wire.node, "RoleAssigned.Assignment.node"),
      role: wire.role == .none
        ? nil : try known(wire.role, as: DatastoreRole.self, "RoleAssigned.Assignment.role"))
  }
}

extension WireNodeReplaced {
  init(_ event: NodeReplaced) {
    self.init()
    node = event.node.rawValue
    replacement = WireNodeRecord(event.joined.node)
    token = event.joined.token.rawValue
    if let files = event.joined.bundle { bundle = blob(files.bytes) }
    assignments = event.assignments.map(WireRoleAssigned.Assignment.init)
    joint = event.joint
  }
}

extension NodeReplaced {
  init(_ wire: WireNodeReplaced) throws(Malformed) {
    guard wire.hasReplacement else { throw .missing("NodeReplaced.replacement") }
    self.init(
      node: try nodeID(wire.node, "NodeReplaced.node"),
      joined: NodeJoined(
        node: try NodeRecord(wire.replacement),
        token: try tokenID(wire.token, "NodeReplaced.token"),
        bundle: wire.bundle.isEmpty ? nil : try digest(wire.bundle, "NodeReplaced.bundle")),
      assignments: try wire.assignments.map { (wire) throws(Malformed) in
        try RoleAssigned.Assignment(wire)
      },
      joint: wire.joint)
  }
}

extension WireRoleAssigned.Cause {
  init(_ cause: RoleAssigned.Cause) {
    switch cause {
    case .joined: self = .joined
    case .shortage: self = .shortage
    case .surplus: self = .surplus
    case .replaced: self = .replaced
    case .spread: self = .spread
    case .departure: self = .departure
    case .maintenance: self = .maintenance
    }
  }
}

extension WireRoleAssigned.Departing.Kind {
  init(_ kind: RoleAssigned.Departing.Kind) {
    switch kind {
    case .leave: self = .leave
    case .remove: self = .remove
    case .demote: self = .demote
    }
  }
}

extension RoleAssigned {
  init(_ wire: WireRoleAssigned) throws(Malformed) {
    var departing: Departing?
    if wire.hasDeparting {
      departing = Departing(
        node: try nodeID(wire.departing.node, "RoleAssigned.Departing.node"),
        kind: try known(
          wire.departing.kind, as: Departing.Kind.self, "RoleAssigned.Departing.kind"),
        forced: wire.departing.forced)
    }
    self.init(
      assignments: try wire.assignments.map { (wire) throws(Malformed) in try Assignment(wire) },
      cause: try known(wire.cause, as: Cause.self, "RoleAssigned.cause"),
      departing: departing, joint: wire.joint)
  }
}

extension WireReplicaLost {
  init(_ event: ReplicaLost) {
    self.init()
    node = event.node.rawValue
    acknowledged = event.acknowledged
    found = event.found
    boot = event.boot
  }
}

extension ReplicaLost {
  init(_ wire: WireReplicaLost) throws(Malformed) {
    self.init(
      node: try nodeID(wire.node, "ReplicaLost.node"),
      acknowledged: try bounded(wire.acknowledged, "ReplicaLost.acknowledged"),
      found: try bounded(wire.found, "ReplicaLost.found"), boot: wire.boot)
  }
}

extension WireReplicaRefetched {
  init(_ event: ReplicaRefetched) {
    self.init()
    node = event.node.rawValue
    index = event.index
  }
}

extension ReplicaRefetched {
  init(_ wire: WireReplicaRefetched) throws(Malformed) {
    self.init(
      node: try nodeID(wire.node, "ReplicaRefetched.node"),
      index: try bounded(wire.index, "ReplicaRefetched.index"))
  }
}

extension WireMaintenanceEntered {
  init(_ event: MaintenanceEntered) {
    self.init()
    node = event.node.rawValue
    if let time = event.until { until = time.milliseconds }
  }
}

extension MaintenanceEntered {
  init(_ wire: WireMaintenanceEntered) throws(Malformed) {
    self.init(
      node: try nodeID(wire.node, "MaintenanceEntered.node"),
      until: wire.hasUntil ? Timestamp(milliseconds: wire.until) : nil)
  }
}

extension WirePolicyChanged {
  init(_ event: PolicyChanged) {
    self.init()
    if let count = event.voters { voters = count }
    if let count = event.standbys { standbys = count }
    if let time = event.suspectAfter { suspectAfter = time }
    if let time = event.recoverAfter { recoverAfter = time }
    if let wanted = event.spread { spread = wanted }
  }
}

extension PolicyChanged {
  init(_ wire: WirePolicyChanged) {
    self.init(
      voters: wire.hasVoters ? wire.voters : nil, standbys: wire.hasStandbys ? wire.standbys : nil,
      suspectAfter: wire.hasSuspectAfter ? wire.suspectAfter : nil,
      recoverAfter: wire.hasRecoverAfter ? wire.recoverAfter : nil,
      spread: wire.hasSpread ? wire.spread : nil)
  }
}
