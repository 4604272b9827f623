// Runs the programs in hooks.d when something happens to this node or its cluster: how whatever
// stands beside muster (Kubernetes, a load balancer, a monitor) follows the log.
//
// It is a task of its own that reads the log by index, like any follower: no commit ever waits
// for a hook, and what waits for a hook waits in the log. One hook runs at a time, in the order
// of events, and within an event in the order of names. How far they have come is in hooks.json,
// which is replaced after each program that succeeded, so that after a crash at any moment each
// runs at least once and in order. One that fails is tried again, later and later, and those
// behind it wait: order is a promise. What no log of this node holds (that it left, what a
// worker is told, that no leader is known) stands in hooks.json itself until its hooks have run.
//
// Where there is no hooks.d, nothing is kept and nothing is read: then hooks begin with whatever
// comes once there is one.

import EventLog
import FoundationEssentials
import Logging
import Membership
import Synchronization

final class HookRunner: Sendable {
  /// What the node is, for its hooks.
  enum Source: Sendable {
    case controlPlane(ControlPlane)
    case worker(WorkerNode)
    /// It was removed: only what stands beside the log is left.
    case nothing
  }

  struct State {
    var ledger: HookLedger?
    var place: HookPlace?
    var isRunning = false
    /// What was handled where no ledger is kept.
    var passed: UInt64 = 0
    var listeners: [UInt64: (hook: HookName, report: Report)] = [:]
    /// What was told since this node was started, for those who begin to listen later.
    var told: [(hook: HookName, text: String)] = []
    var runs: [String: UInt64] = [:]
    var complaint: String?
  }

  let directory: DataDirectory
  /// Nanoseconds that one hook may take.
  let limit: UInt64
  let logger: Logger
  let state = Mutex(State())
  private let task = Mutex<Task<Void, Never>?>(nil)
  /// Ends after the hook that runs.
  private let isEnding = Atomic<Bool>(false)
  /// Ends the hook that runs too.
  private let isKilling = Atomic<Bool>(false)

  init(_ settings: Settings, logger: Logger) {
    directory = settings.dataDirectory
    limit = UInt64(settings.hookTimeout) * 1_000_000_000
    self.logger = logger
  }

  var mustEnd: Bool { isEnding.load(ordering: .acquiring) || Task.isCancelled }
  var mustKill: Bool { isKilling.load(ordering: .acquiring) }

  // MARK: From one node to the next

  /// Begins to follow a node that was just started.
  func start(_ source: Source, _ place: HookPlace) {
    isEnding.store(false, ordering: .releasing)
    let present: UInt64? =
      if case .controlPlane(let node) = source { node.board.appliedIndex } else { nil }
    state.withLock { state in
      state.place = place
      state.ledger = loaded(place, present, source)
      state.passed = state.ledger?.handled ?? present ?? 0
      state.told = []
      state.isRunning = true
    }
    task.withLock { $0 = Task { await self.follow(source, place) } }
  }

  /// What there is of this cluster; where there is nothing, hooks begin at the present.
  private func loaded(_ place: HookPlace, _ present: UInt64?, _ source: Source) -> HookLedger? {
    guard HookFolder.exists(directory) else {
      // Whoever makes a folder for hooks later wants what happens then.
      if directory.exists(directory.hookLedger) { try? directory.remove(directory.hookLedger) }
      return nil
    }
    var ledger: HookLedger?
    do {
      ledger = try HookLedger.load(directory)
    } catch {
      logger.warning("hooks begin anew, at the present: \(error)")
    }
    var next = ledger ?? HookLedger(cluster: place.cluster)
    if next.cluster != place.cluster {
      next = HookLedger(cluster: place.cluster)
      next.beside = ledger?.beside.filter { !$0.isQuorum } ?? []
    }
    switch source {
    case .controlPlane: next.handled = next.handled ?? present
    case .worker(let worker): next.list = next.list ?? worker.endpoints
    case .nothing: break
    }
    if next != ledger { complain { try next.save(directory) } }
    return next
  }

  /// Stops following.
  /// - Parameter killing: ends the hook that runs, which will run again; else it runs to its end.
  func stop(killing: Bool = false) async {
    if killing { isKilling.store(true, ordering: .releasing) }
    isEnding.store(true, ordering: .releasing)
    let task = task.withLock { task in
      defer { task = nil }
      return task
    }
    task?.cancel()
    await task?.value
    state.withLock { state in
      if let ledger = state.ledger { complain(&state) { try ledger.save(directory) } }
      state.isRunning = false
      state.ledger = nil
    }
  }

  /// Adds what no log of this node tells, durably: before it happens, or where it is seen.
  func add(_ occasion: HookOccasion) throws {
    guard HookFolder.exists(directory) else { return }
    try state.withLock { state in
      var ledger =
        try state.ledger ?? HookLedger.load(directory) ?? HookLedger(cluster: occasion.cluster)
      ledger.add(occasion)
      try ledger.save(directory)
      if state.isRunning { state.ledger = ledger }
    }
  }

  /// Whether an occasion of that kind waits beside the log.
  func hasBeside(_ hook: HookName, cluster: String) -> Bool {
    let ledger = state.withLock { $0.ledger } ?? (try? HookLedger.load(directory)) ?? nil
    return ledger?.beside.contains { $0.hook == hook && $0.cluster == cluster } ?? false
  }

  // MARK: Told to others

  /// What did not succeed and is tried again.
  var failures: [HookFailure] { state.withLock { $0.ledger?.failures ?? [] } }

  /// The last event whose hooks have run; nil on a worker.
  var handled: UInt64? { state.withLock { $0.ledger?.handled } }

  /// Runs by hook and how they ended.
  var runs: [String: UInt64] { state.withLock { $0.runs } }

  /// A line to whoever waits for such a hook, now or soon.
  func tell(_ hook: HookName, _ text: String) {
    state.withLock { state in
      if state.told.count < 64 { state.told.append((hook, text)) }
      for listener in state.listeners.values where listener.hook == hook {
        listener.report(ProgressLine(progress: text))
      }
    }
  }

  private func listen(_ id: UInt64, to hook: HookName, _ report: @escaping Report) {
    state.withLock { state in
      for line in state.told where line.hook == hook { report(ProgressLine(progress: line.text)) }
      state.listeners[id] = (hook, report)
    }
  }

  // MARK: The file

  /// Changes the ledger, durably.
  /// - Returns: whether it is kept; else nothing changed.
  func update(_ body: (inout HookLedger) -> Void) -> Bool {
    state.withLock { state in
      guard var ledger = state.ledger else { return false }
      body(&ledger)
      guard ledger != state.ledger else { return true }
      guard complain(&state, { try ledger.save(directory) }) else { return false }
      state.ledger = ledger
      return true
    }
  }

  /// Changes what is kept in memory until the next durable change.
  func pass(_ index: UInt64) {
    state.withLock { state in
      state.passed = index
      if state.ledger?.handled != nil { state.ledger?.handled = index }
    }
  }

  private func complain(_ body: () throws -> Void) {
    do { try body() } catch { logger.warning("hooks: \(error)") }
  }

  /// The same problem is told once.
  @discardableResult
  func complain(_ state: inout State, _ body: () throws -> Void) -> Bool {
    do {
      try body()
      state.complaint = nil
      return true
    } catch {
      if state.complaint != "\(error)" { logger.warning("hooks wait: \(error)") }
      state.complaint = "\(error)"
      return false
    }
  }
}

// MARK: Waiting for hooks

extension HookRunner {
  /// Waits until the hooks of an occasion about this node have run, telling of each.
  /// - Parameter index: of the event in the log; nil for what stands beside it.
  /// - Throws: `APIError` with exit code 1 if one of them, or one before them, does not succeed.
  func finish(
    _ hook: HookName, index: UInt64?, standing: String, report: @escaping Report
  ) async throws {
    guard HookFolder.exists(directory) else { return }
    let id = Random.number()
    listen(id, to: hook, report)
    defer { state.withLock { $0.listeners[id] = nil } }
    while true {
      let (isRunning, ledger) = state.withLock { ($0.isRunning, $0.ledger) }
      guard isRunning else {
        throw APIError(
          "\(standing), but its agent is stopping; its hooks run when it is back",
          code: "stopping", exitCode: 7)
      }
      guard let ledger else { return }
      let isBeside = ledger.beside.contains { $0.hook == hook && $0.isAboutSelf }
      let isAhead = index.map { (ledger.handled ?? .max) < $0 } ?? false
      guard isBeside || isAhead else { return }
      let failure = ledger.failures.first { failure in
        !failure.hook.isObserved
          && (ledger.beside.contains { $0.key == failure.key }
            || !isBeside && (failure.index ?? 0) <= (index ?? 0))
      }
      if let failure {
        // What comes after the hook that is waited for is another matter.
        if failure.index == index, failure.hook != hook, !isBeside { return }
        throw APIError(
          "\(standing), but \(failure.sentence(now: .now)). What it printed is in the agent's log; "
            + "`muster status` and `muster doctor` show when it has succeeded", code: "hook-failed",
          exitCode: 1)
      }
      try await Task.sleep(for: .milliseconds(30))
    }
  }
}
