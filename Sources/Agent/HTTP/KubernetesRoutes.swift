// The Kubernetes API of a control-plane node: for reading, by whoever the cluster or its Kubernetes
// CA knows. Without credentials it tells whether it lives, and its version.
//
// It answers every request itself, whatever its method and path, since each "no" must be a Status.

import FoundationEssentials
import History
import Hummingbird
import Membership
import NIOCore

struct KubernetesRoutes: HTTPResponder {
  typealias Context = AgentRequestContext

  let daemon: Daemon
  let hub: KubernetesHub
  let callers: KubernetesCallers

  func respond(to request: Request, context: AgentRequestContext) async throws -> Response {
    var response: Response
    do {
      response = try await answer(request, context)
    } catch let error as KubernetesError {
      response = Self.response(error)
    } catch {
      response = Self.response(.failed(error))
    }
    if daemon.isStopping { response.headers[.connection] = "close" }
    return request.method == .head ? response.createHeadResponse() : response
  }

  private func answer(_ request: Request, _ context: AgentRequestContext) async throws -> Response {
    let place = KubernetesPlace(path: request.uri.path)
    let isReading = request.method == .get || request.method == .head
    switch place {
    case .live where isReading: return Answer.text("ok")
    case .ready where isReading:
      let reason = daemon.unreadiness
      return Answer.text(
        reason ?? "ok", status: reason == nil ? .ok : .internalServerError)
    case .version where isReading: return Self.json(Self.version)
    default: break
    }
    if hub.isClosed { throw KubernetesError.unavailable("this node is stopping") }
    guard await callers.knows(context, node: hub.node) else { throw KubernetesError.unauthorized }
    if place == .unknown { throw KubernetesError.unknownPath }
    guard isReading else { throw KubernetesError.notAllowed(request.method.rawValue) }
    guard let form = KubernetesForm(accept: request.headers[.accept]) else {
      throw KubernetesError.notAcceptable
    }
    switch place {
    case .collection(let kind, let namespace):
      let options = try KubernetesOptions(
        query: request.uri.query, kind: kind, namespace: namespace)
      return try await collection(kind, options, form, context)
    case .object(let kind, let namespace, let name):
      let options = try KubernetesOptions(
        query: request.uri.query, kind: kind, namespace: namespace, name: name)
      if options.isWatch { return try await collection(kind, options, form, context) }
      return try await object(kind, name, options, form)
    default: return try discovery(place, form)
    }
  }

  // MARK: Discovery

  /// Clients read a version of Kubernetes out of it and compare that with their own: it is the one
  /// whose forms are followed here.
  private static var version: Document {
    .object([
      ("major", .text("1")), ("minor", .text("33")),
      ("gitVersion", .text("v1.33.0+muster-\(Version.program)")), ("gitCommit", .text("")),
      ("gitTreeState", .text("")), ("buildDate", .text("")), ("goVersion", .text("")),
      ("compiler", .text("")), ("platform", .text("linux")),
    ])
  }

  private func discovery(_ place: KubernetesPlace, _ form: KubernetesForm) throws -> Response {
    if case .aggregated(let version) = form, place == .coreVersions || place == .groups {
      return Self.json(
        KubernetesDiscovery.aggregated(core: place == .coreVersions, version: version),
        type: "application/json;g=apidiscovery.k8s.io;v=\(version);as=APIGroupDiscoveryList")
    }
    let document: Document? =
      switch place {
      case .root: KubernetesDiscovery.root
      case .coreVersions: KubernetesDiscovery.coreVersions
      case .groups: KubernetesDiscovery.groups
      case .group(let name): KubernetesDiscovery.group(named: name)
      case .resources(let group): KubernetesDiscovery.resources(group: group)
      default: nil
      }
    guard let document else { throw KubernetesError.unknownPath }
    return Self.json(document)
  }

  // MARK: Objects

  private func collection(
    _ kind: KubernetesKind, _ options: KubernetesOptions, _ form: KubernetesForm,
    _ context: AgentRequestContext
  ) async throws -> Response {
    guard options.isWatch else { return try await list(kind, options, form) }
    if let version = options.version {
      // What can be told by the answer's code is.
      try await hub.reach(version)
      guard try version == 0 || hub.history.knowsState(at: version) else {
        throw KubernetesError.expired(version)
      }
    }
    return KubernetesStream(
      hub: hub, kind: kind, options: options, form: form, channel: context.channel
    ).response()
  }

  private func list(
    _ kind: KubernetesKind, _ options: KubernetesOptions, _ form: KubernetesForm
  ) async throws -> Response {
    let view = try await view(options)
    if kind == .nodes { hub.tell(view) }
    let all = view.objects(kind).filter(options.selection.admits)
    let rest = options.next.map { page in all.filter { $0.name > page.after } } ?? all
    let shown = Array(rest.prefix(options.limit ?? .max))
    var metadata: [(String, Document)] = [("resourceVersion", .text("\(view.index)"))]
    if shown.count < rest.count, let last = shown.last {
      let page = KubernetesPage(index: view.index, after: last.name)
      metadata.append(("continue", .text(page.token)))
      if options.selection.isOpen {
        metadata.append(("remainingItemCount", .number(rest.count - shown.count)))
      }
    }
    let told = metadata
    return await Self.rendered {
      switch form {
      case .table(let version):
        KubernetesTable(version: version, include: options.include, kind: kind, now: .now)
          .document(shown, metadata: .object(told))
      case .partial(let version):
        Self.list(
          "PartialObjectMetadataList", "meta.k8s.io/" + version, told,
          shown.map { KubernetesTable.partial($0, version: version) })
      case .plain, .aggregated:
        Self.list(kind.kind + "List", kind.apiVersion, told, shown.map(\.document))
      }
    }
  }

  private static func list(
    _ kind: String, _ version: String, _ metadata: [(String, Document)], _ items: [Document]
  ) -> Document {
    .object([
      ("kind", .text(kind)), ("apiVersion", .text(version)),
      ("metadata", .object(metadata)), ("items", .list(items)),
    ])
  }

  private func object(
    _ kind: KubernetesKind, _ name: String, _ options: KubernetesOptions, _ form: KubernetesForm
  ) async throws -> Response {
    let view = try await view(options)
    guard let object = view.objects(kind).first(where: options.selection.admits) else {
      throw KubernetesError.notFound(kind, name)
    }
    let document =
      switch form {
      case .table(let version):
        KubernetesTable(version: version, include: options.include, kind: kind, now: .now)
          .document(
            [object], metadata: .object([("resourceVersion", .text("\(view.index)"))]))
      case .partial(let version): KubernetesTable.partial(object, version: version)
      case .plain, .aggregated: object.document
      }
    return Self.json(document)
  }

  /// The moment that is asked for: the latest that a leader confirms, unless an older one will do.
  private func view(_ options: KubernetesOptions) async throws -> KubernetesView {
    let exact = options.next?.index ?? (options.match == .exact ? options.version : nil)
    guard let exact else {
      guard let version = options.version else {
        return await hub.latest(patience: .milliseconds(250))
      }
      try await hub.reach(version)
      return await hub.here()
    }
    try await hub.reach(exact)
    let now = await hub.here()
    if now.index == exact { return now }
    return try await withTaskExecutorPreference(globalConcurrentExecutor) {
      let state = try await hub.state(at: exact)
      var sightings = KubernetesView.sightings(state, outlook: nil, now: state.lastTime)
      sightings.statuses.merge(hub.sightings(toldAt: exact).statuses) { $1 }
      return KubernetesView(state, sightings)
    }
  }

  // MARK: Answers

  /// A long list must not hold up the loop that serves everybody.
  private static func rendered(_ body: @Sendable () -> Document) async -> Response {
    await withTaskExecutorPreference(globalConcurrentExecutor) { json(body()) }
  }

  private static func json(
    _ document: Document, status: HTTPResponse.Status = .ok, type: String = "application/json"
  ) -> Response {
    Response(
      status: status, headers: [.contentType: type, .cacheControl: "no-cache, private"],
      body: .init(byteBuffer: ByteBuffer(string: document.line)))
  }

  static func response(_ error: KubernetesError) -> Response {
    var response = json(error.document, status: .init(code: error.code))
    if let seconds = error.retryAfter { response.headers[.retryAfter] = "\(seconds)" }
    return response
  }
}
