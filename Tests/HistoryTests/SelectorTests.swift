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
    #expect(try range("HEAD~1..") == [story.history.head - 1, story.history.head])
  }

  @Test(
    "What is outside of history is refused with what there is",
    arguments: [
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
      ("99999999999999999999999", "names no moment"), ("-5", "names no moment"),
      ("9999999999999999999d", "names no moment"), ("id:ab", "names no moment"),
    ])
  func refused(_ text: String, _ words: String) {
    let error = #expect(throws: Unanswerable.self) { try Selector(text) }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
  }
}
