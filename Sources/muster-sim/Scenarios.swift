// The scenarios on the command line: `--scenarios` lists them, `--scenario NAME` plays one.

import Simulator

/// What the command line asks of scenarios.
enum ScenarioRequest {
  case list
  case play(Scenario)

  /// - Returns: nil if the words ask for something else.
  init?(_ words: [String]) {
    switch words.first {
    case "--scenarios" where words.count == 1: self = .list
    case "--scenario" where words.count == 2:
      let found = Scenario.all.filter { $0.name == words[1] || $0.name.hasPrefix(words[1] + "-") }
      guard let scenario = found.first, found.count == 1 else {
        usage("--scenario needs a name or a number; --scenarios lists them")
      }
      self = .play(scenario)
    default: return nil
    }
  }

  /// Prints what was asked for.
  /// - Returns: the exit code: 1 if a law was broken.
  func run() -> Int32 {
    switch self {
    case .list:
      for scenario in Scenario.all { print("\(scenario.name)\n    \(scenario.what)") }
      return 0
    case .play(let scenario):
      print("\(scenario.name): \(scenario.what)")
      if let violation = scenario.play(trace: { print("  \($0)") }) {
        print("broken: \(violation)")
        return 1
      }
      print("held")
      return 0
    }
  }
}
