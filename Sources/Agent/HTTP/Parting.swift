// While the agent stops, every answer says that its connection closes: a client that did not know
// could send its next request just as that happens, and would not know what became of it.

import HTTPTypes
import Hummingbird

struct Parting: RouterMiddleware {
  typealias Context = AgentRequestContext

  let daemon: Daemon

  func handle(
    _ request: Request, context: Context,
    next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    var response = try await next(request, context)
    if daemon.isStopping { response.headers[.connection] = "close" }
    return response
  }
}
