import Membership
import Projections
import Testing

@Suite struct TextTests {
  @Test(
    "Ages print as kubectl prints them",
    arguments: [
      (-5000, "0s"), (0, "0s"), (5999, "5s"), (119_000, "119s"), (120_000, "2m"),
      (192_000, "3m12s"), (599_000, "9m59s"), (600_000, "10m"), (10_799_000, "179m"),
      (10_800_000, "3h"), (11_460_000, "3h11m"), (28_800_000, "8h"), (172_799_000, "47h"),
      (172_800_000, "2d"), (266_400_000, "3d2h"), (691_200_000, "8d"), (62_985_600_000, "729d"),
      (63_072_000_000, "2y"), (63_158_400_000, "2y1d"), (252_288_000_000, "8y"),
    ] as [(Int64, String)])
  func ages(milliseconds: Int64, text: String) {
    #expect(Age(milliseconds: milliseconds).description == text)
  }

  @Test("Below a second, contact is told in milliseconds")
  func precise() {
    #expect(Age(milliseconds: 38).precise == "38ms")
    #expect(Age(milliseconds: 1000).precise == "1s")
    #expect(Age(milliseconds: -1).precise == "0ms")
    #expect(Age(milliseconds: .max).description.hasSuffix("y"))
  }

  @Test("A table is as wide as its cells, and its lines do not end in spaces")
  func table() {
    let table = TextTable(header: ["A", "LONG", "C"], rows: [["aaa", "b", ""], ["", "é", "c"]])
    #expect(table.render() == "A     LONG   C\naaa   b\n      é      c\n")
    #expect(TextTable(header: ["A"]).render(indent: 2) == "  A\n")
  }

  @Test("The token list tells what can still be done with each invitation")
  func tokens() throws {
    var stage = Scenery()
    let soon = stage.now.adding(seconds: 60)
    for (id, uses, expires) in [(1, 1, nil), (2, 2, soon), (3, 0, soon)]
      as [(UInt64, UInt32, Timestamp?)]
    {
      stage.append(
        .tokenIssued(
          TokenIssued(
            id: TokenID(id), secrets: [.init(hash: digest(Int(id)), roles: [.worker])], uses: uses,
            expires: expires)))
    }
    stage.append(
      .nodeJoined(NodeJoined(node: record(2, at: "10.0.0.2", .worker), token: TokenID(1))))
    stage.append(.tokenRevoked(TokenRevoked(id: TokenID(3))))
    let before = TokenList(stage.cluster, now: stage.now)
    #expect(before.rows.map(\.state) == [.active, .usedUp, .active, .revoked])
    let list = TokenList(stage.cluster, now: soon)
    #expect(list.rows.map(\.state) == [.active, .usedUp, .expired, .revoked])
    try expect(list.table().render(), matches: "microk8s/tokens.txt")
  }

  @Test("Each event is told in a line, with what it meant for the quorum")
  func summaries() throws {
    var stage = Scenery(controlPlane: 4)
    stage.suspect(2)
    stage.assign([2: .standby, 4: .voter], cause: .replaced, joint: true, settle: true)
    stage.append(.nodeRecovered(NodeRecovered(node: NodeID(2))))
    stage.join(5, .worker)
    stage.append(.tokenRevoked(TokenRevoked(id: TokenID(0x7f3a))))
    stage.append(.nodeRemoved(NodeRemoved(node: NodeID(5), forced: true)), reason: "sold")
    stage.assign(
      [1: .voter, 2: nil].filter { $0.key != 1 }, cause: .departure,
      departing: .init(node: NodeID(2), kind: .leave, forced: false), joint: false, settle: false)
    stage.append(.nodeLeft(NodeLeft(node: NodeID(2))))
    stage.append(.nodeRemoved(NodeRemoved(node: NodeID(2), forced: false)))
    stage.setReady(3, false)
    let lines = stage.log.map { recorded, before, after in
      let summary = EventSummary(recorded, before: before, after: after)
      return "\(recorded.index) \(recorded.envelope.event.type.name)"
        + " [\(summary.subject)] \(summary.effect)\n"
    }
    try expect(lines.joined(), matches: "microk8s/events.txt")
  }

  @Test("A silence that ended in an election is told: without a quorum nothing else tells of it")
  func silence() throws {
    var stage = Scenery(controlPlane: 3)
    for (seconds, words) in [(9, nil), (146, "the first event after 2m26s")] as [(Int64, String?)] {
      stage.now = stage.now.adding(seconds: seconds)
      stage.append(.leaderElected(LeaderElected(node: NodeID(2))))
      let (recorded, before, after) = try #require(stage.log.last)
      let effect = EventSummary(recorded, before: before, after: after).effect
      let term = stage.cluster.term
      #expect(effect == "n2 leads in term \(term)" + (words.map { " · \($0)" } ?? ""))
    }
  }

  @Test("Of a node's addresses those are told that are new")
  func addresses() throws {
    var stage = Scenery(controlPlane: 1)
    let record = try #require(stage.cluster.node(NodeID(1))).record
    var endpoints = record.endpoints
    func effect(_ change: (inout Endpoints) -> Void) throws -> String {
      change(&endpoints)
      stage.append(
        .endpointRefreshed(
          EndpointRefreshed(
            node: record.id, endpoints: endpoints, apiserverReady: true, version: record.version)))
      let (recorded, before, after) = try #require(stage.log.last)
      return EventSummary(recorded, before: before, after: after).effect
    }
    #expect(
      try effect { $0.extra = [address("10.9.0.1:25000")] }
        == "n1 further addresses 10.9.0.1:25000")
    #expect(try effect { $0.extra = [] } == "n1 no further address any more")
    #expect(
      try effect { $0.apiserver = address("10.0.0.1:6443") } == "n1 api server now at 10.0.0.1:6443"
    )
    #expect(
      try effect { $0.cluster = address("10.0.0.7:25000") } == "n1 now at 10.0.0.7:25000")
  }
}
