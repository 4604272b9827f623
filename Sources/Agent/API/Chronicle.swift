// The command line's way to history: the log on this machine's disk, read beside the running agent
// or without one, or a file that was exported. Only how far the log is applied is asked of the
// agent, if there is one; every answer works without.

package import EventLog
import FoundationEssentials
package import History
package import Membership
import Projections
import Transport

/// A history that was opened for one command.
package struct Chronicle: Sendable {
  package let history: History
  /// The node's log; nil for an exported file.
  package let log: EventLog?
  /// The data directory, if it was read from one.
  package let directory: DataDirectory?
  /// What the running agent says; nil if none runs.
  package let position: LogPosition?
  /// What is wrong with the log, where another process found it; the history then ends before it.
  package private(set) var damage: String?

  /// Whether another process looks at a log before this one reads it.
  package enum Look: Sendable {
    case none
    /// As an agent does at its start, unless one runs, which did so.
    case quick
    /// At every hash.
    case whole
  }

  /// Opens what is meant.
  /// - Parameters:
  ///   - file: an exported file, or a folder that holds a log; nil for the node's own log.
  ///   - look: whether the events before a damage will do.
  /// - Throws: `Failure`, `Unanswerable`; `NotRunning` if there is neither an agent nor a log.
  package static func open(
    _ directory: DataDirectory, file: String? = nil, first look: Look = .none
  ) async throws -> Chronicle {
    guard let file else { return try await open(directory, first: look) }
    let folder = DataDirectory(file)
    try folder.requireReadable()
    for path in [folder.path, folder.log] where folder.exists(path + "/identity") {
      if path == folder.path, folder.exists(folder.nodeFile) { continue }
      if let found = try damaged(path, look, named: file, nil) { return found }
      return try open(log: path, named: file)
    }
    if FileStatus(folder.path)?.kind == .folder {
      for path in ["/history.muster", "/muster-support/history.muster"]
      where folder.exists(folder.path + path) {
        throw Failure(
          "cannot read \(file): it is a folder, as muster bundle fills one; its history is --file "
            + shellQuoted(folder.path + path))
      }
      throw Failure(
        "cannot read \(file): the folder holds no log (files identity and data.mdb, in it or in "
          + "its folder log)")
    }
    return Chronicle(
      history: History(try ExportSource(path: file)), log: nil, directory: nil, position: nil)
  }

  /// What can be read of a log, if another process finds it damaged.
  private static func damaged(
    _ path: String, _ look: Look, named name: String, _ directory: DataDirectory?
  ) throws -> Chronicle? {
    guard look != .none else { return nil }
    let found = try LogExamination.run(path, isWhole: look == .whole)
    guard let damage = found.damage else { return nil }
    LogReading.begins(path)
    return Chronicle(
      history: History(try DamagedSource(path, through: found.good, name: name)), log: nil,
      directory: directory, position: nil, damage: damage)
  }

  /// Says whose log lies in the node's place, if it is not the node's.
  package var stranger: String? {
    guard let directory, let file = try? NodeFile.load(directory) else { return nil }
    return directory.stranger(file)
  }

  /// Why the history ends before the log does; nil if it does not.
  package var cut: Failure? {
    damage.map { damage in
      Failure(
        "the log of \(history.source.name) is damaged: \(damage). \(readable(history.head)) "
          + Fault.adviceOnDamage, exitCode: 65)
    }
  }

  /// Whether a log that is damaged ended the reading, as far as one can tell.
  package static func isDamage(_ error: any Error) -> Bool {
    (error as? Fault)?.kind == .damaged || (error as? Failure)?.exitCode == 65
  }

  /// What ended the reading of this history, with what can be read of it.
  package func explained(_ error: any Error) -> any Error {
    if let cut { return cut }
    guard let fault = error as? Fault, fault.kind == .damaged, let found = try? log?.verify()
    else { return error }
    return Failure("\(fault) \(readable(found.lastIndex))", exitCode: 65)
  }

  private func readable(_ last: UInt64) -> String {
    let words = directory?.option ?? " --file \(shellQuoted(history.source.name))"
    guard last > 0 else { return "No event can be read." }
    return "Events 1 to \(last) can be read: muster events ..\(last)\(words)."
  }

  private static func open(
    _ directory: DataDirectory, first look: Look
  ) async throws -> Chronicle {
    try directory.requireReadable()
    guard directory.exists(directory.log + "/data.mdb") else {
      if directory.exists(directory.workerState) {
        throw Failure(
          "\(directory.path) is a worker's and keeps no log; run this on a control-plane node, or "
            + "on a file that was exported there (--file)", exitCode: 6)
      }
      if directory.lacksLog {
        throw Failure(
          "cannot read \(directory.path): \(directory.log)/data.mdb is missing, and with it the "
            + "history of this node. Put the log back from a backup, or see what can be done with: "
            + "muster repair\(directory.option)", exitCode: 65)
      }
      throw NotRunning(directory: directory)
    }
    let position = try? await LocalClient(directory).call(
      "GET", "/v1/log", timeout: .seconds(2), as: LogPosition.self)
    if look == .whole || position == nil,
      let found = try damaged(directory.log, look, named: directory.path, directory)
    {
      return found
    }
    let log = try LogReading.open(directory.log)
    // An agent that just took another identity may not be the one whose log this is.
    let isSame = position?.cluster == ClusterID(log.identity.cluster).description
    return Chronicle(
      history: History(
        LogSource(log, applied: isSame ? position?.applied : nil, name: directory.path)),
      log: log, directory: directory, position: isSame ? position : nil)
  }

  private static func open(log path: String, named name: String) throws -> Chronicle {
    let log = try LogReading.open(path)
    return Chronicle(
      history: History(LogSource(log, name: name)), log: log, directory: nil, position: nil)
  }

  /// The same as of now, or as far as the agent has applied.
  package func refreshed(applied: UInt64?) -> History {
    guard let log else { return history }
    return History(LogSource(log, applied: applied, name: history.source.name))
  }

  package var now: Timestamp { .now }

  /// The clock of this machine.
  package static var now: Timestamp { .now }

  /// Makes a folder with a log of all that an exported file holds.
  /// - Returns: how many events.
  /// - Throws: `Unanswerable` if the file is damaged, `Failure` if the folder cannot be made.
  package static func restore(file: String, to folder: String) throws -> UInt64 {
    let source = try ExportSource(path: file)
    let isThere = FileStatus(folder) != nil
    do {
      try History(source).restore(to: folder)
    } catch {
      // What was begun here is nobody's.
      if !isThere { try? FileManager.default.removeItem(atPath: folder) }
      guard let fault = error as? Fault else { throw error }
      throw Failure("\(fault)", exitCode: fault.exitCode)
    }
    return source.lastIndex - source.firstIndex + 1
  }

  // MARK: What the agent sees

  /// What tools of history read of the status of a running agent.
  private struct Status: Decodable {
    struct Node: Decodable {
      var name: String
      var status: String
    }
    var nodes: [Node]
    var highAvailability: Bool
    var quorumHeld: Bool
    var summary: String
    var uncounted: [String]
    var answeredBy: String?

    var by: String { answeredBy ?? "the agent" }
  }

  /// Nil if no agent runs, or if it has no log of its own.
  private func status() async -> Status? {
    guard let directory, position != nil else { return nil }
    return try? await LocalClient(directory).call(
      "GET", "/v1/status?format=json", timeout: .seconds(3))
  }

  /// Nodes that the running agent does not reach, voters that do not count for it, and its name;
  /// nil if none runs.
  package func absences() async -> (
    unreachable: Set<String>, uncounted: Set<String>, by: String
  )? {
    await status().map { status in
      (
        Set(status.nodes.filter { $0.status == "NotReady" }.map(\.name)), Set(status.uncounted),
        status.by
      )
    }
  }

  /// How available the running agent sees its cluster, and its name; nil if none runs.
  package func availability() async -> (isHigh: Bool, isQuorumHeld: Bool, by: String)? {
    await status().map { ($0.highAvailability, $0.quorumHeld, $0.by) }
  }

  /// What the running agent answers, for an archive; nothing if none does.
  /// - Parameter redacted: without addresses, and with that without most.
  package func live(redacted: Bool) async -> [SupportBundle.Word] {
    guard let directory, position != nil else { return [] }
    func told(_ name: String, _ words: String, _ text: String) -> SupportBundle.Word {
      SupportBundle.Word(name: "live-\(name).txt", words: "\(words) then", text: text)
    }
    if redacted {
      guard let status = await status() else { return [] }
      let nodes = status.nodes.map { "\($0.name)  \($0.status)\n" }.joined()
      return [
        told(
          "status", "what \(status.by) saw",
          "high-availability: \(status.highAvailability ? "yes" : "no")\n\(status.summary)\n"
            + nodes)
      ]
    }
    let client = LocalClient(directory)
    var words: [SupportBundle.Word] = []
    if let status = try? await client.raw(
      "GET", "/v1/status?format=pretty", timeout: .seconds(3))
    {
      words.append(told("status", "muster status", String(decoding: status, as: UTF8.self)))
    }
    let health: HealthAnswer? = try? await client.call("GET", "/v1/health", timeout: .seconds(15))
    if let health {
      words.append(told("health", "muster health", health.lines.map { $0.text + "\n" }.joined()))
    }
    return words
  }

  // MARK: Views of a moment

  /// The first line of every answer about the past.
  package func header(_ state: Cluster) -> String {
    let redacted = history.source.redaction.map { "; \($0) were taken out" } ?? ""
    return "as of index \(state.lastIndex) (\(state.lastTime.rfc3339)), replayed from "
      + "\(history.source.name)\(redacted); contact, lag and whether workers are ready are unknown"
      + "\n"
  }

  /// The text of `status` as of that state, in a format that `muster status` has.
  package func status(_ state: Cluster, format: String) throws -> String {
    let report = StatusReport(
      state, now: state.lastTime, outlook: nil, basis: .replayed,
      suspicions: log.map { Suspicion.all(state, in: $0) } ?? [:])
    let text = try Rendering.status(report, format: format)
    guard format == "pretty" else { return text }
    // The header says already of when it is.
    let place = text.firstRange(of: "\nas of index ")
    return header(state) + text[..<(place?.lowerBound ?? text.endIndex)]
  }

  package func nodes(_ state: Cluster, format: String) throws -> String {
    let report = StatusReport(state, now: state.lastTime, outlook: nil, basis: .replayed)
    let text = try Rendering.nodes(report, format: format)
    return format == "pretty" || format == "wide" ? header(state) + text : text
  }

  package func tokens(_ state: Cluster, format: String) throws -> String {
    let text = try Rendering.tokens(TokenList(state, now: state.lastTime), format: format)
    return format == "pretty" ? header(state) + text : text
  }

  /// provider.yaml as of that state, with the header as a comment.
  package func provider(_ state: Cluster) throws -> String {
    do throws(ProviderFile.Empty) {
      return "# " + header(state)
        + (try ProviderFile.render(EndpointList(state).apiservers))
    } catch {
      throw Unanswerable("\(error), as of index \(state.lastIndex)", exitCode: 1)
    }
  }
}

extension Failure {
  /// What the tools of history throw, with its exit code; nil for anything else.
  package init?(history error: any Error) {
    switch error {
    case let fault as Fault: self.init("\(fault)", exitCode: fault.exitCode)
    case let fault as HistoryFault: self.init("\(fault)", exitCode: 65)
    case let unanswerable as Unanswerable:
      self.init("\(unanswerable)", exitCode: unanswerable.exitCode)
    default: return nil
    }
  }
}
