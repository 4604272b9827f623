import FoundationEssentials
import Membership
import Testing

@Suite struct RefusalTests {
  private var everyKind: [Refusal] {
    let time = Timestamp(milliseconds: 1_792_811_520_000)
    let token = TokenID(0x1f0c)
    let id = CommandID(at: time, random: (1, 2))
    let gone = Departed(
      node: NodeID(3), name: "n3", key: key(3), how: .removed(forced: true), index: 1043,
      time: time, actor: "root@n1", reason: "dead")
    let left = Departed(
      node: NodeID(4), name: "n4", key: key(4), how: .left, index: 99, time: time,
      actor: "root@n4", reason: "")
    let last = Token.Redemption(node: NodeID(2), name: "n2", index: 17, time: time)
    let loss = { (when: Refusal.QuorumLoss.When, voters: [String], reachable: [String]) in
      Refusal.quorumLoss(
        "n3",
        Refusal.QuorumLoss(
          when: when, voters: voters, reachable: reachable, needed: voters.count / 2 + 1))
    }
    return [
      .tokenUnknown, .tokenMissing(token), .tokenExpired(token, at: time),
      .tokenUsedUp(token, uses: 1, last: last),
      .tokenRevoked(token, Token.Revocation(index: 5, time: time, actor: "root@n1")),
      .tokenRole(token, asked: .controlPlane, admits: [.worker]),
      .tokenRole(token, asked: .worker, admits: [.controlPlane]), .tokenTaken(token),
      .tokenInvalid("it needs secrets"), .nameInvalid("N\u{1b}1", .upperCase("N")),
      .nameTaken("n2", by: NodeID(2), since: 5),
      .addressTaken(address("127.0.0.2:25000"), by: "n2", since: 5),
      .recordInvalid(node: "n9", why: "its id is 0"), .keyDeparted(gone), .keyDeparted(left),
      .identityTaken(NodeID(2), by: "n2"), .nodeUnknown("n7", gone: nil),
      .nodeUnknown("n\u{9b}7", gone: nil), .requestInvalid("its reason is too long"),
      .nodeUnknown("n3", gone: gone), .nodeAmbiguous("10.0.0.1", matches: ["n1", "n2", "n3"]),
      .alone("n1"), .alive("n3"), .replacesAlive("n3"), .itself("n1"), .reasonMissing("n3"),
      .lastControlPlane("n1", dependents: 0), .unreachable("n3"),
      .lastControlPlane("n1", dependents: 2), loss(.now, ["n1", "n2", "n3"], ["n1"]),
      loss(.after, ["n1", "n2", "n4"], []), loss(.after, ["n1", "n2", "n4", "n5"], ["n1", "n2"]),
      .noSuccessor("n1", candidates: ["n2"]), .noSuccessor("n1", candidates: ["n2", "n3"]),
      .busy("the departure of n2, which began at index 17,"),
      .suspectedTooOften("n2", since: time), .rolesInvalid("no voter would remain"), .notFormed,
      .policyInvalid(Policy(voters: 4).flaw ?? ""), .policyInvalid(Policy(standbys: 9).flaw ?? ""),
      .policyInvalid(Policy(suspectAfter: 5).flaw ?? ""), .notInMaintenance("n2"),
      .clockBehind(11_500), .lowOnSpace, .commandReused(id, first: 8), .commandForgotten(id),
      .commandFromFuture(id),
    ]
  }

  @Test("Each refusal says what was asked, why not and what to do next")
  func messages() throws {
    let text = everyKind.map { "\($0.exitCode) \($0.code)\n  \($0.message)\n" }.joined()
    let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Fixtures/scenarios/refusals.txt")
    if ProcessInfo.processInfo.environment["UPDATE_FIXTURES"] == "1" {
      return try Data(text.utf8).write(to: url)
    }
    #expect(try text == String(decoding: Data(contentsOf: url), as: UTF8.self))
  }

  @Test("Nothing that came from outside reaches a terminal as a control character")
  func printable() {
    for refusal in everyKind {
      #expect(
        refusal.message.unicodeScalars.allSatisfy {
          $0.value >= 32 && !(0x7f...0x9f).contains($0.value)
        })
    }
  }

  @Test("Codes are distinct, and exit codes are the contract's")
  func codes() {
    let byCode = Dictionary(grouping: everyKind, by: \.code)
    for (_, kinds) in byCode { #expect(Set(kinds.map(\.exitCode)).count == 1) }
    #expect(byCode.count == 36)
    #expect(everyKind.allSatisfy { [1, 2, 3, 5, 6, 7].contains($0.exitCode) })
  }
}
