import Membership
import Testing

@testable import Schema

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

  private func newest(_ state: Cluster) -> [UInt8] {
    StoredState.newest(state.packed(), commands: state.packedCommands())
  }

  @Test("with all that it may hold, and with nothing")
  func roundTrip() throws {
    for state in [everything, Cluster()] {
      #expect(try StoredState.read(newest(state), commands: true) == state)
    }
  }

  @Test("without the commands, if they are not stored or not asked for")
  func bare() throws {
    for stored in [newest(everything), StoredState.whole(everything.packed())] {
      let read = try StoredState.read(stored)
      #expect(!everything.sessions.all.isEmpty && read.sessions == Sessions())
      #expect(!read.remembersCommands && read == everything.withoutCommands)
      #expect(read.nodes == everything.nodes && read.tokens == everything.tokens)
      #expect(read.departed == everything.departed && read.lastIndex == everything.lastIndex)
    }
    #expect(throws: Malformed.self) {
      try StoredState.read(StoredState.whole(everything.packed()), commands: true)
    }
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
      #expect(try StoredState.read(newest(state), commands: true).sessions.all == sessions)
      let bare = try StoredState.read(newest(state))
      #expect(bare == Cluster(id: state.id, incarnation: 1, formed: state.formed))
    }
  }

  @Test("One flipped bit, one byte less or one more, and it is not read")
  func damage() {
    let base = Cluster(
      id: everything.id, incarnation: 1, formed: everything.formed,
      tokens: everything.tokens, lastIndex: 9)
    let whole = StoredState.whole(base.packed())
    let difference = StoredState.difference(
      of: everything.packed(), from: BaseState(base.packed()))
    for (bytes, commands) in [
      (newest(everything), true), (StoredState.whole(everything.packed()), false),
      (difference, false),
    ] {
      func isRead(_ stored: [UInt8]) -> Bool {
        (try? StoredState.read(stored, bases: [whole], commands: commands)) == everything
          || (try? StoredState.read(stored, bases: [whole], commands: commands))
            == everything.withoutCommands
      }
      #expect(isRead(bytes))
      for position in bytes.indices {
        for bit in 0..<8 as Range<UInt8> {
          var altered = bytes
          altered[position] ^= 1 << bit
          // That a difference names its base is the reader's matter.
          let names = (try? StoredState.base(of: altered)) ?? nil
          if names != nil, names != 9 { continue }
          #expect(throws: Malformed.self, "\(position).\(bit)") {
            try StoredState.read(altered, bases: [whole], commands: commands)
          }
        }
        #expect(throws: Malformed.self) {
          try StoredState.read(Array(bytes[..<position]), bases: [whole], commands: commands)
        }
      }
      #expect(throws: Malformed.self) {
        try StoredState.read(bytes + [0], bases: [whole], commands: commands)
      }
    }
  }

  @Test("What nobody wrote, under a right sum, traps nowhere, whatever is asked of it")
  func crafted() {
    let sound = everything.packed()
    var read = 0
    for position in sound.bytes.indices {
      for bit in 0..<8 as Range<UInt8> {
        var bytes = sound.bytes
        bytes[position] ^= 1 << bit
        for bytes in [bytes, Array(bytes[..<position])] {
          let stored = StoredState.whole(PackedState(index: 1, bytes: bytes, starts: [0]))
          guard let state = try? StoredState.read(stored) else { continue }
          read += 1
          for gone in state.departed { #expect(state.departed(gone.node) != nil) }
          for token in state.tokens { #expect(state.token(token.id) == token) }
          _ = state.packed()
        }
      }
    }
    #expect(read > 1000)
  }

  @Test("A difference from another state makes the state, however the two differ")
  func difference() throws {
    var random = SystemRandomNumberGenerator()
    var states = [Cluster(), everything]
    for _ in 0..<40 {
      var tokens =
        everything.tokens
        + (0..<6).map { number in
          Token(
            issued: TokenIssued(
              id: TokenID(UInt64(100 + number)), secrets: [], uses: 1, expires: nil),
            index: .random(in: 0...3, using: &random), time: everything.lastTime, actor: "a")
        }
      tokens.shuffle(using: &random)
      tokens.removeLast(.random(in: 0...tokens.count, using: &random))
      states.append(
        Cluster(
          id: everything.id, incarnation: 1, formed: everything.formed,
          nodes: .random() ? everything.nodes : everything.nodes.reversed(),
          departed: .random() ? everything.departed : [], tokens: tokens,
          lastIndex: .random(in: 1...9, using: &random)))
    }
    for state in states {
      for base in states {
        let stored = StoredState.difference(of: state.packed(), from: BaseState(base.packed()))
        #expect(try StoredState.base(of: stored) == base.lastIndex)
        let whole = StoredState.whole(base.packed())
        #expect(try StoredState.read(stored, bases: [whole]) == state.withoutCommands)
        // And a difference from that one.
        let next = try #require(states.randomElement())
        let second = StoredState.difference(of: next.packed(), from: BaseState(state.packed()))
        #expect(try StoredState.read(second, bases: [stored, whole]) == next.withoutCommands)
        #expect(throws: Malformed.self) { try StoredState.read(second, bases: [stored]) }
      }
    }
    let same = StoredState.difference(
      of: everything.packed(), from: BaseState(everything.packed()))
    #expect(same.count < 32)
    // A base that is not there, or is another one, makes no state.
    #expect(throws: Malformed.self) { try StoredState.read(same) }
    #expect(throws: Malformed.self) { try StoredState.read(same, bases: [same]) }
    #expect(throws: Malformed.self) {
      try StoredState.read(same, bases: [StoredState.whole(Cluster().packed())])
    }
  }
}
