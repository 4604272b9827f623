// Who can be reached: a joiner where it says that it is, before it is a member (a control-plane
// node that nobody can dial would get no log, and be a ghost with a role), and the others while
// there is no leader.

import Logging
import Membership
import Projections
import Replication
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

  /// Why commands wait here, after a look at the other voters; nil while a leader is known.
  var wantOfLeader: String? {
    get async {
      guard case .controlPlane(let node) = mode, node.board.leader == nil else { return nil }
      let state = await node.driver.look { $0.cluster }
      let voters = Set(state.voters + state.outgoingVoters)
      let others = state.nodes.filter { voters.contains($0.id) && $0.id != file.nodeID }
      guard !others.isEmpty else {
        return "waiting for a leader: muster doctor says what keeps this node from leading"
      }
      let client = client
      let reached = await withTaskGroup(of: String?.self) { group in
        for other in others {
          group.addTask {
            let place = other.record.endpoints.cluster
            return (try? await client.find(other.record.key, at: place)) == nil ? nil : other.name
          }
        }
        return await group.reduce(into: Set<String>()) { if let name = $1 { $0.insert(name) } }
      }
      let names = others.map(\.name)
      let lost = names.filter { !reached.contains($0) }
      let found = names.filter(reached.contains)
      let seen = [
        found.isEmpty ? nil : "reached \(words(found, "and"))",
        lost.isEmpty ? nil : "\(found.isEmpty ? "cannot reach" : "not") \(words(lost, "or"))",
      ].compactMap(\.self).joined(separator: ", ")
      return "waiting for a leader: \(seen); "
        + "\(state.voters.count / 2 + 1) of \(counted(state.voters.count, "voter")) are needed"
    }
  }
}
