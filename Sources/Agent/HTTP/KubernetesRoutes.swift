// The Kubernetes API of a control-plane node, as far as anybody may ask it without credentials.

import Hummingbird
import Membership

struct KubernetesRoutes: Sendable {
  let daemon: Daemon

  func router() -> AgentRouter {
    let router = AgentRouter(context: AgentRequestContext.self)
    router.get("/livez") { _, _ in Answer.text("ok") }
    for path in ["/readyz", "/healthz"] as [RouterPath] {
      router.get(path) { _, _ in
        let reason = daemon.unreadiness
        return Answer.text(
          reason ?? "ok", status: reason == nil ? .ok : .internalServerError)
      }
    }
    router.get("/version") { _, _ in
      try Answer.json([
        "major": "1", "minor": "0", "gitVersion": "muster-\(Version.program)",
        "platform": "linux",
      ])
    }
    for path in ["/", "/**"] as [RouterPath] {
      router.get(path) { _, _ in
        try Answer.json(
          [
            "kind": "Status", "apiVersion": "v1", "status": "Failure",
            "reason": "Unauthorized", "message": "Unauthorized",
          ], status: .unauthorized)
      }
    }
    return router
  }
}
