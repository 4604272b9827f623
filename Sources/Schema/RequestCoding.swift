// What a client asked for, on its way to the leader. Unlike an event, a request has been judged by
// nobody yet, so its texts and lists are limited here: whoever takes a request in, by a frame or
// from a local socket, validates it before it can become an event.

package import Membership
import SwiftProtobuf

extension Request {
  /// The same bytes for equal values, on every machine.
  package func encoded() -> [UInt8] { serialized(WireRequest(self)) }

  /// Reads and validates. Throws `Malformed`.
  package init(decoding bytes: [UInt8]) throws(Malformed) {
    try self.init(try WireRequest(parsing: bytes))
  }

  /// Throws `Malformed` if these are not bytes that another node would read: a text is too long or
  /// holds control characters, a list is too long or out of order, an id is 0. Limits of form, not
  /// rules of membership. For requests that did not come as bytes.
  package func validate() throws(Malformed) { _ = try Request(WireRequest(self)) }

  private func checkLimits() throws(Malformed) {
    try checkText(actor, upTo: Limit.actor, "Request.actor")
    try checkText(reason, upTo: Limit.reason, "Request.reason")
    switch command {
    case .issueToken(let token): try token.checkLimits()
    case .join(let join):
      try join.node.checkLimits()
      if let target = join.replaces {
        try checkText(target, upTo: Limit.target, "Command.Join.replaces")
      }
    case .removeNode(let remove):
      try checkText(remove.target, upTo: Limit.target, "Command.RemoveNode.target")
    case .changeRole(let wish):
      try checkText(wish.target, upTo: Limit.target, "Command.ChangeRole.target")
      try wish.endpoints?.checkLimits()
    case .refreshEndpoints(let refreshed):
      try refreshed.endpoints.checkLimits()
      try checkText(refreshed.version, upTo: Limit.version, "EndpointRefreshed.version")
    case .assignRoles(let assigned):
      guard assigned.assignments.ascends(by: \.node) else {
        throw .invalid("RoleAssigned.assignments", why: "are not sorted, or name a node twice")
      }
    case .enterMaintenance(let wish):
      try checkText(wish.target, upTo: Limit.target, "Command.EnterMaintenance.target")
    case .exitMaintenance(let target):
      try checkText(target, upTo: Limit.target, "Command.ExitMaintenance.target")
    case .issueCertificate(let issued): try issued.checkLimits()
    case .revokeToken, .leave, .settle, .suspect, .recover, .loseReplica, .refetchReplica,
      .changePolicy:
      break
    }
  }
}

extension Command {
  /// FNV-1a 64 of the command's encoded body: with the command id it tells a repeated command
  /// from another under the same id. Not a defence against an adversary.
  package var fingerprint: UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    var wish = self
    // Asked again, or of another node, a joiner may be given other files; its wish is the same.
    switch self {
    case .join(var join):
      join.bundle = nil
      wish = .join(join)
    case .changeRole(var change):
      change.bundle = nil
      wish = .changeRole(change)
    default: break
    }
    for byte in serialized(WireCommand(wish)) {
      hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
    }
    return hash
  }
}

/// Sizes in bytes of UTF-8, and counts.
private enum Limit {
  /// A DNS name (RFC 1035).
  static let name = 253
  static let failureDomain = 253
  static let version = 128
  static let actor = 512
  static let reason = 1024
  /// A name, or an address with brackets and port.
  static let target = 300
  static let addresses = 64
  static let secrets = 8
}

extension Collection {
  /// Whether each element's key is above the one before.
  fileprivate func ascends(by key: (Element) -> some Comparable) -> Bool {
    zip(self, dropFirst()).allSatisfy { key($0) < key($1) }
  }
}

extension TokenIssued {
  fileprivate func checkLimits() throws(Malformed) {
    guard (1...Limit.secrets).contains(secrets.count) else {
      throw .invalid("TokenIssued.secrets", why: "are \(secrets.count), not 1 to \(Limit.secrets)")
    }
    guard secrets.allSatisfy({ !$0.roles.isEmpty && $0.roles.ascends(by: \.rawValue) }) else {
      throw .invalid("TokenIssued.Secret.roles", why: "are none, not sorted, or named twice")
    }
  }
}

extension NodeRecord {
  fileprivate func checkLimits() throws(Malformed) {
    try checkText(name, upTo: Limit.name, "NodeRecord.name")
    try checkText(failureDomain, upTo: Limit.failureDomain, "NodeRecord.failure_domain")
    try checkText(version, upTo: Limit.version, "NodeRecord.version")
    try endpoints.checkLimits()
  }
}

extension Endpoints {
  fileprivate func checkLimits() throws(Malformed) {
    guard extra.count <= Limit.addresses else {
      throw .invalid("Endpoints.extra", why: "are \(extra.count), more than \(Limit.addresses)")
    }
  }
}

extension WireRequest {
  init(_ value: Request) {
    self.init()
    idHigh = value.id.high
    idLow = value.id.low
    actor = value.actor
    reason = value.reason
    command = WireCommand(value.command)
    origin = value.origin?.rawValue ?? 0
  }
}

extension Request {
  init(_ wire: WireRequest) throws(Malformed) {
    guard wire.hasCommand else { throw .missing("Request.command") }
    self.init(
      id: CommandID(high: wire.idHigh, low: wire.idLow), command: try Command(wire.command),
      actor: wire.actor, reason: wire.reason, origin: wire.origin == 0 ? nil : NodeID(wire.origin))
    try checkLimits()
  }
}

extension WireCommand {
  init(_ value: Command) {
    self.init()
    switch value {
    case .issueToken(let token): command = .issueToken(WireTokenIssued(token))
    case .revokeToken(let id): command = .revokeToken(.with { $0.id = id.rawValue })
    case .join(let join):
      command = .join(
        .with {
          $0.node = WireNodeRecord(join.node)
          $0.secret = blob(join.secret.bytes)
          if let target = join.replaces { $0.replaces = target }
          if let bundle = join.bundle { $0.bundle = blob(bundle.bytes) }
        })
    case .leave(let node): command = .leave(.with { $0.id = node.rawValue })
    case .removeNode(let remove):
      command = .removeNode(
        .with {
          $0.target = remove.target
          $0.force = remove.force
        })
    case .changeRole(let wish):
      command = .changeRole(
        .with {
          $0.target = wish.target
          $0.role = WireNodeRole(wish.role)
          if let endpoints = wish.endpoints { $0.endpoints = WireEndpoints(endpoints) }
          if let bundle = wish.bundle { $0.bundle = blob(bundle.bytes) }
        })
    case .refreshEndpoints(let refreshed):
      command = .refreshEndpoints(WireEndpointRefreshed(refreshed))
    case .assignRoles(let assigned): command = .assignRoles(WireRoleAssigned(assigned))
    case .settle: command = .settle(WireCommand.Settle())
    case .suspect(let node): command = .suspect(.with { $0.id = node.rawValue })
    case .recover(let node): command = .recover(.with { $0.id = node.rawValue })
    case .loseReplica(let lost): command = .loseReplica(WireReplicaLost(lost))
    case .refetchReplica(let told): command = .refetchReplica(WireReplicaRefetched(told))
    case .enterMaintenance(let wish):
      command = .enterMaintenance(
        .with {
          $0.target = wish.target
          if let seconds = wish.seconds { $0.seconds = seconds }
        })
    case .exitMaintenance(let target):
      command = .exitMaintenance(.with { $0.target = target })
    case .changePolicy(let change): command = .changePolicy(WirePolicyChanged(change))
    case .issueCertificate(let issued):
      command = .issueCertificate(WireCertificateIssued(issued))
    }
  }
}

extension Command {
  init(_ wire: WireCommand) throws(Malformed) {
    switch wire.command {
    case .issueToken(let wire): self = .issueToken(try TokenIssued(wire))
    case .revokeToken(let wire): self = .revokeToken(try tokenID(wire.id, "TokenRevoked.id"))
    case .join(let wire):
      guard wire.hasNode else { throw .missing("Command.Join.node") }
      self = .join(
        Join(
          node: try NodeRecord(wire.node),
          secret: try digest(wire.secret, "Command.Join.secret"),
          replaces: wire.replaces.isEmpty ? nil : wire.replaces,
          bundle: wire.bundle.isEmpty ? nil : try digest(wire.bundle, "Command.Join.bundle")))
    case .leave(let wire): self = .leave(try nodeID(wire.id, "Command.leave"))
    case .removeNode(let wire):
      guard !wire.target.isEmpty else { throw .missing("Command.RemoveNode.target") }
      self = .removeNode(RemoveNode(target: wire.target, force: wire.force))
    case .refreshEndpoints(let wire): self = .refreshEndpoints(try EndpointRefreshed(wire))
    case .assignRoles(let wire): self = .assignRoles(try RoleAssigned(wire))
    case .settle: self = .settle
    case .suspect(let wire): self = .suspect(try nodeID(wire.id, "Command.suspect"))
    case .recover(let wire): self = .recover(try nodeID(wire.id, "Command.recover"))
    case .loseReplica(let wire): self = .loseReplica(try ReplicaLost(wire))
    case .refetchReplica(let wire): self = .refetchReplica(try ReplicaRefetched(wire))
    case .enterMaintenance(let wire):
      guard !wire.target.isEmpty else { throw .missing("Command.EnterMaintenance.target") }
      self = .enterMaintenance(
        EnterMaintenance(target: wire.target, seconds: wire.hasSeconds ? wire.seconds : nil))
    case .exitMaintenance(let wire):
      guard !wire.target.isEmpty else { throw .missing("Command.ExitMaintenance.target") }
      self = .exitMaintenance(wire.target)
    case .changePolicy(let wire): self = .changePolicy(PolicyChanged(wire))
    case .changeRole(let wire):
      guard !wire.target.isEmpty else { throw .missing("Command.ChangeRole.target") }
      self = .changeRole(
        ChangeRole(
          target: wire.target,
          role: try known(wire.role, as: NodeRole.self, "Command.ChangeRole.role"),
          endpoints: wire.hasEndpoints ? try Endpoints(wire.endpoints) : nil,
          bundle: wire.bundle.isEmpty
            ? nil : try digest(wire.bundle, "Command.ChangeRole.bundle")))
    case .issueCertificate(let wire): self = .issueCertificate(try CertificateIssued(wire))
    case nil: throw .missing("Command.command")
    }
  }
}
