// The shell round a replica: it brings time and inputs, and does what the replica wants done.
//
// Everything happens on one event loop, which owns the replica: inputs are collected and taken in
// one go, so that whatever is waiting is decided, appended and sent as one batch. The disk has a
// thread of its own (the log's writer) and calls back. Inputs are bounded by their senders: peers
// by the links, local callers by the limit on open requests.

import EventLog
import Logging
import Membership
import NIOCore
import Raft
import Replication
import Schema
import Synchronization
import Transport

final class ReplicaDriver: Sendable {
  /// What happened, for those who look on. Called on the driver's loop; must not block.
  struct Observer: Sendable {
    /// Events were applied; the state is the one after the last of them.
    var applied: @Sendable ([RecordedEvent], Replica) -> Void
    var leadershipChanged: @Sendable (Replica) -> Void
    /// The node must stop: an impossible state or a disk that cannot be trusted.
    var stopped: @Sendable (Failure) -> Void
  }

  /// What only the loop touches.
  private final class Owned {
    var replica: Replica
    var waiting: [Caller: CheckedContinuation<Outcome, Never>] = [:]
    var reading: [Caller: CheckedContinuation<Bool, Never>] = [:]
    var timer: Scheduled<Void>?
    var timerDue = UInt64.max
    /// Not yet durable because the disk is full; the first of them is tried again.
    var stalled: [AppendJob] = []
    var stopped = false
    /// What the replica remembers of its peers, to go with the next write.
    var memory: [UInt8]?
    let checkpoints: Checkpoints

    init(_ replica: Replica, _ checkpoints: Checkpoints) {
      self.replica = replica
      self.checkpoints = checkpoints
    }
  }

  private let loop: any EventLoop
  private let owned: NIOLoopBound<Owned>
  private let inbox: ReplicaInbox
  private let callers = Atomic<UInt64>(1)
  private let log: EventLog
  private let links: PeerLinks
  private let observer: Observer
  private let logger: Logger

  /// Must be called on `loop`.
  init(
    replica: Replica, inbox: ReplicaInbox, loop: any EventLoop, log: EventLog,
    checkpoint: Checkpoint?, links: PeerLinks, observer: Observer, logger: Logger
  ) {
    self.loop = loop
    self.log = log
    self.links = links
    self.observer = observer
    self.logger = logger
    self.inbox = inbox
    let checkpoints = Checkpoints(log: log, loop: loop, restored: checkpoint)
    owned = NIOLoopBound(Owned(replica, checkpoints), eventLoop: loop)
    inbox.attach { self.run() }
  }

  /// How many frames of peers could not be read.
  var malformedFrames: UInt64 { inbox.malformedFrames }

  /// Hands inputs to the replica, soon.
  func post(_ inputs: ReplicaInput...) { inbox.post(inputs) }

  /// Asks for a command and waits for its outcome, at most `timeout`; then it is `.unknown`.
  func submit(_ request: Request, timeout: Duration) async -> Outcome {
    do throws(Malformed) {
      try request.validate()
    } catch {
      return .refused(
        code: "malformed", exitCode: 2, message: "the request cannot be taken: \(error)")
    }
    let caller = callers.add(1, ordering: .relaxed).newValue
    let deadline = Self.now() &+ timeout.nanoseconds
    return await withCheckedContinuation { continuation in
      loop.execute {
        let owned = self.owned.value
        if owned.stopped {
          return continuation.resume(returning: .unknown(reason: "this node is stopping"))
        }
        owned.waiting[caller] = continuation
        self.post(.request(caller, request, deadline: deadline))
      }
    }
  }

  /// Whether this node's applied state was confirmed to be current after the call.
  func confirm(timeout: Duration) async -> Bool {
    let caller = callers.add(1, ordering: .relaxed).newValue
    let deadline = Self.now() &+ timeout.nanoseconds
    return await withCheckedContinuation { continuation in
      loop.execute {
        let owned = self.owned.value
        if owned.stopped { return continuation.resume(returning: false) }
        owned.reading[caller] = continuation
        self.post(.read(caller, deadline: deadline))
      }
    }
  }

  /// A look at the replica, on its loop.
  func look<T: Sendable>(_ body: @escaping @Sendable (Replica) -> T) async -> T {
    await withCheckedContinuation { continuation in
      loop.execute { continuation.resume(returning: body(self.owned.value.replica)) }
    }
  }

  /// Answers everybody and takes nothing more.
  func stop() async {
    await withCheckedContinuation { continuation in
      loop.execute {
        self.owned.value.timer?.cancel()
        self.dismissCallers()
        continuation.resume()
      }
    }
  }

  /// Nanoseconds of the monotonic clock that the loop's timers use.
  static func now() -> UInt64 { NIODeadline.now().uptimeNanoseconds }

  private func run() {
    let owned = self.owned.value
    let inputs = inbox.take()
    guard !owned.stopped else { return }
    let clock = Clock(monotonic: Self.now(), wall: .now)
    for input in inputs { owned.replica.step(input, at: clock) }
    if clock.monotonic >= owned.replica.deadline { owned.replica.step(.tick, at: clock) }
    perform(owned.replica.takeEffects(), owned)
    schedule(owned)
  }

  private func perform(_ effects: ReplicaEffects, _ owned: Owned) {
    if let reason = effects.halt {
      return halt(Failure("this node stopped itself: \(reason)", exitCode: 65), owned)
    }
    if !effects.events.isEmpty { observer.applied(effects.events, owned.replica) }
    if effects.leadershipChanged { observer.leadershipChanged(owned.replica) }
    send(effects.frames)
    if let memory = effects.memory { owned.memory = Recollection.encode(memory) }
    for job in effects.appends {
      if owned.stalled.isEmpty { append(job) } else { owned.stalled.append(job) }
    }
    if let doubt = effects.doubt { logger.warning("\(doubt)") }
    if effects.isSettled {
      logger.notice("this node holds everything again that it had acknowledged: it votes")
      let facts = owned.memory.map { [Self.memoryFact: $0] } ?? [:]
      owned.memory = nil
      log.submit(LogWrite(facts: facts, settlesFindings: true, boot: effects.knownBoot))
    }
    if !effects.events.isEmpty { owned.checkpoints.consider(owned.replica.cluster) }
    for answer in effects.answers {
      owned.waiting.removeValue(forKey: answer.caller)?.resume(returning: answer.outcome)
    }
    for read in effects.reads {
      owned.reading.removeValue(forKey: read.caller)?.resume(returning: read.confirmed)
    }
  }

  private func send(_ frames: [ReplicaEffects.Delivery]) {
    var byPeer: [(NodeID, [LinkFrame])] = []
    for delivery in frames {
      let bytes = LinkFrame(payload: delivery.frame.encoded())
      if let at = byPeer.firstIndex(where: { $0.0 == delivery.to }) {
        byPeer[at].1.append(bytes)
      } else {
        byPeer.append((delivery.to, [bytes]))
      }
    }
    for (peer, frames) in byPeer { links.send(frames, to: peer.rawValue) }
  }

  /// Gives a job to the disk; what it releases leaves when it is durable.
  private func append(_ job: AppendJob) {
    let owned = self.owned.value
    var facts: [String: [UInt8]] = [:]
    // Never a write of its own: an idle node does not touch its disk.
    if job.mustSync, let memory = owned.memory {
      facts[Self.memoryFact] = memory
      owned.memory = nil
    }
    log.submit(
      LogWrite(entries: job.entries, hardState: job.hardState, facts: facts) { result in
        self.loop.execute { self.appended(job, result) }
      })
  }

  /// The name under which the log keeps what is remembered of peers.
  static let memoryFact = "peers"

  private func appended(_ job: AppendJob, _ result: Result<Void, Fault>) {
    let owned = self.owned.value
    guard !owned.stopped else { return }
    switch result {
    case .success:
      var inputs: [ReplicaInput] = []
      var frames: [ReplicaEffects.Delivery] = []
      for message in job.released {
        let to = NodeID(message.to)
        if to == owned.replica.options.node {
          inputs.append(.frame(from: to, .raft(message)))
        } else {
          frames.append(.init(to: to, frame: .raft(message)))
        }
      }
      send(frames)
      inbox.post(inputs + [.appended(job.ack)])
    case .failure(let fault) where fault.kind == .diskFull:
      if owned.stalled.isEmpty {
        logger.error("\(fault)")
        post(.disk(full: true))
        loop.scheduleTask(in: .seconds(1)) { self.appendStalled() }
      }
      owned.stalled.append(job)
    case .failure(let fault):
      halt(Failure(fault.description, exitCode: fault.exitCode), owned)
    }
  }

  /// The disk was full: try what waits again, in order.
  private func appendStalled() {
    let owned = self.owned.value
    guard !owned.stopped else { return }
    let jobs = owned.stalled
    owned.stalled = []
    post(.disk(full: false))
    log.resume()
    for job in jobs { append(job) }
  }

  private func schedule(_ owned: Owned) {
    let due = owned.replica.deadline
    guard due != owned.timerDue else { return }
    owned.timer?.cancel()
    owned.timerDue = due
    guard due != .max else { return }
    owned.timer = loop.scheduleTask(deadline: .uptimeNanoseconds(due)) {
      self.owned.value.timerDue = .max
      self.run()
    }
  }

  private func halt(_ fault: Failure, _ owned: Owned) {
    guard !owned.stopped else { return }
    dismissCallers()
    observer.stopped(fault)
  }

  private func dismissCallers() {
    let owned = self.owned.value
    owned.stopped = true
    for continuation in owned.waiting.values {
      continuation.resume(returning: .unknown(reason: "this node is stopping"))
    }
    for continuation in owned.reading.values { continuation.resume(returning: false) }
    owned.waiting = [:]
    owned.reading = [:]
  }
}

/// Where inputs wait for the replica's loop: whatever gathers while it is busy is taken in one go.
final class ReplicaInbox: Sendable {
  private struct State {
    var inputs: [ReplicaInput] = []
    var scheduled = false
    var run: (@Sendable () -> Void)?
  }
  private let state = Mutex(State())
  private let loop: any EventLoop
  private let malformed = Atomic<UInt64>(0)

  init(loop: any EventLoop) { self.loop = loop }

  /// A frame came that is none. Returns how many there were.
  func countMalformed() -> UInt64 { malformed.add(1, ordering: .relaxed).newValue }
  var malformedFrames: UInt64 { malformed.load(ordering: .relaxed) }

  func post(_ inputs: [ReplicaInput]) {
    guard !inputs.isEmpty else { return }
    let wake = state.withLock { state -> (@Sendable () -> Void)? in
      state.inputs += inputs
      guard !state.scheduled, let run = state.run else { return nil }
      state.scheduled = true
      return run
    }
    if let wake { loop.execute(wake) }
  }

  func attach(_ run: @escaping @Sendable () -> Void) {
    state.withLock { $0.run = run }
  }

  func take() -> [ReplicaInput] {
    state.withLock { state in
      state.scheduled = false
      defer { state.inputs = [] }
      return state.inputs
    }
  }
}

extension Duration {
  /// Whole nanoseconds, 0 for a negative duration; saturates.
  var nanoseconds: UInt64 {
    let (seconds, atto) = components
    guard seconds >= 0 else { return 0 }
    let (high, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? .max / 2 : min(.max / 2, high + UInt64(max(0, atto) / 1_000_000_000))
  }
}
