import Raft

/// A node as a host runs it: the core, what it has made durable, and what it has not done yet.
struct Node {
  var machine: Machine
  let store: Store
  let options: Machine.Options
  var jobs: [AppendJob] = []
  var toApply: [Entry] = []
  /// All entries applied since the last start, in order.
  var applied: [Entry] = []
  var reads: [ReadState] = []

  init(_ options: Machine.Options, _ store: Store, at time: UInt64 = 0) {
    self.store = store
    self.options = options
    let durable = store.now
    machine = Machine(
      options: options, configuration: durable.configuration, hardState: durable.hardState,
      applied: durable.applied, log: store, payload: { _, _, _, _ in [] },
      at: Time(monotonic: time, stamp: 0))
  }

  static func options(_ id: PeerID) -> Machine.Options {
    var options = Machine.Options(id: id, seed: id)
    options.electionTimeout = 10
    options.heartbeatInterval = 1
    options.forgottenLeaderDelay = nil
    return options
  }

  /// Asks the core what to do. What may leave at once is returned, the rest waits here.
  mutating func collect() -> [Message] {
    let effects = machine.takeEffects()
    if let job = effects.append {
      jobs.append(job)
      if job.snapshot != nil { toApply = [] }
    }
    toApply += effects.committed
    reads += effects.reads
    return effects.messages
  }

  /// Makes the oldest job durable. Returns what it releases.
  mutating func write(at time: UInt64) throws -> [Message] {
    let job = jobs.removeFirst()
    store.write(job)
    try machine.step(.appended(job.ack), at: Time(monotonic: time, stamp: 0))
    return job.released
  }

  mutating func apply(at time: UInt64) throws {
    for entry in toApply {
      if let change = entry.change {
        let configuration = try machine.apply(change)
        store.change { $0.configuration = configuration }
      }
      store.change { $0.applied = entry.index }
      try machine.step(.applied(entry.index), at: Time(monotonic: time, stamp: 0))
    }
    applied += toApply
    toApply = []
  }

  /// The power fails: what was not durable is gone.
  mutating func restart(at time: UInt64) {
    var next = options
    next.seed = options.seed &+ machine.term &+ time
    self = Node(next, store, at: time)
  }
}
