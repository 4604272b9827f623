// The recorded history of Fixtures as the Kubernetes API shows it: five nodes come, one of them is
// suspected and recovers, two go.

import Foundation
import History
import Membership
import Projections
import Testing

@testable import Agent

enum KubernetesStory {
  static let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures")

  static func history() throws -> History {
    History(try ExportSource(path: fixtures.path + "/histories/schema-1.muster"))
  }

  /// What is seen from n1 while n3 is silent; the worker was heard of 300 ms ago.
  static func present(_ state: Cluster) -> KubernetesView {
    var outlook = Outlook(by: NodeID(1), hasLeader: true, healthyVoters: [])
    for id in [2, 4, 5] as [UInt64] {
      outlook.sightings[NodeID(id)] = .init(ready: true, contactAge: 300)
    }
    outlook.sightings[NodeID(3)] = .init(ready: false, contactAge: 60_000)
    return KubernetesView(state, outlook: outlook, now: state.lastTime)
  }

  /// Golden files under Fixtures/kubernetes; UPDATE_GOLDEN=1 writes them anew.
  static func expect(
    _ text: String, is name: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let url = fixtures.appending(path: "kubernetes/" + name)
    if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      return try Data(text.utf8).write(to: url)
    }
    let recorded = try String(contentsOf: url, encoding: .utf8)
    #expect(text == recorded, "\(name)", sourceLocation: sourceLocation)
  }
}
