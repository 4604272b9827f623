// How far this node's hooks have come: one small file, replaced whole, so that after a crash at any
// moment each event's hooks run at least once and in order.

import FoundationEssentials
import Membership

/// `hooks.json`.
struct HookLedger: Codable, Equatable, Sendable {
  /// Whose log, or whose lists, it counts.
  var cluster: String
  /// The last event of the log whose hooks have all run; nil on a worker, and where none has been
  /// looked at: then it begins with what comes next.
  var handled: UInt64?
  /// The list of API servers that a worker's hooks know.
  var list: EndpointsAnswer?
  /// What has run of the occasions after `handled`: `joined@CLUSTER/12 10-kubeadm`.
  var done: [String] = []
  /// Occasions that no log of this node holds, the oldest first.
  var beside: [HookOccasion] = []
  /// The last that hooks were told of a leader.
  var isQuorumLost = false
  var failures: [HookFailure] = []
  /// The one that runs.
  var child: HookChild?

  init(cluster: String, handled: UInt64? = nil) {
    self.cluster = cluster
    self.handled = handled
  }

  /// Nil if there is none.
  /// - Throws: `Failure` if it cannot be read or understood.
  static func load(_ directory: DataDirectory) throws(Failure) -> HookLedger? {
    guard let bytes = try directory.read(directory.hookLedger) else { return nil }
    return try JSON.decode(HookLedger.self, bytes)
  }

  func save(_ directory: DataDirectory) throws(Failure) {
    try directory.write(try JSON.encode(self), to: directory.hookLedger)
  }

  /// Before a cluster is entered: its hooks begin after the event at `handled`. Twice is once. What
  /// stands beside the log of the cluster before is kept, except what was seen of its quorum.
  static func enter(
    _ cluster: String, after handled: UInt64?, list: EndpointsAnswer? = nil,
    adding occasion: HookOccasion? = nil, _ directory: DataDirectory
  ) throws(Failure) {
    guard HookFolder.exists(directory) else { return try directory.remove(directory.hookLedger) }
    // One that is damaged counts for nothing any more: another cluster begins.
    let old = (try? load(directory)) ?? nil
    if old?.cluster == cluster { return }
    var next = HookLedger(cluster: cluster, handled: handled)
    next.list = list
    if let old { next.keepBeside(of: old) }
    if let occasion { next.beside.append(occasion) }
    try next.save(directory)
  }

  /// Before a node changes its role in its cluster: from here on its hooks follow the log, which
  /// begins with the event after `handled`, or the lists of a worker. Twice is once.
  static func changeRole(
    after handled: UInt64?, list: EndpointsAnswer? = nil, adding occasion: HookOccasion? = nil,
    _ directory: DataDirectory
  ) throws(Failure) {
    guard HookFolder.exists(directory), let old = (try? load(directory)) ?? nil else { return }
    var next = HookLedger(cluster: old.cluster, handled: handled)
    next.list = list
    next.keepBeside(of: old)
    if let occasion { next.add(occasion) }
    try next.save(directory)
  }

  /// What stands beside the log goes on, whatever becomes of the log.
  private mutating func keepBeside(of old: HookLedger) {
    beside = old.beside.filter { !$0.isQuorum }
    done = old.done.filter { word in beside.contains { word.hasPrefix($0.key + " ") } }
    failures = old.failures.filter { failure in beside.contains { $0.key == failure.key } }
    child = old.child
  }

  /// Adds an occasion, unless it stands there already. What was seen of the quorum counts only as
  /// it was last seen.
  mutating func add(_ occasion: HookOccasion) {
    if occasion.isQuorum {
      beside.removeAll { $0.isQuorum }
      failures.removeAll { $0.hook.isObserved }
      done.removeAll { word in
        HookName.allCases.contains { $0.isObserved && word.hasPrefix($0.rawValue) }
      }
    }
    guard !beside.contains(where: { $0.key == occasion.key }) else { return }
    beside.append(occasion)
  }
}

/// A hook that did not succeed, and when it is tried again.
struct HookFailure: Codable, Equatable, Sendable {
  /// Of the occasion.
  var key: String
  var hook: HookName
  var index: UInt64?
  /// The program in hooks.d; empty if it is the folder.
  var program: String
  var reason: String
  var attempts: Int
  /// Milliseconds since 1970.
  var next: Int64

  /// `hook joined (index 12): 10-kubeadm failed 3 times: exit code 1; it runs again in 4 s`.
  func sentence(now: Timestamp) -> String {
    let wait = max(0, (next - now.milliseconds + 999) / 1000)
    return "hook \(hook.rawValue)\(index.map { " (index \($0))" } ?? ""): "
      + "\(program.isEmpty ? "hooks.d" : program) failed "
      + "\(attempts == 1 ? "once" : "\(attempts) times"): \(reason); "
      + (wait == 0 ? "it runs again now" : "it runs again in \(wait) s")
  }

  /// Seconds until the next attempt: 1, 2, 4 and so on, five minutes at most.
  static func pause(after attempts: Int) -> Int64 {
    min(300, 1 << Int64(min(max(attempts, 1) - 1, 9)))
  }
}
