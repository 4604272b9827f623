import Simulator
import Testing

@Suite struct SeedTests {
  @Test("The laws hold in every world, whatever its seed", arguments: 1...150)
  func lawsHold(seed: UInt64) {
    let world = World.run(.drawn(seed: seed, duration: 2 * second))
    #expect(
      world.violation == nil, "replay: muster-sim --seed \(seed) --seconds 2 --trace")
  }

  @Test("The laws hold where leaders never last", arguments: 1...30)
  func lawsHoldInViolence(seed: UInt64) {
    let world = World.run(.violent(seed: seed, duration: 2 * second))
    #expect(
      world.violation == nil,
      "replay: muster-sim --seed \(seed) --seconds 2 --violent --trace")
  }

  @Test("A seed is one run, line for line, and another seed is another")
  func deterministic() {
    func trace(_ seed: UInt64) -> (lines: [String], fingerprint: UInt64) {
      var lines: [String] = []
      let world = World.run(.violent(seed: seed, duration: 3 * second)) { lines.append($0) }
      return (lines, world.fingerprint)
    }
    let first = trace(7)
    let again = trace(7)
    #expect(first.lines == again.lines)
    #expect(first.fingerprint == again.fingerprint)
    #expect(first.lines.count > 1000)
    #expect(trace(8).fingerprint != first.fingerprint)
  }

  @Test("A trace changes nothing")
  func traceIsSilent() {
    let options = WorldOptions.drawn(seed: 5, duration: 3 * second)
    #expect(World.run(options).fingerprint == World.run(options) { _ in }.fingerprint)
  }
}
