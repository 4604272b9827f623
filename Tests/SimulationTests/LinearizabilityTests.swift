import Linearizability
import Membership
import Simulator
import Testing

@Suite struct LinearizabilityTests {
  typealias Members = LinearizabilityChecker<MembersModel>
  typealias Invitations = LinearizabilityChecker<InvitationModel>

  @Test("A list may show what is being added, and must show what was added before")
  func lists() {
    let add = Members.Operation(.add(1), .done, from: 0, to: 10)
    let early = Members.Operation(.list, .members([]), from: 1, to: 9)
    let late = Members.Operation(.list, .members([1]), from: 2, to: 8)
    let stale = Members.Operation(.list, .members([]), from: 11, to: 12)
    let checker = Members(MembersModel())
    #expect(checker.judge([add, early, late]) == .linearizable)
    #expect(checker.judge([add, stale]) == .notLinearizable)
  }

  @Test("What one list has shown, no later one takes back")
  func noWayBack() {
    let add = Members.Operation(.add(1), .done, from: 0, to: 100)
    let shown = Members.Operation(.list, .members([1]), from: 1, to: 5)
    let taken = Members.Operation(.list, .members([]), from: 6, to: 9)
    #expect(Members(MembersModel()).judge([add, shown, taken]) == .notLinearizable)
  }

  @Test("What was never answered may happen late, or never, but not before it was asked")
  func unknown() {
    let add = Members.Operation(.add(1), nil, from: 10)
    let before = Members.Operation(.list, .members([]), from: 20, to: 30)
    let after = Members.Operation(.list, .members([1]), from: 40, to: 50)
    let tooEarly = Members.Operation(.list, .members([1]), from: 1, to: 9)
    let checker = Members(MembersModel())
    #expect(checker.judge([add, before, after]) == .linearizable)
    #expect(checker.judge([add, before]) == .linearizable)
    #expect(checker.judge([add, tooEarly]) == .notLinearizable)
  }

  @Test("An invitation for two admits two of three, and refuses nobody before it is used up")
  func invitations() {
    let issue = Invitations.Operation(.issue(uses: 2), .done, from: 0, to: 1)
    func redeem(_ answer: InvitationModel.Answer?, _ from: UInt64, _ to: UInt64)
      -> Invitations.Operation
    { Invitations.Operation(.redeem, answer, from: from, to: to) }
    let checker = Invitations(InvitationModel())
    #expect(
      checker.judge([issue, redeem(.done, 2, 9), redeem(.usedUp, 3, 9), redeem(.done, 4, 9)])
        == .linearizable)
    #expect(
      checker.judge([issue, redeem(.done, 2, 9), redeem(.done, 3, 9), redeem(.done, 4, 9)])
        == .notLinearizable)
    #expect(
      checker.judge([issue, redeem(.done, 2, 3), redeem(.usedUp, 4, 5), redeem(.done, 6, 7)])
        == .notLinearizable)
    #expect(checker.judge([issue, redeem(.unknown, 2, 3)]) == .notLinearizable)
    // One that was never answered may have used it up.
    #expect(
      checker.judge([issue, redeem(.done, 2, 3), redeem(nil, 2, 3), redeem(.usedUp, 4, 5)])
        == .linearizable)
  }

  @Test("A history with more ways than allowed is undecided, never right")
  func limit() {
    let adds = (0..<20).map { Members.Operation(.add($0), .done, from: 0, to: 100) }
    let wrong = Members.Operation(.list, .members([77]), from: 101, to: 102)
    #expect(Members(MembersModel(), limit: 1_000).judge(adds + [wrong]) == .undecided)
  }

  // MARK: Histories of simulated clients

  @Test("What simulated clients saw of invitations is linearizable", arguments: 1...12)
  func simulatedInvitations(seed: UInt64) {
    let world = World.run(.violent(seed: seed, duration: 3 * second))
    #expect(world.violation == nil)
    let histories = invitationHistories(of: world)
    #expect(!histories.isEmpty)
    for history in histories {
      #expect(Invitations(InvitationModel()).judge(history) == .linearizable)
    }
  }

  @Test("What simulated clients saw of members is linearizable", arguments: 1...12)
  func simulatedMembers(seed: UInt64) {
    var options = WorldOptions.violent(seed: seed, duration: 3 * second)
    options.readShare = 40
    let world = World.run(options)
    #expect(world.violation == nil)
    #expect(!world.readRecords.isEmpty)
    for history in memberHistories(of: world) {
      #expect(Members(MembersModel(history.first)).judge(history.operations) == .linearizable)
    }
  }

  @Test("Reads that nobody confirmed are not linearizable")
  func unconfirmedReads() {
    for seed in 1...20 {
      var options = WorldOptions.violent(seed: UInt64(seed), duration: 5 * second)
      options.readShare = 40
      options.plant = .answersReadsAtOnce
      options.judgesReads = false
      let wrong = memberHistories(of: World.run(options)).contains {
        Members(MembersModel($0.first)).judge($0.operations) == .notLinearizable
      }
      if wrong { return }
    }
    Issue.record("not found")
  }

  /// One history for each invitation.
  private func invitationHistories(of world: World) -> [[Invitations.Operation]] {
    var tokens: [Digest: TokenID] = [:]
    var histories: [TokenID: [Invitations.Operation]] = [:]
    for operation in world.operations {
      if case .issueToken(let issued) = operation.request.command {
        tokens[issued.secrets[0].hash] = issued.id
      }
    }
    for operation in world.operations {
      let answer: InvitationModel.Answer?
      switch operation.state {
      case .committed: answer = .done
      case .refused("token-used"): answer = .usedUp
      case .refused("token-revoked"): answer = .revoked
      case .refused("token-unknown"), .refused("token-missing"): answer = .unknown
      case .refused: continue
      case .open, .abandoned: answer = nil
      }
      let (id, action): (TokenID?, InvitationModel.Action)
      switch operation.request.command {
      case .issueToken(let issued): (id, action) = (issued.id, .issue(uses: Int(issued.uses)))
      case .revokeToken(let revoked): (id, action) = (revoked, .revoke)
      case .join(let join): (id, action) = (tokens[join.secret], .redeem)
      default: continue
      }
      guard let id else { continue }
      histories[id, default: []].append(
        Invitations.Operation(action, answer, from: operation.begun, to: operation.ended ?? .max))
    }
    return histories.sorted { $0.key < $1.key }.map(\.value)
  }

  private struct MemberHistory {
    var first: Set<Int>
    var operations: [Members.Operation]
  }

  /// One history for each node that was ever a member: was it one, as the reads have it?
  private func memberHistories(of world: World) -> [MemberHistory] {
    var nodes: [CommandID: (node: NodeID, adds: Bool)] = [:]
    var founder: NodeID?
    for event in world.history {
      switch event.envelope.event {
      case .clusterFormed(let formed): founder = formed.first.id
      case .nodeJoined(let joined): nodes[event.envelope.command] = (joined.node.id, true)
      case .nodeLeft(let left): nodes[event.envelope.command] = (left.node, false)
      case .nodeRemoved(let removed): nodes[event.envelope.command] = (removed.node, false)
      default: break
      }
    }
    var changes: [NodeID: [Members.Operation]] = [:]
    if let founder { changes[founder] = [] }
    for operation in world.operations {
      guard let (node, adds) = nodes[operation.request.id] else { continue }
      var answer: MembersModel.Answer?
      if case .committed = operation.state { answer = .done }
      changes[node, default: []].append(
        Members.Operation(
          adds ? .add(0) : .remove(0), answer, from: operation.begun, to: operation.ended ?? .max))
    }
    return changes.sorted { $0.key < $1.key }.map { node, operations in
      let reads = world.readRecords.map { read in
        Members.Operation(
          .list, .members(read.members.contains(node) ? [0] : []), from: read.begun,
          to: read.ended)
      }
      return MemberHistory(first: node == founder ? [0] : [], operations: operations + reads)
    }
  }
}
