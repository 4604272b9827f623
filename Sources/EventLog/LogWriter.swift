import Glibc
import LMDB
import Raft
import Synchronization

/// The thread that writes. Whatever waits when it comes round goes into one transaction, which is
/// worth a factor of a hundred, because a commit costs two syncs however much is in it.
///
/// It is a real thread, not a task: LMDB's writer mutex belongs to the thread that took it.
/// After a full disk it answers everything with that fault until `resume`, because what comes after
/// a failed write builds on it. After any other fault it never writes again.
final class LogWriter: Sendable {
  private enum Item: Sendable {
    case write(LogWrite)
    case resume
  }
  private struct Queue {
    var items: [Item] = []
    /// What they add to the file.
    var bytes = 0
    var waiting = 0
    var isFinished = false
  }

  /// Writes, and bytes of them, that may wait before `submit` does.
  private static let limit = 1024
  private static let byteLimit = 32 << 20
  /// Payload bytes after which a transaction takes no further write.
  private static let batchBytes = 8 << 20
  /// Bytes of pages that any transaction rewrites, generously.
  private static let overhead = 256 << 10
  /// Milliseconds without a write after which a commit index alone is written.
  private static let quiet: Int32 = 20

  private let store: LogStore
  private let slots: WitnessSlots
  private let shared: SharedTip
  private let queue = Mutex(Queue())
  private let wake: Signal
  private let space: Signal
  private let thread = Mutex<pthread_t?>(nil)

  init(store: LogStore, slots: WitnessSlots, shared: SharedTip) throws(Fault) {
    self.store = store
    self.slots = slots
    self.shared = shared
    wake = try Signal()
    space = try Signal()
    let last = shared.tip.lastIndex
    guard let hash = try store.chainHash(at: last) else {
      throw Fault.damaged("write to", store.directory, "entry \(last) is missing or unreadable")
    }
    let newest = try slots.newest()
    let boot = newest?.witness.boot ?? 0
    let sequence = newest?.sequence ?? 0
    var started = pthread_t()
    let body = Unmanaged.passRetained(Body { [self] in run(hash, boot: boot, sequence: sequence) })
    let code = pthread_create(
      &started, nil,
      { raw in
        if let raw { Unmanaged<Body>.fromOpaque(raw).takeRetainedValue().run() }
        return nil
      }, body.toOpaque())
    guard code == 0 else {
      body.release()
      errno = code
      throw .system("start the writer of", store.directory)
    }
    thread.withLock { $0 = started }
  }

  // MARK: Any thread

  func submit(_ write: LogWrite) {
    while true {
      enum Outcome { case queued, full, finished }
      let outcome = queue.withLock { queue -> Outcome in
        if queue.isFinished { return .finished }
        // The writer's own thread, in a completion, cannot wait for itself.
        if queue.items.count >= Self.limit || queue.bytes >= Self.byteLimit, !isOnThread {
          queue.waiting += 1
          return .full
        }
        queue.items.append(.write(write))
        queue.bytes += write.cost
        return .queued
      }
      switch outcome {
      case .queued: return wake.send()
      case .full: space.wait(takes: 1)
      case .finished:
        return write.completion(
          .failure(
            shared.failure
              ?? Fault(
                .other, operation: "write to", subject: store.directory, text: "it is closed")))
      }
    }
  }

  func resume() {
    queue.withLock { $0.items.append(.resume) }
    wake.send()
  }

  /// Writes what waits and ends the thread.
  func finish() {
    queue.withLock { $0.isFinished = true }
    wake.send()
    let running = thread.withLock { thread in
      defer { thread = nil }
      return thread
    }
    if let running { pthread_join(running, nil) }
  }

  private var isOnThread: Bool {
    thread.withLock { $0.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
  }

  // MARK: The thread

  /// The thread's own state: what of the tip is on the disk, and what the slots say.
  private struct Progress {
    var tip: LogTip
    /// The chain hash at the end of the log.
    var hash: ChainHash
    /// Hard state as it is in the data; `tip` may know a later commit index.
    var durable: HardState
    var boot: UInt64
    var sequence: UInt64
    /// The disk was full, and nobody has said `resume` yet.
    var full: Fault?
  }

  private func run(_ hash: ChainHash, boot: UInt64, sequence: UInt64) {
    let tip = shared.tip
    var progress = Progress(
      tip: tip, hash: hash, durable: tip.hardState, boot: boot, sequence: sequence, full: nil)
    while true {
      let isLagging =
        progress.tip.hardState != progress.durable && progress.full == nil
        && shared.failure == nil
      let isAwake = wake.wait(milliseconds: isLagging ? Self.quiet : -1, takes: 4096)
      let (items, isFinished) = takeItems()
      if items.isEmpty, isLagging, !isAwake || isFinished { commit([], &progress) }
      work(items, &progress)
      if isFinished, items.isEmpty { return }
    }
  }

  private func takeItems() -> ([Item], isFinished: Bool) {
    let (items, waiting, isFinished) = queue.withLock { queue in
      defer {
        queue.items.removeAll(keepingCapacity: true)
        (queue.bytes, queue.waiting) = (0, 0)
      }
      return (queue.items, queue.waiting, queue.isFinished)
    }
    if waiting > 0 { space.send(times: waiting) }
    // Once finished nothing can be added, but someone must come round for what was there.
    if isFinished { wake.send() }
    return (items, isFinished)
  }

  private func work(_ items: [Item], _ progress: inout Progress) {
    var batch: [LogWrite] = []
    var bytes = 0
    for item in items {
      switch item {
      case .resume:
        commitIfAny(&batch, &bytes, &progress)
        progress.full = nil
      case .write(let write):
        batch.append(write)
        bytes += write.cost
        if bytes >= Self.batchBytes { commitIfAny(&batch, &bytes, &progress) }
      }
    }
    commitIfAny(&batch, &bytes, &progress)
  }

  private func commitIfAny(
    _ batch: inout [LogWrite], _ bytes: inout Int, _ progress: inout Progress
  ) {
    if !batch.isEmpty { commit(batch, &progress) }
    batch.removeAll(keepingCapacity: true)
    bytes = 0
  }

  /// Writes a batch, publishes the new tip and answers; an empty batch writes a commit index that
  /// lags behind.
  private func commit(_ batch: [LogWrite], _ progress: inout Progress) {
    let result: Result<Void, Fault>
    do throws(Fault) {
      if let fault = shared.failure ?? progress.full { throw fault }
      try makeDurable(batch, &progress)
      shared.publish(progress.tip)
      result = .success(())
    } catch {
      if error.kind == .diskFull {
        progress.full = error
        _ = store.files.dropBallast()
      } else {
        shared.fail(error)
      }
      result = .failure(error)
    }
    for write in batch { write.completion(result) }
  }

  private func makeDurable(_ batch: [LogWrite], _ progress: inout Progress) throws(Fault) {
    let before = progress.durable
    let needsCommit = batch.isEmpty || batch.contains { store.mustCommit($0, before) }
    guard needsCommit else {
      for write in batch {
        if let state = write.hardState { try store.advance(&progress.tip, to: state) }
      }
      return
    }
    let start = (tip: progress.tip, hash: progress.hash)
    let boots = (before: progress.boot, after: batch.compactMap(\.boot).max() ?? 0)
    let cost = batch.reduce(Self.overhead) { $0 + $1.cost }
    (progress.tip, progress.hash) = try store.commit(cost: cost) { transaction in
      var (tip, hash) = start
      for write in batch { try store.apply(write, to: &tip, &hash, in: transaction) }
      if tip.hardState != before { try store.put(tip.hardState, in: transaction) }
      if boots.after > boots.before { try store.put(boot: boots.after, in: transaction) }
      return (tip, hash)
    }
    progress.durable = progress.tip.hardState
    progress.boot = max(boots.before, boots.after)
    if (before.term, before.vote) != (progress.durable.term, progress.durable.vote)
      || progress.boot > boots.before
    {
      progress.sequence += 1
      try slots.write(
        Witness(progress.durable, boot: progress.boot), sequence: progress.sequence)
    }
  }
}

/// What a new thread runs.
private final class Body: Sendable {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
