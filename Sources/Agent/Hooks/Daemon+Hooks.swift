// Where the agent and the hooks of its node meet: what a node goes through is written down for them
// before it happens, so that a crash in the middle leaves nothing out.

import EventLog
import History
import Logging
import Membership
import Projections
import Replication
import Synchronization

extension Daemon {
  /// This node as its hooks know it.
  var hookPlace: HookPlace { HookPlace(file, directory) }

  /// Follows what the node is now.
  func startHooks() {
    switch mode {
    case .controlPlane(let node): hooks.start(.controlPlane(node), hookPlace)
    case .worker(let worker): hooks.start(.worker(worker), hookPlace)
    case .departed: hooks.start(.nothing, hookPlace)
    case .starting: break
    }
  }

  // MARK: Joining

  /// Keeps the files that came with the answer, before hooks that want them run. This node is a
  /// member already: what cannot be taken is told, and does not undo that.
  /// What this node gives to joiners of that role.
  /// - Parameter wish: what cannot be done without it, as in `cannot join`.
  /// - Throws: `APIError` that a reader on another machine understands: whose file it is, why it
  ///   cannot be given, and what helps.
  func bundle(for role: NodeRole, wish: String) throws -> JoinBundle {
    do {
      return try JoinBundle(for: role, directory)
    } catch let error as APIError {
      throw APIError(
        "cannot \(wish): on \(settings.name), \(error.error). Nothing was changed and no token is "
          + "spent; once that is put right on \(settings.name) (muster doctor --check HOOK-03 "
          + "there), the same command goes through", code: error.code, exitCode: error.exitCode)
    }
  }

  func receive(_ answer: JoinAnswer, report: Report) throws {
    var bundle: JoinBundle?
    do throws(Failure) {
      bundle = try JoinBundle(answer.bundle ?? [])
    } catch {
      let warning =
        "what \(answer.name) gave is not kept: \(error). Put bundle/ there right, and bring the"
        + " files here by hand"
      logger.warning("\(warning)")
      report(ProgressLine(progress: "warning: \(warning)"))
    }
    guard let bundle else { return try directory.removeTree(directory.received) }
    try bundle.store(directory)
    if !bundle.isEmpty {
      report(ProgressLine(progress: "receive \(counted(bundle.files.count, "file"))"))
    }
  }

  /// Before a node becomes a member: its hooks begin with that. A worker has no log that tells of
  /// it.
  func enterForHooks(_ next: NodeFile, _ answer: JoinAnswer) throws {
    let isWorker = next.role == .worker
    let place = HookPlace(next, directory)
    let joined = place.occasion(
      .joined, index: answer.index, about: place.own,
      before: nil,
      after: .object([
        ("node", place.own[0].document),
        ("controlPlane", .texts(answer.endpoints.servers.map(\.name))),
        ("endpoints", .texts(answer.endpoints.addresses)),
      ]))
    try HookLedger.enter(
      answer.cluster, after: isWorker ? nil : answer.index - min(1, answer.index),
      list: isWorker ? answer.endpoints : nil, adding: isWorker ? joined : nil, directory)
  }

  /// Before a control-plane node becomes a worker, which has no log that tells of it.
  func tellHooksOfDemotion(_ next: NodeFile, _ list: EndpointsAnswer, _ index: UInt64) throws {
    let place = HookPlace(next, directory)
    let changed = place.occasion(
      .roleChanged, index: index, about: place.own, before: nil,
      after: .object([
        ("node", place.own[0].document),
        ("controlPlane", .texts(list.servers.map(\.name))),
        ("endpoints", .texts(list.addresses)),
      ]))
    try HookLedger.changeRole(after: nil, list: list, adding: changed, directory)
  }

  /// Waits until a join that is through here, or an agent that starts, has come so far that the
  /// node serves as a member, and its hooks run.
  /// - Throws: `APIError`: it departed since then; not so far in time.
  func attachToJoin(until end: UInt64) async throws {
    while true {
      var isReady = state.withLock { $0.changing == nil }
      switch mode {
      case .starting: isReady = false
      case .controlPlane(let node):
        let isMember = context.key.map { node.board.directory.members[$0] != nil } ?? false
        isReady = isReady && isMember
      case .worker: break
      case .departed(let gone): throw Self.departed(gone)
      }
      if isReady { return }
      guard ReplicaDriver.now() < end else {
        throw APIError(
          "timed out: this node is a member and takes up its role; the same command again waits "
            + "for it and its hooks", code: "timed-out", exitCode: 7)
      }
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  /// Waits for the hooks of this node's own join, of which its log tells by now.
  func finishJoinHooks(_ report: @escaping Report) async throws {
    var index: UInt64?
    if case .controlPlane(let node) = mode, let own = file.nodeID {
      index = await node.driver.look { $0.cluster.node(own)?.joinIndex }
    }
    try await hooks.finish(
      .joined, index: index, standing: "this node is a member of its cluster", report: report)
  }

  // MARK: Departing

  /// Before this node gives up its log, or its list: what waits there for its hooks is kept beside
  /// it, so that those run all the same. Twice is once.
  func keepWhatHooksWaitFor() async {
    await hooks.stop()
    do {
      guard HookFolder.exists(directory), var ledger = try HookLedger.load(directory),
        ledger.cluster == file.cluster
      else { return }
      if let list = ledger.list, let now = try WorkerState.load(directory)?.list {
        ledger.keep(list, now, hookPlace)
      }
      if let handled = ledger.handled {
        if case .controlPlane(let node) = mode {
          try ledger.keep(node.log, after: handled, through: node.board.appliedIndex, hookPlace)
        } else if directory.exists(directory.log) {
          let log = try EventLog.open(directory: directory.log, mode: .readOnly)
          defer { log.close() }
          try ledger.keep(log, after: handled, through: LogSource(log).lastIndex, hookPlace)
        }
      }
      try ledger.save(directory)
    } catch {
      logger.warning("hooks: what waits for them is lost, because it cannot be kept: \(error)")
    }
  }

  /// What hooks are told of the cluster as this node sees it now; nil where it sees nothing.
  func viewForHooks() async -> Document? {
    let place = hookPlace
    switch mode {
    case .controlPlane(let node): return place.view(await node.driver.look { $0.cluster })
    case .worker(let worker):
      return .object([
        ("node", place.own[0].document),
        ("controlPlane", .texts(worker.endpoints.servers.map(\.name))),
        ("endpoints", .texts(worker.endpoints.addresses)),
      ])
    case .starting, .departed: return nil
    }
  }

  /// What hooks are told of this node's departure.
  /// - Parameter index: of the event, where that is known.
  func farewell(
    _ hook: HookName, index: UInt64?, actor: String, how: String? = nil, before: Document?
  ) -> HookOccasion {
    let place = hookPlace
    let data = [("node", Document.text(place.id))] + (how.map { [("how", .text($0))] } ?? [])
    let event = Document.object([
      ("actor", .text(actor)), ("data", .object(data)),
      ("index", index.map { .number($0) } ?? .null),
      ("type", .text(hook == .left ? "node.left" : "node.removed")),
    ])
    return place.occasion(
      hook, index: index, about: place.own, event: event, before: before, after: nil)
  }

  /// Writes it down, once for a departure.
  func tellHooks(_ occasion: HookOccasion) throws {
    guard !hooks.hasBeside(occasion.hook, cluster: occasion.cluster) else { return }
    try hooks.add(occasion)
  }

  // MARK: Told to others

  /// For `/metrics`.
  func addHooks(_ text: inout Metrics) {
    text.add("muster_hooks_failing", hooks.failures.count)
    if let handled = hooks.handled { text.add("muster_hooks_handled_index", handled) }
    for (run, count) in hooks.runs.sorted(by: { $0.key < $1.key }) {
      let words = run.split(separator: " ").map(String.init)
      text.add(
        "muster_hook_runs_total", count, labels: ["hook": words[0], "result": words[1]])
    }
  }

  /// For `status`: what does not succeed on this node.
  var hookTroubles: [Trouble] {
    hooks.failures.map {
      Trouble(name: settings.name, recorded: nil, observed: $0.sentence(now: .now))
    }
  }
}
