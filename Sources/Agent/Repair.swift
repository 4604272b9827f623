// What can be done about a log that is damaged or has lost its end, on a node that is stopped.
//
// Nothing is deleted and nothing is cut: the damaged log is set aside whole, and a new one takes
// its place with the events that can be proven. It keeps what the old one promised: term, vote,
// boot number, and how far it reached. A node that has peers then starts without a vote and fetches
// what is missing. One that has none cannot, and what is missing is lost; that needs a word of its
// own.

import EventLog
import Membership
import Raft
import Schema

package struct Repair: Sendable {
  private let directory: DataDirectory
  /// Held until this is gone: no agent starts meanwhile.
  private let lock: AgentLock
  private let identity: LogIdentity
  private let found: LogExamination
  private let promised: Witness
  /// Through which index events are known to stay.
  private let committed: UInt64
  /// The last index that this node is known to have held.
  private let reached: UInt64
  /// Names of the other control-plane nodes, as of the events that are right.
  private let others: [String]

  /// Looks at the log of a stopped node, all of it, and changes nothing.
  /// - Throws: `Failure` if an agent runs there, if there is no log to look at, or if what it
  ///   promised cannot be told any more.
  package init(of directory: DataDirectory) throws {
    try directory.requireReadable()
    guard directory.exists(directory.path) else {
      throw Failure("cannot repair \(directory.path): there is no such data dir")
    }
    try directory.prepare()
    self.directory = directory
    lock = try AgentLock(directory, to: "repair")
    guard let file = try NodeFile.load(directory), let cluster = file.clusterID,
      let node = file.nodeID
    else { throw Failure("cannot repair \(directory.path): no node was ever started there") }
    guard file.role == .controlPlane else {
      throw Failure("there is nothing to repair: \(file.name) is a worker, which keeps no log")
    }
    guard directory.exists(directory.log) else {
      throw Failure(
        directory.exists(directory.newLog)
          ? "there is nothing to repair: start the agent, it puts the new log in its place"
          : "cannot repair: \(directory.log) is missing, and with it how this node voted, so it "
            + "must not come back as itself: \(Self.anew(file, directory))", exitCode: 65)
    }
    identity = LogIdentity(cluster: cluster.rawValue, node: node.rawValue)
    if let stranger = directory.stranger(file) {
      throw Failure(
        "cannot repair: \(stranger). Nothing was changed; put this node's own log in its place, "
          + "from \(directory.archive) or from a backup. If there is none: "
          + Self.anew(file, directory), exitCode: 65)
    }
    found = try LogExamination.run(directory.log, isWhole: true)
    guard let promised = try Self.promises(directory.log, found) else {
      throw Failure(
        "cannot repair: \(found.damage ?? "the log is damaged"), and how this node voted is lost "
          + "with it, so it must not come back as itself: \(Self.anew(file, directory))",
        exitCode: 65)
    }
    self.promised = promised
    committed = try found.claim?.commit ?? Self.witness(directory.log)?.commit ?? 0
    reached = promised.commit
    // Under its name another node may have been there before it.
    others = try Self.others(directory, through: found.good, node).filter { $0 != file.name }
  }

  private static func anew(_ file: NodeFile, _ directory: DataDirectory) -> String {
    "remove it on another node (muster remove-node \(file.name) --force), move \(directory.path) "
      + "aside and join again; a node that was alone begins anew, where there is an export with "
      + "its history: muster import FILE --seed\(directory.option)"
  }

  /// The votes file covers every vote that was ever sent, so the log is believed only without it:
  /// its numbers have no checksum. How far it reached, the log may know better.
  private static func promises(
    _ log: String, _ found: LogExamination
  ) throws(Failure) -> Witness? {
    let claim = found.claim
    guard var promised = try witness(log) ?? claim.map(\.witness) else { return nil }
    do throws(Fault) {
      // No more than the file has room for: a flipped bit is not a promise.
      let size = try EventLog.dataSize(of: log)
      let last = min(claim?.last ?? 0, found.good.saturatingAdd(UInt64(size / 24)))
      promised.commit = max(promised.commit, claim?.lost ?? 0, last, found.good)
      return promised
    } catch {
      throw Failure(error.description, exitCode: error.exitCode)
    }
  }

  /// What the votes file says.
  private static func witness(_ log: String) throws(Failure) -> Witness? {
    do throws(Fault) {
      return try EventLog.promises(of: log)
    } catch {
      throw Failure(error.description, exitCode: error.exitCode)
    }
  }

  private static func others(
    _ directory: DataDirectory, through last: UInt64, _ own: NodeID
  ) throws -> [String] {
    guard last > 0 else {
      return try IntroductionLetter.load(directory).members.map(\.name)
    }
    var cluster = Cluster()
    try DamagedLog(directory: directory.log).forEach(from: 1, through: last) { entry, _ in
      if let problem = cluster.evolve(try RecordedEvent(decoding: entry)) {
        throw Failure("cannot repair: event \(entry.index) has no effect: \(problem)", exitCode: 65)
      }
      return true
    }
    return cluster.controlPlane.filter { $0.id != own }.map(\.name)
  }

  // MARK: What there is

  /// Nothing is damaged and nothing is missing.
  package var isSound: Bool { found.damage == nil && missing == 0 }

  /// How many events this node held that its log does not hold any more.
  private var missing: UInt64 { reached - min(reached, found.good) }

  private var events: String {
    found.good == 0
      ? "no event" : (found.isAtLeast ? "at least " : "") + "events 1 to \(found.good)"
  }

  /// The diagnosis, in lines.
  package var text: String {
    var lines = ["log         \(directory.log)"]
    lines.append("damage      \(found.damage ?? "none")")
    lines.append(
      "whole       " + (found.good == 0 ? "nothing" : "\(events), each proven by its hash"))
    // What cannot be opened does not say where it ended.
    let lost =
      missing == 0
      ? "nothing that is known of"
      : (found.claim == nil ? "at least " : "") + "events \(found.good + 1) to \(reached)"
    lines.append("missing     \(lost)")
    lines.append(
      "promised    term \(promised.term), vote "
        + (promised.vote == 0 ? "for nobody" : "for \(NodeID(promised.vote))")
        + ", boot \(promised.boot)")
    lines.append("others      \(others.isEmpty ? "none known" : others.joined(separator: ", "))")
    return lines.map { $0 + "\n" }.joined()
  }

  /// What may be done, or why nothing can.
  package var advice: String {
    if isSound { return "The log is sound: there is nothing to repair." }
    if !others.isEmpty {
      return found.damage == nil
        ? "There is nothing to repair: start the agent. It has no vote until it has fetched what "
          + "is missing from \(others.joined(separator: ", "))."
        : "With --yes the log is set aside and a new one begins with \(events). The agent then has "
          + "no vote until it has fetched what is missing from \(others.joined(separator: ", "))."
    }
    guard found.good > 0 else {
      let path = directory.path
      return "Nothing can be kept, and there is no other control-plane node to fetch it from. Put "
        + "a backup of the log in its place; or move \(path) aside, and begin a new cluster with "
        + "the history that an export or another node's data directory holds: muster import FILE "
        + "--seed\(directory.option); without either, start the agent there and begin anew."
    }
    return "There is no other control-plane node to fetch what is missing from. With --yes "
      + "--keep-prefix \(events) are kept, and "
      + (missing == 0
        ? "nothing that is known of is lost." : "\(missing) events are lost for good.")
  }

  /// Exit code of the diagnosis.
  package var exitCode: Int32 { found.damage == nil && (isSound || !others.isEmpty) ? 0 : 65 }

  // MARK: What is done

  /// Sets the log aside and puts a new one in its place.
  /// - Parameter keepsPrefix: what is missing may be given up; only where nobody has it.
  /// - Returns: where the old log is now.
  /// - Throws: `Failure` that says why it cannot be done.
  package func perform(keepsPrefix: Bool) throws -> String {
    guard found.damage != nil || (!isSound && others.isEmpty) else { throw Failure(advice) }
    guard others.isEmpty || !keepsPrefix else {
      throw Failure(
        "--keep-prefix gives up what is missing, and \(others.joined(separator: ", ")) may have "
          + "it: leave it out, and the node fetches it")
    }
    guard !others.isEmpty || (keepsPrefix && found.good > 0) else {
      throw Failure(advice, exitCode: 65)
    }
    for folder in [directory.newLog, directory.newLog + ".new"] {
      try Formation.removeTree(folder, directory)
    }
    do {
      try EventLog.rebuild(
        directory.log, as: directory.newLog, of: identity, through: found.good,
        committed: committed, promised: promised, isSettled: keepsPrefix)
    } catch let fault as Fault {
      throw Failure(fault.description, exitCode: fault.exitCode)
    }
    // Between these two a start finishes what was begun, as after a join.
    let aside = try directory.setAside(directory.log, as: "damaged-\(Timestamp.now.compact)")
    try directory.move(directory.newLog, to: directory.log)
    return aside
  }
}

extension LogExamination.Claim {
  fileprivate var witness: Witness { Witness(term: term, vote: vote, commit: commit, boot: boot) }
}

extension Timestamp {
  /// `20261024T031200Z`, for names of files.
  fileprivate var compact: String { rfc3339.filter { $0 != "-" && $0 != ":" } }
}

extension UInt64 {
  fileprivate func saturatingAdd(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
