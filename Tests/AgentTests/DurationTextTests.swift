import Testing

@testable import Agent

@Suite("Durations")
struct DurationTextTests {
  @Test(
    "A whole number is seconds, and units go from large to small",
    arguments: [
      ("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d1h1m1s", 176_461), ("007", 7),
      ("36500d", 3_153_600_000),
    ] as [(String, Int64)])
  func accepted(_ text: String, _ seconds: Int64) throws {
    #expect(try DurationText.seconds(text) == seconds)
  }

  @Test(
    "Everything else is refused as wrong usage, with the accepted form",
    arguments: [
      "", " ", "s", "-1", "+1", "1.5h", "1h30", "1m1h", "1h1h", "1 h", "1H", "\u{0663}",
      "1\u{0663}m",
      "\u{00b2}", "0x10", "1e3", "36501d", "3153600001", "9223372036854775807",
      "9223372036854775807h",
      "99999999999999999999999", "106751991167300d24h",
    ])
  func refused(_ text: String) {
    #expect {
      try DurationText.seconds(text, allowingZero: true)
    } throws: { error in
      guard let failure = error as? Failure else { return false }
      return failure.exitCode == 2 && failure.message.contains("1h30m")
    }
  }

  @Test("Zero is refused unless it is allowed")
  func zero() throws {
    #expect(throws: Failure.self) { try DurationText.seconds("0") }
    #expect(try DurationText.seconds("0s", allowingZero: true) == 0)
  }
}
