// The quick reader of envelopes against the general one: random values, and random damage to them.

import Membership
import Schema
import Testing

@Suite struct PlainReaderTests {
  private struct Draw {
    var random: Seeded

    mutating func number(_ range: ClosedRange<UInt64>) -> UInt64 {
      .random(in: range, using: &random)
    }

    /// Small, large and the ends of the range.
    mutating func word() -> UInt64 {
      [0, 1, 127, 128, 1 << 40, .max, random.next()].randomElement(using: &random) ?? 0
    }

    mutating func text() -> String {
      let scalars: [Unicode.Scalar] = ["a", "0", ".", "-", " ", "\u{0}", "é", "\u{1f600}", "n"]
      return String(
        String.UnicodeScalarView(
          (0..<number(0...9)).compactMap { _ in scalars.randomElement(using: &random) }))
    }

    mutating func node() -> NodeID { NodeID(max(1, word())) }
    mutating func token() -> TokenID { TokenID(word() & (1 << 40 - 1)) }

    mutating func digest() -> Digest {
      Digest(bytes: (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) })
        ?? Samples.digest(1)
    }

    mutating func address() -> Address {
      let host: Host =
        switch number(0...3) {
        case 0: .ipv4(UInt32(truncatingIfNeeded: word()))
        case 1: .ipv6(high: word(), low: word())
        case 2: (try? Host(parsing: "n\(number(0...99)).example")) ?? .ipv4(1)
        default: .ipv4(UInt32(truncatingIfNeeded: random.next()))
        }
      return Address(host: host, port: UInt16(number(1...65535)))
        ?? Samples.refreshed.endpoints.cluster
    }

    mutating func endpoints() -> Endpoints {
      Endpoints(
        cluster: address(), datastore: number(0...1) == 0 ? nil : address(),
        apiserver: number(0...1) == 0 ? nil : address(),
        extra: (0..<number(0...3)).map { _ in address() })
    }

    mutating func event() -> Event {
      switch number(0...8) {
      case 0: .leaderElected(LeaderElected(node: node()))
      case 1:
        .tokenIssued(
          TokenIssued(
            id: token(),
            secrets: (0..<number(0...3)).map { _ in
              TokenIssued.Secret(
                hash: digest(), roles: NodeRole.allCases.filter { _ in number(0...1) == 0 })
            }, uses: UInt32(truncatingIfNeeded: word()),
            expires: number(0...1) == 0
              ? nil : Timestamp(milliseconds: Int64(bitPattern: word()))))
      case 2: .tokenRevoked(TokenRevoked(id: token()))
      case 3:
        .nodeJoined(
          NodeJoined(
            node: NodeRecord(
              id: node(), name: "n" + text(), role: number(0...1) == 0 ? .worker : .controlPlane,
              endpoints: endpoints(), key: digest(), failureDomain: text(), version: text()),
            token: token(), bundle: number(0...1) == 0 ? nil : digest()))
      case 4:
        .endpointRefreshed(
          EndpointRefreshed(
            node: node(), endpoints: endpoints(), apiserverReady: number(0...1) == 0,
            version: text()))
      case 5: .nodeLeft(NodeLeft(node: node()))
      case 6: .nodeRemoved(NodeRemoved(node: node(), forced: number(0...1) == 0))
      case 7: .nodeSuspected(NodeSuspected(node: node()))
      default: .nodeRecovered(NodeRecovered(node: node()))
      }
    }

    mutating func envelope() -> Envelope {
      Envelope(
        time: Timestamp(milliseconds: Int64(bitPattern: word())),
        command: CommandID(high: word(), low: word()), fingerprint: word(), actor: text(),
        reason: text(), event: event())
    }

    /// The same with a few bytes changed, put in, taken out or said twice.
    mutating func damaged(_ bytes: [UInt8]) -> [UInt8] {
      var copy = bytes
      for _ in 0..<number(1...3) where !copy.isEmpty {
        let at = Int(number(0...UInt64(copy.count - 1)))
        let usual: [UInt8] = [0x00, 0x01, 0x08, 0x0a, 0x12, 0x7f, 0x80, 0xff]
        let byte = usual.randomElement(using: &random) ?? 0
        switch number(0...4) {
        case 0: copy[at] = byte
        case 1: copy[at] ^= 1 << UInt8(number(0...7))
        case 2: copy.insert(byte, at: at)
        case 3: copy.remove(at: at)
        default: copy += copy[at...]
        }
      }
      return copy
    }
  }

  private func read(_ decode: ([UInt8]) throws -> Envelope, _ bytes: [UInt8]) -> String {
    do { return "\(try decode(bytes))" } catch { return "\(error)" }
  }

  @Test("On any event, whole or damaged, both give the same value or both refuse alike")
  func agree() throws {
    var draw = Draw(random: Seeded(state: 11))
    for _ in 0..<1500 {
      let envelope = draw.envelope()
      let bytes = envelope.encoded()
      #expect(try Envelope(decoding: bytes) == envelope)
      #expect(try Envelope(general: bytes) == envelope)
      for _ in 0..<4 {
        let copy = draw.damaged(bytes)
        let quick = read({ try Envelope(decoding: $0) }, copy)
        #expect(quick == read({ try Envelope(general: $0) }, copy), "\(hex(copy))")
      }
    }
  }

  @Test("On random bytes both refuse alike")
  func noise() {
    var draw = Draw(random: Seeded(state: 12))
    for _ in 0..<3000 {
      let bytes = (0..<draw.number(0...48)).map { _ in
        UInt8.random(in: .min ... .max, using: &draw.random)
      }
      let quick = read({ try Envelope(decoding: $0) }, bytes)
      #expect(quick == read({ try Envelope(general: $0) }, bytes), "\(hex(bytes))")
    }
  }
}
