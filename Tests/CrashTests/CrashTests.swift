import EventLog
import Foundation
import Testing

/// The process dies, or the power fails, under load, again and again.
///
/// `CRASH_KILLS` (100) and `CRASH_POWER_LOSSES` (30) say how often, `CRASH_SEED` (1) where to
/// begin; a failure names its seed.
@Suite struct CrashTests {
  private static func number(_ name: String, _ standard: Int) -> Int {
    ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? standard
  }

  /// Crashes of one log, one after another.
  private static let perLog = 10
  private static let seed = UInt64(number("CRASH_SEED", 1))

  /// A seed for each log that is needed.
  private static func seeds(_ crashes: Int) -> [UInt64] {
    (0..<(crashes + perLog - 1) / perLog).map { seed &+ UInt64($0) }
  }

  static let kills = number("CRASH_KILLS", 100)
  static let powerLosses = number("CRASH_POWER_LOSSES", 30)

  @Test(
    "After kill -9 all that was acknowledged is there, entries and votes, and the chain is whole",
    arguments: seeds(kills))
  func killed(seed: UInt64) throws {
    let directory = try TestDirectory.withLog()
    var random = Seeded(seed)
    var survivor = try Survivor.opened(directory.log)
    for round in 0..<min(Self.perLog, Self.kills) {
      let load = try LogLoad(directory, seed: random.next())
      load.kill(
        after: .random(in: 0...30_000, using: &random),
        andMicroseconds: .random(in: 0...3000, using: &random))
      let what = "seed \(seed), kill \(round)"
      #expect(load.wasKilled, "\(what): it ended by itself")
      #expect(load.report.failures.isEmpty, "\(what)")
      survivor = try Survivor.judged(directory.log, load.report, after: survivor, what)
    }
  }

  @Test(
    "After a power failure all that was acknowledged is there, whatever the disk made of the rest",
    .enabled(if: Shim.library != nil, "no C compiler (cc) here"), arguments: seeds(powerLosses))
  func powerLoss(seed: UInt64) throws {
    let directory = try TestDirectory.withLog()
    let trace = directory.path + "/trace"
    var random = Seeded(seed)
    for round in 0..<min(Self.perLog, Self.powerLosses) {
      let before = try Survivor.opened(directory.log)
      var image = try DurableImage(of: directory.log)
      let load = try LogLoad(
        directory, seed: random.next(), writes: .random(in: 1...40, using: &random),
        disk: try Shim.environment(directory, trace: trace))
      load.process.waitUntilExit()
      #expect(load.process.terminationStatus == 0)
      let requests = try DiskRequest.read(trace)
      let kinds = Set(requests.map(\.kind))
      #expect(kinds.isSuperset(of: [.write, .durableWrite, .sync, .output]))
      let end = Int.random(in: 0...requests.count, using: &random)
      var said = Data()
      for request in requests[..<end] {
        image.take(request)
        if request.kind == .output { said += request.bytes }
      }
      image.losePower(&random)
      try image.write(to: directory.log)
      _ = try Survivor.judged(
        directory.log, Report(String(decoding: said, as: UTF8.self)), after: before,
        "seed \(seed), power failure \(round) at request \(end) of \(requests.count)")
    }
  }
}
