// Where everybody who reads the Kubernetes API of this node gets the present from.
//
// While anybody watches, one task looks at the replica when it applied something and once a second for
// what only live observation knows; all watchers share what it saw. While nobody does, nothing runs.
//
// Readiness is no event and has no index. So that a watch which continues a list neither repeats all of
// it nor misses a change between the two, the hub remembers what was told of readiness in the lists of
// late; what it cannot know that a client knows, a watch tells again.

import History
import Membership
import Projections
import Replication
import Synchronization

final class KubernetesHub: Sendable {
  let node: ControlPlane
  /// Grows whenever there is something else to see.
  let news: Versioned

  private struct Told {
    var index: UInt64
    var statuses: [NodeID: NodeRow.Status?]
  }

  private struct State {
    var view: KubernetesView?
    var version: UInt64 = 0
    var watchers = 0
    var task: Task<Void, Never>?
    var isClosed = false
    /// The oldest first.
    var told: [Told] = []
  }
  private let state = Mutex(State())
  /// A client lists and then watches: soon, or it begins anew.
  private static let rememberedLists = 8

  init(_ node: ControlPlane) {
    self.node = node
    news = Versioned(loop: node.context.coreLoop)
  }

  var isClosed: Bool { state.withLock { $0.isClosed } }

  /// Ends all watches.
  func close() {
    let task = state.withLock { state in
      state.isClosed = true
      defer { state.task = nil }
      return state.task
    }
    task?.cancel()
    news.wakeAll()
  }

  // MARK: The present

  /// What there is now, confirmed by the leader if that takes no longer than `patience`.
  func latest(patience: Duration) async -> KubernetesView {
    let sight = await Sight.take(node, patience: patience)
    return KubernetesView(sight.state, outlook: sight.outlook, now: .now)
  }

  /// What this node has now.
  func here() async -> KubernetesView {
    let (cluster, outlook, isBlind) = await node.driver.look {
      ($0.cluster, $0.outlook, $0.awaitsSightings)
    }
    var sightings = KubernetesView.sightings(cluster, outlook: outlook, now: .now)
    // A new leader has not told what it sees: until it has, what was seen before holds.
    if isBlind, let known = state.withLock({ $0.view }) {
      sightings.statuses.merge(known.statuses.compactMapValues { $0 }) { $1 }
    }
    return KubernetesView(cluster, sightings)
  }

  // MARK: The past

  /// Up to what this node has applied.
  var history: History {
    History(LogSource(node.log, applied: node.board.appliedIndex))
  }

  /// The state after an event.
  /// - Throws: `KubernetesError` 410 if history does not go back so far; `Fault`.
  func state(at index: UInt64) throws -> Cluster {
    let history = history
    guard try history.knowsState(at: index) else { throw KubernetesError.expired(index) }
    return try history.state(at: index)
  }

  /// Waits until this node has applied that event.
  /// - Throws: `KubernetesError` 504 if it does not come.
  func reach(_ index: UInt64) async throws(KubernetesError) {
    guard index > node.board.appliedIndex else { return }
    _ = await node.board.applied.wait(above: index - 1, timeout: .seconds(3))
    let applied = node.board.appliedIndex
    guard applied >= index else { throw .tooLarge(index, current: applied) }
  }

  /// What clients that listed at that index may have been told of nodes.
  func sightings(toldAt index: UInt64) -> KubernetesView.Sightings {
    let told = state.withLock { $0.told.last { $0.index == index } }
    var sightings = KubernetesView.Sightings()
    sightings.statuses = (told?.statuses ?? [:]).compactMapValues { $0 }
    return sightings
  }

  /// A list of nodes goes out to a client.
  func tell(_ view: KubernetesView) {
    let statuses = view.statuses
    state.withLock { state in
      guard let place = state.told.firstIndex(where: { $0.index == view.index }) else {
        state.told.append(Told(index: view.index, statuses: statuses))
        if state.told.count > Self.rememberedLists { state.told.removeFirst() }
        return
      }
      // Told both ways: nobody knows which of them a client heard.
      for (id, status) in statuses where state.told[place].statuses[id] != .some(status) {
        state.told[place].statuses.updateValue(nil, forKey: id)
      }
    }
  }

  // MARK: Watching

  /// Runs `body` while the present is followed.
  func following<T>(_ body: () async throws -> T) async rethrows -> T {
    state.withLock { state in
      state.watchers += 1
      guard state.task == nil, !state.isClosed else { return }
      state.task = Task { await self.follow() }
    }
    defer {
      let task = state.withLock { state -> Task<Void, Never>? in
        state.watchers -= 1
        guard state.watchers == 0 else { return nil }
        defer { state.task = nil }
        return state.task
      }
      task?.cancel()
    }
    return try await body()
  }

  /// The last look, at least as late as the call if there was none.
  func view() async -> KubernetesView {
    if let view = state.withLock({ $0.view }), view.index >= node.board.appliedIndex { return view }
    return await refresh()
  }

  private func follow() async {
    while !Task.isCancelled {
      let view = await refresh()
      _ = await node.board.applied.wait(above: view.index, timeout: .seconds(1))
    }
    state.withLock { state in
      // What is seen grows old while nobody looks.
      if state.watchers == 0 { state.view = nil }
    }
  }

  private func refresh() async -> KubernetesView {
    let view = await here()
    let (current, version) = state.withLock { state in
      if let known = state.view {
        if known.index > view.index { return (known, state.version) }
        if known.isSame(as: view) {
          state.view = view
          return (view, state.version)
        }
      }
      state.view = view
      state.version += 1
      return (view, state.version)
    }
    news.advance(to: version)
    return current
  }
}
