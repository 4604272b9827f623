import Membership
import Projections
import Testing

/// The last line of status is advice at three in the morning: what it says can be done, is worth
/// doing, and is not what happens by itself.
@Suite("What status advises")
struct NextStepTests {
  /// The report of n1, which leads and sees all others ready but for these.
  private func report(
    _ stage: Scenery, silent: [Int: Int64?] = [:], hindered: [Int: Hindrance] = [:],
    hasLeader: Bool = true, unseen: Set<NodeID> = [], after seconds: Int64 = 125
  ) -> StatusReport {
    var sightings: [NodeID: Outlook.Sighting] = [:]
    var healthy: Set<NodeID> = [NodeID(1)]
    for member in stage.cluster.nodes where member.id != NodeID(1) {
      let n = Int(member.id.rawValue)
      if let silence = silent[n] {
        guard let silence else { continue }
        sightings[member.id] = .init(ready: silence < 2000, contactAge: silence)
      } else {
        sightings[member.id] = .init(ready: true, contactAge: 38)
        if hindered[n] == nil, member.isControlPlane { healthy.insert(member.id) }
      }
    }
    let hindrances = hindered.map { (NodeID(UInt64($0)), $1) }
    return StatusReport(
      stage.cluster, now: stage.now.adding(seconds: seconds),
      outlook: Outlook(
        by: NodeID(1), hasLeader: hasLeader, healthyVoters: healthy, sightings: sightings,
        unseen: unseen, hindrances: Dictionary(uniqueKeysWithValues: hindrances)), basis: .confirmed
    )
  }

  @Test("Workers that are there are promoted before more machines are asked for")
  func growth() {
    let end = ": three control-plane nodes make it highly available"
    var stage = Scenery(controlPlane: 1)
    #expect(report(stage).next == "muster add-node, and muster join on two more nodes" + end)
    stage.join(2, .worker)
    #expect(
      report(stage).next
        == "muster role n2 control-plane, then muster add-node, and muster join on a third node"
        + end)
    stage.join(3, .worker)
    stage.join(4, .worker)
    let both = "muster role n2 control-plane and muster role n3 control-plane" + end
    #expect(report(stage).next == both)
    #expect(
      report(stage, silent: [3: 9000]).next == "bring n3 back", "who is silent comes first")
    var two = Scenery(controlPlane: 2)
    #expect(report(two).next == "muster add-node, and muster join on a third node" + end)
    two.join(3, .worker)
    #expect(report(two).next == "muster role n3 control-plane" + end)
    #expect(report(Scenery(controlPlane: 3)).next == nil)
  }

  @Test("A worker that joined a moment ago is on its way, and nobody is told to bring it back")
  func newcomer() {
    var stage = Scenery(controlPlane: 3)
    stage.join(4, .worker)
    let fresh = report(stage, silent: [4: nil], after: 1)
    #expect(fresh.next == nil && fresh.nodes.rows.last?.state == .joining)
    let late = report(stage, silent: [4: nil], after: 31)
    #expect(late.next?.hasPrefix("bring n4 back, or, if n4 is gone for good: ") == true)
    #expect(late.nodes.rows.last?.state == .notReady)
  }

  @Test("Who was lost and is in contact again comes back by itself; who is not is to be brought")
  func recovered() {
    var stage = Scenery(controlPlane: 3)
    stage.suspect(3)
    let back = report(stage)
    #expect(back.next == nil && !back.highAvailability.isHighlyAvailable)
    #expect(
      back.troubles.map(\.observed)
        == ["observed by n1: in contact again, and counts once that has lasted"])
    #expect(report(stage, hindered: [3: .forgotten]).next == nil, "it fetches what it lacks")
    for silence in [1000, 12_000] as [Int64] {
      #expect(report(stage, silent: [3: silence]).next?.hasPrefix("bring n3 back (") == true)
    }
    #expect(
      report(stage, hindered: [3: .disk]).next
        == "make room on the disk of n3 (muster doctor there says where)")
  }

  @Test("Another machine takes a dead one's place only once the dead one counts as alive no more")
  func replacement() {
    var stage = Scenery(controlPlane: 3)
    let short = "bring n3 back (muster doctor there says what is wrong)"
    for silence in [29_000, nil] as [Int64?] {
      let report = report(stage, silent: [3: silence], after: 1)
      #expect(report.next == short && report.nodes.rows.last?.state == .notReady)
    }
    stage.suspect(3)
    let early = report(stage, silent: [3: nil], after: 29)
    #expect(early.next == short, "a leader that never heard from it gives it as long")
    for silence in [30_000, nil] as [Int64?] {
      let long = report(stage, silent: [3: silence]).next ?? ""
      #expect(long.hasPrefix(short) && long.contains("--replace n3"), "\(long)")
    }
    var worker = Scenery(controlPlane: 3)
    worker.join(4, .worker)
    #expect(report(worker, silent: [4: 31_000]).next?.contains("muster remove-node n4") == true)
  }

  @Test("Who counts is not to be brought back, though what was told of it is a second old")
  func told() {
    let stage = Scenery(controlPlane: 3)
    let late = Outlook.Sighting(ready: true, contactAge: 1_400)
    let outlook = Outlook(
      by: NodeID(2), hasLeader: true, healthyVoters: [NodeID(1), NodeID(2), NodeID(3)],
      sightings: [NodeID(1): late, NodeID(3): late])
    let report = StatusReport(
      stage.cluster, now: stage.now, outlook: outlook, basis: .confirmed)
    #expect(report.next == nil && report.highAvailability.isHighlyAvailable)
  }

  @Test("Without a quorum the machines come first, and only then what begins anew without them")
  func quorum() {
    let next = report(Scenery(controlPlane: 3), hasLeader: false).next ?? ""
    #expect(next.hasPrefix("2 of 3 voters must reach one another: "), "\(next)")
    #expect(next.contains("if too many of them are gone for good, muster export"), "\(next)")
  }

  @Test("A node whose link closed is not ready, and nobody says that it is in contact")
  func closedLink() {
    var stage = Scenery(controlPlane: 3)
    let report = report(stage, hindered: [3: .link])
    #expect(report.nodes.rows.map(\.state) == [.ready, .ready, .notReady])
    #expect(
      report.troubles.map(\.sentence)
        == ["n3: observed by n1: its link closed, last heard from 38ms ago"])
    #expect(report.next?.hasPrefix("bring n3 back") == true)
    // One that was a worker for a while holds nothing yet, like any newcomer.
    stage = Scenery(controlPlane: 4)
    #expect(self.report(stage, hindered: [4: .forgotten]).troubles.isEmpty)
    #expect(self.report(stage, hindered: [3: .forgotten]).troubles.count == 1)
  }

  @Test("Who was not looked at yet is neither silent nor well, and nobody is told to bring it back")
  func unseen() {
    let stage = Scenery(controlPlane: 5)
    let report = report(
      stage, silent: [2: nil, 3: nil, 4: nil], unseen: nodes(2, 3, 4), after: 1)
    #expect(report.next == nil && report.troubles.isEmpty)
    #expect(report.nodes.rows.map(\.state) == [.ready, .unknown, .unknown, .unknown, .ready])
    let high = report.highAvailability
    #expect(!high.isHighlyAvailable && high.warning == nil)
    #expect(high.sentence == "can lose: unknown, n2 and n3 were not heard from yet")
    #expect(self.report(stage, silent: [2: nil], after: 1).next?.hasPrefix("bring n2 back") == true)
  }

  @Test("A leader that is not confirmed did not hear from itself")
  func basis() {
    let three = Scenery(controlPlane: 3)
    func last(_ since: Int64?, hasLeader: Bool = true) -> String {
      var report = report(three, hasLeader: hasLeader)
      report.basis = .local(sinceLeader: since)
      return report.pretty.split(separator: "\n").last.map(String.init) ?? ""
    }
    #expect(last(0).hasSuffix("leader n1, which no majority of voters has confirmed just now"))
    #expect(
      last(nil, hasLeader: false).hasSuffix("seen from n1 which has heard from no leader yet"))
    #expect(
      last(4000, hasLeader: false).hasSuffix("seen from n1 which heard from the leader 4s ago"))
  }
}
