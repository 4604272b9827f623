// Looks at the real API server of this node, and tells the log when it became ready or is no
// longer.
//
// It is asked as a stranger, `GET /readyz` over TLS, every two seconds. Whatever it answers but an
// error of its own (500 and above) means that it serves: one that lets no stranger ask (401, 403)
// does. Its certificate is compared with the Kubernetes CA of this cluster; where that does not fit
// it is asked all the same, since readiness is not identity, and the operator is told once, for
// workers that know that CA would not speak with it.

import AsyncHTTPClient
import Logging
import Membership
import NIOCore
import NIOHTTP1
import NIOSSL
import Replication
import Transport

final class APIServerWatch: Sendable {
  /// Between two looks.
  private static let pause = Duration.seconds(2)
  private static let patience = TimeAmount.seconds(2)

  private let http: HTTPClient
  private let task: Task<Void, Never>

  /// Looks at `endpoint` until it is stopped.
  /// - Parameter tell: says to the log what is seen; returns whether it took it.
  init(
    _ endpoint: Address, group: any EventLoopGroup, authority: String?, logger: Logger,
    recorded: @escaping @Sendable () async -> Bool?,
    tell: @escaping @Sendable (_ isReady: Bool) async -> Bool
  ) {
    var configuration = ClusterClient.configuration
    // A look that fails has failed; the next is soon.
    configuration.connectionPool.retryConnectionEstablishment = false
    let http = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    self.http = http
    task = Task {
      var probe = Probe(http: http, endpoint: endpoint, authority: authority, logger: logger)
      var readiness = Readiness()
      while !Task.isCancelled {
        let isReady = await probe.look()
        if Task.isCancelled { return }
        if let said = await recorded(),
          readiness.saw(isReady, recorded: said, at: ReplicaDriver.now())
        {
          logger.notice("the API server at \(endpoint) is \(isReady ? "ready" : "not ready")")
          if await tell(isReady) { readiness.wasTold(at: ReplicaDriver.now()) }
        }
        try? await Task.sleep(for: Self.pause)
      }
    }
  }

  func stop() async {
    task.cancel()
    await task.value
    try? await http.shutdown()
  }

  private struct Probe {
    let http: HTTPClient
    let endpoint: Address
    let authority: String?
    let logger: Logger
    /// Whether its certificate is not of the Kubernetes CA.
    var isStranger = false

    mutating func look() async -> Bool {
      if !isStranger, let authority = Self.roots(authority) {
        do {
          return try await ask(roots: authority)
        } catch let error as HTTPClientError where error == .deadlineExceeded {
          return false
        } catch {
          guard TransportError(error, subject: "\(endpoint)").kind != .refused else { return false }
        }
      }
      guard let isReady = try? await ask(roots: nil) else { return false }
      if !isStranger {
        isStranger = true
        logger.notice(
          "the certificate of the API server at \(endpoint) is not of this cluster's Kubernetes CA")
      }
      return isReady
    }

    private static func roots(_ authority: String?) -> NIOSSLTrustRoots? {
      guard let authority,
        let certificates = try? NIOSSLCertificate.fromPEMBytes(Array(authority.utf8))
      else { return nil }
      return .certificates(certificates)
    }

    private func ask(roots: NIOSSLTrustRoots?) async throws -> Bool {
      var configuration = TLSConfiguration.makeClientConfiguration()
      configuration.certificateVerification = roots == nil ? .none : .noHostnameVerification
      if let roots { configuration.trustRoots = roots }
      var request = HTTPClientRequest(url: "https://\(endpoint)/readyz")
      request.tlsConfiguration = configuration
      let response = try await http.execute(request, timeout: APIServerWatch.patience)
      // Read to its end, so that the connection can be used again.
      _ = try? await response.body.collect(upTo: 64 << 10)
      return response.status.code < 500
    }
  }
}
