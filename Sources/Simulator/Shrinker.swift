// From a seed that fails to the smallest world that fails in the same way.

/// Takes out of a failing world what its failure does not need: kinds of faults first, then nodes,
/// then requests, then time. Every attempt is a whole run, and counts only if it breaks the same
/// law; so what is left is what to look at.
package struct Shrinker {
  /// The smallest failing world so far.
  package private(set) var options: WorldOptions
  /// What it breaks.
  package private(set) var violation: Violation
  /// What was taken out, in order.
  package private(set) var removed: [Feature] = []
  /// How many worlds were run.
  package private(set) var attempts = 0
  private let limit: Int

  /// - Parameters:
  ///   - options: Of a world that fails.
  ///   - violation: How it fails.
  ///   - limit: The number of worlds that may be run at most.
  package init(_ options: WorldOptions, _ violation: Violation, limit: Int = 200) {
    self.options = options
    self.violation = violation
    self.limit = limit
  }

  /// Shrinks until nothing more can be taken out, or the limit is reached.
  package mutating func shrink() {
    var again = true
    while again, attempts < limit {
      again = removeFeatures()
      again = lower(\.controlPlane, to: 1) || again
      again = lower(\.workers, to: 0) || again
      again = lower(\.requestLimit, to: 0) || again
      again = shorten() || again
    }
  }

  private mutating func fails(_ smaller: WorldOptions) -> Bool {
    guard attempts < limit else { return false }
    attempts += 1
    let world = World.run(smaller)
    guard let found = world.violation, found.law == violation.law else { return false }
    options = smaller
    violation = found
    // What was not asked for in this run need not be asked for in the next.
    options.requestLimit = min(options.requestLimit, world.operations.count)
    options.duration = min(options.duration, world.now + millisecond)
    return true
  }

  private mutating func removeFeatures() -> Bool {
    var changed = false
    for feature in Feature.allCases where options.has(feature) {
      var smaller = options
      smaller.remove(feature)
      if fails(smaller) {
        removed.append(feature)
        changed = true
      }
    }
    return changed
  }

  /// Lowers a number, by half of the distance at first and by one in the end.
  private mutating func lower(_ path: WritableKeyPath<WorldOptions, Int>, to least: Int) -> Bool {
    var changed = false
    var step = max(1, (min(options[keyPath: path], 1_000) - least) / 2)
    while options[keyPath: path] > least, attempts < limit {
      var smaller = options
      smaller[keyPath: path] = max(least, min(options[keyPath: path], 1_000) - step)
      if fails(smaller) {
        changed = true
      } else if step == 1 {
        break
      } else {
        step /= 2
      }
    }
    return changed
  }

  private mutating func shorten() -> Bool {
    var changed = false
    for part: UInt64 in [2, 4, 8] {
      var smaller = options
      smaller.duration -= options.duration / part / millisecond * millisecond
      if smaller.duration > 0, smaller.duration < options.duration, fails(smaller) {
        changed = true
      }
    }
    return changed
  }
}

extension WorldOptions {
  /// The command line that makes this world from its seed.
  /// - Parameter drawn: The same seed's options as they are drawn for `shape`.
  package func command(from drawn: WorldOptions, shape: String?) -> String {
    var words = ["muster-sim --seed \(seed)"]
    if let shape { words.append(shape) }
    if let plant { words.append("--plant \(plant.rawValue)") }
    words.append("--millis \((duration + millisecond - 1) / millisecond)")
    let gone = Feature.allCases.filter { drawn.has($0) && !has($0) }
    if !gone.isEmpty { words.append("--without \(gone.map(\.name).joined(separator: ","))") }
    if controlPlane != drawn.controlPlane { words.append("--nodes \(controlPlane)") }
    if workers != drawn.workers { words.append("--workers \(workers)") }
    if requestLimit != drawn.requestLimit { words.append("--requests \(requestLimit)") }
    return words.joined(separator: " ") + " --trace"
  }
}
