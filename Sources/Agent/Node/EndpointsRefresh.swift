// Keeps a provider.yaml in line with what the API servers themselves say, as MicroK8s's proxy does,
// with the credentials of a kubeconfig. The servers of the file are asked directly, never through
// the proxy, and every server that ever stood in it stays one to ask: who was cut off while all of
// them were replaced finds the new ones from any that is left. An answer without servers, or none,
// changes nothing.

import AsyncHTTPClient
import FoundationEssentials
import Logging
import Membership
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1
import Transport

/// The refresh of `muster apiserver-proxy`.
struct EndpointsRefresh {
  private let kubeconfig: String
  private let provider: String
  /// Seconds.
  private let interval: Int64
  private let http: HTTPClient
  private let logger: Logger
  private var seeds: [Address] = []
  private var complaint: String?

  /// - Parameters:
  ///   - kubeconfig: read anew each time, since credentials are renewed.
  ///   - provider: the file to keep.
  ///   - interval: seconds between two refreshes, from 1.
  init(
    kubeconfig: String, provider: String, interval: Int64, http: HTTPClient, logger: Logger
  ) {
    self.kubeconfig = kubeconfig
    self.provider = provider
    self.interval = interval
    self.http = http
    self.logger = logger
  }

  /// Refreshes until cancelled: soon, then once an interval, not in step with others.
  mutating func run() async {
    var pause = Random.number() % 500
    while true {
      try? await Task.sleep(for: .milliseconds(pause))
      if Task.isCancelled { return }
      do {
        try await refresh()
        if complaint != nil { logger.info("the list of API servers is refreshed again") }
        complaint = nil
      } catch {
        complain("the list of API servers cannot be refreshed: \(error)")
      }
      let most = UInt64(interval) * 1000
      pause = most - Random.number() % (most / 5)
    }
  }

  private mutating func complain(_ text: String) {
    if complaint != text { logger.warning("\(text)") }
    complaint = text
  }

  private mutating func refresh() async throws {
    let old = try ProviderStore.read(provider)
    let known = old.flatMap { try? ProviderReader.addresses($0, file: provider) } ?? []
    seeds += known.filter { !seeds.contains($0) }
    let now = Set(known)
    let found = try await ask(Random.shuffled(known) + seeds.filter { !now.contains($0) })
    guard Set(found) != now else { return }
    let text = try ProviderWriter.text(found, replacing: old, file: provider)
    try DataDirectory(".").write(text, to: provider)
    logger.info("\(provider): \(found.count) API servers")
  }

  /// The list of the first server that gives one.
  private func ask(_ servers: [Address]) async throws -> [Address] {
    let access = try Kubeconfig.read(kubeconfig)
    var problems: [String] = []
    for server in servers {
      do {
        let found = try await list(at: server, access)
        if !found.isEmpty { return found }
        problems.append("\(server) names no API server")
      } catch {
        problems.append("\(error)")
      }
    }
    throw Failure(problems.isEmpty ? "no API server is known" : problems.joined(separator: "; "))
  }

  private func list(at server: Address, _ access: Kubeconfig) async throws -> [Address] {
    let first = try await get(KubernetesEndpoints.path, at: server, access)
    if first.status == 200 {
      return try KubernetesEndpoints.addresses(inEndpoints: first.body)
    }
    let second = try await get(KubernetesEndpoints.slicesPath, at: server, access)
    if second.status == 200 {
      return try KubernetesEndpoints.addresses(inSlices: second.body)
    }
    throw Failure(
      "\(server) lets this node neither get endpoints (\(first.status)) nor list endpointslices "
        + "(\(second.status)) in the namespace default: \(Self.message(first.body))")
  }

  private static func message(_ body: [UInt8]) -> String {
    struct Status: Decodable { var message: String }
    return (try? JSONDecoder().decode(Status.self, from: Data(body)))?.message ?? "no reason given"
  }

  private func get(
    _ path: String, at server: Address, _ access: Kubeconfig
  ) async throws -> (status: UInt, body: [UInt8]) {
    var request = HTTPClientRequest(url: "https://\(server)\(path)")
    request.tlsConfiguration = access.tls
    request.headers.add(name: "accept", value: "application/json")
    if let token = access.credentials.token {
      request.headers.add(name: "authorization", value: "Bearer \(token)")
    }
    do {
      let response = try await http.execute(request, timeout: .seconds(5))
      let body = try await response.body.collect(upTo: 4 << 20)
      return (response.status.code, Array(buffer: body))
    } catch {
      throw ClusterClient.failure(of: error, server)
    }
  }
}
