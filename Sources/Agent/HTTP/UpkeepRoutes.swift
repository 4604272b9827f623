// How the cluster is kept: settings, and nodes that may be away for a while.

import Hummingbird
import Membership
import Projections
import Replication

extension Routes {
  func upkeep(_ router: AgentRouter) {
    route(router, .get, "/v1/policy") { request, context in
      try await requireMember(request, context)
      let node = try daemon.controlPlane("read the policy")
      let (policy, damping) = await node.driver.look { ($0.cluster.policy, $0.options.damping) }
      let settings = PolicySettings(policy, damping: damping)
      let format = Query(request).text("format") ?? "json"
      return Answer.text(try Rendering.policy(settings, format: format))
    }
    route(router, .post, "/v1/policy") { request, context in
      let actor = try await requireControlPlane(request, context)
      let body = try await decode(PolicySettings.self, request, context)
      guard let id = body.command.flatMap({ CommandID($0) }) else { throw Query.noCommand }
      return try await append(
        .changePolicy(body.change), id: id, actor: actor, reason: body.reason ?? "",
        timeout: Query(request).timeout)
    }
    route(router, .post, "/v1/nodes/maintenance") { request, context in
      let actor = try await requireControlPlane(request, context)
      let body = try await decode(MaintenanceRequest.self, request, context)
      guard let id = CommandID(body.command) else { throw Query.noCommand }
      let command: Command =
        body.enter
        ? .enterMaintenance(.init(target: body.target, seconds: body.seconds))
        : .exitMaintenance(body.target)
      var appended = try await daemon.append(
        command, id: id, actor: actor, reason: body.reason, timeout: Query(request).timeout)
      appended.notes = try await movement(after: appended.last, of: body.target, body.enter)
      return try Answer.json(appended)
    }
  }

  /// Waits until leadership and vote are where they should be, 5 s at most; tells where they are.
  private func movement(
    after index: UInt64, of target: String, _ enters: Bool
  ) async throws -> [String] {
    let node = try daemon.controlPlane("keep roles")
    let clock = ContinuousClock()
    let end = clock.now.advanced(by: .seconds(5))
    while true {
      let (cluster, leader) = await node.driver.look { ($0.cluster, $0.leader) }
      guard let member = cluster.node(matching: target) else { return [] }
      let watch = VoteMovement(member, cluster, leader: leader)
      let now = clock.now
      if cluster.lastIndex >= index, watch.isDone || now >= end { return [watch.sentence] }
      _ = await node.board.applied.wait(
        above: cluster.lastIndex, timeout: min(now.duration(to: end), .milliseconds(200)))
    }
  }
}

extension PolicySettings {
  /// - Parameter damping: what holds where the policy says nothing, in nanoseconds.
  init(_ policy: Policy, damping: UInt64) {
    self.init()
    let standard = UInt32(clamping: damping / 1_000_000)
    voters = UInt32(policy.voters)
    standbys = UInt32(policy.standbys)
    suspectAfterMilliseconds = policy.suspectAfter ?? standard
    recoverAfterMilliseconds = policy.recoverAfter ?? standard
    spread = policy.spread
  }

  fileprivate var change: PolicyChanged {
    PolicyChanged(
      voters: voters, standbys: standbys, suspectAfter: suspectAfterMilliseconds,
      recoverAfter: recoverAfterMilliseconds, spread: spread)
  }
}
