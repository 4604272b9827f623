// What a command would do, told before it does it: for commands typed on any node, workers too.

import FoundationEssentials
import History
import Hummingbird
import Membership
import Projections
import Replication

extension Routes {
  func suppositions(_ router: AgentRouter) {
    route(router, .get, "/v1/what-if") { request, context in
      try await requireMember(request, context)
      let query = Query(request)
      return Answer.text(
        try await daemon.suppose(
          query.text("suppose") ?? "", of: query.text("node"), force: query.text("force")))
    }
  }
}

extension Daemon {
  /// What would happen if, from what this node sees, or where it keeps no log, the control plane.
  /// - Parameters:
  ///   - verb: as `muster what-if` has it: `leave`, `remove`, `promote`, `demote`.
  ///   - target: a name, an id or an address; nil for this node.
  ///   - force: of `remove-node` as it was typed: 1 with `--force`, 0 without.
  func suppose(_ verb: String, of target: String?, force: String? = nil) async throws -> String {
    let target = target ?? settings.name
    if case .worker(let worker) = mode {
      let forced = force.map { "&force=\(escaped($0))" } ?? ""
      return try await worker.ask(
        "/v1/what-if?suppose=\(escaped(verb))&node=\(escaped(target))\(forced)")
    }
    let node = try controlPlane("tell what would happen")
    let sight = await Sight.take(node, patience: .milliseconds(250))
    let supposition: Supposition
    do {
      supposition =
        if verb == "remove", let force {
          .removeNode(target, forced: force == "1", by: sight.outlook.by)
        } else {
          try Supposition([verb, target])
        }
    } catch {
      throw Failure("\(error)", exitCode: error.exitCode)
    }
    let report = sight.report(realAPIServers: false)
    let rows = report.nodes.rows
    let patience = await node.driver.look { Int64(clamping: $0.options.aliveFor / 1_000_000) }
    let basis = "as \(settings.name) sees it at index \(sight.state.lastIndex)"
    return try await withTaskExecutorPreference(globalConcurrentExecutor) {
      do {
        return try WhatIf(
          supposition, on: sight.state,
          unreachable: Set(rows.filter { $0.status == .notReady }.map(\.name)),
          uncounted: Set(report.highAvailability.uncounted),
          alive: Set(
            rows.filter {
              $0.contactAge.map { $0 < patience }
                ?? ($0.role == .controlPlane && !$0.hasLongBeenSuspected(at: .now))
            }.map(\.name)),
          basis: basis
        ).text
      } catch let error as Unanswerable {
        throw Failure("\(error)", exitCode: error.exitCode)
      }
    }
  }
}
