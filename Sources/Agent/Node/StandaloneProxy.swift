// The worker's proxy on its own, in front of a provider.yaml: MicroK8s's files, a template, an
// operator's hand. With a kubeconfig it keeps the file's list up to date; else it writes nothing
// and asks nobody.

import AsyncHTTPClient

import FoundationEssentials
import Logging
import Membership
import NIOCore
import NIOPosix
import Transport
import UnixSignals
import Yams

/// Runs `muster apiserver-proxy`.
package struct StandaloneProxy: Sendable {
  /// provider.yaml; or `traefikConfig`, which names it.
  package var provider: String?
  package var traefikConfig: String?
  /// `ADDRESS:PORT`, `:PORT` for all addresses.
  package var listen: String?
  package var kubeconfig: String?
  /// Seconds; 0 leaves the file alone.
  package var refreshInterval: Int64?
  package var check: String?
  package var connectTimeout: Double?
  package var firstByteTimeout: Double?
  package var drainGrace: Int64?
  package var maxConnections: Int?
  package var logLevel: String?
  package var logFormat: String?

  package init() {}

  /// Serves until SIGTERM or SIGINT.
  /// - Throws: `Failure`: 2 for a wrong option, 65 for a file that cannot be used, 1 for an address
  ///   that cannot be listened on.
  package func run() async throws {
    let logger = try LogOutput.logger(level: logLevel, format: logFormat)
    let entry = try traefikConfig.map { try TraefikConfig.read($0) }
    guard let file = provider ?? entry?.provider else {
      throw Failure("say where the API servers stand: --provider FILE", exitCode: 2)
    }
    if let refreshInterval, refreshInterval > 0, kubeconfig == nil {
      throw Failure(
        "--refresh-interval needs --kubeconfig, to ask the API servers with; without both, or with "
          + "--refresh-interval 0, \(file) is watched and never written", exitCode: 2)
    }
    let addresses = try Self.addresses(listen ?? entry?.listen ?? ":16443")
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    var watch = ProviderWatch(file, logger: logger)
    let servers = try watch.begin()
    let proxy = ProxyFactory.make(
      group, logger: logger, options: try options(),
      credentials: kubeconfig.flatMap { try? Kubeconfig.read($0) }?.credentials)
    let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
    do {
      for address in addresses {
        let own = try await proxy.listen(on: address)
        logger.info("forwarding \(own) to \(servers.count) API servers")
      }
    } catch {
      await proxy.shutdown()
      throw Failure("\(error)")
    }
    proxy.setBackends(Self.places(servers))
    let following = Task { [watch, proxy] in
      var watch = watch
      while !Task.isCancelled {
        try? await Task.sleep(for: ProviderWatch.pause)
        if let servers = watch.look() { proxy.setBackends(Self.places(servers)) }
      }
    }
    let http = HTTPClient(
      eventLoopGroupProvider: .shared(group), configuration: ClusterClient.configuration)
    let refreshing = kubeconfig.flatMap { kubeconfig in
      refresh(file, kubeconfig, http: http, logger: logger)
    }
    ServiceNotification.send("READY=1")
    for await _ in signals { break }
    for task in [following, refreshing].compactMap({ $0 }) {
      task.cancel()
      await task.value
    }
    try? await http.shutdown()
    await proxy.shutdown()
    try? await group.shutdownGracefully()
  }

  private func refresh(
    _ file: String, _ kubeconfig: String, http: HTTPClient, logger: Logger
  ) -> Task<Void, Never>? {
    let interval = refreshInterval ?? 30
    guard interval > 0 else { return nil }
    let refresh = EndpointsRefresh(
      kubeconfig: kubeconfig, provider: file, interval: interval, http: http, logger: logger)
    return Task {
      var refresh = refresh
      await refresh.run()
    }
  }

  private static func places(_ servers: [Address]) -> [HostPort] {
    servers.map { HostPort($0.host.description, Int($0.port)) }
  }

  private func options() throws -> ProxyOptions {
    var options = ProxyOptions()
    if let check {
      let kinds: [String: ProxyOptions.Check] = [
        "none": .none, "connect": .connect, "tls": .handshake, "readyz": .readyz,
      ]
      guard let kind = kinds[check] else {
        throw Failure("--check \"\(check)\": it is none, connect, tls or readyz", exitCode: 2)
      }
      options.check = kind
    }
    if let connectTimeout {
      options.connectTimeout = .nanoseconds(Int64(connectTimeout * 1_000_000_000))
    }
    if let firstByteTimeout {
      options.firstByteTimeout = .nanoseconds(Int64(firstByteTimeout * 1_000_000_000))
    }
    if let drainGrace { options.drainGrace = .seconds(drainGrace) }
    if let maxConnections { options.maxConnections = maxConnections }
    return options
  }

  /// `:16443` is every address, of both families where the machine has both.
  private static func addresses(_ text: String) throws(Failure) -> [HostPort] {
    if text.hasPrefix(":"), let port = UInt16(text.dropFirst()) {
      return [HostPort("0.0.0.0", Int(port))]
        + (hasIPv6 ? [HostPort("::", Int(port))] : [])
    }
    do throws(Address.Invalid) {
      let address = try Address(parsing: text)
      return [HostPort(address.host.description, Int(address.port))]
    } catch {
      throw Failure("--listen \"\(text)\": \(error)", exitCode: 2)
    }
  }

  private static var hasIPv6: Bool {
    FileManager.default.fileExists(atPath: "/proc/net/if_inet6")
      && (FileManager.default.contents(atPath: "/proc/net/if_inet6")?.isEmpty == false)
  }
}

/// What of a traefik.yaml concerns the proxy: the entry point and the file of servers.
struct TraefikConfig: Equatable {
  var listen: String?
  var provider: String?

  /// - Throws: `Failure` (exit code 65) if the file cannot be read.
  static func read(_ file: String) throws(Failure) -> TraefikConfig {
    guard let bytes = try ProviderStore.read(file) else {
      throw Failure("cannot read \(file): it is not there", exitCode: 65)
    }
    return try parse(bytes, file: file)
  }

  static func parse(_ bytes: [UInt8], file: String) throws(Failure) -> TraefikConfig {
    let root: Node?
    do {
      root = try Yams.compose(yaml: String(decoding: bytes, as: UTF8.self))
    } catch {
      throw Failure(
        "cannot read \(file): "
          + "\(error)".split(whereSeparator: \.isNewline).joined(separator: " "), exitCode: 65)
    }
    let entry = root?.mapping?["entryPoints"]?.mapping?["apiserver"]?.mapping?["address"]
    let provider = root?.mapping?["providers"]?.mapping?["file"]?.mapping?["filename"]
    return TraefikConfig(listen: entry?.string, provider: provider?.string)
  }
}
