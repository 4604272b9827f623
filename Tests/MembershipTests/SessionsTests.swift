import Membership
import Testing

@Suite struct SessionsTests {
  @Test("A repeated command has the index of the first time, and appends nothing")
  func repeated() throws {
    var stage = try Stage.controlPlane(1)
    let id = stage.freshID()
    let token = TokenIssued(
      id: TokenID(5), secrets: [.init(hash: secret(5), roles: [.worker])], uses: 1, expires: nil)
    try stage.ask(.issueToken(token), id: id)
    let index = stage.cluster.lastIndex
    try stage.invite(6)
    #expect(
      try stage.ask(.issueToken(token), id: id)
        == .already(Already(first: index, latest: index, finished: true)))
    #expect(throws: Refusal.commandReused(id, first: index)) {
      try stage.ask(.issueToken(token), id: id, fingerprint: 2)
    }
  }

  @Test("Sessions are bounded by count; an id as old as what was forgotten is refused")
  func bounded() throws {
    var stage = try Stage.controlPlane(1)
    let ready = EndpointRefreshed(
      node: NodeID(1), endpoints: endpoints(1), apiserverReady: true, version: "0.1.0")
    var unready = ready
    unready.apiserverReady = false
    let id = stage.freshID()
    try stage.ask(.refreshEndpoints(ready), id: id)
    stage.now = stage.now.adding(seconds: 1)
    for i in 0..<Sessions.limit {
      try stage.ask(.refreshEndpoints(i % 2 == 0 ? unready : ready))
    }
    #expect(stage.cluster.sessions.count == Sessions.limit)
    #expect(throws: Refusal.commandForgotten(id)) {
      try stage.ask(.refreshEndpoints(unready), id: id)
    }
    #expect(throws: Never.self) { try stage.ask(.refreshEndpoints(unready)) }
  }

  @Test("Sessions are bounded by age, in the log's own time")
  func aged() throws {
    var stage = try Stage.controlPlane(1)
    let id = stage.freshID()
    let token = TokenID(5)
    let issue = Command.issueToken(
      TokenIssued(
        id: token, secrets: [.init(hash: secret(5), roles: [.worker])], uses: 1, expires: nil))
    try stage.ask(issue, id: id)
    for hour in 0..<24 {
      stage.now = stage.now.adding(seconds: 3600)
      try stage.invite(100 + hour)
    }
    #expect(stage.cluster.sessions[id] != nil)
    stage.now = Timestamp(milliseconds: stage.now.milliseconds + 1)
    try stage.invite(7)
    #expect(stage.cluster.sessions[id] == nil)
    #expect(throws: Refusal.commandForgotten(id)) { try stage.ask(issue, id: id) }
  }

  @Test("A leap of recorded time makes nobody forget what was carried out just before it")
  func leap() throws {
    var stage = try Stage.controlPlane(1)
    let id = stage.freshID()
    let issue = Command.issueToken(
      TokenIssued(
        id: TokenID(5), secrets: [.init(hash: secret(5), roles: [.worker])], uses: 1, expires: nil))
    try stage.ask(issue, id: id)
    let index = stage.cluster.lastIndex
    let right = stage.now
    stage.now = stage.now.adding(seconds: 366 * 86_400)
    try stage.invite(6)
    stage.clock = right
    #expect(
      try stage.ask(issue, id: id) == .already(Already(first: index, latest: index, finished: true))
    )
  }

  @Test("An id drawn far ahead of the cluster's time is refused, so that it cannot outlive memory")
  func future() throws {
    var stage = try Stage.controlPlane(1)
    func ask(_ seconds: Int64) throws(Refusal) {
      let id = CommandID(at: stage.now.adding(seconds: seconds), random: (1, 1))
      try stage.ask(.revokeToken(TokenID(1)), id: id)
    }
    #expect(throws: Refusal.tokenMissing(TokenID(1))) { try ask(3600) }
    #expect(throws: Refusal.self) { try ask(3601) }
    do { try ask(3601) } catch { #expect(error.code == "command-from-future") }
  }

  @Test("Ids drawn by right clocks are taken while recorded time is hours ahead of all clocks")
  func recordedTimeAhead() throws {
    var stage = try Stage.controlPlane(1)
    let right = stage.now
    // A clock was a year ahead for a while, and so were the ids that it drew.
    for hour in 0..<30 {
      stage.now = right.adding(seconds: 365 * 86_400 + Int64(hour) * 3600)
      try stage.invite(20 + hour)
    }
    let id = CommandID(at: right, random: (1, 1))
    let command = Command.revokeToken(TokenID(20))
    #expect(throws: Refusal.commandForgotten(id)) { try stage.ask(command, id: id) }
    stage.clock = right
    #expect(throws: Never.self) { try stage.ask(command, id: id) }
  }

  @Test("An id says when it was drawn")
  func drawn() {
    let time = Timestamp(milliseconds: 1_792_811_520_123)
    let id = CommandID(at: time, random: (.max, 5))
    #expect(id.drawn == time)
    #expect(CommandID(id.description) == id)
    #expect(CommandID(at: Timestamp(milliseconds: .min), random: (0, 0)).drawn.milliseconds == 0)
    #expect(CommandID(at: Timestamp(milliseconds: .max), random: (0, 0)).drawn.milliseconds > 0)
  }

  @Test("Sessions restored from what was kept are the same sessions")
  func restored() throws {
    var stage = try Stage.controlPlane(3)
    for hour in 0..<30 {
      stage.now = stage.now.adding(seconds: 3600)
      try stage.invite(20 + hour)
    }
    try stage.join(4)
    let sessions = stage.cluster.sessions
    #expect(Sessions(restoring: sessions.all, forgotten: sessions.forgotten) == sessions)
    #expect(sessions.forgotten != nil)
  }
}
