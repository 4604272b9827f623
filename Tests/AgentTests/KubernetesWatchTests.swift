// What a watcher is told adds up, from wherever it begins and whatever it selects.

import History
import Membership
import Projections
import Testing

@testable import Agent

@Suite("A watch of the Kubernetes API")
struct KubernetesWatchTests {
  /// A client: it knows what it was told.
  private struct Client {
    var objects: [String: KubernetesObject] = [:]

    mutating func hear(_ changes: [KubernetesChange]) throws {
      for change in changes {
        let known = objects[change.object.name]
        switch change.kind {
        case .added:
          #expect(known == nil)
          objects[change.object.name] = change.object
        case .modified:
          let known = try #require(known)
          #expect(known.uid == change.object.uid && known.version < change.object.version)
          objects[change.object.name] = change.object
        case .deleted:
          #expect(known?.uid == change.object.uid)
          objects[change.object.name] = nil
        }
      }
    }

    func knows(_ all: [KubernetesObject]) -> Bool {
      all.count == objects.count
        && all.allSatisfy { objects[$0.name]?.isSame(as: $0) == true }
    }
  }

  private static let selections: [KubernetesSelection] = [
    KubernetesSelection(),
    KubernetesSelection(labels: [
      LabelRequirement(key: "muster/datastore-role", test: .oneOf(["voter"]))
    ]),
    KubernetesSelection(labels: [
      LabelRequirement(key: "node-role.kubernetes.io/control-plane", test: .absent)
    ]),
    KubernetesSelection(fields: [
      FieldRequirement(field: "metadata.name", value: "n4", isEqual: true)
    ]),
  ]

  @Test(
    "whoever lists at any index and watches from it knows, at any later one, what a list shows",
    arguments: [KubernetesKind.nodes, .endpointSlices, .endpoints, .services, .pods], selections)
  func addsUp(_ kind: KubernetesKind, _ selection: KubernetesSelection) throws {
    let history = try KubernetesStory.history()
    for from in 0...history.head {
      let state = try history.state(at: from)
      var shown = KubernetesShown(selection, KubernetesView(past: state).objects(kind))
      var client = Client()
      for object in KubernetesView(past: state).objects(kind) where selection.admits(object) {
        client.objects[object.name] = object
      }
      var replay = KubernetesReplay(state, kind)
      try history.forEachEvent(from: from + 1, through: history.head) { recorded in
        let changes = try replay.apply(recorded, &shown)
        #expect(changes.allSatisfy { $0.object.version == recorded.index })
        try client.hear(changes)
        let now = KubernetesView(past: replay.state)
        #expect(client.knows(now.objects(kind).filter(selection.admits)))
        return true
      }
      #expect(replay.state == (try history.state(at: history.head)))
    }
  }

  @Test("every event of the history is told as it was")
  func golden() throws {
    let history = try KubernetesStory.history()
    var lines = ""
    for kind in [KubernetesKind.nodes, .endpointSlices] {
      var shown = KubernetesShown(KubernetesSelection())
      var replay = KubernetesReplay(Cluster(), kind)
      try history.forEachEvent(from: 1, through: history.head) { recorded in
        for change in try replay.apply(recorded, &shown) {
          lines += "\(change.kind.rawValue) \(change.object.document.line)"
        }
        return true
      }
    }
    try KubernetesStory.expect(lines, is: "watch.txt")
  }

  @Test("a worker that comes to answer, or ceases to, is told of without an event")
  func live() throws {
    let state = try KubernetesStory.history().state(at: 18)
    let past = KubernetesView(past: state)
    var shown = KubernetesShown(KubernetesSelection(), past.nodes)
    let changes = shown.changes(to: KubernetesStory.present(state).nodes, at: 18)
    #expect(changes.map(\.kind) == [.modified, .modified])
    #expect(changes.map(\.object.name) == ["n3", "n5"])
    #expect(shown.changes(to: KubernetesStory.present(state).nodes, at: 18).isEmpty)
  }

  @Test("what it is not known that a client was told is told again")
  func unknownReadiness() throws {
    let state = try KubernetesStory.history().state(at: 18)
    let known = KubernetesView(state, KubernetesView.Sightings(statuses: [NodeID(1): .ready]))
    var shown = KubernetesShown(KubernetesSelection(), known.nodes)
    let changes = shown.changes(to: KubernetesStory.present(state).nodes, at: 18)
    #expect(changes.map(\.object.name) == ["n2", "n3", "n4", "n5"])
  }

  @Test("another node of the same name is another object: the old one goes, the new one comes")
  func sameName() throws {
    let nodes = KubernetesView(past: try KubernetesStory.history().state(at: 18)).nodes
    var shown = KubernetesShown(KubernetesSelection(), nodes)
    var next = nodes[3]
    next.uid = KubernetesView.uid(ClusterID(7), 99)
    let changes = shown.changes(of: next.name, to: next, at: 30)
    #expect(changes.map(\.kind) == [.deleted, .added])
    #expect(changes.map(\.object.uid) == [nodes[3].uid, next.uid])
    #expect(changes.allSatisfy { $0.object.version == 30 })
  }
}
