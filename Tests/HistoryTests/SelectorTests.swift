// How moments are named.

import History
import Membership
import Testing

@Suite struct SelectorTests {
  private func index(_ text: String, _ story: Story) throws -> UInt64 {
    try Selector(text).index(in: story.history, now: story.now)
  }

  @Test("Each form names the index that it means")
  func forms() throws {
    let story = try Story.life()
    let head = UInt64(story.entries.count)
    #expect(try index("7", story) == 7)
    #expect(try index("HEAD", story) == head)
    #expect(try index("head~3", story) == head - 3)
    // One event a second; the fifth at 03:12:04.
    #expect(try index("2026-10-24T03:12:04Z", story) == 5)
    #expect(try index("2026-10-24T05:12:04+02:00", story) == 5)
    #expect(try index("2026-10-24 03:12:04.999Z", story) == 5)
    #expect(try index("-1s", story) == head)
    #expect(try index("now-3s", story) == head - 2)
    // The clock here says 03:12 and some: later times of day are yesterday's.
    #expect(try index("03:12:04Z", story) == 5)
    #expect(try index("3:12:04", story) == 5)
    #expect(try index("05:12:04+02:00", story) == 5)
    #expect(try index("last:cluster", story) == 1)
    let joined = try story.history.lines(EventFilter(type: "node.joined")).last
    #expect(try index("last:node.joined", story) == joined?.recorded.index)
    let command = try story.history.event(at: 9).envelope.command.description
    #expect(try index("id:" + command, story) <= 9)
  }

  @Test("A range of times holds the events between them")
  func ranges() throws {
    let story = try Story.life()
    func range(_ text: String) throws -> [UInt64] {
      let (low, high) = try SelectorRange(text).indexes(in: story.history, now: story.now)
      return [low, high]
    }
    #expect(try range("3..5") == [3, 5])
    #expect(try range("..4") == [1, 4])
    #expect(try range("2026-10-24T03:12:02.500Z..2026-10-24T03:12:05Z") == [4, 6])
    #expect(try range("8") == [8, 8])
    #expect(try range("..-1s") == [1, story.history.head])
    #expect(try range("-2s..") == [story.history.head - 1, story.history.head])
    #expect(try range("-2h..-1s") == [1, story.history.head])
    // Nothing lies between two events.
    let (low, high) = (try range("03:12:02.2..03:12:02.8")[0], try range("..03:12:02.8")[1])
    #expect(low == high + 1)
    #expect(try range("HEAD~1..") == [story.history.head - 1, story.history.head])
  }

  @Test("A time of day is today's or, where that is still to come, yesterday's, and is told")
  func clock() throws {
    let story = try Story.life()
    for (text, moment) in [
      ("03:12", "2026-10-24T03:12:00Z"), ("00:00:00", "2026-10-24T00:00:00Z"),
      ("23:59Z", "2026-10-23T23:59:00Z"), ("01:00+02:00", "2026-10-23T23:00:00Z"),
    ] {
      let selector = try Selector(text)
      #expect(selector.moment(now: story.now)?.rfc3339 == moment)
      #expect(selector.taken(now: story.now)?.hasSuffix(moment) == true)
    }
    #expect(try Selector("-15m").taken(now: story.now) == nil)
    #expect(try Selector("03:12Z", zone: 120).moment(now: story.now) != nil)
    let error = #expect(throws: Unanswerable.self) { try Selector("03:12", zone: 120) }
    for word in ["ambiguous", "03:12Z", "03:12+02:00"] {
      #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
    }
    #expect(throws: Unanswerable.self) { try Selector("24:00") }
  }

  @Test(
    "A range that ends before it begins is refused, and what was meant is said",
    arguments: [
      ("20..10", "10..20"), ("HEAD..3", "3..HEAD"), ("-1s..-10h", "-10h..-1s"),
      ("HEAD~1..03:12", "03:12..HEAD~1"),
    ])
  func reversed(_ text: String, _ meant: String) throws {
    let story = try Story.life()
    let error = #expect(throws: Unanswerable.self) {
      try SelectorRange(text).indexes(in: story.history, now: story.now)
    }
    #expect(error?.description.contains("did you mean \(meant)?") == true)
    #expect(error?.exitCode == 2)
  }

  @Test(
    "What is outside of history is refused with what there is",
    arguments: [
      ("18446744073709551616", "indexes 1 to"), ("HEAD~18446744073709551616", "indexes 1 ("),
      ("HEAD~9223372036854775808", "before history"), ("-999999999h", "begins here at 2026"),
      ("-9999999999999999999999d", "begins here at 2026"),
      ("99999999999999999999999", "after HEAD"),
      ("99999", "after HEAD"), ("HEAD~500", "before history"),
      ("2026-10-24T03:11:59Z", "begins here at 2026-10-24T03:12:00Z"),
      ("2027-01-01T00:00Z", "in the future"), ("-2h", "before history"),
      ("last:policy", "no event"), ("last:nothing", "no event"), ("id:ffffffff", "no event"),
    ])
  func outside(_ text: String, _ words: String) throws {
    let story = try Story.life()
    let error = #expect(throws: Unanswerable.self) { try index(text, story) }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    #expect(error?.exitCode == 2)
  }

  @Test(
    "What names no moment, or no certain one, is refused",
    arguments: [
      ("2026-10-24", "ambiguous"), ("0", "begins at index 1"),
      ("2026-10-24T03:12", "ambiguous"),
      ("2026-10-24 03:12:04", "ambiguous"), ("2026-02-30T00:00Z", "names no moment"),
      ("yesterday", "names no moment"), ("", "names no moment"), ("HEAD~x", "names no moment"),
      ("-5", "names no moment"), ("25:00", "names no moment"),
      ("id:ab", "names no moment"),
    ])
  func refused(_ text: String, _ words: String) {
    let error = #expect(throws: Unanswerable.self) { try Selector(text) }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
  }
}
