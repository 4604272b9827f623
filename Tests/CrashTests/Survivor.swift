import EventLog
import Raft
import Testing

/// A log as it is found after a crash, judged by what was promised of it.
struct Survivor {
  var ending: Report.Ending
  var boot: UInt64

  /// A log that nothing was promised of.
  static func opened(_ directory: String) throws -> Survivor {
    let log = try EventLog.open(directory: directory, mode: .readWrite)
    defer { log.close() }
    return try Survivor(log)
  }

  private init(_ log: EventLog) throws {
    ending = Report.Ending(
      index: log.lastIndex, hash: try log.chainHash(at: log.lastIndex)?.description ?? "",
      term: log.hardState.term, vote: log.hardState.vote, commit: log.hardState.commit)
    boot = log.bootNumber
  }

  /// What must hold: the log ends as after some write that is not older than the last one
  /// acknowledged, with its term and vote; what was promised as committed is; the chain is whole;
  /// and nothing is forgotten that the witness knows.
  static func judged(
    _ directory: String, _ report: Report, after before: Survivor, _ what: String
  ) throws -> Survivor {
    let log = try EventLog.open(directory: directory, mode: .readWrite)
    defer { log.close() }
    let found = try Survivor(log)
    let damage = try log.verify().damage
    #expect(damage == nil, "\(what)")
    #expect(!log.findings.contains { $0.isLogBehind }, "\(what): \(log.findings)")
    #expect(report.behind == 0, "\(what)")
    #expect(report.tooLate == 0, "\(what)")
    #expect(found.boot > max(before.boot, report.boot ?? 0), "\(what)")
    var endings = report.endings
    endings[0] = before.ending
    let isPossible = endings.contains { number, ending in
      var ending = ending
      ending.commit = found.ending.commit
      return number >= report.acknowledged && ending == found.ending
    }
    let promised = endings[report.acknowledged]
    #expect(
      isPossible,
      """
      \(what): it ends as \(found.ending),
      acknowledged is write \(report.acknowledged): \(promised as Any)
      """
    )
    #expect(found.ending.commit >= promised?.commit ?? 0, "\(what)")
    #expect(found.ending.commit <= found.ending.index, "\(what)")
    return found
  }
}
