import EventLog
import Foundation
import Testing

/// The disk refuses: once, for a while, or from one moment on.
@Suite(.enabled(if: Shim.library != nil, "no C compiler (cc) here"))
struct DiskFaultTests {
  /// Runs a load of thirty writes against a disk that fails, to its end, and judges what is there.
  private func run(failing failure: String) throws -> (code: Int32, report: Report) {
    let directory = try TestDirectory.withLog()
    let before = try Survivor.opened(directory.log)
    let load = try LogLoad(
      directory, seed: 7, writes: 30, disk: try Shim.environment(directory, failure: failure))
    load.process.waitUntilExit()
    #expect(load.process.terminationReason == .exit, "\(failure)")
    let report = load.report
    _ = try Survivor.judged(directory.log, report, after: before, failure)
    return (load.process.terminationStatus, report)
  }

  @Test(
    "The first sync that fails is the last: nothing is acknowledged after it, and the process ends",
    arguments: 1...16)
  func syncFails(first: Int) throws {
    // EIO, once: the next sync would succeed, and what was to be written would be gone.
    let (code, report) = try run(failing: "s \(first) 1 5")
    if report.failures.isEmpty {
      #expect(code == 0)
      #expect(report.acknowledged == 30)
    } else {
      #expect(code == 74)
      #expect(report.failures.allSatisfy { $0 == "syncFailed" })
    }
    #expect(first > 3 || !report.failures.isEmpty, "there was no sync to fail")
  }

  @Test("So is the first write that fails, unless it is done in another way", arguments: 1...16)
  func writeFails(first: Int) throws {
    let (code, report) = try run(failing: "w \(first) 1 5")
    #expect(code == (report.failures.isEmpty ? 0 : 74))
    // A log that cannot be opened promises nothing.
    #expect(report.boot == nil || report.failures.allSatisfy { $0 == "syncFailed" })
    #expect(!report.failures.isEmpty || report.acknowledged == 30)
  }

  @Test("A disk that turns read-only under way ends the process", arguments: [1, 4, 9, 14])
  func readOnly(first: Int) throws {
    let (code, report) = try run(failing: "a \(first) 1000000 30")
    #expect(code == 74)
    #expect(!report.failures.isEmpty)
    #expect(!report.failures.contains("diskFull"))
  }

  @Test(
    "A full disk refuses, and once there is space the same process writes all that it refused",
    arguments: [1, 2, 4], [2, 5, 6, 7, 9, 12, 15, 18])
  func diskFull(times: Int, first: Int) throws {
    let (code, report) = try run(failing: "w \(first) \(times) 28")
    if report.failures.contains("syncFailed") {
      // Half a meta page: nobody knows which commit is the last.
      #expect(code == 74)
    } else if report.boot == nil {
      #expect(report.failures == ["diskFull"])
    } else {
      #expect(code == 0)
      #expect(report.acknowledged == 30)
    }
  }
}
