// Whether a joiner can be reached where it says that it is, before it is a member: a control-plane
// node that nobody can dial would get no log, and be a ghost with a role.

import Logging
import Membership
import Transport

extension Daemon {
  /// Looks whether the node with that key answers at its addresses.
  /// - Returns: what the operator of a worker that does not should know; nil if it does.
  /// - Throws: `APIError` (exit code 5) for a control-plane node that does not.
  func reach(_ record: NodeRecord) async throws -> String? {
    var places = [record.endpoints.cluster]
    if record.role == .controlPlane, let datastore = record.endpoints.datastore {
      places.append(datastore)
    }
    let (client, key) = (client, record.key)
    let problem = await withTaskGroup(of: (Address, String)?.self) { group in
      for place in places {
        group.addTask {
          do {
            try await client.find(key, at: place)
            return nil
          } catch {
            return (place, "\(error)")
          }
        }
      }
      var problems: [Address: String] = [:]
      for await case let (place, problem)? in group { problems[place] = problem }
      return places.lazy.compactMap { problems[$0] }.first
    }
    guard let problem else { return nil }
    let said = "\(record.name) is not reachable from \(settings.name): \(problem)"
    guard record.role == .controlPlane else {
      logger.warning("a joiner: \(said)")
      return "\(said). It works as a worker; to be promoted it must be reachable (--address)"
    }
    throw APIError(
      "cannot join: \(said). Control-plane nodes must reach one another. Give its agent an address"
        + " that the others can reach (--address, with --listen where that is not its own), open"
        + " the ports, and try again; nothing was changed, and the token still counts",
      code: "unreachable", exitCode: 5)
  }
}
