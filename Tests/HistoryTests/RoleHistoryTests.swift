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

  /// n2 and workers: one of muster's, and one of MicroK8s with both its certificates.
  private func withMicroK8s() throws -> Story {
    var story = Story()
    story.append(.clusterFormed(ClusterFormed(cluster: ClusterID(7), first: record(1))))
    story.append(.leaderElected(LeaderElected(node: NodeID(1))), term: 2)
    try story.join(2)
    try story.join(5, .worker)
    var foreign = record(6, .worker)
    foreign.key = NodeRecord.keyless(foreign.id)
    foreign.version = NodeRecord.microK8s
    try story.ask(
      .issueToken(
        TokenIssued(
          id: TokenID(66), secrets: [.init(hash: digest(1, 66), roles: [.worker])], uses: 1,
          expires: nil)))
    try story.ask(.join(.init(node: foreign, secret: digest(1, 66))))
    for use in CertificateUse.allCases {
      try story.ask(
        .issueCertificate(
          CertificateIssued(
            node: foreign.id, subject: use.subject(of: foreign.name), certificate: digest(4, 4),
            serial: [7], expires: story.now.adding(seconds: 86_400))))
    }
    return story
  }

  @Test("Who cannot be promoted, or is what it would be made, is told so beforehand")
  func notPromoted() throws {
    let story = try withMicroK8s()
    func suppose(_ supposition: Supposition, unreachable: Set<String> = []) throws -> WhatIf {
      try WhatIf(supposition, on: story.cluster, unreachable: unreachable, basis: "")
    }
    let foreign = try suppose(.promote("n6"))
    #expect(foreign.exitCode == 6 && foreign.steps.isEmpty)
    #expect(foreign.text.contains("REFUSED: ") && foreign.text.contains("it stays a worker"))
    #expect(throws: Unanswerable.self) { try suppose(.promote("nobody")) }
    let silent = try suppose(.promote("n5"), unreachable: ["n5"])
    #expect(silent.refusals == [.unreachable("n5")] && silent.exitCode == 5)
    for (finding, words) in [
      (try suppose(.promote("n2")), "nothing: n2 is a control-plane node already, since index 4"),
      (try suppose(.demote("n5")), "nothing: n5 is a worker node already"),
    ] {
      #expect(finding.exitCode == 0 && finding.steps.count == 1, "\(finding.text)")
      #expect(finding.steps.first?.hasPrefix(words) == true, "\(finding.text)")
      #expect(finding.after.voters == finding.before.voters && finding.leaderMoves == nil)
    }
    // By its address, on a machine whose usual ports another node has.
    var crowded = story
    var neighbour = record(7, .worker)
    neighbour.endpoints.cluster = address("10.0.0.1:25007")
    try crowded.ask(
      .issueToken(
        TokenIssued(
          id: TokenID(67), secrets: [.init(hash: digest(1, 67), roles: [.worker])], uses: 1,
          expires: nil)))
    try crowded.ask(.join(.init(node: neighbour, secret: digest(1, 67))))
    let finding = try WhatIf(.promote("10.0.0.1:25007"), on: crowded.cluster, basis: "")
    #expect(finding.refusals.isEmpty && finding.after.endpoints.contains("10.0.0.1:16444"))
  }

  @Test("Why a worker of MicroK8s is what it is: its certificates are told, too")
  func certificates() throws {
    let story = try withMicroK8s()
    let issued = try story.history.lines(EventFilter(type: "certificate.issued"))
    let why = try Why(story.history, "n6", at: story.history.head)
    let told = why.chain.filter { step in issued.contains { $0.recorded == step.line.recorded } }
    #expect(issued.count == 2 && told.count == 2)
    for use in CertificateUse.allCases {
      #expect(told.contains { $0.words.contains(use.subject(of: "n6")) }, "\(why.text)")
    }
    #expect(!(try Why(story.history, "n5", at: story.history.head).text).contains("certificate"))
  }

  @Test("A type of events that there is none of is refused, naming those that are near")
  func types() throws {
    for type in EventType.allCases {
      #expect(try EventFilter.type(type.name) == type.name)
      let kind = String(type.name.prefix { $0 != "." })
      #expect(try EventFilter.type(kind) == kind)
      // A slip of the hand finds its way back.
      for wrong in [type.name.dropLast(), type.name.dropFirst(), (type.name + "s")[...]] {
        do {
          _ = try EventFilter.type(String(wrong))
          Issue.record("\(wrong) is taken")
        } catch {
          #expect(error.exitCode == 2 && "\(error)".contains(type.name), "\(error)")
        }
      }
    }
    for wrong in ["node.nope", "", ".", "node.", "no de", String(repeating: "ä", count: 10_000)] {
      #expect(throws: Unanswerable.self) { try EventFilter.type(wrong) }
    }
  }
}
