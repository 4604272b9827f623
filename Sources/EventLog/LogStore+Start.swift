import LMDB
import Raft

extension LogStore {
  /// Compares the log with its witness, takes the higher of both, raises the boot number and makes
  /// that durable in both.
  func start(
    slots: WitnessSlots, shared: SharedTip
  ) throws(Fault) -> (boot: UInt64, findings: [OpenFinding]) {
    let tip = shared.tip
    let log = Witness(tip.hardState, boot: try bootNumber())
    let newest = try slots.newest()
    var findings = try compare(log, newest?.witness, lastIndex: tip.lastIndex)
    if let open = try unsettledFinding(), !findings.contains(where: \.isLogBehind) {
      findings.append(open)
    }
    var state = tip.hardState
    if let seen = newest?.witness, (seen.term, seen.vote) > (log.term, log.vote) {
      state.term = seen.term
      state.vote = seen.vote
    }
    if let seen = newest?.witness.commit {
      state.commit = min(max(state.commit, seen), tip.lastIndex)
    }
    let boot = max(log.boot, newest?.witness.boot ?? 0) + 1
    try raiseBoot(to: boot, state, findings.first(where: \.isLogBehind))
    try slots.write(Witness(state, boot: boot), sequence: (newest?.sequence ?? 0) + 1)
    var started = tip
    started.hardState = state
    shared.publish(started)
    return (boot, findings)
  }

  private func compare(
    _ log: Witness, _ witness: Witness?, lastIndex: Index
  ) throws(Fault) -> [OpenFinding] {
    guard let witness else { return [.witnessMissing] }
    if log.term == witness.term, log.vote != 0, witness.vote != 0, log.vote != witness.vote {
      throw .damaged(
        "open", directory,
        "in term \(log.term) it voted for \(hex(log.vote)) and, says the file votes, for "
          + hex(witness.vote))
    }
    let isLogBehind =
      (witness.term, witness.vote) > (log.term, log.vote) || witness.boot > log.boot
      || witness.commit > lastIndex
    if isLogBehind { return [.logBehind(log: log, witness: witness, lastIndex: lastIndex)] }
    let isWitnessBehind =
      (log.term, log.vote) > (witness.term, witness.vote) || log.boot > witness.boot
    return isWitnessBehind ? [.witnessBehind(log: log, witness: witness)] : []
  }

  func unsettledFinding() throws(Fault) -> OpenFinding? {
    try read("read the findings of") { transaction in
      try transaction.withValue(MetaKey.behind, in: meta) { MetaCoding.finding($0) } ?? nil
    }
  }

  private func raiseBoot(
    to boot: UInt64, _ state: HardState, _ finding: OpenFinding?
  ) throws(Fault) {
    do throws(Fault) {
      try commitBoot(boot, state, finding)
    } catch {
      guard error.kind == .diskFull, files.dropBallast() else { throw error }
      try commitBoot(boot, state, finding)
    }
  }

  private func commitBoot(
    _ boot: UInt64, _ state: HardState, _ finding: OpenFinding?
  ) throws(Fault) {
    try commit(cost: 1 << 16) { transaction in
      try put(boot: boot, in: transaction)
      try transaction.put(MetaCoding.bytes(state), for: MetaKey.hard, in: meta)
      if let finding {
        try transaction.put(MetaCoding.bytes(finding), for: MetaKey.behind, in: meta)
      }
    }
  }
}

extension LogStore {
  /// Steps in which the file grows, in bytes.
  static let growth = 4 << 20

  /// Runs one write transaction.
  /// - Parameter cost: an upper bound of the bytes it adds.
  /// - Throws: `Fault`: `.diskFull` (nothing was written), `.syncFailed` (nobody knows), or what
  ///   `body` throws (nothing was written).
  func commit<R>(
    cost: Int, _ body: (borrowing WriteTransaction) throws -> R
  ) throws(Fault) -> R {
    guard environment.isInPlace() else {
      throw .damaged("write to", directory, "its files were replaced or deleted under way")
    }
    do {
      try makeRoom(cost)
      return try environment.write(body)
    } catch {
      throw classify(error)
    }
  }

  private func makeRoom(_ cost: Int) throws(LMDBError) {
    do throws(LMDBError) {
      try environment.extend(by: cost, step: Self.growth)
    } catch {
      try environment.extend(by: cost, step: 1 << 16)
    }
  }

  /// LMDB reports a write that was cut short by a full disk as EIO.
  private func classify(_ error: any Error) -> Fault {
    let fault = Fault("write to", directory, error)
    guard error is LMDBError else { return fault }
    if fault.code == 5, LogFiles.freeBytes(at: directory) < 1 << 20 {
      return of(.diskFull, fault)
    }
    if fault.kind == .diskFull { return fault }
    return of(.syncFailed, fault)
  }

  private func of(_ kind: Fault.Kind, _ fault: Fault) -> Fault {
    // A failed write of a meta page shows in the next transaction.
    if kind == .diskFull, isPanicking { return of(.syncFailed, fault) }
    return Fault(
      kind, operation: fault.operation, subject: fault.subject, code: fault.code,
      text: fault.text)
  }

  private var isPanicking: Bool {
    struct Abort: Error {}
    do {
      try environment.write { _ in throw Abort() }
      return false
    } catch {
      return !(error is Abort)
    }
  }
}
