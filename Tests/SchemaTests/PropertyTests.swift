// Laws for all bytes, tried on many. The seed is fixed: a failure comes back.

import Membership
import Raft
import Schema
import Testing

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Seeded: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

@Suite struct PropertyTests {
  /// Every decoder, on the same bytes: each refuses, or gives a value that has bytes again which
  /// mean the same.
  static func tryAll(_ bytes: [UInt8]) throws {
    if let value = try? Envelope(decoding: bytes) {
      #expect(try Envelope(decoding: value.encoded()) == value, "\(hex(bytes))")
    }
    if let value = try? Request(decoding: bytes) {
      #expect(try Request(decoding: value.encoded()) == value, "\(hex(bytes))")
    }
    if let value = try? Frame(decoding: bytes) {
      #expect(try Frame(decoding: value.encoded()) == value, "\(hex(bytes))")
    }
    if let value = try? Message(decoding: bytes) {
      #expect(try Message(decoding: value.encoded()) == value, "\(hex(bytes))")
    }
    if let value = try? Hello(decoding: bytes) {
      #expect(try Hello(decoding: value.encoded()) == value, "\(hex(bytes))")
    }
  }

  @Test("Random bytes never trap a decoder")
  func randomBytes() throws {
    var random = Seeded(state: 1)
    for _ in 0..<5_000 {
      let count = Int.random(in: 0...64, using: &random)
      try Self.tryAll((0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) })
    }
  }

  @Test("Bytes cut short never trap a decoder, wherever they are cut", arguments: Golden.all)
  func truncated(_ golden: Golden) throws {
    for count in 0..<golden.bytes.count { try Self.tryAll(Array(golden.bytes.prefix(count))) }
  }

  @Test("Bytes with a few changes never trap a decoder", arguments: Golden.all)
  func mutated(_ golden: Golden) throws {
    var random = Seeded(state: 2)
    for _ in 0..<200 {
      var bytes = golden.bytes
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[at] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &random) ?? 0
        case 2: bytes.insert(UInt8.random(in: .min ... .max, using: &random), at: at)
        default: if bytes.count > 1 { bytes.remove(at: at) }
        }
      }
      try Self.tryAll(bytes)
    }
  }

  @Test("Deep nesting is refused, not followed")
  func deepNesting() throws {
    // Groups are the one thing that nests among unknown fields.
    let groups = [UInt8](repeating: 0x4b, count: 200_000)
    #expect(throws: Malformed.notProtobuf) { try Envelope(decoding: groups) }
    #expect(throws: Malformed.notProtobuf) { try Frame(decoding: groups) }
  }

  @Test("Any envelope comes back as it was, whatever its words, numbers and moments")
  func envelopesRoundTrip() throws {
    var random = Seeded(state: 3)
    for _ in 0..<500 {
      let (_, event) = try #require(Samples.events.randomElement(using: &random))
      let envelope = Envelope(
        time: Timestamp(milliseconds: .random(in: .min ... .max, using: &random)),
        command: CommandID(high: random.next(), low: random.next()), fingerprint: random.next(),
        actor: Self.text(&random), reason: Self.text(&random), event: event)
      let bytes = envelope.encoded()
      #expect(try Envelope(decoding: bytes) == envelope)
      #expect(bytes == envelope.encoded())
    }
  }

  @Test("Any append comes back as it was, payloads of any bytes and size included")
  func appendsRoundTrip() throws {
    var random = Seeded(state: 4)
    for _ in 0..<200 {
      let start = UInt64.random(in: 0..<1 << 40, using: &random)
      let entries = (0..<UInt64.random(in: 0...20, using: &random)).map { offset in
        let size = Int.random(in: 0...600, using: &random)
        return Entry(
          index: start + 1 + offset, term: 9,
          payload: (0..<size).map { _ in UInt8.random(in: .min ... .max, using: &random) })
      }
      let frame = Frame.raft(
        Message(
          from: random.next() | 1, to: random.next() | 1, term: 9,
          .append(
            Message.Append(
              previousIndex: start, previousTerm: 9, commit: start, entries: entries))))
      #expect(try Frame(decoding: frame.encoded()) == frame)
    }
  }

  private static func text(_ random: inout Seeded) -> String {
    let scalars = (0..<Int.random(in: 0...40, using: &random)).compactMap { _ in
      Unicode.Scalar(UInt32.random(in: 0...0x10ffff, using: &random))
    }
    return String(String.UnicodeScalarView(scalars))
  }
}

@Suite struct PlainEnvelopeTests {
  @Test("The quick reader and the general one read the same, and the quick one reads most kinds")
  func agree() throws {
    for (name, event) in Samples.events {
      let bytes = Samples.envelope(event).encoded()
      #expect(try Envelope(decoding: bytes) == Envelope(general: bytes), "\(name)")
    }
  }

  @Test("Whatever byte is changed, cut or added, both readers say the same")
  func agreeOnDamage() throws {
    func read(_ decode: (([UInt8]) throws -> Envelope), _ bytes: [UInt8]) -> String {
      do { return "\(try decode(bytes))" } catch { return "\(error)" }
    }
    for (name, event) in Samples.events {
      let bytes = Samples.envelope(event).encoded()
      var damaged = bytes.indices.map { Array(bytes.prefix($0)) }
      for offset in bytes.indices {
        for change in [0x01, 0x08, 0x80, 0xff] as [UInt8] {
          var copy = bytes
          copy[offset] ^= change
          damaged.append(copy)
        }
      }
      for extra in [[0], [0x38, 1], bytes] as [[UInt8]] { damaged.append(bytes + extra) }
      for copy in damaged {
        #expect(
          read({ try Envelope(decoding: $0) }, copy) == read({ try Envelope(general: $0) }, copy),
          "\(name)")
      }
    }
  }
}
