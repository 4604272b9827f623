import EventLog
import Testing

@Suite("Stored states are near every index, and cost little")
struct CheckpointPlanTests {
  @Test(
    "for states that stay as they are and for those that grow",
    arguments: [(0, 0.0), (2_000, 0.0), (250_000, 0.0), (5_000_000, 0.0), (0, 2.0)])
  func plan(bytes: Int, growth: Double) throws {
    var plan = CheckpointPlan()
    var stored: [(index: UInt64, bytes: Int)] = []
    let last: UInt64 = 1_000_000
    for index in 1...last where plan.isDue(at: index) {
      let state = [UInt8](repeating: 0, count: bytes + Int(Double(index) * growth))
      let dropped = plan.store(Checkpoint(index: index, bytes: state))
      if let dropped {
        #expect(stored.dropLast().last?.index == dropped)
        stored.remove(at: stored.count - 2)
      }
      stored.append((index, state.count))
    }
    var previous: UInt64 = 0
    for (index, size) in stored {
      let step = max(CheckpointPlan.spacing, UInt64(size / 400) + 1)
      #expect(index - previous <= UInt64(size / 32) + 2 * step)
      previous = index
    }
    #expect(last - previous <= max(CheckpointPlan.spacing, UInt64((stored.last?.bytes ?? 0) / 400)))
    // The newest two stand nearer.
    let total = stored.dropLast(2).reduce(0) { $0 + $1.bytes }
    #expect(total <= 33 * Int(last))
  }

  @Test("The plan goes on after the newest one of a log that is opened")
  func restored() {
    let plan = CheckpointPlan(after: Checkpoint(index: 70_000, bytes: []))
    #expect(!plan.isDue(at: 70_001))
    #expect(plan.isDue(at: 70_000 + CheckpointPlan.spacing))
  }
}
