import Membership
import Projections
import Testing

@Suite struct StatusTests {
  private func outlook(_ stage: Scenery, healthy: Set<NodeID>, hasLeader: Bool = true) -> Outlook {
    var sightings: [NodeID: Outlook.Sighting] = [:]
    for member in stage.cluster.nodes where member.id != NodeID(1) {
      let isHealthy = healthy.contains(member.id) || !member.isControlPlane
      sightings[member.id] = Outlook.Sighting(
        ready: isHealthy, contactAge: isHealthy ? 38 : 312_000,
        index: member.isControlPlane ? stage.cluster.lastIndex - (isHealthy ? 0 : 3) : nil)
    }
    return Outlook(
      by: NodeID(1), hasLeader: hasLeader, healthyVoters: healthy, sightings: sightings, age: 12)
  }

  private func report(
    _ stage: Scenery, _ outlook: Outlook?, _ basis: StatusReport.Basis = .confirmed
  ) -> StatusReport {
    StatusReport(
      stage.cluster, now: stage.now.adding(seconds: 125), outlook: outlook, basis: basis)
  }

  @Test("The first four lines are MicroK8s's, byte for byte")
  func firstLines() throws {
    var stage = Scenery("10.128.63.86")
    stage.join(2, at: "10.128.63.166")
    stage.join(3, at: "10.128.63.43")
    stage.assign([2: .voter, 3: .voter], cause: .shortage, joint: true, settle: true)
    let text = report(stage, outlook(stage, healthy: nodes(1, 2, 3))).pretty
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).prefix(4)
    try expect(
      lines.joined(separator: "\n") + "\n", matches: "microk8s/status-first-lines.txt")
  }

  @Test("Status of three healthy voters with a standby and a worker")
  func healthy() throws {
    var stage = Scenery(controlPlane: 4)
    stage.join(5, .worker)
    let report = report(stage, outlook(stage, healthy: nodes(1, 2, 3)))
    try expect(report.pretty, matches: "microk8s/status-healthy.txt")
    try expect(report.yaml, matches: "microk8s/status-healthy.yaml")
    #expect(report.short == "muster is running\nhigh-availability: yes\n")
    #expect(report.leader == "n1")
    #expect(report.kubernetes == .membershipOnly)
  }

  @Test("Status with one of three voters lost says no, and which loss would be too many")
  func degraded() throws {
    var stage = Scenery(controlPlane: 3)
    stage.suspect(3)
    try expect(
      report(stage, outlook(stage, healthy: nodes(1, 2))).pretty,
      matches: "microk8s/status-degraded.txt")
  }

  @Test("Status of two control-plane nodes names the voter, and what its standby may lack")
  func two() throws {
    let stage = Scenery(controlPlane: 2)
    try expect(
      report(stage, outlook(stage, healthy: nodes(1)), .local(sinceLeader: 40)).pretty,
      matches: "microk8s/status-two.txt")
  }

  @Test("Status of a single node, and without contact to a leader")
  func single() throws {
    let stage = Scenery(controlPlane: 1)
    try expect(
      report(stage, outlook(stage, healthy: nodes(1))).pretty,
      matches: "microk8s/status-single.txt")
    let three = Scenery(controlPlane: 3)
    try expect(
      report(three, outlook(three, healthy: [], hasLeader: false), .local(sinceLeader: 9000))
        .pretty, matches: "microk8s/status-leaderless.txt")
  }

  @Test("Status while a voter departs, and replayed")
  func replayed() throws {
    var stage = Scenery(controlPlane: 4)
    stage.assign(
      [2: nil, 4: .voter], cause: .departure,
      departing: .init(node: NodeID(2), kind: .leave, forced: false), joint: true, settle: false)
    try expect(report(stage, nil, .replayed).pretty, matches: "microk8s/status-leaving.txt")
    try expect(report(stage, nil, .replayed).yaml, matches: "microk8s/status-leaving.yaml")
    // That a program runs is nothing that the past could tell.
    let short = report(stage, nil, .replayed).short
    #expect(
      short == "as of index \(stage.cluster.lastIndex) (\(stage.cluster.lastTime.rfc3339))\n"
        + "high-availability: yes\n")
    #expect(!report(stage, nil, .replayed).pretty.contains("is running"))
    #expect(!report(stage, nil, .replayed).yaml.contains("running: True"))
  }

  @Test("Who suspects whom, and what is seen, stand side by side")
  func troubles() {
    var stage = Scenery(controlPlane: 4)
    let index = stage.cluster.lastIndex
    stage.suspect(3)
    func sentences(_ outlook: Outlook?) -> [String] {
      StatusReport(
        stage.cluster, now: stage.now.adding(seconds: 192), outlook: outlook, basis: .confirmed,
        suspicions: [NodeID(3): Suspicion(index: index + 1, by: "n1")]
      ).troubles.map(\.sentence)
    }
    let recorded = "n3: recorded: suspected by n1 (index \(index + 1), 3m12s ago)"
    #expect(sentences(nil) == [recorded])
    #expect(
      sentences(outlook(stage, healthy: nodes(1, 2, 4)))
        == [recorded + " · observed by n1: no contact for 5m12s"])
    #expect(
      sentences(outlook(stage, healthy: nodes(1, 2, 3, 4)))
        == [recorded + " · observed by n1: in contact again, and counts once that has lasted"])
    #expect(sentences(outlook(stage, healthy: nodes(1), hasLeader: false)) == [recorded])
    var behind = outlook(stage, healthy: nodes(1, 2, 3))
    behind.sightings[NodeID(4)] = .init(ready: true, contactAge: 5, index: index)
    for (hindrance, words) in [
      (.disk, "its disk takes no writes"), (nil, "it does not count yet"),
    ] as [(Hindrance?, String)] {
      behind.hindrances[NodeID(4)] = hindrance
      #expect(sentences(behind).last == "n4: observed by n1: in contact, but \(words)")
    }
  }

  @Test("Who is in maintenance is meant to be away: nobody is told to bring it back")
  func maintenance() {
    var stage = Scenery(controlPlane: 3)
    stage.append(.maintenanceEntered(MaintenanceEntered(node: NodeID(3), until: nil)))
    let report = report(stage, outlook(stage, healthy: nodes(1, 2)))
    #expect(
      report.troubles.map(\.sentence) == [
        "n3: recorded: in maintenance (begun 2m5s ago) · observed by n1: no contact for 5m12s"
      ])
    #expect(report.next == "muster maintenance exit n3, once its work is done")
    #expect(report.nodes.table().render().contains("NotReady,Maintenance"))
    stage.append(.maintenanceEntered(MaintenanceEntered(node: NodeID(2), until: nil)))
    #expect(
      self.report(stage, outlook(stage, healthy: nodes(1, 2))).next
        == "muster maintenance exit n2 and muster maintenance exit n3, once their work is done")
  }

  @Test("Recorded time that is ahead of the clock is told, as tokens wait for the clock")
  func timeAhead() {
    let stage = Scenery(controlPlane: 1)
    func text(behind seconds: Int64) -> String {
      StatusReport(
        stage.cluster, now: stage.now.adding(seconds: -seconds),
        outlook: outlook(stage, healthy: nodes(1)), basis: .confirmed
      ).pretty
    }
    #expect(!text(behind: 10).contains("ahead"))
    #expect(text(behind: 42).contains("recorded time is 42s ahead of the clock here"))
  }

  @Test("With real API servers, status counts the ready ones")
  func kubernetes() {
    var stage = Scenery(controlPlane: 3)
    stage.setReady(2, false)
    let report = StatusReport(
      stage.cluster, now: stage.now, outlook: nil, basis: .replayed, realAPIServers: true)
    #expect(report.kubernetes == .servers(ready: 2, total: 3))
    #expect(
      report.pretty.contains(
        "kubernetes: 2 of 3 api servers ready; its objects are not kept here\n"))
  }

  @Test("Node tables are kubectl's, and wider ones have more columns")
  func nodeTables() throws {
    var stage = Scenery(controlPlane: 4)
    stage.join(5, .worker)
    stage.append(.nodeSuspected(NodeSuspected(node: NodeID(3))))
    stage.assign(
      [4: nil], cause: .departure, departing: .init(node: NodeID(4), kind: .leave, forced: false),
      joint: false, settle: false)
    stage.append(.nodeLeft(NodeLeft(node: NodeID(4))))
    let seen = NodeTable(
      stage.cluster, now: stage.now.adding(seconds: 90),
      outlook: outlook(stage, healthy: nodes(1, 2)))
    try expect(seen.table().render(), matches: "microk8s/nodes.txt")
    try expect(seen.table(wide: true).render(), matches: "microk8s/nodes-wide.txt")
    let recorded = NodeTable(stage.cluster, now: stage.now)
    #expect(
      recorded.rows.map(\.status) == [.ready, .ready, .notReady, .notReady, .unknown])
    #expect(recorded.rows.map(\.state) == [.ready, .ready, .suspected, .left, .unknown])
    #expect(recorded.rows.map(\.isLeader) == [true, false, false, false, false])
  }

  @Test("What comes from outside cannot break out of a YAML string")
  func quoting() {
    var stage = Scenery()
    var node = record(2, at: "[fd00::2]", .controlPlane)
    node.failureDomain = "a\"b\\c\n\u{1b}"
    stage.append(.nodeJoined(NodeJoined(node: node, token: TokenID(0x7f3a))))
    let yaml = report(stage, nil, .replayed).yaml
    #expect(yaml.contains("    failureDomain: \"a\\\"b\\\\c\\u000a\\u001b\"\n"))
    #expect(yaml.contains("    address: '[fd00::2]:25000'\n"))
  }
}
