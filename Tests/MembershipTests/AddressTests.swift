import Membership
import Testing

@Suite struct AddressTests {
  @Test(
    "An address prints canonically, and what it prints parses to the same address",
    arguments: [
      ("10.0.0.1:25000", "10.0.0.1:25000"), ("[::1]:25000", "[::1]:25000"),
      ("[0:0:0:0:0:0:0:1]:1", "[::1]:1"), ("[::]:65535", "[::]:65535"),
      ("[FE80::0001:a]:80", "[fe80::1:a]:80"),
      ("[2001:db8:0:0:1:0:0:1]:5", "[2001:db8::1:0:0:1]:5"),
      ("[2001:db8:0:1:1:1:1:1]:5", "[2001:db8:0:1:1:1:1:1]:5"), ("[1::]:5", "[1::]:5"),
      ("[1:2:3:4:5:6:7::]:5", "[1:2:3:4:5:6:7:0]:5"),
      ("[::ffff:10.0.0.1]:25000", "10.0.0.1:25000"),
      ("[64:ff9b::1.2.3.4]:9", "[64:ff9b::102:304]:9"),
      ("Node-1.LAN:16443", "node-1.lan:16443"), ("localhost:1", "localhost:1"),
      ("a1:1", "a1:1"), ("0.0.0.0:9", "0.0.0.0:9"),
    ])
  func prints(text: String, canonical: String) throws {
    let address = try Address(parsing: text)
    #expect(address.description == canonical)
    #expect(try Address(parsing: canonical) == address)
  }

  @Test(
    "A text that is no address is refused with its reason",
    arguments: [
      ("", Address.Invalid.portMissing("")), ("10.0.0.1", .portMissing("10.0.0.1")),
      ("[::1]", .portMissing("[::1]")), (":1", .host(.empty)), ("10.0.0.1:", .portNotANumber("")),
      ("10.0.0.1:x", .portNotANumber("x")), ("10.0.0.1:+1", .portNotANumber("+1")),
      ("10.0.0.1:0", .portOutOfRange("0")), ("10.0.0.1:65536", .portOutOfRange("65536")),
      ("10.0.0.1:080", .portOutOfRange("080")),
      ("10.0.0.1:99999999999999999999", .portOutOfRange("99999999999999999999")),
      ("::1:25000", .bracketsMissing("::1:25000")), ("[::1:5", .host(.ipv6("[::1"))),
      ("[]:5", .host(.ipv6("[]"))), ("[1::2::3]:5", .host(.ipv6("1::2::3"))),
      ("[1:2:3:4:5:6:7:8:9]:5", .host(.ipv6("1:2:3:4:5:6:7:8:9"))),
      ("[1:2:3:4:5:6:7]:5", .host(.ipv6("1:2:3:4:5:6:7"))),
      ("[::12345]:5", .host(.ipv6("::12345"))), ("[:::]:5", .host(.ipv6(":::"))),
      ("[fe80::1%eth0]:5", .host(.zone("fe80::1%eth0"))),
      ("10.0.0:5", .host(.ipv4("10.0.0"))), ("10.0.0.256:5", .host(.ipv4("10.0.0.256"))),
      ("10.0.0.01:5", .host(.ipv4("10.0.0.01"))), ("1.2.3.4.5:5", .host(.ipv4("1.2.3.4.5"))),
      ("a_b:5", .host(.name("a_b", .character("_")))),
      ("a..b:5", .host(.name("a..b", .labelEmpty))),
      ("-a:5", .host(.name("-a", .hyphenAtEdge("-a")))),
      ("a b:5", .host(.name("a b", .character(" ")))),
      ("é:5", .host(.name("é", .character("é")))),
    ])
  func refuses(text: String, reason: Address.Invalid) {
    #expect(throws: reason) { try Address(parsing: text) }
    #expect(!reason.description.isEmpty)
  }

  @Test("Any IPv6 value prints to a text that parses to the same value")
  func roundTrip() throws {
    var random = SeededGenerator(seed: 1)
    for _ in 0..<2000 {
      // Few groups other than zero, so that runs of zeros are common.
      let mask = random.next() & random.next()
      var words: [UInt64] = []
      for half in 0..<2 {
        var word: UInt64 = 0
        for group in 0..<4 {
          let keep = mask >> UInt64(half * 4 + group) & 1 == 1
          word = word << 16 | (keep ? random.next() >> UInt64(48 + random.next() % 16) : 0)
        }
        words.append(word)
      }
      if words[0] == 0, words[1] >> 32 == 0xffff { continue }
      let host = Host.ipv6(high: words[0], low: words[1])
      #expect(try Host(parsing: host.description) == host)
      #expect(try Host(parsing: host.bracketed) == host)
    }
  }

  @Test("Addresses are ordered by family, then by value, then by port")
  func order() {
    let sorted = ["2.0.0.0:9", "10.0.0.1:1", "10.0.0.1:2", "[::1]:1", "[::2]:1", "a:1", "b:1"]
    #expect(sorted.reversed().map(address).sorted().map(\.description) == sorted)
  }

  @Test("Loopback and unspecified hosts are known")
  func kinds() throws {
    for text in ["127.0.0.1", "127.9.9.9", "::1", "localhost"] {
      #expect(try Host(parsing: text).isLoopback)
    }
    for text in ["128.0.0.1", "::2", "local"] { #expect(try !Host(parsing: text).isLoopback) }
    for text in ["0.0.0.0", "::"] { #expect(try Host(parsing: text).isUnspecified) }
  }

  @Test(
    "A node name that Kubernetes would take, and no address, is accepted",
    arguments: ["n1", "a", "node-1.example.org", "1a", "10", String(repeating: "a", count: 63)])
  func names(name: String) throws { try NodeName.validate(name) }

  @Test(
    "Other node names are refused with the reason",
    arguments: [
      ("", NodeName.Invalid.empty), ("N1", .upperCase("N")), ("n_1", .character("_")),
      ("-n", .hyphenAtEdge("-n")), ("n-", .hyphenAtEdge("n-")), ("a.", .labelEmpty),
      ("localhost", .localhost), ("localhost.localdomain", .localhost), ("x.localhost", .localhost),
      ("10.0.0.1", .address), ("é", .character("é")), ("n\n", .character("\n")),
      (String(repeating: "a", count: 64), .labelTooLong(String(repeating: "a", count: 64))),
      (String(repeating: "a.", count: 127), .tooLong(254)),
    ])
  func refusedNames(name: String, reason: NodeName.Invalid) {
    #expect(throws: reason) { try NodeName.validate(name) }
    #expect(!reason.description.isEmpty)
  }

  @Test(
    "Times print as RFC 3339 in UTC",
    arguments: [
      (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
      (951_782_400_000, "2000-02-29T00:00:00.000Z"),
      (1_792_811_520_250, "2026-10-24T03:12:00.250Z"),
      (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
      (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
      (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ] as [(Int64, String)])
  func times(milliseconds: Int64, text: String) {
    #expect(Timestamp(milliseconds: milliseconds).rfc3339Milliseconds == text)
    #expect(Timestamp(milliseconds: milliseconds).rfc3339 == text.prefix(19) + "Z")
  }

  @Test("The ends of time print too")
  func endsOfTime() {
    #expect(Timestamp(milliseconds: .max).rfc3339.hasSuffix("Z"))
    #expect(Timestamp(milliseconds: .min).rfc3339.hasPrefix("-"))
  }
}
