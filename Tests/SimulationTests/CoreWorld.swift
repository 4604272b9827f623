import Simulator
import Synchronization

@testable import Raft

/// A log in memory that is shortened and replaced by snapshots.
final class CompactingLog: StableLog {
  struct State: Sendable {
    var entries: [Entry] = []
    /// What stands before the first entry.
    var base = Snapshot(index: 0, term: 0, configuration: Configuration(), data: [])
    var hardState = HardState()
  }
  let state = Mutex(State())

  var firstIndex: Index { state.withLock { $0.base.index + 1 } }
  var lastIndex: Index { state.withLock { $0.base.index + Index($0.entries.count) } }
  func snapshot() -> Snapshot? { state.withLock { $0.base.index > 0 ? $0.base : nil } }

  func term(at index: Index) -> Term? {
    state.withLock { state in
      if index == state.base.index { return state.base.term }
      guard index > state.base.index, index <= state.base.index + Index(state.entries.count) else {
        return nil
      }
      return state.entries[Int(index - state.base.index) - 1].term
    }
  }

  func entries(from index: Index, to end: Index, maxBytes: Int) -> [Entry]? {
    state.withLock { state in
      let last = state.base.index + Index(state.entries.count)
      guard index > state.base.index, index <= last, index < end else { return nil }
      let start = Int(index - state.base.index) - 1
      return Array(state.entries[start..<min(state.entries.count, start + Int(end - index))])
    }
  }

  func write(_ job: AppendJob) {
    state.withLock { state in
      if let hardState = job.hardState { state.hardState = hardState }
      if let snapshot = job.snapshot {
        state.base = snapshot
        state.entries = []
      }
      guard let first = job.entries.first else { return }
      state.entries.removeSubrange(Int(first.index - state.base.index - 1)...)
      state.entries += job.entries
    }
  }

  /// Forgets the entries up to `index`: a snapshot stands for them.
  func compact(to index: Index, _ configuration: Configuration) {
    state.withLock { state in
      guard index > state.base.index, index <= state.base.index + Index(state.entries.count) else {
        return
      }
      let count = Int(index - state.base.index)
      let term = state.entries[count - 1].term
      state.base = Snapshot(index: index, term: term, configuration: configuration, data: [])
      state.entries.removeFirst(count)
    }
  }
}

/// Three bare cores in a bag of messages: for what replicas never do (snapshots), and for bugs so
/// seldom hurtful that thousands of small worlds are needed.
final class CoreWorld {
  /// What is done to a core behind its back.
  struct Tamper: Sendable {
    var before: (@Sendable (Message, inout Machine) -> Message?)?
    var after: (@Sendable (Message, inout Machine) -> Void)?
  }
  struct Node {
    let log = CompactingLog()
    var machine: Machine?
    var jobs: [AppendJob] = []
    var leads = false
  }

  let tamper: Tamper
  let configuration = Configuration(voters: [1, 2, 3])
  var dice: SplitMix64
  var now: UInt64 = 1
  var nodes = [Node(), Node(), Node()]
  var bag: [Message] = []
  /// On a detour: they come very late.
  var stragglers: [Message] = []
  /// Terms and payloads of what was committed, by index - 1.
  var history: [(term: Term, payload: [UInt8])] = []
  var reads: [UInt64: Int] = [:]
  var serial: UInt64 = 0
  /// The first law broken, in words.
  var broken: String?

  init(seed: UInt64, tamper: Tamper = Tamper()) {
    self.tamper = tamper
    dice = SplitMix64(seed: seed, stream: 9)
    for place in nodes.indices { start(place) }
  }

  func start(_ place: Int) {
    var options = Machine.Options(id: PeerID(place + 1), seed: dice.next())
    options.electionTimeout = 100 * millisecond
    options.heartbeatInterval = 10 * millisecond
    options.maxMessageBytes = 1
    options.maxInflightMessages = 4
    let (base, state) = nodes[place].log.state.withLock { ($0.base, $0.hardState) }
    nodes[place].machine = Machine(
      options: options, configuration: configuration, hardState: state, applied: base.index,
      log: nodes[place].log,
      payload: { _, term, index, _ in [UInt8(term & 255), UInt8(index & 255)] },
      at: time)
    nodes[place].jobs = []
    nodes[place].leads = false
    settle(place)
  }

  private var time: Time { Time(monotonic: now, stamp: 0) }

  // MARK: Steps

  private func input(_ input: Input, to place: Int) {
    try? nodes[place].machine?.step(input, at: time)
    settle(place)
  }

  private func deliver(_ message: Message) {
    let place = Int(message.to) - 1
    if case .snapshot = message.body {
      let failed = nodes[place].machine == nil
      input(.snapshotReported(message.to, failed: failed), to: Int(message.from) - 1)
    }
    guard var machine = nodes[place].machine else { return }
    guard let message = tamper.before.map({ $0(message, &machine) }) ?? message else { return }
    try? machine.step(.receive(message), at: time)
    tamper.after?(message, &machine)
    nodes[place].machine = machine
    settle(place)
  }

  /// Takes what a core wants done, and looks at the laws.
  private func settle(_ place: Int) {
    while nodes[place].machine?.hasEffects == true, broken == nil {
      guard let effects = nodes[place].machine?.takeEffects() else { return }
      if let reason = effects.halt { return fail("\(place + 1) halts: \(reason)") }
      for message in effects.messages { post(message) }
      if let job = effects.append { nodes[place].jobs.append(job) }
      for entry in effects.committed { commit(entry, by: place) }
      if let last = effects.committed.last {
        try? nodes[place].machine?.step(.applied(last.index), at: time)
      }
      for read in effects.reads {
        guard let known = reads.removeValue(forKey: read.context) else { continue }
        if Int(read.index) < known {
          fail("\(place + 1) reads at \(read.index), known was \(known)")
        }
      }
    }
    look(place)
  }

  private func commit(_ entry: Entry, by place: Int) {
    let index = Int(entry.index)
    if index <= history.count {
      if history[index - 1] != (entry.term, entry.payload) {
        fail("\(place + 1) applies another entry \(index)")
      }
    } else if index == history.count + 1 {
      history.append((entry.term, entry.payload))
      let holders = nodes.count { $0.log.lastIndex >= entry.index && holds($0, entry) }
      if holders < 2 { fail("\(place + 1) applies \(index), and \(holders) disks have it") }
    } else {
      fail("\(place + 1) applies \(index) after \(history.count)")
    }
  }

  private func holds(_ node: Node, _ entry: Entry) -> Bool {
    // A snapshot is of committed state.
    entry.index < node.log.firstIndex || node.log.term(at: entry.index) == entry.term
  }

  private func look(_ place: Int) {
    guard let machine = nodes[place].machine else { return }
    let leads = machine.role == .leader
    defer { nodes[place].leads = leads }
    guard leads, !nodes[place].leads else { return }
    guard let last = history.last, last.term < machine.term else { return }
    let index = Index(history.count)
    if index >= machine.firstIndex, machine.term(at: index) != last.term {
      fail("\(place + 1) leads in \(machine.term) without \(index) of term \(last.term)")
    }
  }

  private func fail(_ text: String) { if broken == nil { broken = text } }

  private func post(_ message: Message) {
    if dice.chance(percent: 3) {
      stragglers.append(message)
    } else {
      bag.append(message)
    }
  }

  private func completeJob(_ place: Int) {
    guard nodes[place].machine != nil, !nodes[place].jobs.isEmpty else { return }
    let job = nodes[place].jobs.removeFirst()
    nodes[place].log.write(job)
    for message in job.released { post(message) }
    input(.appended(job.ack), to: place)
  }

  // MARK: Runs

  /// Storms for that many actions, then heals, without one node at first. What was broken, if any.
  func run(actions: Int) -> String? {
    for _ in 0..<actions where broken == nil { act() }
    guard broken == nil else { return broken }
    let absent = dice.below(3)
    nodes[absent].machine = nil
    nodes[absent].jobs = []
    for place in nodes.indices where place != absent && nodes[place].machine == nil { start(place) }
    if !serve() { fail("without \(absent + 1) nothing is served: \(states)") }
    start(absent)
    if !serve() { fail("healed, and nothing is served: \(states)") }
    return broken
  }

  private var states: [String] {
    nodes.map { node in
      node.machine.map { "\($0.role) \($0.term) \($0.log.lastTerm)/\($0.lastIndex)" } ?? "down"
    }
  }

  private func act() {
    now += dice.below(4 * millisecond)
    let place = dice.below(3)
    switch dice.below(1_000) {
    case ..<500:
      guard !bag.isEmpty else { return tick(place) }
      let message = bag.remove(at: dice.below(bag.count))
      if dice.chance(percent: 4) { bag.append(message) }
      if !dice.chance(percent: 8) { deliver(message) } else { lost(message) }
    case ..<700: completeJob(place)
    case ..<860: tick(place)
    case ..<920:
      guard nodes[place].machine?.role == .leader else { return }
      serial += 1
      input(.propose([Entry(payload: [UInt8(serial & 255), UInt8(serial >> 8 & 255)])]), to: place)
    case ..<950:
      serial += 1
      reads[serial] = history.count
      input(.readIndex(context: serial), to: place)
    case ..<965:
      guard let applied = nodes[place].machine?.appliedIndex else { return }
      nodes[place].log.compact(
        to: applied - UInt64(dice.below(min(3, Int(applied) + 1))), configuration)
    case ..<972:
      if !stragglers.isEmpty { deliver(stragglers.remove(at: dice.below(stragglers.count))) }
    case ..<984:
      nodes[place].machine = nil
      nodes[place].jobs = []
    case ..<995: if nodes[place].machine == nil { start(place) }
    case ..<998: now += dice.below(200 * millisecond)
    default:
      // A link breaks, and what is on it is lost.
      let other = PeerID(dice.below(3) + 1)
      bag.removeAll { $0.from == PeerID(place + 1) && $0.to == other }
      input(.forgetLeader, to: Int(other) - 1)
      input(.unreachable(other), to: place)
    }
  }

  private func lost(_ message: Message) {
    guard case .snapshot = message.body else { return }
    input(.snapshotReported(message.to, failed: true), to: Int(message.from) - 1)
  }

  private func tick(_ place: Int) {
    guard let machine = nodes[place].machine, machine.deadline <= now else { return }
    input(.tick, to: place)
  }

  /// Everything arrives in order; one more proposal must be committed within two seconds.
  private func serve() -> Bool {
    bag += stragglers
    stragglers = []
    let end = now + 2 * second
    var wanted: [UInt8]?
    while now < end, broken == nil {
      now += millisecond
      for place in nodes.indices {
        while !nodes[place].jobs.isEmpty, nodes[place].machine != nil { completeJob(place) }
        tick(place)
      }
      let messages = bag + stragglers
      bag = []
      stragglers = []
      for message in messages { deliver(message) }
      if let wanted, history.last.map({ $0.payload == wanted }) == true { return true }
      let leader = nodes.indices.first { nodes[$0].machine?.role == .leader }
      guard let leader, now % (50 * millisecond) < millisecond else { continue }
      serial += 1
      let payload = [UInt8(serial & 255), UInt8(serial >> 8 & 255), 1]
      wanted = payload
      input(.propose([Entry(payload: payload)]), to: leader)
    }
    return false
  }
}
