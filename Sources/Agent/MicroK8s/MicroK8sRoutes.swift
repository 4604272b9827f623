// The three requests of MicroK8s's own client, under its paths on the cluster port: a join as a
// worker, and two certificates for it. No client certificate is shown; what counts is the secret of
// an invitation, and afterwards where the connection comes from. Answers are as the original gives
// them, content type included.

import HTTPTypes
import History
import Hummingbird
import Membership
import NIOCore

extension Routes {
  func microK8s(_ router: AgentRouter) {
    guard !isLocal else { return }
    foreign(router, .get, "/health") { _, _ in .object([("status", .text("OK"))]) }
    foreign(router, .post, "/cluster/api/v2.0/join") { body, source in
      let wish = try MicroK8sJoin(body: body)
      do {
        return try await daemon.admit(wish, from: source)
      } catch {
        daemon.noteRefusal("admit \(wish.name), \(Self.place(source))", error)
        throw error
      }
    }
    foreign(router, .post, "/cluster/api/v1.0/sign-cert") { body, source in
      do {
        return try await daemon.sign(MicroK8sSigning(body: body), for: source)
      } catch {
        daemon.noteRefusal("sign a certificate for \(Self.place(source))", error)
        throw error
      }
    }
    foreign(router, .post, "/cluster/api/v1.0/join") { _, _ in
      throw MicroK8sRefusal(
        501, "not possible to join this way: this is no MicroK8s cluster with etcd")
    }
    for method in [HTTPRequest.Method.get, .put, .patch, .delete] {
      for path in ["v2.0/join", "v1.0/sign-cert", "v1.0/join"] {
        router.on("/cluster/api/\(path)", method: method) { _, _ in Response(status: .notFound) }
      }
    }
    for method in [HTTPRequest.Method.get, .put, .patch, .delete, .post] {
      foreign(router, method, "/cluster/**") { _, _ in throw MicroK8sRefusal.unknownPath }
    }
  }

  /// Where a request comes from, for the log.
  private static func place(_ channel: any Channel) -> String {
    channel.remoteAddress?.ipAddress ?? "an unknown address"
  }

  /// A route whose answers and failures are in MicroK8s's form.
  private func foreign(
    _ router: AgentRouter, _ method: HTTPRequest.Method, _ path: RouterPath,
    _ body: @escaping @Sendable ([UInt8], _ source: any Channel) async throws -> Document
  ) {
    router.on(path, method: method) { request, context in
      do {
        let bytes = Array(
          buffer: try await request.body.collect(upTo: context.maxUploadSize))
        return Self.answer(try await body(bytes, context.channel), status: .ok)
      } catch {
        let refusal = Self.refusal(error)
        return Self.answer(refusal.document, status: .init(code: refusal.code))
      }
    }
  }

  private static func refusal(_ error: any Error) -> MicroK8sRefusal {
    switch error {
    case let refusal as MicroK8sRefusal: refusal
    case let error as HTTPError:
      MicroK8sRefusal(error.status.code, error.body ?? error.status.reasonPhrase)
    case let error as NIOTooManyBytesError:
      MicroK8sRefusal(
        413, "the request is larger than \(error.maxBytes.map(String.init) ?? "that") bytes")
    // That node cannot answer it, another one can.
    case let error as APIError: MicroK8sRefusal(501, error.error)
    default: MicroK8sRefusal(500, "\(error)")
    }
  }

  private static func answer(_ document: Document, status: HTTPResponse.Status) -> Response {
    Response(
      status: status, headers: [.contentType: "text/plain; charset=utf-8"],
      body: .init(byteBuffer: ByteBuffer(string: document.line)))
  }
}
