import Simulator
import Testing

@Suite struct ShrinkerTests {
  @Test("A failing seed is shrunk to a smaller world that fails alike, and its command makes it")
  func shrinks() throws {
    var options = WorldOptions.violent(seed: 1, duration: 5 * second)
    options.plant = .claimsSuccess
    let drawn = options
    let violation = try #require(World.run(options).violation)
    var shrinker = Shrinker(options, violation, limit: 60)
    shrinker.shrink()
    #expect(shrinker.violation.law == violation.law)
    #expect(!shrinker.removed.isEmpty)
    #expect(shrinker.options.duration < drawn.duration)
    #expect(shrinker.options.requestLimit < drawn.requestLimit)
    #expect(World.run(shrinker.options).violation == shrinker.violation)
    let command = shrinker.options.command(from: drawn, shape: "--violent")
    #expect(command.hasPrefix("muster-sim --seed 1 --violent --plant claimsSuccess --millis "))
    for feature in shrinker.removed { #expect(command.contains(feature.name)) }
    #expect(command.contains("--requests \(shrinker.options.requestLimit)"))
  }

  @Test("Every feature has a name of its own, and can be taken out")
  func features() {
    #expect(Set(Feature.allCases.map(\.name)).count == Feature.allCases.count)
    var options = WorldOptions.violent(seed: 3, duration: second)
    for feature in Feature.allCases {
      options.remove(feature)
      #expect(!options.has(feature))
    }
  }
}
