// What a node wants done. The host does it; the core never touches the world.

/// Entries and hard state to make durable in one transaction, with the messages that may leave
/// only then. Jobs are done in the order in which they were handed out; none may be dropped.
package struct AppendJob: Sendable, Equatable {
  /// Contiguous; entries at or above the first one's index are replaced.
  package var entries: [Entry]
  /// Not nil if it changed.
  package var hardState: HardState?
  /// Takes the place of the whole log and state. What was handed out to be applied before it, and
  /// is not applied yet, is void.
  package var snapshot: Snapshot?
  /// Whether anything in here must reach the disk before `released` may leave: false if only the
  /// commit index changed.
  package var mustSync: Bool
  /// To be sent once durable.
  package var released: [Message]
  /// To be handed back once durable (`Input.appended`), after sending `released`.
  package var ack: AppendAck
}

/// Proof that an append job became durable: made by the core, handed out with the job and handed
/// back. It names the last entry of the log by index and term, so that an ack of entries that were
/// replaced meanwhile says nothing (the ABA case of asynchronous appends).
package struct AppendAck: Sendable, Equatable {
  package let term: Term
  /// The last entry that is durable with this job; 0 if all was durable before.
  package let lastIndex: Index
  package let lastTerm: Term
  /// 0 if there is no snapshot in the job.
  package let snapshotIndex: Index
  /// The commit index that is durable with this job.
  package let commit: Index
  /// What the core says to itself once the job is durable: its own votes and acknowledgements.
  package let toSelf: [Message]
  /// Where each of `toSelf` stands among all messages of the job, `released` included.
  package let positions: [Int]

  /// The same in pieces, to be handed back one by one in this order: first each of `toSelf`, then
  /// what is durable. For hosts that carry every piece as a message, as peers' recorded data do.
  package var pieces: [AppendAck] {
    var pieces = zip(toSelf, positions).map { message, position in
      AppendAck(
        term: term, lastIndex: 0, lastTerm: 0, snapshotIndex: 0, commit: commit,
        toSelf: [message], positions: [position])
    }
    if lastIndex > 0 || snapshotIndex > 0 {
      pieces.append(
        AppendAck(
          term: term, lastIndex: lastIndex, lastTerm: lastTerm, snapshotIndex: snapshotIndex,
          commit: commit, toSelf: [], positions: []))
    }
    return pieces
  }
}

/// A read that is confirmed: answer it once everything up to `index` is applied.
package struct ReadState: Sendable, Equatable {
  package var index: Index
  package var context: UInt64

  package init(index: Index, context: UInt64) {
    self.index = index
    self.context = context
  }
}

/// Everything a node wants done since the last time it was asked.
package struct Effects: Sendable {
  /// May leave now.
  package var messages: [Message] = []
  /// At most one a time: jobs of several inputs are merged.
  package var append: AppendJob?
  /// Committed and locally durable: apply in order, then say `Input.applied`.
  package var committed: [Entry] = []
  package var reads: [ReadState] = []
  /// An impossible state: the node must stop, and why.
  package var halt: String?

  package init() {}

  package var isEmpty: Bool {
    messages.isEmpty && append == nil && committed.isEmpty && reads.isEmpty && halt == nil
  }
}

/// The durable log as the core reads it. Synchronous and in order with the append jobs: entries
/// of a job are readable here before its ack is handed back.
package protocol StableLog: Sendable {
  /// Index of the first entry present; `lastIndex + 1` if there is none.
  var firstIndex: Index { get }
  /// Index of the last entry present, or of the state that stands before the first.
  var lastIndex: Index { get }
  /// The term of the entry at `index`, also for `firstIndex - 1`; nil if it is not present.
  func term(at index: Index) -> Term?
  /// Entries from `index` on, below `end`; at least one, then as many as fit into `maxBytes` of
  /// payload. Nil if the first is not present.
  func entries(from index: Index, to end: Index, maxBytes: Int) -> [Entry]?
  /// The newest state to send to a member that needs entries before `firstIndex`.
  func snapshot() -> Snapshot?
}
