import Membership
import Testing

@Suite struct JoinTests {
  private func ask(
    _ stage: inout Stage, _ n: Int, role: NodeRole = .controlPlane, secret hash: Digest
  ) -> Refusal? {
    do {
      try stage.ask(.join(Command.Join(node: record(n, role), secret: hash)))
      return nil
    } catch { return error }
  }

  @Test("A join spends its token in the same event")
  func spends() throws {
    var stage = Stage.formed()
    let token = try stage.invite(2)
    #expect(stage.cluster.token(token)?.remaining == 1)
    #expect(ask(&stage, 2, secret: secret(2)) == nil)
    #expect(stage.cluster.node(NodeID(2))?.isActive == true)
    #expect(stage.cluster.token(token)?.remaining == 0)
    #expect(stage.cluster.token(token)?.redemptions.map(\.name) == ["n2"])
    #expect(stage.cluster.token(token)?.state(at: stage.now) == .usedUp)
  }

  @Test("Unknown, used up, expired, revoked and wrong role are five refusals, each exit 6")
  func reasons() throws {
    var stage = Stage.formed()
    var seen: [Refusal?] = []
    seen.append(ask(&stage, 2, secret: secret(99)))
    #expect(seen.last == .tokenUnknown)

    let used = try stage.invite(2)
    try stage.ask(.join(Command.Join(node: record(2), secret: secret(2))))
    let joined = stage.cluster.lastIndex
    seen.append(ask(&stage, 3, secret: secret(2)))
    let last = Token.Redemption(node: NodeID(2), name: "n2", index: joined, time: stage.now)
    #expect(seen.last == .tokenUsedUp(used, uses: 1, last: last))

    let expires = stage.now.adding(seconds: 60)
    let short = try stage.invite(4, expires: expires)
    stage.now = expires
    seen.append(ask(&stage, 4, secret: secret(4)))
    #expect(seen.last == .tokenExpired(short, at: expires))

    let revoked = try stage.invite(5)
    try stage.ask(.revokeToken(revoked), actor: "root@n2")
    let revocation = Token.Revocation(
      index: stage.cluster.lastIndex, time: stage.now, actor: "root@n2")
    seen.append(ask(&stage, 5, secret: secret(5)))
    #expect(seen.last == .tokenRevoked(revoked, revocation))

    let workers = try stage.invite(6)
    seen.append(ask(&stage, 6, secret: secret(1006)))
    #expect(seen.last == .tokenRole(workers, asked: .controlPlane, admits: [.worker]))

    #expect(seen.allSatisfy { $0?.exitCode == 6 })
    #expect(Set(seen.compactMap { $0?.code }).count == 5)
    #expect(Set(seen.compactMap { $0?.message }).count == 5)
  }

  @Test("A token with several uses admits that many, one without a limit any number")
  func uses() throws {
    var stage = Stage.formed()
    try stage.invite(50, uses: 2)
    try stage.invite(60, uses: 0)
    #expect(ask(&stage, 2, secret: secret(50)) == nil)
    #expect(ask(&stage, 3, role: .worker, secret: secret(1050)) == nil)
    #expect(ask(&stage, 4, secret: secret(50))?.code == "token-used")
    for n in 4...12 { #expect(ask(&stage, n, role: .worker, secret: secret(1060)) == nil) }
    #expect(stage.cluster.token(TokenID(60))?.remaining == nil)
  }

  @Test("Names and addresses are taken by active members, and free once those have left")
  func taken() throws {
    var stage = try Stage.controlPlane(3)
    try stage.invite(9, uses: 0)
    var twin = record(9)
    twin.name = "n2"
    func join() throws(Refusal) {
      try stage.ask(.join(Command.Join(node: twin, secret: secret(9))))
    }
    #expect(throws: Refusal.nameTaken("n2", by: NodeID(2), since: stage.since(2))) { try join() }
    twin.name = "n9"
    twin.endpoints.extra = [address("127.0.0.3:19001")]
    #expect(
      throws: Refusal.addressTaken(address("127.0.0.3:19001"), by: "n3", since: stage.since(3))
    ) { try join() }
    twin.endpoints.extra = []
    twin.name = "n2"
    twin.endpoints = endpoints(2)
    try stage.ask(.leave(NodeID(2)))
    #expect(
      throws: Refusal.nameTaken("n2", by: NodeID(2), since: stage.since(2)), "it is still leaving"
    ) { try join() }
    stage.keepRoles()
    #expect(stage.cluster.node(named: "n2")?.isActive == false)
    try join()
    #expect(stage.cluster.nodes.map(\.id) == [NodeID(1), NodeID(3), NodeID(9)])
    #expect(stage.cluster.departed(NodeID(2)) != nil)
  }

  @Test("A departed key is refused, whatever token comes with it")
  func departedKey() throws {
    var stage = try Stage.controlPlane(3)
    try stage.ask(.leave(NodeID(3)))
    stage.keepRoles()
    try stage.invite(30, uses: 0)
    var again = record(3)
    again.id = NodeID(33)
    #expect(throws: Refusal.keyDeparted(try #require(stage.cluster.departed(key: key(3))))) {
      try stage.ask(.join(Command.Join(node: again, secret: secret(30))))
    }
    #expect(throws: Refusal.self) {
      try stage.ask(.join(Command.Join(node: again, secret: secret(99))))
    }
  }

  @Test("Who is a member already is told where it joined, even by a token that is used up")
  func repeated() throws {
    var stage = Stage.formed()
    try stage.join(2)
    let index = stage.cluster.lastIndex
    let again = try stage.ask(.join(Command.Join(node: record(2), secret: secret(2))))
    #expect(again == .already(Already(first: index, latest: index, finished: true)))
    var other = record(2)
    other.key = key(77)
    #expect(throws: Refusal.identityTaken(NodeID(2), by: "n2")) {
      try stage.ask(.join(Command.Join(node: other, secret: secret(2))))
    }
  }

  @Test("A record that the log should not keep is refused")
  func unsound() throws {
    var stage = Stage.formed()
    try stage.invite(2, uses: 0)
    func join(_ change: (inout NodeRecord) -> Void) -> String? {
      var node = record(2)
      change(&node)
      do {
        try stage.ask(.join(Command.Join(node: node, secret: secret(2))))
        return nil
      } catch { return error.code }
    }
    #expect(join { $0.name = "N2" } == "name-invalid")
    #expect(join { $0.failureDomain = "" } == "record-invalid")
    #expect(join { $0.failureDomain = "a\u{1b}[31m" } == "record-invalid")
    #expect(join { $0.version = String(repeating: "1", count: 65) } == "record-invalid")
    #expect(join { $0.endpoints.datastore = nil } == "record-invalid")
    #expect(join { $0.endpoints.cluster = address("0.0.0.0:25000") } == "record-invalid")
    #expect(join { $0.endpoints.datastore = $0.endpoints.cluster } == "record-invalid")
    #expect(
      join { $0.endpoints.extra = (1...17).map { address("10.0.0.\($0):1") } }
        == "record-invalid")
    #expect(join { _ in } == nil)
  }

  @Test("With recorded time ahead of the clock, or a full disk, nobody comes in but all may go")
  func circumstances() throws {
    var stage = try Stage.controlPlane(3)
    try stage.invite(8)
    var observation = stage.observation
    observation.clock = stage.now.adding(seconds: -11)
    func decide(_ command: Command) throws(Refusal) -> Decision {
      try stage.cluster.decide(
        Request(id: CommandID(high: 0, low: 99), command: command, actor: "a"), fingerprint: 1,
        at: stage.now, observation: observation)
    }
    let join = Command.join(Command.Join(node: record(8), secret: secret(8)))
    #expect(throws: Refusal.clockBehind(11_000)) { _ = try decide(join) }
    observation.clock = stage.now.adding(seconds: -10)
    observation.lowOnSpace = true
    #expect(throws: Refusal.lowOnSpace) { _ = try decide(join) }
    #expect(throws: Never.self) { _ = try decide(.leave(NodeID(2))) }
    observation.lowOnSpace = false
    #expect(throws: Never.self) { _ = try decide(join) }
  }

  @Test("Actor and reason are short printable text")
  func texts() throws {
    var stage = try Stage.controlPlane(3)
    for reason in ["a\nb", "\u{1b}[2J", String(repeating: "x", count: 1025)] {
      do {
        try stage.ask(.leave(NodeID(2)), reason: reason)
        Issue.record("\(reason.debugDescription) was taken")
      } catch { #expect(error.code == "request-invalid") }
    }
    try stage.ask(.leave(NodeID(2)), reason: "Wartung: 3 Stühle, 5 €")
  }

  @Test("Endpoints are recorded only when they change")
  func refresh() throws {
    var stage = try Stage.controlPlane(1)
    let before = stage.cluster.endpointIndex
    var refreshed = EndpointRefreshed(
      node: NodeID(1), endpoints: endpoints(1), apiserverReady: false, version: "0.1.0")
    #expect(
      try stage.ask(.refreshEndpoints(refreshed))
        == .already(Already(first: 1, latest: 1, finished: true)))
    refreshed.apiserverReady = true
    try stage.ask(.refreshEndpoints(refreshed))
    #expect(stage.cluster.servingAPI.map(\.id) == [NodeID(1)])
    #expect(stage.cluster.endpointIndex == before, "one unready API server was listed before too")
    refreshed.endpoints.apiserver = address("127.0.0.1:6443")
    try stage.ask(.refreshEndpoints(refreshed))
    #expect(stage.cluster.endpointIndex == stage.cluster.lastIndex)
    try stage.join(2, .worker)
    var worker = EndpointRefreshed(
      node: NodeID(2), endpoints: endpoints(1, .worker), apiserverReady: false, version: "0.1.0")
    #expect(
      throws: Refusal.addressTaken(address("127.0.0.1:25000"), by: "n1", since: stage.since(1))
    ) {
      try stage.ask(.refreshEndpoints(worker))
    }
    worker.endpoints = endpoints(3)
    #expect(throws: Refusal.self) { try stage.ask(.refreshEndpoints(worker)) }
    #expect(stage.cluster.endpointIndex < stage.cluster.lastIndex, "workers are not in the list")
  }
}
