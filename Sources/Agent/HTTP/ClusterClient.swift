// HTTPS to other nodes, each known by its key.
//
// AsyncHTTPClient cannot ask us about a certificate, so a first handshake that says nothing looks
// at it; if its key is the right one it becomes the only trust root of the real connection.

import AsyncHTTPClient
import FoundationEssentials
import Membership
import NIOCore
import NIOFoundationEssentialsCompat
import NIOHTTP1
import NIOSSL
import Synchronization
import Transport

final class ClusterClient: Sendable {
  typealias Method = HTTPMethod

  private let identity: NodeIdentity
  private let group: any EventLoopGroup
  private let http: HTTPClient
  /// Certificates whose key was compared, by that key.
  private let verified = Mutex<[Digest: [UInt8]]>([:])

  init(identity: NodeIdentity, group: any EventLoopGroup) {
    self.identity = identity
    self.group = group
    http = HTTPClient(
      eventLoopGroupProvider: .shared(group), configuration: Self.configuration)
  }

  /// How other machines are asked.
  static var configuration: HTTPClient.Configuration {
    var configuration = HTTPClient.Configuration()
    configuration.timeout.connect = .seconds(2)
    // Who refuses a connection is not asked again and again: whoever asks goes on to another.
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.redirectConfiguration = .disallow
    configuration.connectionPool.idleTimeout = .seconds(90)
    return configuration
  }

  func shutdown() async { try? await http.shutdown() }

  /// A request to the node with that key.
  /// - Throws: `Failure` (exit code 4 if the key differs, 5 if there is no connection, 7 after
  ///   `timeout`), `APIError` if it says no.
  func call(
    _ method: HTTPMethod, _ path: String, at address: Address, key: Digest, body: [UInt8] = [],
    timeout: Duration
  ) async throws -> [UInt8] {
    let certificate = try await certificate(of: address, key: key)
    do {
      return try await call(
        method, path, at: address, certificate: certificate, body: body, timeout: timeout)
    } catch let failure as Failure where failure.exitCode == 4 {
      verified.withLock { $0[key] = nil }
      throw failure
    }
  }

  /// A request to the server with exactly that certificate.
  func call(
    _ method: HTTPMethod, _ path: String, at address: Address, certificate: [UInt8],
    body: [UInt8] = [], contentType: String = "application/json", timeout: Duration
  ) async throws -> [UInt8] {
    var request = HTTPClientRequest(url: "https://\(address)\(path)")
    request.method = method
    request.tlsConfiguration = try TLSSettings.pinnedClient(
      identity: identity, serverCertificateDER: certificate)
    if !body.isEmpty {
      request.headers.add(name: "content-type", value: contentType)
      request.body = .bytes(ByteBuffer(bytes: body))
    }
    let response: HTTPClientResponse
    let data: ByteBuffer
    do {
      response = try await http.execute(
        request, timeout: .nanoseconds(Int64(clamping: timeout.nanoseconds)))
      data = try await response.body.collect(upTo: 64 << 20)
    } catch let error as HTTPClientError where error == .deadlineExceeded {
      throw Failure("\(address) did not answer in time", exitCode: 7)
    } catch {
      throw Self.failure(of: error, address)
    }
    guard (200..<300).contains(response.status.code) else {
      if let error = try? JSONDecoder().decode(APIError.self, from: Data(buffer: data)) {
        throw error
      }
      throw Failure("\(address) answered \(response.status)", exitCode: 1)
    }
    return Array(buffer: data)
  }

  /// Whether the node with that key answers there; nothing is asked of it.
  /// - Throws: as `call` does.
  func find(_ key: Digest, at address: Address) async throws {
    _ = try await fetchCertificate(of: address, key: key)
  }

  private func certificate(of address: Address, key: Digest) async throws -> [UInt8] {
    if let known = verified.withLock({ $0[key] }) { return known }
    let der = try await fetchCertificate(of: address, key: key)
    verified.withLock { $0[key] = der }
    return der
  }

  private func fetchCertificate(of address: Address, key: Digest) async throws -> [UInt8] {
    let der: [UInt8]
    do {
      der = try await PinnedProbe.fetchCertificate(
        HostPort(address.host.description, Int(address.port)), expectedFingerprint: nil,
        timeout: .seconds(2), group: group)
    } catch {
      throw Self.failure(of: error, address)
    }
    guard (try? NodeIdentity.keyDigest(ofCertificate: der)) == key.bytes else {
      throw Failure(
        "the node at \(address) has another key than the one it is known by", exitCode: 4)
    }
    return der
  }

  static func failure(of error: any Error, _ address: Address) -> Failure {
    let transport = TransportError(error, subject: address.description)
    switch transport.kind {
    case .unexpectedKey: return Failure("\(transport)", exitCode: 4)
    case .timedOut: return Failure("cannot connect to \(address): it does not answer", exitCode: 5)
    default: return Failure("\(transport)", exitCode: 5)
    }
  }
}
