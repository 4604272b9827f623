// The steps of running hooks: what comes next, its programs one after another, and what became of
// each.

import FoundationEssentials
import History
import Logging
import Membership
import Replication
import Synchronization

extension HookRunner {
  /// Without a leader for so long the quorum counts as lost.
  private static let leaderless = Duration.seconds(5)
  private static let pause = Duration.seconds(1)
  /// Lines of a hook's output that go to the agent's log.
  private static let lines = 10

  func follow(_ source: Source, _ place: HookPlace) async {
    if let child = state.withLock({ $0.ledger?.child }) {
      logger.info("a hook still ran when the agent was killed; it is ended, and runs again")
      await child.end()
      _ = update { $0.child = nil }
    }
    var reader = HookReader()
    while !mustEnd {
      await adopt(source, place)
      await observe(source, place)
      if await stepBeside() { continue }
      if await step(source, place, &reader) { continue }
      await rest(source)
    }
  }

  /// Where hooks.d was made or removed meanwhile.
  private func adopt(_ source: Source, _ place: HookPlace) async {
    let exists = HookFolder.exists(directory)
    let isKept = state.withLock { $0.ledger != nil }
    guard exists != isKept else { return }
    guard exists else {
      state.withLock { $0.ledger = nil }
      try? directory.remove(directory.hookLedger)
      return
    }
    var ledger = HookLedger(cluster: place.cluster)
    switch source {
    case .controlPlane: ledger.handled = state.withLock { $0.passed }
    case .worker(let worker): ledger.list = worker.endpoints
    case .nothing: break
    }
    state.withLock { $0.ledger = HookLedger(cluster: "") }
    if !update({ $0 = ledger }) { state.withLock { $0.ledger = nil } }
  }

  // MARK: What comes next

  /// What stands beside the log.
  /// - Returns: whether anything was done.
  private func stepBeside() async -> Bool {
    guard let ledger = state.withLock({ $0.ledger }), let first = ledger.beside.first,
      isDue(first, ledger)
    else { return false }
    guard await run(first) else { return true }
    return update { ledger in
      ledger.beside.removeAll { $0.key == first.key }
      ledger.forget(first)
    }
  }

  private func isDue(_ occasion: HookOccasion, _ ledger: HookLedger) -> Bool {
    guard let failure = ledger.failures.first(where: { $0.key == occasion.key }) else {
      return true
    }
    return failure.next <= Timestamp.now.milliseconds
  }

  private func step(
    _ source: Source, _ place: HookPlace, _ reader: inout HookReader
  ) async -> Bool {
    // What this node went through comes before what goes on around it.
    let ledger = state.withLock { $0.ledger }
    if let ledger, ledger.beside.contains(where: { !$0.isQuorum }) { return false }
    switch source {
    case .nothing: return false
    case .worker(let worker):
      guard let ledger, let known = ledger.list else { return false }
      return await step(known, worker.endpoints, place, ledger)
    case .controlPlane(let node):
      let applied = node.board.appliedIndex
      guard let ledger, let handled = ledger.handled else {
        pass(applied)
        return false
      }
      if let failure = ledger.failures.first(where: { $0.index != nil && !$0.hook.isObserved }),
        failure.next > Timestamp.now.milliseconds
      {
        return false
      }
      do {
        let (index, occasions) = try reader.next(
          after: handled, through: applied, of: node.log, place)
        guard index > handled else { return false }
        return await run(occasions, through: index)
      } catch {
        state.withLock { state in _ = complain(&state) { throw error } }
        return false
      }
    }
  }

  private func run(_ occasions: [HookOccasion], through index: UInt64) async -> Bool {
    guard !occasions.isEmpty else {
      pass(index)
      return true
    }
    for occasion in occasions {
      guard await run(occasion) else { return true }
    }
    return update { ledger in
      ledger.handled = index
      for occasion in occasions { ledger.forget(occasion) }
    }
  }

  /// A worker's list of API servers became another.
  private func step(
    _ known: EndpointsAnswer, _ told: EndpointsAnswer, _ place: HookPlace, _ ledger: HookLedger
  ) async -> Bool {
    guard told.index > known.index, told.cluster == ledger.cluster else { return false }
    guard let occasion = place.endpointsChanged(known, told) else {
      return update { $0.list = told }
    }
    guard isDue(occasion, ledger), await run(occasion) else { return false }
    return update { ledger in
      ledger.list = told
      ledger.done = []
      ledger.failures.removeAll { $0.hook == .endpointsChanged }
    }
  }

  /// What this node sees of its leader.
  private func observe(_ source: Source, _ place: HookPlace) async {
    guard case .controlPlane(let node) = source, let ledger = state.withLock({ $0.ledger }) else {
      return
    }
    let isLost = node.board.leaderless >= Self.leaderless
    guard isLost != ledger.isQuorumLost, isLost || node.board.leader != nil else { return }
    let (cluster, outlook) = await node.driver.look { ($0.cluster, $0.outlook) }
    let occasion = place.occasion(
      isLost ? .quorumLost : .quorumBack, index: cluster.lastIndex, about: [], before: nil,
      after: place.view(cluster, outlook: outlook))
    _ = update { ledger in
      ledger.isQuorumLost = isLost
      ledger.add(occasion)
    }
  }

  private func rest(_ source: Source) async {
    let waits =
      state.withLock { $0.ledger.map { !$0.failures.isEmpty || !$0.beside.isEmpty } } ?? false
    // Behind a hook that failed, what is applied meanwhile waits.
    guard !waits, case .controlPlane(let node) = source else {
      try? await Task.sleep(for: Self.pause)
      return
    }
    let passed = state.withLock { $0.ledger?.handled ?? $0.passed }
    _ = await node.board.applied.wait(above: passed, timeout: Self.pause)
  }

  // MARK: Programs

  /// Runs what is left of an occasion's programs, in order, until one does not succeed.
  /// - Returns: whether all have succeeded.
  private func run(_ occasion: HookOccasion) async -> Bool {
    let folder = HookFolder(directory)
    if let refusal = folder.refusal {
      fail(occasion, "", refusal)
      return false
    }
    for program in folder.programs {
      let word = "\(occasion.key) \(program.name)"
      if state.withLock({ $0.ledger?.done.contains(word) == true }) { continue }
      guard !mustEnd, await run(program, occasion) else { return false }
      let isKept = update { ledger in
        ledger.done.append(word)
        ledger.failures.removeAll { $0.key == occasion.key }
      }
      // What cannot be written down now is with the next change.
      if !isKept { state.withLock { $0.ledger?.done.append(word) } }
    }
    return true
  }

  private func run(_ program: HookFolder.Program, _ occasion: HookOccasion) async -> Bool {
    if let refusal = program.refusal {
      fail(occasion, program.name, refusal)
      return false
    }
    guard let place = state.withLock({ $0.place }) else { return false }
    let title = "hook \(occasion.hook.rawValue) \(program.name)"
    tell(occasion.hook, "\(title): running")
    logger.info("\(title): running", metadata: occasion.index.map { ["index": "\($0)"] } ?? [:])
    let process = HookProcess(
      program: program.path,
      environment: place.environment(occasion, inherited: ProcessInfo.processInfo.environment),
      input: Array(occasion.input.utf8), limit: limit)
    let outcome = await process.run { pid in
      _ = self.update { $0.child = HookChild(pid) }
    } mustStop: {
      self.mustKill
    }
    state.withLock { $0.ledger?.child = nil }
    for line in Self.last(of: outcome.output) { logger.info("\(title): \(line)") }
    if outcome.end == .stopped { return false }
    let problem = outcome.end.problem(limit: limit)
    count(occasion.hook, problem == nil ? "succeeded" : "failed")
    let time = "\((outcome.time + 50_000_000) / 100_000_000)"
    let seconds = "\(time.dropLast().isEmpty ? "0" : time.dropLast()).\(time.suffix(1)) s"
    guard let problem else {
      logger.info("\(title): done in \(seconds)")
      tell(occasion.hook, "\(title): done in \(seconds)")
      return true
    }
    tell(occasion.hook, "\(title): failed: \(problem)")
    fail(occasion, program.name, problem)
    return false
  }

  private func count(_ hook: HookName, _ result: String) {
    state.withLock { $0.runs["\(hook.rawValue) \(result)", default: 0] += 1 }
  }

  private func fail(_ occasion: HookOccasion, _ program: String, _ reason: String) {
    let now = Timestamp.now
    let attempts =
      1 + (failures.first { $0.key == occasion.key && $0.program == program }?.attempts ?? 0)
    let failure = HookFailure(
      key: occasion.key, hook: occasion.hook, index: occasion.isQuorum ? nil : occasion.index,
      program: program, reason: reason, attempts: attempts,
      next: now.milliseconds + HookFailure.pause(after: attempts) * 1000)
    logger.warning("\(failure.sentence(now: now))")
    let isKept = update { ledger in
      ledger.failures.removeAll { $0.key == failure.key }
      ledger.failures.append(failure)
    }
    // Where not even that can be written, it is at least not tried without end.
    if !isKept {
      state.withLock { state in
        state.ledger?.failures.removeAll { $0.key == failure.key }
        state.ledger?.failures.append(failure)
      }
    }
  }

  /// The last lines of what a hook printed, fit for a log.
  static func last(of output: [UInt8]) -> [String] {
    output.split(separator: UInt8(ascii: "\n")).suffix(lines).map { line in
      String(
        String(decoding: line.prefix(400), as: UTF8.self).unicodeScalars.map { scalar in
          scalar.value < 32 || (0x7f...0x9f).contains(scalar.value) ? " " : Character(scalar)
        })
    }
  }
}

extension HookLedger {
  /// Its hooks have all run.
  fileprivate mutating func forget(_ occasion: HookOccasion) {
    done.removeAll { $0.hasPrefix(occasion.key + " ") }
    failures.removeAll { $0.key == occasion.key }
  }
}
