// The cluster API. Every route first says who may ask; what it answers is a value of API.swift or
// a text that is printed as it is.

import Crypto
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Membership
import NIOCore
import NIOFoundationEssentialsCompat
import Projections
import Replication
import Schema
import Transport

typealias AgentRouter = Router<AgentRequestContext>

struct Routes: Sendable {
  let daemon: Daemon
  /// Whether these serve the admin socket.
  let isLocal: Bool

  func router() -> AgentRouter {
    let router = AgentRouter(context: AgentRequestContext.self)
    router.add(middleware: Parting(daemon: daemon))
    if isLocal { router.add(middleware: Warning(daemon: daemon)) }
    health(router)
    reads(router)
    writes(router)
    joins(router)
    history(router)
    page(router)
    roles(router)
    suppositions(router)
    microK8s(router)
    if isLocal { nodeCommands(router) }
    return router
  }

  /// A route whose failures become answers.
  func route(
    _ router: AgentRouter, _ method: HTTPRequest.Method, _ path: RouterPath,
    _ body: @escaping @Sendable (Request, AgentRequestContext) async throws -> Response
  ) {
    router.on(path, method: method) { request, context in
      do {
        return try await body(request, context)
      } catch {
        return Answer.error(error)
      }
    }
  }

  // MARK: Who may

  func asker(_ request: Request, _ context: AgentRequestContext) async -> Asker {
    if isLocal {
      return .local(user: request.headers[.musterUser].map(Self.plain) ?? "unknown")
    }
    return await context.clientKey().map(Asker.key) ?? .anonymous
  }

  /// What stands in an actor: no control characters, not too long.
  private static func plain(_ text: String) -> String {
    String(
      text.unicodeScalars.filter { $0.value > 32 && $0.value < 127 && $0 != "@" }.prefix(32)
        .map(Character.init))
  }

  /// Reads: local callers and members.
  func requireMember(_ request: Request, _ context: AgentRequestContext) async throws {
    switch await asker(request, context) {
    case .local: return
    case .key(let key): _ = try daemon.member(key)
    case .anonymous: throw Self.forbidden
    }
  }

  /// Commands: local callers and control-plane members. Returns the actor.
  func requireControlPlane(
    _ request: Request, _ context: AgentRequestContext
  ) async throws -> String {
    switch await asker(request, context) {
    case .local(let user): return "\(user)@\(daemon.settings.name)"
    case .key(let key):
      let member = try daemon.member(key)
      guard member.role == .controlPlane else { throw Self.forbidden }
      return member.name
    case .anonymous: throw Self.forbidden
    }
  }

  static var forbidden: APIError {
    APIError(
      "not allowed: this needs the key of a member of the cluster", code: "not-allowed",
      exitCode: 6)
  }

  // MARK: Health

  private func health(_ router: AgentRouter) {
    route(router, .get, "/livez") { _, _ in Answer.text("ok\n") }
    for path in ["/readyz", "/healthz"] as [RouterPath] {
      route(router, .get, path) { _, _ in
        let reason = daemon.unreadiness
        return Answer.text(
          reason.map { "not ready: \($0)\n" } ?? "ok\n",
          status: reason == nil ? .ok : .serviceUnavailable)
      }
    }
    route(router, .get, "/version") { _, _ in
      try Answer.json([
        "version": Version.program, "eventFormat": "\(Version.eventFormat)",
        "protocol": "\(Version.protocolNumber)",
        "apiserver": daemon.settings.apiserverEndpoint == nil ? "embedded" : "kubernetes",
        "proxy": daemon.settings.hasProxy ? "on" : "off",
      ])
    }
    route(router, .get, "/metrics") { request, context in
      _ = try await requireControlPlane(request, context)
      return Answer.text(await daemon.metrics())
    }
  }

  // MARK: Reads

  private func reads(_ router: AgentRouter) {
    route(router, .get, "/v1/status") { request, context in
      try await requireMember(request, context)
      return try await daemon.status(Query(request))
    }
    route(router, .get, "/v1/nodes") { request, context in
      try await requireMember(request, context)
      return try await daemon.nodes(Query(request))
    }
    route(router, .get, "/v1/tokens") { request, context in
      _ = try await requireControlPlane(request, context)
      let node = try daemon.controlPlane("list tokens")
      let list = await node.driver.look { TokenList($0.cluster, now: .now) }
      let format = Query(request).text("format") ?? "pretty"
      return try await withTaskExecutorPreference(globalConcurrentExecutor) {
        Answer.text(try Rendering.tokens(list, format: format))
      }
    }
    route(router, .get, "/v1/endpoints") { request, context in
      switch await asker(request, context) {
      case .local: break
      case .key(let key): try daemon.noteSeen(key, has: Query(request).number("after"))
      case .anonymous: throw Self.forbidden
      }
      return try await daemon.endpoints(Query(request))
    }
    route(router, .get, "/v1/self") { request, context in
      guard case .key(let key) = await asker(request, context) else { throw Self.forbidden }
      guard let other = Query(request).text("of").flatMap({ Digest($0) }) else {
        return try Answer.json(try await daemon.standing(of: key))
      }
      _ = try daemon.member(key)
      return try Answer.json(try await daemon.standing(of: other))
    }
    route(router, .get, "/v1/events") { request, context in
      _ = try await requireControlPlane(request, context)
      return try EventStream(node: daemon.controlPlane("read events"), query: Query(request))
        .response()
    }
  }

  // MARK: Writes

  private func writes(_ router: AgentRouter) {
    route(router, .post, "/v1/tokens") { request, context in
      let actor = try await requireControlPlane(request, context)
      let body = try await decode(InvitationRequest.self, request, context)
      return try Answer.json(
        try await daemon.invite(body, actor: actor, timeout: Query(request).timeout))
    }
    route(router, .post, "/v1/tokens/:id/revoke") { request, context in
      let actor = try await requireControlPlane(request, context)
      let query = Query(request)
      guard let id = context.parameters.get("id").flatMap({ TokenID($0) }) else {
        throw Failure("cannot revoke: a token's id has 10 hex digits", exitCode: 2)
      }
      return try await append(
        .revokeToken(id), id: try query.command(), actor: actor, timeout: query.timeout)
    }
    route(router, .post, "/v1/nodes/remove") { request, context in
      let actor = try await requireControlPlane(request, context)
      let body = try await decode(RemovalRequest.self, request, context)
      guard let id = CommandID(body.command) else { throw Query.noCommand }
      let remains = try await daemon.remains(of: body.target)
      var appended = try await daemon.append(
        .removeNode(.init(target: body.target, force: body.force)), id: id, actor: actor,
        reason: body.reason, timeout: Query(request).timeout)
      appended.notes = remains
      return try Answer.json(appended)
    }
    upkeep(router)
    route(router, .post, "/v1/commands") { request, context in
      try await command(request, context)
    }
  }

  func append(
    _ command: Command, id: CommandID, actor: String, reason: String = "", timeout: Duration
  ) async throws -> Response {
    let appended = try await daemon.append(
      command, id: id, actor: actor, reason: reason, timeout: timeout)
    return try Answer.json(appended)
  }

  /// A request in Protobuf, for programs that send many; the answer is an outcome in Protobuf.
  private func command(_ request: Request, _ context: AgentRequestContext) async throws -> Response
  {
    let asker = await asker(request, context)
    let buffer = try await request.body.collect(upTo: context.maxUploadSize)
    var wish: Membership.Request
    do throws(Malformed) {
      wish = try Membership.Request(decoding: Array(buffer: buffer))
    } catch {
      throw Failure("the body is not a request: \(error)", exitCode: 2)
    }
    switch asker {
    case .local(let user): wish.actor = "\(user)@\(daemon.settings.name)"
    case .key(let key):
      let member = try daemon.member(key)
      // A worker speaks for itself alone.
      guard member.role == .controlPlane || wish.command.concerns(member.id) else {
        throw Self.forbidden
      }
      wish.actor = member.name
      wish.origin = member.id
    case .anonymous: throw Self.forbidden
    }
    guard wish.command.isClients else { throw Self.forbidden }
    let node = try daemon.controlPlane("decide")
    let outcome = await node.driver.submit(wish, timeout: Query(request).timeout)
    return Response(
      status: .ok, headers: [.contentType: "application/x-protobuf"],
      body: .init(byteBuffer: ByteBuffer(bytes: Frame.answer(id: 0, outcome: outcome).encoded())))
  }

  // MARK: Joins

  private func joins(_ router: AgentRouter) {
    route(router, .post, "/v1/join") { request, context in
      guard case .key(let key) = await asker(request, context) else {
        throw APIError(
          "cannot join: the connection proves no key; join with muster, which presents one",
          code: "no-key", exitCode: 6)
      }
      let body = try await decode(JoinRequest.self, request, context)
      do {
        return try Answer.json(try await daemon.admit(body, key: key))
      } catch {
        if !body.dryRun { daemon.noteRefusal("admit \(body.name), \(body.clusterAddress)", error) }
        throw error
      }
    }
  }

  private func nodeCommands(_ router: AgentRouter) {
    route(router, .get, "/v1/node/waiting") { _, _ in
      Answer.text(await daemon.wantOfLeader ?? "")
    }
    route(router, .post, "/v1/node/join") { request, context in
      let body = try await decode(LocalJoin.self, request, context)
      return progress { report in try await daemon.join(body, report: report) }
    }
    route(router, .post, "/v1/node/leave") { request, context in
      guard case .local(let user) = await asker(request, context) else { throw Self.forbidden }
      let body = try await decode(LocalLeave.self, request, context)
      return progress { report in
        try await daemon.leave(body, actor: "\(user)@\(daemon.settings.name)", report: report)
      }
    }
  }

  /// Lines of progress while `work` runs, then how it ended.
  func progress(
    _ work: @escaping @Sendable (@escaping Report) async throws -> Void
  ) -> Response {
    Response(
      status: .ok, headers: [.contentType: "application/x-ndjson"],
      body: ResponseBody { writer in
        let (lines, feed) = AsyncStream<ProgressLine>.makeStream(
          bufferingPolicy: .bufferingNewest(256))
        let task = Task {
          do {
            try await work { feed.yield($0) }
            feed.yield(ProgressLine(done: true))
          } catch {
            feed.yield(ProgressLine(failed: APIError(describing: error)))
          }
          feed.finish()
        }
        for await line in lines {
          try await writer.write(ByteBuffer(bytes: try JSON.encode(line) + [UInt8(ascii: "\n")]))
        }
        await task.value
        try await writer.finish(nil)
      })
  }

  func decode<Body: Decodable>(
    _ type: Body.Type, _ request: Request, _ context: AgentRequestContext
  ) async throws -> Body {
    let buffer = try await request.body.collect(upTo: context.maxUploadSize)
    do {
      return try JSONDecoder().decode(type, from: Data(buffer: buffer))
    } catch {
      throw Failure("the body is not a \(type): \(error)", exitCode: 2)
    }
  }
}

/// Where progress goes.
typealias Report = @Sendable (ProgressLine) -> Void

extension HTTPField.Name {
  static let musterUser = HTTPField.Name("muster-user")!  // a constant that is a valid name
}

extension Command {
  /// Whether it is about that node and nobody else.
  func concerns(_ node: NodeID) -> Bool {
    switch self {
    case .leave(let id): id == node
    case .refreshEndpoints(let refreshed): refreshed.node == node
    default: false
    }
  }
}

extension APIError {
  init(describing error: any Error) {
    switch error {
    case let error as APIError: self = error
    case let refusal as Refusal:
      self.init(refusal.message, code: refusal.code, exitCode: refusal.exitCode)
    case let failure as Failure:
      self.init(failure.message, code: "failed", exitCode: Int(failure.exitCode))
    default: self.init("\(error)", code: "failed", exitCode: 1)
    }
  }
}

/// The parameters behind the question mark.
struct Query: Sendable {
  private let parameters: [(String, String)]

  init(_ request: Request) {
    parameters = request.uri.queryParameters.map { (String($0.key), String($0.value)) }
  }

  func text(_ name: String) -> String? { parameters.last { $0.0 == name }?.1 }
  func number(_ name: String) throws -> UInt64? {
    guard let text = text(name) else { return nil }
    guard let number = UInt64(text) else {
      throw Failure("\(name) is \"\(text)\", a number is expected", exitCode: 2)
    }
    return number
  }
  func flag(_ name: String) -> Bool { ["1", "true", "yes"].contains(text(name)) }

  /// How long a command may take: `timeout` in seconds, ten by default, an hour at most.
  var timeout: Duration {
    guard let text = text("timeout"), let seconds = Double(text), seconds > 0 else {
      return .seconds(10)
    }
    return .milliseconds(Int64(min(seconds, 3600) * 1000))
  }

  func command() throws -> CommandID {
    guard let text = text("command"), let id = CommandID(text) else { throw Self.noCommand }
    return id
  }

  static var noCommand: Failure {
    Failure("a command needs an id of 32 hex digits", exitCode: 2)
  }
}
