import Membership
import Testing

@testable import Projections

@Suite("Where the vote of a node in maintenance stands")
struct VoteMovementTests {
  private func movement(_ stage: Scenery, of n: UInt64, leader: UInt64 = 1) -> VoteMovement? {
    stage.cluster.node(NodeID(n)).map { VoteMovement($0, stage.cluster, leader: NodeID(leader)) }
  }

  @Test("It is waited for only where somebody could take it, or lead in its place")
  func waits() {
    for (count, isDone) in [(3, true), (4, false)] {
      var stage = Scenery(controlPlane: count)
      stage.append(.maintenanceEntered(MaintenanceEntered(node: NodeID(3), until: nil)))
      #expect(movement(stage, of: 3)?.isDone == isDone, "\(count) nodes")
      #expect(movement(stage, of: 3)?.sentence.hasPrefix("n3 keeps its vote") == true)
      #expect(movement(stage, of: 3, leader: 3)?.isDone == false)
    }
    var both = Scenery(controlPlane: 4)
    for n in [3, 4] as [UInt64] {
      both.append(.maintenanceEntered(MaintenanceEntered(node: NodeID(n), until: nil)))
    }
    #expect(movement(both, of: 3)?.isDone == true)
  }
}
