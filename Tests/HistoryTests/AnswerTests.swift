// What somebody is told who asks for what is not there, or asks while nothing can be decided.

import EventLog
import Foundation
import History
import Membership
import Testing

@Suite struct AnswerTests {
  private func refusal<R>(_ body: () throws -> R) -> String {
    let error = #expect(throws: Unanswerable.self) { _ = try body() }
    return error?.description ?? ""
  }

  @Test("A node that nobody knows is refused with the names there are and were")
  func unknownNode() throws {
    let history = try Story.life().history
    for name in ["n1", "n4", "n5", NodeID(5).description] {
      try history.check(EventFilter(node: name))
    }
    let words = refusal { try history.check(EventFilter(node: "n9")) }
    #expect(words.contains("there are: n1 n2 n3 n4; gone are: n5"), "\(words)")
    #expect(refusal { try Why(history, "n9", at: history.head) }.contains("gone are: n5"))
  }

  @Test("Of a part of history, whose names are not known, nodes are asked for by id")
  func unknownNames() throws {
    let story = try Story.life()
    try inFolder { folder in
      let url = folder.appending(path: "part")
      var bytes: [UInt8] = []
      try story.history.export(9...20) { bytes += $0 }
      try Data(bytes).write(to: url)
      let part = History(try ExportSource(path: url.path))
      #expect(refusal { try part.check(EventFilter(node: "n2")) }.contains("ask by id"))
      try part.check(EventFilter(node: NodeID(2).description))
    }
  }

  @Test("An actor who never did anything is said so, with those who did")
  func unknownActor() throws {
    let history = try Story.life().history
    let nobody = try history.absence(EventFilter(actor: "nobody"))
    #expect(nobody.contains("nobody") && nobody.contains("root@n1") && nobody.contains("root@n4"))
    #expect(try history.absence(EventFilter(from: 2, to: 3, actor: "root@n4")).contains("2..3"))
    #expect(try history.absence(EventFilter(from: 5, to: 4)).contains("no event lies"))
  }
}
