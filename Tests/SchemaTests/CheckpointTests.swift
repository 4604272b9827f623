import Membership
import Schema
import Testing

@Suite("A state that was packed is the same when it is read again")
struct CheckpointTests {
  /// A state with everything in it that a state can hold.
  private var everything: Cluster {
    let time = Timestamp(milliseconds: 1_760_000_000_000)
    let attribution = Attribution(
      command: Samples.command, fingerprint: 7, actor: "root@n1", reason: "drill")
    let record = NodeRecord(
      id: NodeID(0xfeed), name: "n1", role: .controlPlane,
      endpoints: Endpoints(
        cluster: Address("10.0.0.1:25000")!, datastore: Address("[fd00::1]:19001"),
        apiserver: Address("10.0.0.1:16443"), extra: [Address("192.168.1.1:25000")!]),
      key: Samples.digest(0x40), failureDomain: "rack-1", version: "0.1.0")
    var other = record
    other.id = NodeID(2)
    other.name = "n2"
    other.role = .worker
    other.endpoints = Endpoints(cluster: Address("10.0.0.2:25000")!)
    var member = Member(
      record: record, joined: time, joinIndex: 1, token: TokenID(5), datastoreRole: .voter,
      apiserverReady: true, suspectedSince: time, suspicions: [time, time], endpointIndex: 9)
    member.lostSince = time
    member.maintenance = .init(index: 8, since: time, until: time)
    member.lentTo = NodeID(2)
    member.roleIndex = 6
    member.certificates = [.init(subject: "/CN=a", expires: time, index: 5)]
    let issued = TokenIssued(
      id: TokenID(5),
      secrets: [.init(hash: Samples.digest(0x50), roles: [.controlPlane, .worker])], uses: 3,
      expires: time)
    return Cluster(
      id: Samples.cluster, incarnation: 2, formed: time,
      nodes: [
        member,
        Member(
          record: other, joined: time, joinIndex: 3, state: .left(index: 8, time: time),
          endpointIndex: 3),
      ],
      departed: [
        Departed(
          node: NodeID(3), name: "ü", key: Samples.digest(0x60), how: .removed(forced: true),
          index: 7, time: time, actor: "root@n1", reason: ""),
        Departed(
          node: NodeID(4), name: "n4", key: Samples.digest(0x70), how: .leftBehind,
          index: 9, time: time, actor: "root@m1", reason: "all lost"),
        Departed(
          node: NodeID(5), name: "n5", key: Samples.digest(0x80), how: .replaced(by: NodeID(6)),
          index: 10, time: time, actor: "token 1f0c", reason: ""),
      ],
      tokens: [
        Token(
          issued: issued, index: 2, time: time, actor: "a",
          redemptions: [.init(node: NodeID(2), name: "n2", index: 3, time: time)],
          revocation: .init(index: 4, time: time, actor: "b"))
      ], leader: NodeID(0xfeed), term: 4,
      joint: JointRoles(outgoing: [NodeID(0xfeed)], attribution: attribution, index: 6),
      departure: Departure(
        node: NodeID(3), kind: .remove, forced: true, attribution: attribution, index: 6,
        settled: true),
      policy: Policy(
        voters: 7, standbys: 0, suspectAfter: 3000, recoverAfter: 4000, spread: false),
      policyIndex: 5,
      lastIndex: 1 << 40, lastTime: time, endpointIndex: 9,
      sessions: Sessions(
        restoring: [
          .init(command: Samples.command, fingerprint: .max, first: 2, latest: 3, time: time)
        ], forgotten: time))
  }

  @Test("with all that it may hold, and with nothing")
  func roundTrip() throws {
    #expect(try Cluster(packed: everything.packed()) == everything)
    #expect(try Cluster(packed: Cluster().packed()) == Cluster())
  }

  @Test("without the commands, if they are not asked for")
  func bare() throws {
    let read = try Cluster(packed: everything.packed(), commands: false)
    #expect(!everything.sessions.all.isEmpty && read.sessions == Sessions())
    #expect(read.nodes == everything.nodes && read.tokens == everything.tokens)
    #expect(read.departed == everything.departed && read.lastIndex == everything.lastIndex)
  }

  @Test("with sessions of any ids, indexes and times")
  func sessions() throws {
    var random = Seeded(state: 1)
    func number() -> UInt64 {
      [0, 1, .max, 1 << 47, .random(in: 0...(.max), using: &random)].randomElement(
        using: &random)!
    }
    for count in [0, 1, 2, 300] {
      let sessions = (0..<count).map { _ in
        Sessions.Session(
          command: CommandID(high: number(), low: number()), fingerprint: number(),
          first: number(), latest: number(),
          time: Timestamp(milliseconds: Int64(bitPattern: number())))
      }
      let state = Cluster(
        id: Samples.cluster, incarnation: 1, formed: Timestamp(milliseconds: 0),
        sessions: Sessions(restoring: sessions, forgotten: nil))
      #expect(try Cluster(packed: state.packed()).sessions.all == sessions)
      let bare = try Cluster(packed: state.packed(), commands: false)
      #expect(bare == Cluster(id: state.id, incarnation: 1, formed: state.formed))
    }
  }

  @Test("One flipped bit, one byte less or one more, and it is not read")
  func damage() {
    let bytes = everything.packed()
    for position in bytes.indices {
      for bit in 0..<8 as Range<UInt8> {
        var altered = bytes
        altered[position] ^= 1 << bit
        #expect(throws: Malformed.self) { try Cluster(packed: altered) }
      }
      #expect(throws: Malformed.self) { try Cluster(packed: Array(bytes[..<position])) }
    }
    #expect(throws: Malformed.self) { try Cluster(packed: bytes + [0]) }
  }
}
