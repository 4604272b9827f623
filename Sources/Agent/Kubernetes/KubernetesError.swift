// Every "no" of the Kubernetes API: a Status object, whose code, reason and details clients act on.

import History

/// A failure as kube-apiserver tells it (k8s.io/apimachinery, api/errors).
struct KubernetesError: Error {
  var code: Int
  var reason: String
  var message: String
  var details: [(String, Document)] = []
  /// After how many seconds it is worth asking again; nil if it is not.
  var retryAfter: Int?

  init(
    _ code: Int, _ reason: String, _ message: String, details: [(String, Document)] = [],
    retryAfter: Int? = nil
  ) {
    self.code = code
    self.reason = reason
    self.message = message
    self.details = details
    self.retryAfter = retryAfter
  }

  var document: Document {
    let details =
      self.details + (retryAfter.map { [("retryAfterSeconds", .number($0))] } ?? [])
    return .object(
      [
        ("kind", .text("Status")), ("apiVersion", .text("v1")), ("metadata", .object([])),
        ("status", .text("Failure")), ("message", .text(message)), ("reason", .text(reason)),
      ] + (details.isEmpty ? [] : [("details", .object(details))]) + [("code", .number(code))])
  }

  static var unauthorized: KubernetesError {
    KubernetesError(401, "Unauthorized", "Unauthorized")
  }

  /// Also where there is no such path.
  static var unknownPath: KubernetesError {
    KubernetesError(404, "NotFound", "the server could not find the requested resource")
  }

  static func notFound(_ kind: KubernetesKind, _ name: String) -> KubernetesError {
    KubernetesError(
      404, "NotFound", "\(kind.qualified) \"\(name)\" not found",
      details: [
        ("name", .text(name)), ("group", .text(kind.group)), ("kind", .text(kind.rawValue)),
      ])
  }

  static func badRequest(_ message: String) -> KubernetesError {
    KubernetesError(400, "BadRequest", message)
  }

  /// Options that contradict each other.
  static func invalid(_ field: String, _ why: String, _ reason: String) -> KubernetesError {
    KubernetesError(
      422, "Invalid", "ListOptions.meta.k8s.io \"\" is invalid: \(field): \(why)",
      details: [
        ("group", .text("meta.k8s.io")), ("kind", .text("ListOptions")),
        (
          "causes",
          .list([
            .object([
              ("reason", .text(reason)), ("message", .text(why)), ("field", .text(field)),
            ])
          ])
        ),
      ])
  }

  static func notAllowed(_ method: String) -> KubernetesError {
    KubernetesError(
      405, "MethodNotAllowed",
      "this API is for reading, \(method) is not allowed: nodes come by `muster add-node` and "
        + "`muster join`, and go by `muster leave` and `muster remove-node`")
  }

  static var notAcceptable: KubernetesError {
    KubernetesError(
      406, "NotAcceptable",
      "only the following media types are accepted: application/json")
  }

  /// History does not go back so far.
  static func expired(_ index: UInt64) -> KubernetesError {
    KubernetesError(
      410, "Expired", "too old resource version: \(index): history here does not go back so far")
  }

  /// A client was elsewhere and saw what this node has not yet: in a moment it has.
  static func tooLarge(_ asked: UInt64, current: UInt64) -> KubernetesError {
    let cause = "Too large resource version"
    return KubernetesError(
      504, "Timeout", "Timeout: \(cause): \(asked), current: \(current)",
      details: [
        (
          "causes",
          .list([
            .object([("reason", .text("ResourceVersionTooLarge")), ("message", .text(cause))])
          ])
        )
      ], retryAfter: 1)
  }

  static func unavailable(_ message: String) -> KubernetesError {
    KubernetesError(503, "ServiceUnavailable", message, retryAfter: 1)
  }

  static func failed(_ error: any Error) -> KubernetesError {
    KubernetesError(500, "InternalError", "Internal error occurred: \(error)")
  }
}
