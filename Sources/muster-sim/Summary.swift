import Simulator

extension Statistics {
  /// Some lines for people.
  /// - Parameter wall: Real seconds that it took.
  func summary(wall: Double) -> String {
    func rounded(_ number: Double) -> Double { (number * 10).rounded() / 10 }
    let wall = max(wall, 0.001)
    let hours = (Double(simulated / second) / 36).rounded() / 100
    let faults = FaultKind.allCases.filter { self.faults[$0.rawValue] > 0 }
      .map { "\($0.name) \(self.faults[$0.rawValue])" }.joined(separator: ", ")
    let refusals = self.refusals.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
      .joined(separator: ", ")
    let pairs = coverage.count
    return """
      \(committed) committed, \(acknowledged) acknowledged, \(reads) reads, \(unknown) unknown, \
      \(elections) elections, \(frames) frames
      faults: \(faults), corrupted frame \(corrupted)
      refusals: \(refusals)
      recovery: mean \(recovery / UInt64(max(1, seeds)) / millisecond) ms, \
      longest \(longestRecovery / millisecond) ms
      coverage: \(pairs - uncovered.count) of \(pairs) pairs of role and message\
      \(uncovered.isEmpty ? "" : "; not: \(uncovered.joined(separator: ", "))")
      \(seeds) seeds in \(rounded(wall)) s (\(rounded(Double(seeds) / wall)) seeds/s), \
      \(hours) simulated hours, \(events) events (\(Int(Double(events) / wall)) events/s)
      """
  }
}
