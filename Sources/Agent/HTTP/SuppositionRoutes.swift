// What a command would do, told before it does it: for commands typed on any node, workers too.

import FoundationEssentials
import History
import Hummingbird
import Membership
import Projections

extension Routes {
  func suppositions(_ router: AgentRouter) {
    route(router, .get, "/v1/what-if") { request, context in
      try await requireMember(request, context)
      let query = Query(request)
      return Answer.text(
        try await daemon.suppose(query.text("suppose") ?? "", of: query.text("node")))
    }
  }
}

extension Daemon {
  /// What would happen if, from what this node sees, or where it keeps no log, the control plane.
  /// - Parameters:
  ///   - verb: as `muster what-if` has it: `leave`, `remove`, `promote`, `demote`.
  ///   - target: a name, an id or an address; nil for this node.
  func suppose(_ verb: String, of target: String?) async throws -> String {
    let target = target ?? settings.name
    if case .worker(let worker) = mode {
      return try await worker.ask("/v1/what-if?suppose=\(escaped(verb))&node=\(escaped(target))")
    }
    let node = try controlPlane("tell what would happen")
    let supposition: Supposition
    do {
      supposition = try Supposition([verb, target])
    } catch {
      throw Failure("\(error)", exitCode: error.exitCode)
    }
    let sight = await Sight.take(node, patience: .milliseconds(250))
    let rows = sight.report(realAPIServers: false).nodes.rows
    let basis = "as \(settings.name) sees it at index \(sight.state.lastIndex)"
    return try await withTaskExecutorPreference(globalConcurrentExecutor) {
      do {
        return try WhatIf(
          supposition, on: sight.state,
          unreachable: Set(rows.filter { $0.status == .notReady }.map(\.name)), basis: basis
        ).text
      } catch let error as Unanswerable {
        throw Failure("\(error)", exitCode: error.exitCode)
      }
    }
  }
}
