// Why the settings of the cluster are what they are: for each the event that last changed its
// value. An event may set what holds already, and that made nothing so.

import Membership

extension Why {
  static func policy(_ history: History, _ state: Cluster) throws -> Why {
    let origins = try history.policyOrigins(state)
    var verdict: [String] = []
    var ends: [(index: UInt64?, words: String)] = []
    for fact in Facts.settings(state.policy) {
      let words = "\(fact.path.dropFirst("policy.".count)) is \(fact.value)"
      guard let index = origins[fact.path] else {
        verdict.append(words + ", as in a new cluster")
        continue
      }
      let envelope = try history.event(at: index).envelope
      verdict.append(
        words + " since index \(index) (\(envelope.time.rfc3339)) by \(envelope.actor)")
      ends.append((index, words + " from here on"))
    }
    if ends.isEmpty { ends.append((1, "the settings of a new cluster hold from here on")) }
    return Why(verdict: verdict, chain: try chain(history, ends, depth: 0))
  }
}

extension History {
  /// By path, for each setting that is no more what it was at first, or is so again, the event that
  /// last changed its value.
  func policyOrigins(_ state: Cluster) throws -> [String: UInt64] {
    // What held before the first event that is there cannot be compared with.
    guard state.policyIndex > 1, first == 1 else { return [:] }
    var changes: [(index: UInt64, change: PolicyChanged)] = []
    try backwards(from: state.policyIndex, types: [.policyChanged]) { events in
      for recorded in events.reversed() {
        guard case .policyChanged(let change) = recorded.envelope.event else { continue }
        changes.append((recorded.index, change))
      }
      return true
    }
    var origins: [String: UInt64] = [:]
    var policy = Policy()
    for (index, change) in changes.reversed() {
      let next = policy.changed(by: change)
      for (before, after) in zip(Facts.settings(policy), Facts.settings(next))
      where before != after {
        origins[after.path] = index
      }
      policy = next
    }
    return origins
  }
}
