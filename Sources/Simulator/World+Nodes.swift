// How nodes come, run, fall and go: what a host does round a replica.

import Membership
import Raft
import Replication
import Schema

extension World {
  /// The first node, with the log that a new cluster begins with.
  func form() {
    let record = workload.drawRecord(.controlPlane)
    let node = addNode(record)
    let cluster = ClusterID(workload.dice.next())
    node.disk.form(cluster, record, at: NodeClock.wall(at: now))
    do throws(Violation) {
      let entries = node.disk.synced.entries
      try laws.wrote(node, entries)
      for entry in entries {
        guard let event = try? RecordedEvent(decoding: entry) else { continue }
        _ = try laws.applied(event, by: node, statistics: &statistics)
      }
    } catch { violation = error }
    schedule(.start(node.index), after: 0)
  }

  /// A machine that is known to the network and not yet started.
  @discardableResult
  func addNode(_ record: NodeRecord) -> SimulatedNode {
    let index = nodes.count
    var dice = SplitMix64(seed: options.seed, stream: 5, of: UInt64(index))
    let drift = options.drift
    let rate = 1_000_000 - drift + dice.below(2 * drift + 1)
    let offset = Int64(dice.below(4_000)) - 2_000
    let clock = NodeClock(rate: rate, base: 0, start: 0, offset: offset)
    let node = SimulatedNode(index: index, record: record, clock: clock, dice: dice)
    nodes.append(node)
    indexes[record.id] = index
    return node
  }

  func start(_ node: SimulatedNode) throws(Violation) {
    guard !node.isUp, !node.isGone else { return }
    node.boot += 1
    node.clock.start = now
    node.clock.base = node.dice.between(second, 1_000 * second)
    var raft = Machine.Options(id: node.id.rawValue, seed: node.dice.next())
    raft.forwardsProposals = false
    raft.maxMessageBytes = options.maxMessageBytes
    raft.maxInflightMessages = options.maxInflightMessages
    raft.maxUncommittedBytes = options.maxUncommittedBytes
    var settings = Replica.Options(node: node.id, name: node.id.description, raft: raft)
    if !options.electsAtStart { settings.raft.firstElectionDelay = nil }
    settings.damping = options.damping
    settings.aliveFor = 3 * options.damping
    node.images = node.images.suffix(3) + [(node.diskBoot, node.disk.synced)]
    node.diskBoot += 1
    node.greeting = Greeting(boot: UInt64(node.diskBoot), nonce: node.dice.next())
    settings.lostUpTo = node.lostUpTo
    settings.greeting = node.greeting
    options.tamper?.options?(&settings)
    let wholeLog = options.plant == .foldsUncommitted ? node.disk.lastIndex : nil
    let cluster = try node.disk.fold(through: wholeLog)
    var hardState = node.disk.synced.hardState
    if let wholeLog { hardState.commit = wholeLog }
    let running = SimulatedNode.Running(
      Replica(
        options: settings, cluster: cluster, hardState: hardState, log: node.disk,
        memory: node.memory, at: node.clock.clock(at: now)))
    node.running = running
    try laws.started(node)
    note(1, UInt64(node.index), UInt64(node.boot), running.raft.term) {
      "\(node.name) starts: boot \(node.boot) term \(running.raft.term) "
        + "last \(running.raft.lastIndex) applied \(running.raft.appliedIndex)"
    }
    for peer in nodes where peer.isUp && peer.index != node.index {
      post(.greeted(peer.id, peer.greeting), to: node)
      post(.greeted(node.id, node.greeting), to: peer)
    }
    if running.replica.isAlone { post(.campaign, to: node) }
    post(.tick, to: node)
  }

  /// The process is gone, at this moment; what was being written is there or is not.
  func crash(_ node: SimulatedNode) throws(Violation) {
    guard node.isUp else { return }
    note(2, UInt64(node.index), 0, 0) { "\(node.name) crashes" }
    if !node.writing.isEmpty, node.diskFullUntil <= now, node.dice.chance(percent: 50) {
      for var job in node.writing where options.plant != .acknowledgesBeforeSync {
        if options.plant == .tearsTransactions { job.entries = [] }
        _ = node.disk.write(job)
        try laws.wrote(node, job.entries, job.hardState)
      }
      if let memory = node.unstoredMemory { node.memory = memory }
    }
    node.disk.crash(forgettingVote: options.plant == .forgetsVote)
    node.running = nil
    node.boot += 1
    node.inbox = []
    node.runDue = false
    node.wakeDue = .max
    node.waiting = []
    node.writing = []
    node.unsynced = []
    node.isStalled = false
    node.pausedUntil = 0
    node.spins = 0
    node.unstoredMemory = nil
    node.opened = [:]
    dismissCalls(of: node)
    for peer in nodes where peer.index != node.index {
      network.close(node.index, peer.index)
      if peer.isUp, networkDice.chance(percent: 85) {
        schedule(
          .linkClosed(at: peer.index, boot: peer.boot, peer: node.index),
          after: networkDice.between(100 * microsecond, 50 * millisecond))
      }
    }
  }

  /// For good: the node departed.
  func switchOff(_ node: SimulatedNode) throws(Violation) {
    try crash(node)
    node.isGone = true
  }

  // MARK: Inputs

  /// Hands an input to a node that is up; taken together with what else has come by then.
  func post(_ input: ReplicaInput, to node: SimulatedNode) {
    guard node.isUp else { return }
    node.inbox.append(input)
    scheduleRun(node)
  }

  private func scheduleRun(_ node: SimulatedNode) {
    guard !node.runDue else { return }
    node.runDue = true
    let delay = node.dice.below(100 * microsecond)
    queue.push(.run(node.index, boot: node.boot), at: max(now + delay, node.pausedUntil))
  }

  func wake(_ node: SimulatedNode, boot: Int) throws(Violation) {
    guard node.boot == boot, node.wakeDue <= now else { return }
    node.wakeDue = .max
    if node.pausedUntil > now { return scheduleRun(node) }
    node.spins += 1
    if node.spins > 200 {
      throw Violation(
        .noSpin, "\(node.name) is always due (\(node.running?.raft.role as Any))")
    }
    try run(node)
  }

  /// One turn: everything that waits, then the deadline, then what follows.
  func run(_ node: SimulatedNode) throws(Violation) {
    guard let running = node.running else { return }
    if node.pausedUntil > now { return scheduleRun(node) }
    let inputs = node.inbox
    node.inbox = []
    let clock = node.clock.clock(at: now)
    laws.turns(node, at: clock.monotonic)
    for input in inputs {
      if case .frame(let from, .raft(let message)) = input {
        statistics.count(message, at: running.raft.role)
        if node.seen.leads { node.seen.heard[from] = node.seen.ledFor }
      }
      try take(input, by: node, running, at: clock)
    }
    if clock.monotonic >= running.replica.deadline { try take(.tick, by: node, running, at: clock) }
    var effects = running.replica.takeEffects()
    options.tamper?.effects?(&effects, &running.replica)
    note(
      3, UInt64(node.index) << 32 | UInt64(inputs.count),
      running.raft.term << 32 | running.raft.lastIndex, running.raft.commitIndex
    ) {
      "\(node.name) \(running.raft.role) term \(running.raft.term) last \(running.raft.lastIndex) "
        + "commit \(running.raft.commitIndex) applied \(running.raft.appliedIndex) "
        + "← \(inputs.map(Self.describe).joined(separator: ", "))"
    }
    try perform(effects, of: node)
    try laws.check(node, statistics: &statistics, in: self)
    try checkDeadlines(of: node, at: clock.monotonic)
    scheduleWake(node, running.replica.deadline, clock.monotonic)
  }

  private func take(
    _ input: ReplicaInput, by node: SimulatedNode, _ running: SimulatedNode.Running,
    at clock: Clock
  ) throws(Violation) {
    let before = running.raft.role
    if let tamper = options.tamper {
      tamper.step(&running.replica, input, at: clock)
    } else {
      running.replica.step(input, at: clock)
    }
    if before == .follower, running.raft.role != .follower { try laws.checkCampaign(node, running) }
  }

  private func scheduleWake(_ node: SimulatedNode, _ deadline: UInt64, _ reading: UInt64) {
    if deadline > reading + millisecond { node.spins = 0 }
    let due = node.clock.time(of: deadline)
    guard due != .max else { return }
    let time = max(due, now + microsecond)
    if time < node.wakeDue || node.wakeDue <= now {
      node.wakeDue = time
      queue.push(.wake(node.index, boot: node.boot), at: time)
    }
  }

  // MARK: Effects

  private func perform(_ effects: ReplicaEffects, of node: SimulatedNode) throws(Violation) {
    if let reason = effects.halt { throw Violation(.noHalt, "\(node.name): \(reason)") }
    for event in effects.events {
      if try laws.applied(event, by: node, statistics: &statistics) { try happened(event) }
    }
    if let memory = effects.memory { node.unstoredMemory = memory }
    if effects.isSettled {
      node.lostUpTo = nil
      node.memory = effects.memory ?? node.memory
      node.diskBoot = max(node.diskBoot, Int(effects.knownBoot))
    }
    for delivery in effects.frames { try send(delivery, from: node) }
    for job in effects.appends {
      if options.plant == .releasesEarly {
        for message in job.released {
          try send(.init(to: NodeID(message.to), frame: .raft(message)), from: node)
        }
      }
      submit(job, of: node)
    }
    for answer in effects.answers { try answered(answer.caller, answer.outcome, by: node) }
    for read in effects.reads {
      try readAnswered(read.caller, confirmed: read.confirmed, by: node)
    }
  }

  /// For the first time somewhere, that event was applied.
  private func happened(_ event: RecordedEvent) throws(Violation) {
    let number = workload.numbers[event.envelope.command]
    try laws.checkAsked(event, by: number.map { workload.operations[$0].request })
    note(4, event.index, event.term, 0) {
      "committed \(event.index): \(event.envelope.event.type.name)"
    }
    // A late copy of a join that was refused meanwhile was taken after all: nobody is there.
    if let joined = event.envelope.event.joined, let number,
      case .refused = workload.operations[number].state
    {
      workload.lost.append(joined.node.id)
    }
    let gone: NodeID
    switch event.envelope.event {
    case .nodeReplaced(let replaced): gone = replaced.node
    case .nodeLeft(let left): gone = left.node
    case .nodeRemoved(let removed): gone = removed.node
    case .nodeDemoted(let demoted): gone = demoted.node
    case .nodePromoted(let promoted): return takeUpRole(promoted.node)
    default: return
    }
    // It runs on for a while, as something that does not know, or does not care.
    guard let index = indexes[gone] else { return }
    schedule(.stop(index), after: faultDice.spread(10 * millisecond, 20 * second))
  }

  /// A worker begins to run as a control-plane node, on an empty disk. One that never noticed that
  /// it was a worker for a while goes on.
  private func takeUpRole(_ id: NodeID) {
    guard let record = truth.node(id)?.record else { return }
    let node = indexes[id].map { nodes[$0] } ?? addNode(record)
    if node.isGone {
      node.isGone = false
      node.disk.install(SimulatedDisk.Image())
      node.diskBoot = 0
      node.memory = []
      node.images = []
      node.lost = nil
      node.lostUpTo = nil
    }
    schedule(.start(node.index), after: faultDice.spread(millisecond, 2 * second))
  }

  static func describe(_ input: ReplicaInput) -> String {
    switch input {
    case .frame(let from, .raft(let message)): "\(message.body) of \(from)"
    case .frame(let from, let frame): "\(frame) of \(from)"
    case .request(let caller, let request, _): "request \(caller) \(request.command)"
    case .tick: "tick"
    case .read(let caller, _): "read \(caller)"
    case .appended: "appended"
    case .disk(let full): "disk full: \(full)"
    case .linkClosed(let peer): "link of \(peer) closed"
    case .seen(let node): "seen \(node)"
    case .campaign: "campaign"
    case .handOver: "hand over"
    case .greeted(let peer, let greeting): "\(peer) greets, boot \(greeting.boot)"
    }
  }
}

extension Cluster {
  /// Whether that node keeps the log.
  func isServer(_ id: NodeID) -> Bool {
    node(id).map { $0.isActive && $0.isControlPlane } ?? false
  }
}
