// Who asks: what a request may do is decided by this and nothing it says.

import FoundationEssentials
import Hummingbird
import Membership
import NIOCore
import NIOSSL
import Transport

/// Who sent a request.
enum Asker: Sendable {
  /// Over the admin socket, which only root and the agent's owner can open.
  case local(user: String)
  /// With this key, which the handshake proved.
  case key(Digest)
  case anonymous
}

struct AgentRequestContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  let channel: any Channel

  init(source: ApplicationRequestContextSource) {
    coreContext = .init(source: source)
    channel = source.channel
  }

  /// Larger bodies are refused before they are read.
  var maxUploadSize: Int { 64 << 10 }

  /// The key of the client's certificate; nil without one.
  func clientKey() async -> Digest? {
    let channel = channel
    return try? await channel.eventLoop.submit {
      let pipeline = channel.pipeline.syncOperations
      return try pipeline.handler(type: ClientKey.self).digest(in: pipeline)
    }.get()
  }
}

/// Remembers the key of a connection's client: to find it a certificate is parsed, which costs more
/// than the rest of a small request, and it is the same as long as the connection lasts, since the
/// TLS library does not renegotiate.
final class ClientKey: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = Never

  private var known: Digest??

  /// The key that the handshake proved; nil without a certificate. On the connection's loop.
  func digest(in pipeline: ChannelPipeline.SynchronousOperations) throws -> Digest? {
    if let known { return known }
    let digest = try pipeline.nioSSL_peerCertificate().flatMap {
      Digest(bytes: try TLSSettings.keyDigest(of: $0))
    }
    known = .some(digest)
    return digest
  }
}

/// An answer in JSON; errors carry their exit code, so that the command line need not guess.
enum Answer {
  static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
    let bytes = try JSON.encode(value)
    return Response(
      status: status, headers: [.contentType: "application/json"],
      body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
  }

  static func text(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: [.contentType: "text/plain; charset=utf-8"],
      body: .init(byteBuffer: ByteBuffer(string: text)))
  }

  static func error(_ error: any Error) -> Response {
    let described: APIError =
      switch error {
      case let error as APIError: error
      case let failure as Failure:
        APIError(failure.message, code: "failed", exitCode: Int(failure.exitCode))
      case let refusal as Refusal:
        APIError(refusal.message, code: refusal.code, exitCode: refusal.exitCode)
      case let error as HTTPError:
        APIError(error.body ?? "\(error.status)", code: "http", exitCode: 2)
      default: APIError("\(error)", code: "failed", exitCode: 1)
      }
    let status: HTTPResponse.Status =
      switch described.exitCode {
      case 2: .badRequest
      case 3: .conflict
      case 5, 7: .serviceUnavailable
      case 6: described.code == "node-unknown" ? .notFound : .forbidden
      default: .internalServerError
      }
    let body = (try? JSON.encode(described)) ?? []
    return Response(
      status: (error as? HTTPError)?.status ?? status,
      headers: [.contentType: "application/json"],
      body: .init(byteBuffer: ByteBuffer(bytes: body)))
  }
}
