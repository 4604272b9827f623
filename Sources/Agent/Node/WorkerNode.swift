// A running worker: it follows the control plane's endpoints, writes provider.yaml, and forwards
// connections to the API servers.
//
// What it knows comes from the last list it accepted, kept on disk with the keys of the control
// plane, so that it finds its way again from any one server that is left. A list of another
// cluster, an older incarnation or a lower index is never taken, nor an empty one.

import FoundationEssentials
import Logging
import Membership
import NIOCore
import NIOHTTP1
import Projections
import Synchronization
import Transport
import Yams

final class WorkerNode: Sendable {
  private let context: NodeContext
  private let client: ClusterClient
  private let proxy: TCPProxy
  private let hooks: ControlPlane.Hooks
  private let list: Mutex<EndpointsAnswer>
  private let task = Mutex<Task<Void, Never>?>(nil)
  private let lastContact = Mutex<UInt64?>(nil)
  /// Where the API servers are known from a file that belongs to the operator.
  private let isPinned: Bool

  private init(
    context: NodeContext, client: ClusterClient, proxy: TCPProxy, hooks: ControlPlane.Hooks,
    list: EndpointsAnswer, isPinned: Bool
  ) {
    self.context = context
    self.client = client
    self.proxy = proxy
    self.hooks = hooks
    self.list = Mutex(list)
    self.isPinned = isPinned
  }

  /// Listens on the proxy's port and begins to follow.
  static func start(
    _ context: NodeContext, client: ClusterClient, hooks: ControlPlane.Hooks
  ) async throws -> WorkerNode {
    let directory = context.directory
    guard let bytes = try directory.read(directory.workerState) else {
      throw Failure(
        "cannot start as a worker: \(directory.workerState) is missing, so no control plane is "
          + "known; leave with `muster leave --local` and join again", exitCode: 65)
    }
    let list = try JSON.decode(EndpointsAnswer.self, bytes)
    let arguments = try ProxyArguments.load(directory)
    let proxy = TCPProxy(group: context.group)
    let worker = WorkerNode(
      context: context, client: client, proxy: proxy, hooks: hooks, list: list,
      isPinned: arguments.refreshInterval == 0)
    try worker.useServers()
    let port = Int(context.settings.apiserverPort)
    let hosts =
      context.settings.address.isLoopback
      ? [context.settings.address.description] : ["127.0.0.1", "::1"]
    var bound = 0
    var problem: (any Error)?
    for host in hosts {
      do {
        _ = try await proxy.listen(on: HostPort(host, port))
        bound += 1
      } catch {
        problem = error
      }
    }
    if bound == 0, let problem {
      await proxy.shutdown()
      throw Failure.starting("listen for the API server proxy", problem)
    }
    worker.task.withLock { $0 = Task { await worker.follow() } }
    return worker
  }

  func stop() async {
    let task = task.withLock { $0 }
    task?.cancel()
    await task?.value
    await proxy.shutdown()
  }

  var unreadiness: String? {
    let contact = lastContact.withLock { $0 }
    guard let contact else { return "no control-plane node has answered yet" }
    let silence = (ReplicaDriver.now() - contact) / 1_000_000_000
    return silence > 90 ? "no control-plane node has answered for \(silence) s" : nil
  }

  /// The control plane as last told.
  var endpoints: EndpointsAnswer { list.withLock { $0 } }

  // MARK: Following

  private func follow() async {
    var failures = 0
    // A long poll that is renewed before others give it up.
    var wait = 0
    while !Task.isCancelled {
      do {
        let body = try await askAny(
          "/v1/endpoints?after=\(endpoints.index)&wait=\(wait)",
          timeout: .seconds(Int64(wait) + 5))
        lastContact.withLock { $0 = ReplicaDriver.now() }
        try take(try JSON.decode(EndpointsAnswer.self, body))
        failures = 0
        wait = 30
      } catch let error as APIError where error.code == "departed" {
        await departed()
        return
      } catch {
        failures += 1
        wait = 0
        if failures == 1 { context.logger.warning("endpoints cannot be refreshed: \(error)") }
        let pause = min(5000, 100 << min(failures, 6)) + Int(Random.number() % 100)
        try? await Task.sleep(for: .milliseconds(pause))
      }
    }
  }

  private func take(_ news: EndpointsAnswer) throws {
    let known = endpoints
    guard news.cluster == known.cluster, news.incarnation >= known.incarnation,
      news.index > known.index, !news.servers.isEmpty
    else { return }
    try context.directory.write(try JSON.encode(news), to: context.directory.workerState)
    list.withLock { $0 = news }
    try useServers()
    context.logger.info("\(news.addresses.count) API servers", metadata: ["index": "\(news.index)"])
  }

  /// Brings provider.yaml and the proxy in line with what is known.
  private func useServers() throws {
    let directory = context.directory
    if isPinned {
      let addresses = try ProviderReader.addresses(try directory.read(directory.provider) ?? [])
      proxy.setBackends(addresses.map { HostPort($0.host.description, Int($0.port)) })
      return
    }
    let addresses = endpoints.servers.compactMap { $0.apiserver.flatMap { Address($0) } }
    guard !addresses.isEmpty else { return }
    let text = Array(try ProviderFile.render(addresses).utf8)
    if try directory.read(directory.provider) != text {
      try directory.write(text, to: directory.provider)
    }
    proxy.setBackends(addresses.map { HostPort($0.host.description, Int($0.port)) })
  }

  // MARK: Asking

  /// A text from the control plane, for commands typed on this worker.
  func ask(_ path: String) async throws -> String {
    String(decoding: try await askAny(path, timeout: .seconds(5)), as: UTF8.self)
  }

  /// Has the control plane decide a request of this node.
  func submit(_ request: [UInt8], timeout: Duration) async throws -> [UInt8] {
    try await askAny(
      "/v1/commands?timeout=\(timeout.components.seconds)", method: .POST, body: request,
      timeout: timeout + .seconds(2))
  }

  /// The first answer of any control-plane node; the reasons of all if none answers.
  private func askAny(
    _ path: String, method: ClusterClient.Method = .GET, body: [UInt8] = [], timeout: Duration
  ) async throws -> [UInt8] {
    let servers = endpoints.servers
    var problems: [String] = []
    let first = servers.isEmpty ? 0 : Int(Random.number() % UInt64(servers.count))
    for step in servers.indices {
      let server = servers[(first + step) % servers.count]
      guard let address = Address(server.cluster), let key = Digest(server.key) else { continue }
      do {
        return try await client.call(
          method, path, at: address, key: key, body: body, timeout: timeout)
      } catch let error as APIError where error.exitCode != 7 {
        throw error
      } catch {
        problems.append("\(server.name): \(error)")
      }
    }
    throw Failure(
      "no control-plane node could be asked: \(problems.joined(separator: "; "))", exitCode: 5)
  }

  /// A verified member says that this node departed: learn when and by whom.
  private func departed() async {
    guard let body = try? await askAny("/v1/self", timeout: .seconds(5)),
      let answer = try? JSON.decode(SelfAnswer.self, body), let departure = answer.departure
    else { return }
    hooks.departed(departure)
  }
}

/// The flags in `args/apiserver-proxy`, one a line, as MicroK8s keeps them.
struct ProxyArguments {
  /// Seconds; 0: provider.yaml belongs to the operator.
  var refreshInterval = 30

  static func load(_ directory: DataDirectory) throws -> ProxyArguments {
    var arguments = ProxyArguments()
    guard let bytes = try directory.read(directory.proxyArguments) else { return arguments }
    let words = String(decoding: bytes, as: UTF8.self)
      .split(whereSeparator: { $0.isWhitespace || $0 == "=" }).map(String.init)
    guard let flag = words.firstIndex(of: "--refresh-interval"), flag + 1 < words.count else {
      return arguments
    }
    let text = words[flag + 1]
    let digits = text.hasSuffix("s") ? String(text.dropLast()) : text
    guard let seconds = Int(digits), seconds >= 0 else {
      throw Failure(
        "\(directory.proxyArguments): --refresh-interval is \"\(text)\"; it is a number of "
          + "seconds, such as 30s, or 0 to leave provider.yaml alone", exitCode: 2)
    }
    arguments.refreshInterval = seconds
    return arguments
  }

  /// Written when a node becomes a worker, unless the operator's are there.
  static func writeDefaults(_ directory: DataDirectory) throws {
    guard try directory.read(directory.proxyArguments) == nil else { return }
    let text = """
      --traefik-config \(directory.path)/args/traefik/traefik.yaml
      --refresh-interval 30s

      """
    try directory.write(Array(text.utf8), to: directory.proxyArguments)
  }
}

/// Reads the addresses of a provider.yaml, strictly.
enum ProviderReader {
  static func addresses(_ bytes: [UInt8]) throws -> [Address] {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let root = try Yams.compose(yaml: text)?.mapping,
      let servers = root["tcp"]?.mapping?["services"]?.mapping?["kube-apiserver"]?
        .mapping?["loadBalancer"]?.mapping?["servers"]?.sequence
    else {
      throw Failure(
        "provider.yaml lists no servers under tcp.services.kube-apiserver.loadBalancer",
        exitCode: 65)
    }
    return try servers.map { server in
      guard let text = server.mapping?["address"]?.string, let address = Address(text) else {
        throw Failure("provider.yaml: a server has no valid HOST:PORT address", exitCode: 65)
      }
      return address
    }
  }
}
