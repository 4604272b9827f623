// The simulator's command line: many seeds, or one with its trace. Only here is real time known.

import Simulator

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

func usage(_ problem: String?) -> Never {
  if let problem { print("muster-sim: \(problem)") }
  print(
    """
    usage: muster-sim --seeds A..B     runs seeds A to B (1 to 100)
           muster-sim --seeds A..      runs on and on
           muster-sim --seed N --trace runs one, and tells everything
           muster-sim --scenarios      lists the scripted scenarios
           muster-sim --scenario NAME  plays one, and tells everything
           muster-sim --core NODES BATCH PROPOSALS  times the consensus core alone
    A seed is one simulated cluster: some time of faults and requests, then healing.
      --seconds S, --millis MS  simulated time of faults and requests (30 s)
      --minutes M               real time after which no other seed is begun
      --violent                 worlds in which leaders never last
      --upkeep                  somebody takes nodes into maintenance, changes the policy, promotes
                                and demotes nodes
      --without A,B             takes features and kinds of faults out of the world
      --absence P               in P of a hundred worlds a minority is missing at first
      --nodes N, --workers N    how many nodes the clients aim at
      --requests N              how many requests there are at most
      --plant NAME              puts a known bug into the machines, to see it found
      --shrink                  looks for the smallest world in which a failing seed fails
      --digests                 prints what each seed's run comes to, in one number, and nothing
                                that depends on the machine
    Exits 0 if all laws held in all worlds, 1 if not, 2 if it was asked for something else.
    """)
  exit(problem == nil ? 0 : 2)
}

func seconds(since start: ContinuousClock.Instant) -> Double {
  let (whole, rest) = (ContinuousClock.now - start).components
  return Double(whole) + Double(rest) / 1e18
}

let words = Array(CommandLine.arguments.dropFirst())
if let request = ScenarioRequest(words) { exit(request.run()) }
if runCoreBenchmark(words[...]) { exit(0) }
let arguments = Arguments(words)
let start = ContinuousClock.now
var total = Statistics()
var failures = 0
var seed = arguments.first
while arguments.end.map({ seed < $0 }) ?? (seed < .max) {
  if let budget = arguments.budget, seconds(since: start) > budget { break }
  let options = arguments.options(seed)
  let world = World.run(options, trace: arguments.trace ? { print($0) } : nil)
  total.add(world.statistics)
  if arguments.digests { print("\(seed) \(String(world.fingerprint, radix: 16))") }
  if let violation = world.violation {
    failures += 1
    print("seed \(seed): broken after \(world.now / millisecond) ms: \(violation)")
    let drawn = arguments.drawn(seed)
    print("  replay: \(options.command(from: drawn, shape: arguments.shape))")
    if arguments.shrinks {
      var shrinker = Shrinker(options, violation)
      shrinker.shrink()
      print("  smallest of \(shrinker.attempts) worlds: \(shrinker.violation)")
      print("  replay: \(shrinker.options.command(from: drawn, shape: arguments.shape))")
    }
  }
  // A run that goes on for ever is looked at.
  if arguments.end == nil, total.seeds % 100 == 0 {
    print(total.summary(wall: seconds(since: start)))
  }
  fflush(nil)
  seed += 1
}
if !arguments.digests { print(total.summary(wall: seconds(since: start))) }
if failures > 0 { print("\(failures) seeds failed") }
exit(failures == 0 ? 0 : 1)
