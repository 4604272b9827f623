import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing

@testable import Transport

/// One node with links, which admits by a table of keys and says its own number as its greeting.
final class LinkNode: Sendable {
  let id: UInt64
  let identity: NodeIdentity
  let links: PeerLinks
  let events = Recorder<LinkEvent>()
  let members: Members

  /// Who may connect, by key; shared by all nodes of a test.
  final class Members: Sendable {
    let keys = Mutex<[[UInt8]: UInt64]>([:])

    func admit(_ key: [UInt8]) -> PeerAdmission {
      keys.withLock { keys in
        if let peer = keys[key] { return .accept(peer: peer) }
        return .refuse(reply: Array("you were removed at 1043".utf8), reason: "not a member")
      }
    }
  }

  init(
    _ id: UInt64, _ members: Members, identity: NodeIdentity? = nil,
    limits: LinkLimits = LinkLimits(), group: any EventLoopGroup = loops
  ) throws {
    self.id = id
    let identity = try identity ?? NodeIdentity.generate()
    self.identity = identity
    self.members = members
    members.keys.withLock { $0[identity.keyDigest] = id }
    let events = events
    links = try PeerLinks(
      identity: identity, group: group, limits: limits, random: SystemRandomNumberGenerator(),
      greeting: { Array("node \(id)".utf8) },
      admit: { key, _ in members.admit(key) },
      onEvent: { events.record($0) })
  }

  func target(_ address: HostPort) -> PeerTarget {
    PeerTarget(id: id, address: address, keyDigest: identity.keyDigest)
  }

  func opened(_ peer: UInt64, _ direction: LinkDirection, times: Int = 1) async {
    await events.wait { facts in
      facts.count {
        if case .opened(peer, direction) = $0 { true } else { false }
      } >= times
    }
  }

  func closed(_ peer: UInt64, _ direction: LinkDirection) async throws -> LinkCloseReason {
    try await events.first {
      if case .closed(peer, direction, let reason) = $0 { reason } else { nil }
    }
  }

  /// All frames of a peer so far.
  func frames(_ peer: UInt64) -> [LinkFrame] {
    events.facts.flatMap { event -> [LinkFrame] in
      if case .frames(peer, let frames) = event { frames } else { [] }
    }
  }

  func waitForFrames(_ count: Int, from peer: UInt64) async {
    await events.wait { facts in
      var seen = 0
      for case .frames(peer, let frames) in facts { seen += frames.count }
      return seen >= count
    }
  }
}

let here = HostPort("127.0.0.1", 0)

func frame(_ text: String, group: UInt8 = 0) -> LinkFrame {
  LinkFrame(group: group, payload: Array(text.utf8))
}

@Suite(.timeLimit(.minutes(10))) struct PeerLinksTests {
  let members = LinkNode.Members()

  @Test("two members greet each other, and frames go both ways on a connection each")
  func bothWays() async throws {
    let one = try LinkNode(1, members)
    let two = try LinkNode(2, members)
    let oneAddress = try await one.links.listen(on: here)
    let twoAddress = try await two.links.listen(on: HostPort("::1", 0))
    one.links.setPeers([two.target(twoAddress)])
    two.links.setPeers([one.target(oneAddress)])
    await one.opened(2, .outbound)
    await two.opened(1, .outbound)
    one.links.send([frame("a", group: 0), frame("b", group: 7)], to: 2)
    two.links.send(frame("c", group: 253), to: 1)
    await two.waitForFrames(2, from: 1)
    await one.waitForFrames(1, from: 2)
    #expect(two.frames(1) == [frame("a", group: 0), frame("b", group: 7)])
    #expect(one.frames(2) == [frame("c", group: 253)])
    await one.links.shutdown()
    #expect(try await two.closed(1, .inbound) == .endOfStream)
    #expect(try await two.closed(1, .outbound) == .endOfStream)
    #expect(try await one.closed(2, .inbound) == .shutdown)
    await two.links.shutdown()
  }

  @Test("many frames arrive whole and in order, small ones and ones near the limit")
  func order() async throws {
    let one = try LinkNode(1, members)
    let two = try LinkNode(2, members)
    one.links.setPeers([two.target(try await two.links.listen(on: here))])
    await one.opened(2, .outbound)
    var sent: [LinkFrame] = []
    for number in 0..<2000 {
      let size = number % 97 == 0 ? 300_000 : number % 50 + 1
      let payload = [UInt8](repeating: UInt8(number & 255), count: size)
      sent.append(LinkFrame(group: UInt8(number % 254), payload: payload))
    }
    for start in stride(from: 0, to: sent.count, by: 13) {
      one.links.send(Array(sent[start..<min(start + 13, sent.count)]), to: 2)
    }
    let large = LinkFrame(payload: [UInt8](repeating: 9, count: 16 << 20))
    one.links.send(large, to: 2)
    await two.waitForFrames(sent.count + 1, from: 1)
    // A failed comparison in place would print every byte.
    let intact = two.frames(1) == sent + [large]
    #expect(intact)
    #expect(one.links.counters.framesSent == UInt64(sent.count + 1))
    #expect(two.links.counters.framesReceived == UInt64(sent.count + 1))
    await one.links.shutdown()
    await two.links.shutdown()
  }

  @Test(
    "after a lost connection the link comes back by itself, and no older frame follows a newer one")
  func reconnects() async throws {
    let one = try LinkNode(1, members)
    let two = try LinkNode(2, members)
    one.links.setPeers([two.target(try await two.links.listen(on: here))])
    var number = 0
    for round in 1...5 {
      await one.opened(2, .outbound, times: round)
      await two.opened(1, .inbound, times: round)
      let before = two.frames(1).count
      for _ in 0..<100 {
        one.links.send(frame("\(number)"), to: 2)
        number += 1
      }
      await two.waitForFrames(before + 1, from: 1)
      two.links.close(1)
    }
    await one.opened(2, .outbound, times: 6)
    let numbers = two.frames(1).compactMap { Int(String(decoding: $0.payload, as: UTF8.self)) }
    #expect(numbers == numbers.sorted())
    #expect(Set(numbers).count == numbers.count)
    await one.links.shutdown()
    await two.links.shutdown()
  }

  @Test("a peer that starts later is reached without being asked again")
  func lateStart() async throws {
    let one = try LinkNode(1, members)
    let two = try LinkNode(2, members)
    let address = try await deadAddress()
    one.links.setPeers([two.target(address)])
    let attempts = await one.events.wait { facts in
      facts.count { if case .unreachable(2, _, _) = $0 { true } else { false } } >= 3
    }
    let reasons = attempts.compactMap { event -> String? in
      if case .unreachable(2, let reason, _) = event { reason.label } else { nil }
    }
    #expect(Set(reasons) == ["refused"])
    try await two.links.listen(on: address)
    await one.opened(2, .outbound)
    await one.links.shutdown()
    await two.links.shutdown()
  }

  @Test("a server with another key than the pinned one is not spoken to")
  func wrongKey() async throws {
    let one = try LinkNode(1, members)
    let impostor = try LinkNode(3, members)
    let two = try LinkNode(2, members)
    one.links.setPeers([two.target(try await impostor.links.listen(on: here))])
    let reason = try await one.events.first {
      if case .unreachable(2, let reason, _) = $0 { reason } else { nil }
    }
    #expect(reason.label == "unexpectedKey")
    let turnedAway = try await impostor.events.first {
      if case .turnedAway(_, let reason) = $0 { reason } else { nil }
    }
    #expect(turnedAway.label != "no-greeting")
    await one.links.shutdown()
    await impostor.links.shutdown()
  }

  @Test("a key that the other side does not admit gets its reply, and no link")
  func refused() async throws {
    let one = try LinkNode(1, members)
    let two = try LinkNode(2, members)
    members.keys.withLock { $0[one.identity.keyDigest] = nil }
    one.links.setPeers([two.target(try await two.links.listen(on: here))])
    let reply = try await one.events.first {
      if case .refused(2, let reply) = $0 { reply } else { nil }
    }
    #expect(String(decoding: reply, as: UTF8.self) == "you were removed at 1043")
    let reason = try await two.events.first {
      if case .turnedAway(_, let reason) = $0 { reason } else { nil }
    }
    #expect(reason == .refusedHere("not a member"))
    #expect(one.links.counters.opened == 0)
    #expect(two.links.counters.opened == 0)
    members.keys.withLock { $0[one.identity.keyDigest] = 1 }
    await one.opened(2, .outbound)
    await one.links.shutdown()
    await two.links.shutdown()
  }

  @Test("a departed key is cut on the connections it has, after what was queued for it has left")
  func revalidate() async throws {
    let one = try LinkNode(1, members)
    let two = try LinkNode(2, members)
    let oneAddress = try await one.links.listen(on: here)
    one.links.setPeers([two.target(try await two.links.listen(on: here))])
    two.links.setPeers([one.target(oneAddress)])
    await one.opened(2, .outbound)
    await one.opened(2, .inbound)
    await two.opened(1, .inbound)
    let departed = two.identity.keyDigest
    _ = members.keys.withLock { $0.removeValue(forKey: departed) }
    let parting = (0..<200).map { frame("last words \($0)") }
    one.links.send(parting, to: 2)
    one.links.revalidate { $0 != departed }
    #expect(try await one.closed(2, .outbound) == .keyNotAllowed)
    #expect(try await one.closed(2, .inbound) == .keyNotAllowed)
    await two.waitForFrames(parting.count, from: 1)
    #expect(two.frames(1) == parting)
    #expect(try await two.closed(1, .inbound) == .endOfStream)
    _ = try await two.events.first {
      if case .refused(1, let reply) = $0 { reply } else { nil }
    }
    await one.links.shutdown()
    await two.links.shutdown()
  }

  @Test(
    "frames without a link or room are dropped and told, and what was queued before still arrives")
  func bounds() async throws {
    var limits = LinkLimits()
    limits.queueFrames = 10
    let one = try LinkNode(1, members, limits: limits)
    let two = try LinkNode(2, members)
    one.links.send(frame("nobody"), to: 9)
    let unknown = try await one.events.first { if case .dropped(9, let n) = $0 { n } else { nil } }
    #expect(unknown == 1)
    one.links.setPeers([two.target(try await two.links.listen(on: here))])
    await one.opened(2, .outbound)
    // One call is taken in one go, so nothing leaves while it is counted.
    let batch = (0..<25).map { frame("\($0)") }
    one.links.send(batch, to: 2)
    let dropped = try await one.events.first { if case .dropped(2, let n) = $0 { n } else { nil } }
    #expect(dropped == 15)
    await two.waitForFrames(10, from: 1)
    #expect(two.frames(1) == Array(batch[..<10]))
    #expect(one.links.counters.framesDropped == 1 + 15)
    await one.links.shutdown()
    await two.links.shutdown()
  }

  @Test("frames that are too large, empty or of a reserved group are dropped and told, alone")
  func unsendable() async throws {
    var limits = LinkLimits()
    limits.frameBytes = 500
    let one = try LinkNode(1, members, limits: limits)
    let two = try LinkNode(2, members, limits: limits)
    one.links.setPeers([two.target(try await two.links.listen(on: here))])
    await one.opened(2, .outbound)
    let largest = LinkFrame(group: 253, payload: [UInt8](repeating: 1, count: 500))
    one.links.send(
      [
        LinkFrame(payload: [UInt8](repeating: 1, count: 501)), LinkFrame(payload: []),
        LinkFrame(group: 254, payload: [1]), LinkFrame(group: 255, payload: [1]), largest,
      ], to: 2)
    let dropped = try await one.events.first { if case .dropped(2, let n) = $0 { n } else { nil } }
    #expect(dropped == 4)
    await two.waitForFrames(1, from: 1)
    #expect(two.frames(1) == [largest])
    await one.links.shutdown()
    await two.links.shutdown()
  }

  @Test("a peer no longer named gets what was queued for it before its link is closed")
  func dismissed() async throws {
    // On one thread nothing is read while it is sent; and it is more than the kernel takes at once.
    // So most of it still waits when the link is let go.
    let thread = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let one = try LinkNode(1, members, group: thread)
    let two = try LinkNode(2, members, group: thread)
    one.links.setPeers([two.target(try await two.links.listen(on: here))])
    await one.opened(2, .outbound)
    let parting = (0..<50).map { LinkFrame(payload: [UInt8](repeating: UInt8($0), count: 1 << 20)) }
    one.links.send(parting, to: 2)
    one.links.setPeers([])
    #expect(try await one.closed(2, .outbound) == .dismissed)
    await two.waitForFrames(parting.count, from: 1)
    let intact = two.frames(1) == parting
    #expect(intact)
    #expect(try await two.closed(1, .inbound) == .endOfStream)
    await one.links.shutdown()
    await two.links.shutdown()
    try await thread.shutdownGracefully()
  }

  @Test("a second connection of one peer takes the place of the first")
  func replaced() async throws {
    let one = try LinkNode(1, members)
    let again = try LinkNode(1, members, identity: one.identity)
    let two = try LinkNode(2, members)
    let target = two.target(try await two.links.listen(on: here))
    one.links.setPeers([target])
    await two.opened(1, .inbound)
    again.links.setPeers([target])
    #expect(try await two.closed(1, .inbound) == .replaced)
    await one.links.shutdown()
    await again.links.shutdown()
    await two.links.shutdown()
  }
}
