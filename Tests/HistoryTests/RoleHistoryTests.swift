// What history tells of nodes that were promoted and demoted.

import History
import Membership
import Projections
import Testing

@Suite("Changed roles in history")
struct RoleHistoryTests {
  /// n2 is demoted, w5 promoted, n2 promoted again.
  private func story() throws -> Story {
    var story = Story()
    story.append(.clusterFormed(ClusterFormed(cluster: ClusterID(7), first: record(1))))
    story.append(.leaderElected(LeaderElected(node: NodeID(1))), term: 2)
    for n in 2...4 { try story.join(n) }
    try story.join(5, .worker)
    try story.ask(.changeRole(.init(target: "n2", role: .worker)), reason: "too small")
    try story.keepRoles()
    for n in [5, 2] {
      try story.ask(
        .changeRole(
          .init(target: "n\(n)", role: .controlPlane, endpoints: record(n).endpoints)))
      try story.keepRoles()
    }
    return story
  }

  private func last(_ type: EventType, _ story: Story) throws -> RecordedEvent {
    try #require(
      try story.history.last(atOrBefore: story.history.head, types: [type]) { _ in true })
  }

  @Test("A demotion goes back to what began it, a first role to the promotion")
  func causes() throws {
    let story = try story()
    let demoted = try last(.nodeDemoted, story)
    let began = try #require(story.states[Int(demoted.index) - 1].departure?.index)
    let causes = try story.history.causes(
      of: demoted, before: story.states[Int(demoted.index) - 1])
    #expect(causes.map(\.index) == [began])
    let promoted = try last(.nodePromoted, story)
    let effects = try story.history.effects(of: promoted.index)
    #expect(effects.contains { $0.event.envelope.event.type == .roleAssigned })
  }

  @Test("Blame and why name the events; facts and texts have the new role at once")
  func told() throws {
    let story = try story()
    let (head, demoted) = (story.history.head, try last(.nodeDemoted, story))
    let promoted = try last(.nodePromoted, story)
    func origin(_ path: String, at index: UInt64) throws -> UInt64? {
      try Blame.lines(story.history, at: index, path: path).first?.origin.recorded.index
    }
    #expect(try origin("nodes.n2.role", at: head) == promoted.index)
    #expect(try origin("nodes.n2.role", at: demoted.index) == demoted.index)
    let joined = story.cluster.node(NodeID(2))?.joinIndex
    #expect(try origin("nodes.n2.role", at: demoted.index - 1) == joined)
    let state = story.states[Int(demoted.index)]
    #expect(Facts(state)["nodes.n2.role"] == "worker")
    #expect(Facts(story.states[Int(demoted.index) - 1])["departure.kind"] == "demote")
    let row = NodeTable(state, now: story.now).rows.first { $0.name == "n2" }
    #expect(row?.duty == "worker" && row?.roles == "<none>")
    let before = NodeTable(story.states[Int(demoted.index) - 1], now: story.now)
    #expect(before.rows.first { $0.name == "n2" }?.state == .demoting)
    let why = try Why(story.history, "n2", at: demoted.index).text
    #expect(why.contains("n2 is a worker node") && why.contains("node.demoted"))
    #expect(why.contains("too small"))
  }

  @Test("A supposed promotion or demotion ends as the real one does")
  func whatIf() throws {
    let story = try story()
    for member in story.cluster.nodes {
      var copy = story
      let finding = try WhatIf(.demote(member.name), on: story.cluster, basis: "")
      try copy.ask(.changeRole(.init(target: member.name, role: .worker)))
      if let leader = copy.cluster.leader, copy.cluster.node(leader)?.datastoreRole != .voter {
        #expect(finding.leaderMoves != nil)
        continue
      }
      try copy.keepRoles()
      #expect(finding.refusals.isEmpty)
      #expect(finding.after.voters == copy.cluster.nodes(.voter).map(\.name))
      #expect(finding.after.endpoints == EndpointList(copy.cluster).apiservers.map(\.description))
      let back = try WhatIf(.promote(member.name), on: copy.cluster, basis: "")
      #expect(back.after.endpoints.count == finding.after.endpoints.count + 1)
      #expect(back.exitCode == 0)
    }
    let alone = try WhatIf(.demote("n1"), on: story.states[2], basis: "")
    #expect(alone.exitCode == 3 && alone.losesQuorum)
  }
}
