import Agent
import Foundation
import History
import Testing

@Suite("What replicas say of themselves")
struct ReplicasTests {
  private func answer(_ replicas: [String]) throws -> ReplicasAnswer {
    try JSONDecoder().decode(
      ReplicasAnswer.self,
      from: Data("{\"index\":7,\"replicas\":[\(replicas.joined(separator: ","))]}".utf8))
  }

  private func replica(_ name: String, version: String, view: String, more: String = "") -> String {
    """
    {"name":"\(name)","answer":{"name":"\(name)","applied":7,"hash":"aa","version":"\(version)",
    "digests":{"index":7,"entries":[{"name":"status","digest":"\(view)"}]}\(more)}}
    """
  }

  @Test("Views are compared among programs of one version: another may word them in another way")
  func versions() throws {
    let same = try answer([
      replica("n1", version: "1", view: "a"), replica("n2", version: "1", view: "a"),
      replica("n3", version: "1", view: "b"),
    ])
    #expect(same.comparison.check.isGood == true)
    let views = try #require(same.comparison.viewsCheck)
    #expect(views.isGood == false && views.words.hasPrefix("n3 differs from the others in status"))
    #expect(same.comparison.odd == ["n3"])
    let mixed = try answer([
      replica("n1", version: "1", view: "a"), replica("n2", version: "1", view: "a"),
      replica("n3", version: "2", view: "b"),
    ])
    #expect(mixed.comparison.check.isGood == true && mixed.comparison.odd.isEmpty)
    let unknown = try #require(mixed.comparison.viewsCheck)
    #expect(unknown.isGood == nil)
    #expect(unknown.words.contains("their programs are of versions 1 and 2"))
    let late = try answer([
      replica("n1", version: "1", view: "a"),
      replica("n2", version: "1", view: "b").replacing("\"index\":7", with: "\"index\":8"),
    ])
    #expect(late.comparison.viewsCheck?.isGood == .some(nil) && late.comparison.odd.isEmpty)
  }

  @Test("Whose log is damaged is named, and who could not prove its own")
  func proof() throws {
    let answer = try answer([
      replica("n1", version: "1", view: "a", more: ",\"verified\":7"),
      replica("n2", version: "1", view: "a", more: ",\"verified\":3,\"damage\":\"index 4: x\""),
      replica("n3", version: "1", view: "a"),
    ])
    let check = try #require(answer.comparison.proof)
    #expect(check.isGood == false)
    #expect(check.words.hasPrefix("the log of n2 is damaged: index 4: x; muster repair there"))
    #expect(check.words.contains("anew by n1; n3 compared what it has stored only"))
  }
}
