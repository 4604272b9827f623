// The durable log, as the log on a real disk promises it, and what a crash leaves of it.

package import Membership
package import Raft
import Schema
import Synchronization

/// One node's disk. A transaction writes entries and hard state together; what was synced survives
/// a crash, and nothing else does. An honest disk syncs before it reports success, so `visible` and
/// `synced` are the same there; planted faults (`Plant`) let them differ.
package final class SimulatedDisk: StableLog {
  /// What a disk holds at one moment.
  package struct Image: Sendable, Equatable {
    /// From index 1 on, without a gap.
    package var entries: [Entry] = []
    /// As last written; all zero on an empty disk.
    package var hardState = HardState()

    package init() {}

    /// Index of the last entry; 0 if there is none.
    package var lastIndex: Index { Index(entries.count) }

    /// The term of that entry; nil if it is not here, 0 before the first.
    package func term(at index: Index) -> Term? {
      if index == 0 { return 0 }
      return index <= lastIndex ? entries[Int(index - 1)].term : nil
    }

    /// Replaces what stands at and behind the first of these entries. False if a gap would be left.
    mutating func write(_ new: [Entry]) -> Bool {
      guard let first = new.first else { return true }
      guard first.index > 0, first.index <= lastIndex + 1 else { return false }
      let start = Int(first.index - 1)
      entries.removeSubrange(start...)
      entries.append(contentsOf: new)
      return true
    }
  }

  private let visible = Mutex(Image())
  private let durable = Mutex(Image())

  package init() {}

  /// What would be found after a crash at this moment.
  package var synced: Image { durable.withLock { $0 } }
  /// The hard state of `synced`.
  package var syncedState: HardState { durable.withLock { $0.hardState } }
  /// The last index of `synced`.
  package var syncedLast: Index { durable.withLock { $0.lastIndex } }
  /// The term of an entry of `synced`.
  package func syncedTerm(at index: Index) -> Term? { durable.withLock { $0.term(at: index) } }

  /// Puts an image in place, synced: a log as it is created, or a disk put back to an older state.
  package func install(_ image: Image) {
    visible.withLock { $0 = image }
    durable.withLock { $0 = image }
  }

  /// Writes a job and syncs it. False if the entries do not follow the log.
  package func write(_ job: AppendJob) -> Bool {
    show(job) && sync(job)
  }

  /// What readers see.
  func show(_ job: AppendJob) -> Bool {
    visible.withLock { Self.write(job, to: &$0) }
  }

  /// What survives: this, and the hard state that was only shown before.
  func sync(_ job: AppendJob) -> Bool {
    let shown = visible.withLock { $0.hardState }
    return durable.withLock { image in
      image.hardState = shown
      return Self.write(job, to: &image)
    }
  }

  private static func write(
    _ job: AppendJob, to image: inout Image
  ) -> Bool {
    if let state = job.hardState { image.hardState = state }
    return image.write(job.entries)
  }

  /// Power is back: only what was synced is there.
  func crash(forgettingVote: Bool = false) {
    let image = durable.withLock { image in
      if forgettingVote { image.hardState.vote = 0 }
      return image
    }
    visible.withLock { $0 = image }
  }

  // MARK: StableLog

  package var firstIndex: Index { 1 }
  package var lastIndex: Index { visible.withLock { $0.lastIndex } }
  package func term(at index: Index) -> Term? { visible.withLock { $0.term(at: index) } }

  package func entries(from index: Index, to end: Index, maxBytes: Int) -> [Entry]? {
    visible.withLock { image in
      guard index > 0, index <= image.lastIndex, index < end else { return nil }
      var bytes = 0
      var last = Int(index) - 1
      let stop = Int(min(end - 1, image.lastIndex))
      while last < stop {
        bytes += image.entries[last].payload.count
        if bytes > maxBytes, last > Int(index) - 1 { break }
        last += 1
      }
      return Array(image.entries[(Int(index) - 1)..<last])
    }
  }

  package func snapshot() -> Snapshot? { nil }
}

extension SimulatedDisk {
  /// The log with which a cluster begins: its first entry makes the first node a voter.
  package func form(_ cluster: ClusterID, _ first: NodeRecord, at time: Timestamp) {
    var image = Image()
    let envelope = Envelope(
      time: time, command: CommandID(at: time, random: (0, first.id.rawValue)), fingerprint: 0,
      actor: first.name, event: .clusterFormed(ClusterFormed(cluster: cluster, first: first)))
    image.entries = [
      Entry(
        index: 1, term: 1, kind: .change,
        change: ConfigurationChange(steps: [.addVoter(first.id.rawValue)]),
        payload: envelope.encoded())
    ]
    image.hardState = HardState(term: 1, vote: 0, commit: 1)
    install(image)
  }

  /// The state after the events that are known to be committed.
  /// - Throws: `Violation` if the log does not fold.
  package func fold(through commit: Index? = nil) throws(Violation) -> Cluster {
    let image = visible.withLock { $0 }
    var cluster = Cluster()
    for entry in image.entries.prefix(Int(commit ?? image.hardState.commit)) {
      let problem: String?
      do throws(Malformed) {
        problem = cluster.evolve(try RecordedEvent(decoding: entry))?.description
      } catch { problem = error.description }
      if let problem { throw Violation(.readableLog, problem) }
    }
    return cluster
  }
}
