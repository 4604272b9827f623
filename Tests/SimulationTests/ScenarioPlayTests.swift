import Simulator
import Testing

@Suite struct ScenarioPlayTests {
  @Test("What others have lived through holds here", arguments: Scenario.all)
  func holds(_ scenario: Scenario) {
    let violation = scenario.play()
    #expect(violation == nil, "replay: muster-sim --scenario \(scenario.name)")
  }

  @Test("Every item of the list of known bugs has its scenario, and no name is there twice")
  func complete() {
    let names = Scenario.all.map(\.name)
    #expect(Set(names).count == names.count)
    let numbers = Set(names.map { $0.prefix { $0 != "-" } })
    let items = (1...69).map { $0 < 10 ? "0\($0)" : "\($0)" } + (1...10).map { "3.8.\($0)" }
    #expect(numbers == Set(items.map { $0[...] }))
  }

  @Test("A scenario is one schedule: it tells the same every time", arguments: Scenario.all)
  func sameTrace(_ scenario: Scenario) {
    func trace() -> [String] {
      var lines: [String] = []
      _ = scenario.play { lines.append($0) }
      return lines
    }
    let first = trace()
    #expect(!first.isEmpty)
    #expect(first == trace())
  }
}

extension Scenario: CustomTestStringConvertible {
  package var testDescription: String { name }
}
