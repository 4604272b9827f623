import Testing

@testable import Agent

@Suite("When the log is told of an API server's readiness")
struct ReadinessTests {
  private static let second: UInt64 = 1_000_000_000

  /// Looks every two seconds at something that is as `isReady` says at that second.
  /// - Returns: when the log was told, in seconds.
  private func changes(
    over seconds: UInt64, recorded: Bool = false, isReady: (UInt64) -> Bool
  ) -> [UInt64] {
    var readiness = Readiness()
    var (said, told) = (recorded, [UInt64]())
    for at in stride(from: UInt64(0), to: seconds, by: 2) {
      let now = (at + 1000) * Self.second
      let seen = isReady(at)
      if readiness.saw(seen, recorded: said, at: now) {
        said = seen
        readiness.wasTold(at: now)
        told.append(at)
      }
    }
    return told
  }

  @Test("A change that lasts is told once, after ten seconds")
  func lasting() {
    #expect(changes(over: 600) { _ in true } == [10])
    #expect(changes(over: 600, recorded: true) { _ in true } == [])
    #expect(changes(over: 600, recorded: true) { $0 < 100 } == [110])
  }

  @Test("A gap of less than ten seconds is not told, and begins the waiting anew")
  func gaps() {
    #expect(changes(over: 600, recorded: true) { !(100..<109).contains($0) } == [])
    #expect(changes(over: 600) { $0 != 8 } == [20])
  }

  @Test("One that flaps is never told, or ever more seldom")
  func flapping() {
    #expect(changes(over: 86_400) { $0 / 2 % 2 == 0 } == [])
    for period in [11, 12, 20, 30, 60, 300, 700] as [UInt64] {
      let told = changes(over: 86_400) { $0 / period % 2 == 0 }
      for begin in stride(from: UInt64(0), to: 86_400, by: 600) {
        let count = told.count { (begin..<begin + 3600).contains($0) }
        #expect(count <= 13, "\(count) in the hour after \(begin), period \(period)")
      }
    }
  }

  @Test("The worst that could be shown to it gets a bounded number of events")
  func worst() {
    // Shows the opposite of what was told until that is told.
    var readiness = Readiness()
    var (said, told) = (false, [UInt64]())
    for second in stride(from: UInt64(0), to: 86_400, by: 2) {
      if readiness.saw(!said, recorded: said, at: second * Self.second) {
        said.toggle()
        readiness.wasTold(at: second * Self.second)
        told.append(second)
      }
    }
    for begin in told { #expect(told.count { (begin..<begin + 3600).contains($0) } <= 13) }
    #expect(told.count > 24, "it does not stop telling")
  }

  @Test("After an hour of quiet it is told as soon as at first")
  func forgets() {
    var readiness = Readiness()
    for n in 0..<10 { readiness.wasTold(at: UInt64(n) * Self.second) }
    #expect(readiness.patience(at: 20 * Self.second) == 640 * Self.second)
    #expect(readiness.patience(at: 3700 * Self.second) == Readiness.hold)
  }

  @Test("A change that the log did not take is told again at the next look")
  func untold() {
    var readiness = Readiness()
    let answers = [0, Readiness.hold, Readiness.hold + 1].map {
      readiness.saw(true, recorded: false, at: $0)
    }
    #expect(answers == [false, true, true])
  }
}
