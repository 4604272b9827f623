// Roles of nodes: how a node is told to change, and what it needs for it.

import Hummingbird
import Membership
import Replication

extension Routes {
  func roles(_ router: AgentRouter) {
    route(router, .get, "/v1/role") { request, context in
      switch await asker(request, context) {
      case .local: break
      case .key(let key): try daemon.requirePeer(key)
      case .anonymous: throw Self.forbidden
      }
      return try Answer.json(daemon.roleAnswer())
    }
    route(router, .get, "/v1/membership") { request, context in
      guard case .key(let key) = await asker(request, context) else { throw Self.forbidden }
      return try Answer.json(try await daemon.membership(of: key))
    }
    guard isLocal else { return }
    route(router, .post, "/v1/node/role") { request, context in
      guard case .local(let user) = await asker(request, context) else { throw Self.forbidden }
      let body = try await decode(LocalRoleChange.self, request, context)
      let actor = "\(user)@\(daemon.settings.name)"
      return progress { report in
        try await daemon.changeRole(body, actor: actor, report: report)
      }
    }
  }
}

extension Daemon {
  /// A control-plane node asks, as far as this node knows: a worker knows them by its list.
  /// - Throws: `APIError`: not allowed.
  func requirePeer(_ key: Digest) throws {
    if case .starting = mode {
      throw APIError("it is starting", code: "starting", exitCode: 7)
    }
    if case .worker(let worker) = mode {
      guard worker.endpoints.servers.contains(where: { $0.key == key.description }) else {
        throw Routes.forbidden
      }
    } else {
      guard try member(key).role == .controlPlane else { throw Routes.forbidden }
    }
  }

  func roleAnswer() throws -> RoleAnswer {
    let endpoints = settings.endpoints(for: .controlPlane)
    guard let datastore = endpoints.datastore, let apiserver = endpoints.apiserver else {
      preconditionFailure("a control-plane node has both")
    }
    return RoleAnswer(
      node: file.node, role: file.role.rawValue, pending: unreadiness, version: Version.program,
      eventFormat: Version.eventFormat, datastoreAddress: datastore.description,
      apiserverAddress: apiserver.description)
  }

  /// What a node that was promoted starts from, the Kubernetes CA and its key among it: only for
  /// who is a control-plane node in the log, whoever introduced it.
  func membership(of key: Digest) async throws -> JoinAnswer {
    let node = try controlPlane("look up members")
    _ = try member(key)
    let found = await node.driver.look { replica in
      replica.cluster.activeNode(key: key)
    }
    guard let found, found.isControlPlane else {
      throw APIError(
        "this node's log does not have that node as a control-plane node", code: "worker",
        exitCode: 7)
    }
    var answer = try joinAnswer(node, record: found.record, index: found.roleIndex)
    let bundle = try bundle(for: .controlPlane, wish: "take up the role")
    if !bundle.isEmpty { answer.bundle = bundle.encoded }
    return answer
  }
}
