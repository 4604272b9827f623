// What an operator most likely wants to do next, one line, as `git status` ends: worked out from
// what the report says and nothing else. Where nothing is to be done it says nothing: not of who
// comes back by itself, and not of what the cluster is about to do alone.

package import Membership

struct NextStep {
  private let cluster: Cluster
  private let high: HighAvailability
  private let nodes: NodeTable
  private let hindrances: [NodeID: Hindrance]
  private let now: Timestamp

  /// From so many milliseconds of silence on, a node may be removed, and another take its place.
  fileprivate static let long: Int64 = 30_000

  /// - Parameters:
  ///   - hindrances: why nodes do not count, where that is known.
  ///   - now: gives the ages.
  init(
    _ cluster: Cluster, _ high: HighAvailability, _ nodes: NodeTable,
    _ hindrances: [NodeID: Hindrance], now: Timestamp
  ) {
    self.cluster = cluster
    self.high = high
    self.nodes = nodes
    self.hindrances = hindrances
    self.now = now
  }

  /// One line without `next:`; nil if nothing is to be done.
  var likely: String? {
    if high.observed?.hasLeader == false { return quorum }
    // Who was not looked at yet may be well, and most likely is.
    if !high.unseen.isEmpty { return nil }
    if !high.quorumHeld { return quorum }
    // Whoever changes the roles finishes that alone.
    if cluster.joint != nil || cluster.departure != nil { return nil }
    // Who is in maintenance is meant to be away.
    let away = nodes.rows.filter { $0.state == .maintenance }.map(\.name)
    let lost = nodes.rows.filter { high.uncounted.contains($0.name) && !away.contains($0.name) }
    if let full = lost.first(where: { hindrances[$0.id] == .disk }) {
      return "make room on the disk of \(full.name) (muster doctor there says where)"
    }
    let gone = lost.filter { isSilent($0) }
    if !gone.isEmpty { return replacement(of: gone) }
    // Who is in contact again, or fetches what it lacks, comes back by itself.
    if !lost.isEmpty { return nil }
    // No majority lacks these: what a leader told a second ago is as old as it is.
    let silent = nodes.rows.filter {
      $0.state != .joining && $0.state != .left && $0.state != .maintenance
        && ($0.status == .notReady || hindrances[$0.id] == .link)
    }
    if !silent.isEmpty { return farewell(to: silent) }
    if !away.isEmpty {
      return words(away.map { "muster maintenance exit \($0)" }, "and") + ", once "
        + (away.count == 1 ? "its work is done" : "their work is done")
    }
    return growth
  }

  private func isSilent(_ row: NodeRow) -> Bool {
    if row.state == .joining { return false }
    let isOverdue = row.role == .controlPlane && (row.contactAge ?? 0) >= Trouble.silent
    return row.status == .notReady || isOverdue || hindrances[row.id] == .link
  }

  /// Whether it counts as alive no more.
  private func isLongSilent(_ row: NodeRow) -> Bool {
    guard row.status == .notReady else { return false }
    // A leader that never heard from it may be new: then it counts as alive for as long, which has
    // passed when its suspicion is so old.
    return row.contactAge.map { $0 >= Self.long }
      ?? (row.role == .worker || row.hasLongBeenSuspected(at: now))
  }

  private var quorum: String {
    let here = nodes.rows.first(where: \.isHere)?.name
    let voters = cluster.voters
    let others = cluster.nodes(.voter).map(\.name).filter { $0 != here }
    guard !others.isEmpty else { return "muster doctor says what keeps this node from leading" }
    return "\(voters.count / 2 + 1) of \(counted(voters.count, "voter")) must reach one another:"
      + " muster doctor here and on \(words(others, "and")) says what is wrong; if too many of them"
      + " are gone for good, muster export FILE here and muster import FILE --seed --data-dir NEW,"
      + " into a new directory, begin anew with this log"
  }

  /// Voters are lost.
  private func replacement(of lost: [NodeRow]) -> String {
    let back =
      "bring \(words(lost.map(\.name), "and")) back (muster doctor there says what is wrong)"
    guard let dead = lost.first(where: isLongSilent) else { return back }
    return back + "; if \(dead.name) is gone for good: muster join with --replace \(dead.name) on"
      + " the machine that takes its place (muster add-node here makes the string)"
  }

  /// Nodes are silent that no majority needs.
  private func farewell(to silent: [NodeRow]) -> String {
    let back = "bring \(words(silent.map(\.name), "and")) back"
    guard let dead = silent.first(where: isLongSilent) else { return back }
    return back + ", or, if \(dead.name) is gone for good: muster remove-node \(dead.name)"
  }

  private var growth: String? {
    if let left = nodes.rows.first(where: { $0.state == .left }) {
      return "muster remove-node \(left.name) closes the record of a node that left"
    }
    let count = cluster.controlPlane.count
    guard cluster.policy.voters >= 3 else { return nil }
    guard count < 3 else { return spread }
    let workers = nodes.rows.filter { $0.role == .worker && $0.status == .ready }.prefix(3 - count)
    let missing = 3 - count - workers.count
    var steps = [words(workers.map { "muster role \($0.name) control-plane" }, "and")]
    if missing > 0 {
      let others = missing == 1 ? "a third node" : "two more nodes"
      steps.append("muster add-node, and muster join on \(others)")
    }
    return steps.filter { !$0.isEmpty }.joined(separator: ", then ")
      + ": three control-plane nodes make it highly available"
  }

  private var spread: String? {
    guard high.domains.count > 1, high.domains.contains(where: { $0.isFatal && $0.healthy > 1 })
    else { return nil }
    return "join a control-plane node in another failure domain (muster agent --failure-domain)"
  }
}

extension NodeRow {
  /// Whether it counts as alive no more, though a leader never heard from it.
  package func hasLongBeenSuspected(at now: Timestamp) -> Bool {
    suspectedSince.map { now.milliseconds - $0.milliseconds >= NextStep.long } ?? false
  }
}
