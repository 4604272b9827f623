// The simulator's command line: many seeds, or one with its trace.

import Simulator

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What was asked for on the command line.
struct Arguments {
  var seeds: ClosedRange<UInt64> = 1...100
  var seconds: UInt64 = 30
  var trace = false
  var draw = WorldOptions.drawn
  var shape: String?
  var plant: Plant?

  init(_ words: [String]) {
    var words = words[...]
    while let word = words.popFirst() {
      switch word {
      case "--trace": trace = true
      case "--violent": (draw, shape) = (WorldOptions.violent, word)
      case "--seed":
        guard let value = words.popFirst(), let seed = UInt64(value) else {
          usage("--seed needs a number")
        }
        seeds = seed...seed
      case "--seeds":
        let ends = (words.popFirst() ?? "").split(separator: ".").compactMap { UInt64($0) }
        guard ends.count == 2, ends[0] <= ends[1] else { usage("--seeds needs A..B") }
        seeds = ends[0]...ends[1]
      case "--seconds":
        guard let value = words.popFirst(), let number = UInt64(value),
          (1...100_000).contains(number)
        else { usage("--seconds needs a number from 1 to 100000") }
        seconds = number
      case "--plant":
        guard let value = words.popFirst(), let plant = Plant(rawValue: value) else {
          usage("--plant needs one of \(Plant.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self.plant = plant
      default: usage("what is \(word)?")
      }
    }
  }
}

func usage(_ problem: String) -> Never {
  print(
    """
    muster-sim: \(problem)
    usage: muster-sim --seeds A..B [--seconds S]            runs seeds A to B
           muster-sim --seed N [--seconds S] [--trace]      runs one, and tells everything
           muster-sim --scenarios                           lists the scripted scenarios
           muster-sim --scenario NAME                       plays one, and tells everything
           muster-sim --core NODES BATCH PROPOSALS          times the consensus core alone
    A seed is one simulated cluster: S seconds of faults and requests (30), then healing.
    --violent makes worlds in which leaders never last.
    --plant NAME puts a known bug into the simulated machines, to see it found.
    """)
  exit(2)
}

func summary(_ total: Statistics, wall: Double) -> String {
  func per(_ number: Double) -> String { "\(Int(number / max(wall, 0.001)))" }
  let hours = Double(total.simulated / second) / 3600
  let faults = FaultKind.allCases.filter { total.faults[$0.rawValue] > 0 }
    .map { "\($0.name) \(total.faults[$0.rawValue])" }.joined(separator: ", ")
  let refusals = total.refusals.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    .joined(separator: ", ")
  let pairs = total.coverage.count
  return """
    \(total.seeds) seeds, \((hours * 100).rounded() / 100) simulated hours, \(total.events) events \
    in \((wall * 10).rounded() / 10) s: \(per(Double(total.events))) events/s, \
    \((Double(total.seeds) / max(wall, 0.001) * 10).rounded() / 10) seeds/s
    \(total.committed) committed, \(total.acknowledged) acknowledged, \(total.reads) reads, \
    \(total.unknown) unknown, \(total.elections) elections, \(total.frames) frames
    faults: \(faults)
    refusals: \(refusals)
    recovery: mean \(total.recovery / UInt64(max(1, total.seeds)) / millisecond) ms, \
    longest \(total.longestRecovery / millisecond) ms
    coverage: \(pairs - total.uncovered.count) of \(pairs) pairs of role and message; \
    not: \(total.uncovered.joined(separator: ", "))
    """
}

let words = Array(CommandLine.arguments.dropFirst())
if let request = ScenarioRequest(words) { exit(request.run()) }
if runCoreBenchmark(words[...]) { exit(0) }
let arguments = Arguments(words)
let start = ContinuousClock.now
var total = Statistics()
var failures = 0
for seed in arguments.seeds {
  let duration = arguments.seconds * second
  var options = arguments.draw(seed, duration)
  options.plant = arguments.plant
  let world = World.run(options, trace: arguments.trace ? { print($0) } : nil)
  total.add(world.statistics)
  if let violation = world.violation {
    failures += 1
    print("seed \(seed): broken after \(world.now / millisecond) ms: \(violation)")
    let plant =
      (arguments.shape.map { " \($0)" } ?? "")
      + (arguments.plant.map { " --plant \($0.rawValue)" } ?? "")
    print("  replay: muster-sim --seed \(seed) --seconds \(arguments.seconds)\(plant) --trace")
    fflush(nil)
  }
}
let took = ContinuousClock.now - start
let (whole, rest) = took.components
print(summary(total, wall: Double(whole) + Double(rest) / 1e18))
if failures > 0 { print("\(failures) seeds failed") }
exit(failures == 0 ? 0 : 1)
