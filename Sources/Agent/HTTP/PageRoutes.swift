// The page of history, live: the same page as `muster timeline` makes, followed by what happens.
// Nothing under /ui changes anything but who may read it.

import FoundationEssentials
import HTTPTypes
import History
import Hummingbird
import Membership
import NIOCore
import Synchronization
import Transport

extension Routes {
  func page(_ router: AgentRouter) {
    router.on("/ui", method: .get) { request, context in
      do {
        return try await page(request, context)
      } catch {
        return PageAnswer.sentence(error)
      }
    }
    route(router, .get, "/ui/events") { request, context in
      try await requireReader(request, context)
      let node = try daemon.controlPlane("show history")
      let after =
        try request.headers[.lastEventID].flatMap { UInt64($0) }
        ?? Query(request).number("after") ?? 0
      return PageStream(daemon: daemon, node: node, after: after) {
        try await requireReader(request, context)
      }.response()
    }
    guard isLocal else { return }
    route(router, .post, "/v1/ui/link") { _, _ in
      _ = try daemon.controlPlane("show history")
      let secret = hex(Random.bytes(16))
      daemon.pages.withLock {
        $0.add(link: secret, cluster: daemon.file.cluster, now: ReplicaDriver.now())
      }
      return try Answer.json(
        PageLink(
          url: "https://\(daemon.settings.clusterAddress)/ui/?key=\(secret)",
          seconds: Int(PageAccess.linkLife / 1_000_000_000),
          sessionSeconds: Int(PageAccess.sessionLife / 1_000_000_000),
          certificate: hex(daemon.identity.certificateFingerprint)))
    }
  }

  /// The page, or what leads to it.
  private func page(_ request: Request, _ context: AgentRequestContext) async throws -> Response {
    let query = Query(request)
    if !isLocal, let key = query.text("key") { return try await open(key, request, context) }
    try await requireReader(request, context)
    guard request.uri.path.hasSuffix("/") else { return PageAnswer.redirect() }
    let node = try daemon.controlPlane("show history")
    let applied = node.board.appliedIndex
    guard applied > 0 else {
      throw APIError(
        "this node has not received the cluster's log yet; wait a moment", code: "no-log",
        exitCode: 7)
    }
    let name = "\(daemon.settings.name) (\(daemon.settings.clusterAddress))"
    // A long read of the log must not hold up the loop that serves everybody.
    return try await withTaskExecutorPreference(globalConcurrentExecutor) {
      let history = History(LogSource(node.log, applied: applied, name: name))
      return PageAnswer.page(
        try TimelinePage(history, option: daemon.directory.option, live: "events"))
    }
  }

  /// Changes a link for a session and leads on, so that no secret stays in the browser's history.
  private func open(
    _ key: String, _ request: Request, _ context: AgentRequestContext
  ) async throws -> Response {
    let session = hex(Random.bytes(16))
    let isOpen = daemon.pages.withLock {
      $0.open(
        session: session, link: key, cluster: daemon.file.cluster, now: ReplicaDriver.now())
    }
    var response = PageAnswer.redirect()
    if isOpen {
      response.headers[.setCookie] =
        "\(cookie)=\(session); Path=/ui/; Max-Age=\(PageAccess.sessionLife / 1_000_000_000)"
        + "; HttpOnly; Secure; SameSite=Strict"
    } else {
      try await requireReader(request, context)
    }
    return response
  }

  /// Cookies do not tell ports apart: two agents at one address have two names.
  private var cookie: String { "__Secure-muster-\(daemon.settings.clusterPort)" }

  /// Who may see the page: local callers, members, and browsers that a link let in.
  private func requireReader(_ request: Request, _ context: AgentRequestContext) async throws {
    switch await asker(request, context) {
    case .local: return
    case .key(let key): if (try? daemon.member(key)) != nil { return }
    case .anonymous: break
    }
    let start = cookie + "="
    let cookies: [Substring] = request.headers[values: .cookie].flatMap {
      $0.split { $0 == ";" || $0 == " " }
    }
    let given = cookies.filter { $0.hasPrefix(start) }.map { String($0.dropFirst(start.count)) }
    let cluster = daemon.file.cluster
    let now = ReplicaDriver.now()
    let isAdmitted = daemon.pages.withLock { pages in
      given.contains { pages.admits(session: $0, cluster: cluster, now: now) }
    }
    guard isAdmitted else {
      throw APIError(
        "not allowed: this page opens with a link that works once. On the node, run: muster ui",
        code: "not-allowed", exitCode: 6)
    }
  }
}

/// What browsers are told besides.
enum PageAnswer {
  static func page(_ page: TimelinePage) -> Response {
    html(page.html, policy: page.policy, status: .ok)
  }

  /// To the page itself, without what was asked with it.
  static func redirect() -> Response {
    Response(
      status: .seeOther,
      headers: [.location: "/ui/", .cacheControl: "no-store", .referrerPolicy: "no-referrer"])
  }

  /// What went wrong, for a person in a browser.
  static func sentence(_ error: any Error) -> Response {
    let answer = Answer.error(error)
    let words = APIError(describing: error).error
    let text = words.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
    return html(
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>muster</title>"
        + "<meta name=\"viewport\" content=\"width=device-width\"><h1>muster</h1>"
        + "<p>\(text)</p></html>\n",
      policy: "default-src 'none'", status: answer.status)
  }

  private static func html(
    _ text: String, policy: String, status: HTTPResponse.Status
  ) -> Response {
    Response(
      status: status,
      headers: [
        .contentType: "text/html; charset=utf-8", .cacheControl: "no-store",
        .contentSecurityPolicy: policy + "; frame-ancestors 'none'",
        .referrerPolicy: "no-referrer", .xContentTypeOptions: "nosniff",
      ], body: .init(byteBuffer: ByteBuffer(string: text)))
  }
}

extension HTTPField.Name {
  static let lastEventID = HTTPField.Name("last-event-id")!  // a constant that is a valid name
  static let referrerPolicy = HTTPField.Name("referrer-policy")!  // likewise
}
