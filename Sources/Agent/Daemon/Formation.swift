// The steps that give a data dir its identity, its cluster and its log. Each is complete before
// the next begins, and what was begun is finished at the next start.

import EventLog
import FoundationEssentials
package import Membership
import Raft
import Replication
import Schema
import Synchronization
import Transport

enum Formation {
  /// Finishes what a crash interrupted: an identity or a log that is complete but not in place.
  static func recover(_ directory: DataDirectory) throws(Failure) {
    // A new identity has its node.json last, and only once the old cluster is given up.
    if directory.exists(directory.newIdentity + "/node.json") {
      if directory.exists(directory.newLog), directory.exists(directory.log) {
        let old = try NodeFile.load(directory)?.cluster ?? "unknown"
        try directory.archive(directory.log, as: "log-\(old)")
      }
      try removeIdentity(directory.identity, directory)
      try directory.move(directory.newIdentity, to: directory.identity)
    }
    guard let file = try NodeFile.load(directory) else { return }
    if file.role == .worker {
      // It was a control-plane node: the log is not its any more, nor the key that signs.
      try directory.archive(directory.log, as: "log-\(file.cluster)")
      return try KubernetesFiles(directory).removeKey()
    }
    try directory.remove(directory.workerState)
    guard directory.exists(directory.newLog) else { return }
    if directory.exists(directory.log) {
      // It was not complete when whoever made it ended.
      try removeTree(directory.newLog, directory)
    } else {
      try directory.move(directory.newLog, to: directory.log)
    }
  }

  /// A fresh cluster with this node alone, in `folder` for its identity: the log first, the name of
  /// the cluster last.
  /// - Returns: what is now in place.
  static func form(_ settings: Settings, identity: NodeIdentity, into folder: String)
    throws -> NodeFile
  {
    let directory = settings.dataDirectory
    let cluster = ClusterID(Random.number())
    let node = NodeID(Random.number())
    guard let key = Digest(bytes: identity.keyDigest) else {
      throw Failure("cannot form a cluster: the key has no digest")
    }
    let record = firstNode(node, key: key, settings)
    let event = Event.clusterFormed(ClusterFormed(cluster: cluster, first: record))
    let envelope = Envelope(
      time: .now, command: .drawn(), fingerprint: 0, actor: settings.name, event: event)
    try removeTree(directory.newLog, directory)
    try createLog(directory, cluster: cluster, node: node, first: envelope)
    let file = NodeFile(cluster: cluster, firstNode: node, settings)
    try HookLedger.enter(file.cluster, after: 0, directory)
    try file.save(directory, into: folder)
    return file
  }

  /// What the first node of a cluster says about itself.
  static func firstNode(_ node: NodeID, key: Digest, _ settings: Settings) -> NodeRecord {
    NodeRecord(
      id: node, name: settings.name, role: .controlPlane,
      endpoints: settings.endpoints(for: .controlPlane), key: key,
      failureDomain: settings.failureDomain, version: Version.program)
  }

  /// `log.new` with `first` in it, or empty for a node that will receive the log.
  static func createLog(
    _ directory: DataDirectory, cluster: ClusterID, node: NodeID, first: Envelope?
  ) throws {
    do throws(Fault) {
      let identity = LogIdentity(cluster: cluster.rawValue, node: node.rawValue)
      try EventLog.create(directory: directory.newLog, identity: identity)
      guard let first else { return }
      let log = try EventLog.open(
        directory: directory.newLog, mode: .readWrite, expecting: identity)
      let entry = Entry(
        index: 1, term: 1, kind: .change,
        change: ConfigurationChange(of: first.event, in: Cluster()), payload: first.encoded())
      let outcome = Mutex<Result<Void, Fault>?>(nil)
      log.submit(
        LogWrite(
          entries: [entry], hardState: HardState(term: 1, vote: 0, commit: 1),
          completion: { result in outcome.withLock { $0 = result } }))
      // Closing writes what waits.
      log.close()
      try outcome.withLock { $0 }?.get()
    } catch {
      throw Failure(error.description, exitCode: error.exitCode)
    }
  }

  /// Removes the files of an identity; first the one without which it is none. Whoever died while
  /// writing one left a temporary one.
  static func removeIdentity(_ folder: String, _ directory: DataDirectory) throws(Failure) {
    guard directory.exists(folder) else { return }
    try directory.remove(folder + "/node.json")
    try removeTree(folder, directory)
  }

  /// Removes a log that never came into use.
  static func removeTree(_ folder: String, _ directory: DataDirectory) throws(Failure) {
    guard directory.exists(folder) else { return }
    try directory.removeFiles(in: folder)
    try directory.removeEmptyFolder(folder)
  }
}

extension NodeFile {
  /// Of the first node of a cluster.
  init(cluster: ClusterID, firstNode node: NodeID, _ settings: Settings) {
    self.init(
      cluster: cluster.description, node: node.description, name: settings.name,
      role: .controlPlane, address: settings.address.description,
      clusterPort: settings.clusterPort, datastorePort: settings.datastorePort,
      apiserverPort: settings.apiserverPort)
  }
}

extension CommandID {
  /// A new id: the time it is drawn at, then random bits.
  package static func drawn() -> CommandID {
    let milliseconds = UInt64(clamping: Timestamp.now.milliseconds)
    return CommandID(
      high: milliseconds << 16 | Random.number() & 0xffff, low: Random.number())
  }
}
