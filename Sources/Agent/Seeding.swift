// A new cluster that goes on where a lost one ended: of all its nodes none is left, but its history
// is, in an exported file or on the disk of a dead node.
//
// The new log holds that history unchanged and one more event, `cluster.imported`. From there on it
// is another cluster, with another id, whose only member is this node with a new key: nothing that
// may be left of the old one can take part. Two clusters begun from one file are two clusters.
//
// All is made beside what is in the data dir; the file that names the new cluster is written last,
// and a start puts the rest in its place. So whatever ends this leaves the old or the new.

import Crypto
import EventLog
import FoundationEssentials
import History
import Membership
import Raft
import Replication
import Schema
import Transport

/// A data dir in which a cluster is to begin with another's history.
package struct Seeding {
  private let directory: DataDirectory
  private let settings: Settings
  /// Held until this is gone: no agent starts meanwhile.
  private let lock: AgentLock

  /// What began.
  package struct Beginning {
    package var cluster: String
    package var node: String
    package var source: String
    /// The last index of the old cluster's history, and its time.
    package var index: UInt64
    package var time: String
    /// Events behind that index that are not known to be committed, and were left out.
    package var uncommitted: UInt64
  }

  /// Looks whether a cluster may begin there, and changes nothing.
  /// - Throws: `Failure`: an agent runs there; its node belongs to a cluster with others.
  package init(_ given: AgentOptions) throws {
    directory = DataDirectory(given.dataDirectory)
    try directory.prepare()
    lock = try AgentLock(
      directory, to: "begin a cluster in", orElse: "name a new directory: --data-dir NEW")
    let options = try given.merged()
    try Formation.recover(directory)
    var recorded = try NodeFile.load(directory)
    if let recorded {
      try Self.requireFresh(recorded, directory)
    } else if directory.exists(directory.log) {
      throw Self.refusal(directory, "it holds a log and no identity")
    }
    // The cluster is another: the name may be, too.
    if let name = options.name { recorded?.name = name }
    settings = try options.resolved(recorded: recorded)
  }

  /// Only a node that never had another beside it loses nothing.
  private static func requireFresh(_ file: NodeFile, _ directory: DataDirectory) throws {
    for (path, what) in [(directory.joinIntent, "join"), (directory.leaveIntent, "leave")]
    where directory.exists(path) {
      throw refusal(directory, "a \(what) is under way there, which its agent finishes")
    }
    if file.departed != nil {
      throw refusal(directory, "\(file.name) was a member of cluster \(file.cluster)")
    }
    guard file.role == .controlPlane else {
      throw refusal(directory, "\(file.name) is a worker of cluster \(file.cluster)")
    }
    let log = try LogReading.open(directory.log)
    defer { log.close() }
    let history = History(LogSource(log))
    let state = try history.state(at: history.head)
    let others =
      state.nodes.map(\.name).filter { $0 != file.name } + state.departed.map(\.name)
    guard state.isFormed, others.isEmpty else {
      throw refusal(
        directory,
        "\(file.name) belongs to cluster \(file.cluster)"
          + (others.isEmpty
            ? "" : ", which has or had other members (\(others.joined(separator: ", ")))"))
    }
  }

  private static func refusal(_ directory: DataDirectory, _ why: String) -> Failure {
    Failure(
      "cannot begin a cluster in \(directory.path): \(why). Nothing was changed; name a new "
        + "directory (--data-dir NEW), or move this one aside", exitCode: 3)
  }

  /// Makes the new cluster's log and puts it in its place.
  /// - Parameters:
  ///   - origin: an exported file, or a folder that holds a log or is a data dir.
  ///   - report: told what is going on, a line at a time.
  /// - Throws: `Failure`, `Unanswerable`, `HistoryFault`, `Fault`; then nothing was changed.
  package func begin(
    from origin: String, reason: String, report: (String) -> Void
  ) async throws -> Beginning {
    report("check \(origin): every event and every hash")
    let past = try await Chronicle.open(directory, file: origin)
    defer { past.log?.close() }
    let history = past.history
    try Self.requireWhole(history)
    report("it holds events 1 to \(history.head) of cluster \(history.source.cluster)")
    do {
      let made = try make(history, from: origin, of: past, reason: reason, report: report)
      // From here on it is the new one; a start would do the rest, too.
      try Formation.recover(directory)
      return made
    } catch {
      if !directory.exists(directory.newIdentity + "/node.json") {
        try? clear()
      }
      throw error
    }
  }

  private static func requireWhole(_ history: History) throws {
    if let redaction = history.source.redaction {
      throw Failure(
        "cannot begin a cluster with \(history.source.name): \(redaction) were taken out of it, so "
          + "it is not the history that was. Use an export without --redact")
    }
    guard history.first == 1 else {
      throw Failure(
        "cannot begin a cluster with \(history.source.name): it begins at index \(history.first), "
          + "and what the events before made is unknown. Use an export without --range")
    }
    guard history.head > 0 else {
      throw Failure("cannot begin a cluster with \(history.source.name): it holds no event")
    }
  }

  private func clear() throws(Failure) {
    for folder in [directory.newLog, directory.newLog + ".new"] {
      try Formation.removeTree(folder, directory)
    }
    try Formation.removeIdentity(directory.newIdentity, directory)
  }

  private func make(
    _ history: History, from origin: String, of past: Chronicle, reason: String,
    report: (String) -> Void
  ) throws -> Beginning {
    try clear()
    let identity = try NodeIdentity.loadOrCreate(in: directory.newIdentity)
    let (cluster, node) = (ClusterID(Random.number()), NodeID(Random.number()))
    guard let key = Membership.Digest(bytes: identity.keyDigest),
      let hash = try history.source.chainHash(at: history.head)
        .flatMap({ Membership.Digest(bytes: $0.bytes) })
    else { throw Failure("cannot begin a cluster: the key or the history has no digest") }
    let file = past.log == nil ? try Self.digest(ofFile: origin) : nil
    var beginning = Beginning(
      cluster: cluster.description, node: settings.name, source: "", index: history.head, time: "",
      uncommitted: past.log.map { $0.tip.lastIndex - min(history.head, $0.tip.lastIndex) } ?? 0)
    report("write the log of cluster \(cluster)")
    try history.restore(
      to: directory.newLog,
      as: LogIdentity(cluster: cluster.rawValue, node: node.rawValue),
      adding: { state, term in
        guard state.id == history.source.cluster else {
          throw Failure(
            "cannot begin a cluster with \(origin): it is told to be of cluster "
              + "\(history.source.cluster), and its events are of \(state.id)", exitCode: 65)
        }
        (beginning.source, beginning.time) = (state.id.description, state.lastTime.rfc3339)
        let event = Event.clusterImported(
          ClusterImported(
            cluster: cluster, first: Formation.firstNode(node, key: key, settings),
            source: state.id, sourceIndex: history.head, sourceHash: hash, file: file))
        let envelope = Envelope(
          time: max(.now, state.lastTime), command: .drawn(), fingerprint: 0,
          actor: "\(LocalClient.user)@\(settings.name)", reason: reason, event: event)
        // A term of its own, as the first event ever has.
        return Entry(
          index: history.head + 1, term: term + 1, kind: .change,
          change: ConfigurationChange(of: event, in: state), payload: envelope.encoded())
      },
      progress: { index in
        if index.isMultiple(of: 100_000) { report("written: \(index) of \(history.head) events") }
      })
    report("put it in its place")
    try HookLedger.enter(cluster.description, after: history.head, directory)
    try NodeFile(cluster: cluster, firstNode: node, settings).save(
      directory, into: directory.newIdentity)
    return beginning
  }

  /// SHA-256 of a file's bytes.
  private static func digest(ofFile path: String) throws -> Membership.Digest? {
    let data = try Data(contentsOf: URL(filePath: path), options: .mappedIfSafe)
    return Membership.Digest(bytes: Array(SHA256.hash(data: data)))
  }
}
