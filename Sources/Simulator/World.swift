// A cluster in a box.
//
// The world runs real replicas on simulated machines: one thread, no tasks, no clock but its own,
// no chance but its seed's. Everything that happens is an occurrence in one queue, ordered by time
// and by the order in which it was scheduled; nothing iterates over a hash table. So one seed is
// one run, event for event, in debug and in release, and a failure is replayed by its number.
//
// Between the occurrences the laws are checked (`Laws`); the first one broken ends the run.

import Membership
import Raft
import Replication
import Schema

/// N replicas, their machines and their network, from one seed.
package final class World {
  /// What the world was made from.
  package let options: WorldOptions
  /// Nanoseconds since the world began.
  package internal(set) var now: UInt64 = 0
  /// In the order in which they came into being; none is ever taken out.
  package internal(set) var nodes: [SimulatedNode] = []
  /// The first law broken; the world stands still from then on.
  package internal(set) var violation: Violation?
  /// What was seen so far.
  package internal(set) var statistics = Statistics()
  /// A digest of everything that happened, in order.
  package private(set) var fingerprint: UInt64 = 0xcbf2_9ce4_8422_2325
  /// Told every line of the trace.
  package var trace: ((String) -> Void)?

  var queue = EventQueue<Occurrence>()
  var indexes: [NodeID: Int] = [:]
  var network = Network()
  var laws = Laws()
  var workload: Workload
  var faultDice: SplitMix64
  var networkDice: SplitMix64
  /// Faults and new requests go on.
  package internal(set) var isStormy = true

  enum Occurrence {
    /// A node's deadline.
    case wake(Int, boot: Int)
    /// A node takes what is in its inbox.
    case run(Int, boot: Int)
    case arrival(Int, Parcel)
    case linkClosed(at: Int, boot: Int, peer: Int)
    case diskDone(Int, boot: Int)
    case diskRetry(Int, boot: Int)
    case syncedLate(Int, boot: Int)
    case start(Int)
    case crash(Int, boot: Int)
    /// A node that departed is switched off.
    case stop(Int)
    case fault(FaultKind)
    case mend([(Int, Int)])
    case newRequest
    case attempt(Int)
    case signOfLife
  }

  /// A world with one node, which has just formed a cluster and is about to start.
  package init(_ options: WorldOptions, trace: ((String) -> Void)? = nil) {
    self.options = options
    self.trace = trace
    workload = Workload(dice: SplitMix64(seed: options.seed, stream: 2))
    faultDice = SplitMix64(seed: options.seed, stream: 3)
    networkDice = SplitMix64(seed: options.seed, stream: 4)
    statistics.seeds = 1
    form()
    if options.requestInterval > 0 {
      schedule(.newRequest, after: options.requestInterval)
      schedule(.signOfLife, after: second)
    }
    for kind in FaultKind.allCases { scheduleFault(kind) }
  }

  // MARK: Time

  func schedule(_ occurrence: Occurrence, after delay: UInt64) {
    queue.push(occurrence, at: now + delay)
  }

  /// Lets time pass until the condition holds, a law is broken, or the limit is reached.
  /// - Parameters:
  ///   - limit: simulated nanoseconds from now.
  ///   - condition: looked at after every occurrence.
  /// - Returns: whether the condition held.
  @discardableResult
  package func run(for limit: UInt64, until condition: (World) -> Bool = { _ in false }) -> Bool {
    let end = now + limit
    while violation == nil {
      if condition(self) { return true }
      guard let time = queue.nextTime, time <= end else { break }
      step()
    }
    if violation == nil { now = max(now, end) }
    return violation == nil && condition(self)
  }

  func step() {
    guard let (time, occurrence) = queue.pop() else { return }
    now = time
    statistics.events += 1
    do throws(Violation) {
      try handle(occurrence)
    } catch {
      violation = error
      say("broken: \(error)")
    }
    statistics.simulated = now
  }

  private func handle(_ occurrence: Occurrence) throws(Violation) {
    switch occurrence {
    case .wake(let index, let boot): try wake(nodes[index], boot: boot)
    case .run(let index, let boot):
      guard nodes[index].boot == boot else { return }
      nodes[index].runDue = false
      try run(nodes[index])
    case .arrival(let index, let parcel): try arrive(parcel, at: nodes[index])
    case .linkClosed(let index, let boot, let peer):
      guard nodes[index].boot == boot else { return }
      post(.linkClosed(nodes[peer].id), to: nodes[index])
    case .diskDone(let index, let boot): try diskDone(nodes[index], boot: boot)
    case .diskRetry(let index, let boot): diskRetry(nodes[index], boot: boot)
    case .syncedLate(let index, let boot): syncLate(nodes[index], boot: boot)
    case .start(let index): try start(nodes[index])
    case .crash(let index, let boot):
      guard nodes[index].boot == boot, isStormy else { return }
      statistics.faults[FaultKind.crash.rawValue] += 1
      try crashForAWhile(nodes[index])
    case .stop(let index): if !truth.isServer(nodes[index].id) { try switchOff(nodes[index]) }
    case .fault(let kind): try inject(kind)
    case .mend(let cuts):
      guard isStormy else { return }
      for (from, to) in cuts { network.mend(from, to) }
    case .newRequest: newRequest()
    case .attempt(let number): attempt(number)
    case .signOfLife: signOfLife()
    }
  }

  // MARK: Trace

  /// Adds to the fingerprint, and to the trace if somebody listens.
  func note(_ what: UInt64, _ a: UInt64, _ b: UInt64, _ c: UInt64, _ line: () -> String) {
    for word in [now, what, a, b, c] { fingerprint = (fingerprint ^ word) &* 0x100_0000_01b3 }
    if trace != nil { say(line()) }
  }

  func say(_ line: String) {
    guard let trace else { return }
    let micro = now / microsecond
    let digits = String(micro % 1_000_000)
    let fraction = String(repeating: "0", count: 6 - digits.utf8.count) + digits
    trace("\(micro / 1_000_000).\(fraction) \(line)")
  }
}
