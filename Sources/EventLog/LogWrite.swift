package import Raft

/// What is to become durable together, and whom to tell.
package struct LogWrite: Sendable {
  /// What stands before the first entry from now on, and is committed. The entries that it stands
  /// for are removed; those behind stay if its term and hash are the log's own at that index, else
  /// all are replaced by it, which must not touch what is committed. Comes before `entries`.
  package var base: LogBase?
  /// Contiguous. If the first one's index is not above the last of the log, the log is cut there
  /// first; never at or below the commit index.
  package var entries: [Entry]
  /// Nil if unchanged. Term and commit never go back, and commit is an index of the log. If nothing
  /// but the commit index changes, it reaches the disk with the next write or a few milliseconds
  /// later, and `completion` does not wait for that.
  package var hardState: HardState?
  /// A state at an index that is committed (with this write at the latest), kept for good.
  package var checkpoint: Checkpoint?
  /// The same, until the next one takes its place.
  package var newest: Checkpoint?
  /// Small durable facts of the host by name (what it must remember about its peers, say).
  package var facts: [String: [UInt8]]
  /// Lets `EventLog.findings` be forgotten: the host has done what they ask for.
  package var settlesFindings: Bool
  /// The next start's boot number is above this one, too; nil leaves it to be the next.
  package var boot: UInt64?
  /// Called on the writer's thread, in the order of submission, once it is durable or known not to
  /// be. Must be quick and must not call `close`.
  package var completion: @Sendable (Result<Void, Fault>) -> Void

  package init(
    base: LogBase? = nil, entries: [Entry] = [], hardState: HardState? = nil,
    checkpoint: Checkpoint? = nil, newest: Checkpoint? = nil,
    facts: [String: [UInt8]] = [:], settlesFindings: Bool = false,
    boot: UInt64? = nil,
    completion: @escaping @Sendable (Result<Void, Fault>) -> Void = { _ in }
  ) {
    self.base = base
    self.entries = entries
    self.hardState = hardState
    self.checkpoint = checkpoint
    self.newest = newest
    self.facts = facts
    self.settlesFindings = settlesFindings
    self.boot = boot
    self.completion = completion
  }

  /// An upper bound of the bytes that this adds to the file, pages and their tree included.
  var cost: Int {
    var cost = 64
    for entry in entries {
      cost += 128 + entry.payload.count + 9 * (entry.change?.steps.count ?? 0)
      // A value that does not fit on a page by half gets pages of its own.
      if entry.payload.count > 1024 { cost += 8192 }
    }
    for fact in facts.values { cost += 8192 + fact.count }
    if let checkpoint { cost += 8192 + checkpoint.bytes.count }
    if let newest { cost += 8192 + newest.bytes.count }
    return cost
  }
}
