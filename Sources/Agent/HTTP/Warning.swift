// Every answer to the command line carries, in a header, what its user should know whatever was
// asked: that not one more node can be lost. It costs a look at the replica and no round trip.

import HTTPTypes
import Hummingbird
import Projections
import Replication

struct Warning: RouterMiddleware {
  typealias Context = AgentRequestContext

  let daemon: Daemon

  func handle(
    _ request: Request, context: Context,
    next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    var response = try await next(request, context)
    guard request.headers[.musterWarn] != nil, case .controlPlane(let node) = daemon.mode else {
      return response
    }
    let availability = await node.driver.look { replica in
      // Before the leader told of the others, one would warn of nodes that are well.
      replica.awaitsSightings
        ? nil : HighAvailability(replica.cluster, outlook: replica.outlook)
    }
    response.headers[.musterWarning] = availability?.warning
    return response
  }
}

extension HTTPField.Name {
  /// Asks for the warning.
  static let musterWarn = HTTPField.Name("muster-warn")!  // a constant that is a valid name
  static let musterWarning = HTTPField.Name("muster-warning")!  // a constant that is a valid name
}
