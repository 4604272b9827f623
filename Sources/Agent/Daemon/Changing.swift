// A node that was promoted or demoted becomes what the log says that it is.
//
// No intent is kept: the log is the intent. A worker that finds itself in the list of the control
// plane fetches what a joiner gets and begins an empty log; a control-plane node that its peers
// turn away as a worker goes on with the last list it knew. The rename of node.json switches it:
// before, a restart finds the same again and begins anew; after, `Formation.recover` finishes. The
// index of the event that gave the role stands in node.json, so that the word of a node which lags
// behind never undoes a newer one.

import FoundationEssentials
import Logging
import Membership
import Replication
import Synchronization
import Transport

extension Daemon {
  /// A member that could be verified says that this control-plane node is a worker by now.
  func learnOfDemotion(_ notice: DemotionNotice) async {
    // What is not up yet cannot be stopped: this node dials again and is told again.
    guard notice.workerSince > file.roleIndex ?? 0, case .controlPlane = mode else { return }
    do { try beginChange("a demotion") } catch { return }
    defer { endChange() }
    guard notice.workerSince > file.roleIndex ?? 0, case .controlPlane(let node) = mode else {
      return
    }
    logger.notice(
      "this node becomes a worker", metadata: ["index": "\(notice.workerSince)"])
    let list = await lastList(node, notice)
    guard !list.servers.isEmpty else {
      logger.error("no other control-plane node is known here: this node cannot be a worker of it")
      return
    }
    do {
      try await becomeWorker(list, since: notice.workerSince)
      logger.notice("\(settings.name) serves as a worker")
    } catch {
      end.finish(.failure(Failure.starting("go on as a worker", error)))
    }
  }

  /// The control plane without this node, as it was told or as this node last knew it.
  private func lastList(_ node: ControlPlane, _ notice: DemotionNotice) async -> EndpointsAnswer {
    let index = notice.workerSince
    var list = await node.driver.look { EndpointsAnswer($0.cluster) }
    if let told = notice.endpoints, told.cluster == list.cluster, told.index >= index {
      // Those known before stay seeds: `told` may be an old list, too.
      let known = list.servers.filter { old in !told.servers.contains { $0.key == old.key } }
      list = told
      list.servers += known.map { old in
        var old = old
        old.apiserver = nil
        return old
      }
    }
    for known in node.board.directory.introduced.values
    where !list.servers.contains(where: { $0.key == known.key.description }) {
      list.servers.append(
        .init(
          node: known.id.description, name: known.name, apiserver: nil,
          cluster: known.cluster.description, key: known.key.description))
    }
    list.servers.removeAll { $0.node == file.node }
    // A list that still names this node, of one who lags behind, is none to go by.
    list.index = max(list.index, index - 1)
    return list
  }

  /// Every step may be done twice.
  private func becomeWorker(_ list: EndpointsAnswer, since index: UInt64) async throws {
    await keepWhatHooksWaitFor()
    await stopNode()
    // What only the control plane was given stays in no worker's hands.
    try directory.removeTree(directory.received)
    try directory.write(try WorkerState(list).encoded(), to: directory.workerState)
    try ProxyArguments.writeDefaults(directory)
    var next = file
    next.role = .worker
    next.roleIndex = index
    try tellHooksOfDemotion(next, list, index)
    try await takeUp(next)
  }

  /// The list of the control plane names this worker.
  func learnOfPromotion() async {
    guard case .worker(let worker) = mode else { return }
    do { try beginChange("a promotion") } catch { return }
    defer { endChange() }
    let answer: JoinAnswer
    do {
      answer = try await worker.membership()
    } catch {
      return logger.warning("this node was promoted, and cannot go on yet: \(error)")
    }
    guard answer.cluster == file.cluster, answer.index > file.roleIndex ?? 0 else { return }
    logger.notice(
      "this node becomes a control-plane node", metadata: ["index": "\(answer.index)"])
    let next: NodeFile
    do {
      next = try prepareControlPlane(answer)
    } catch {
      return logger.warning("this node was promoted, and goes on as a worker for now: \(error)")
    }
    do {
      await keepWhatHooksWaitFor()
      await stopNode()
      try HookLedger.changeRole(after: answer.index - min(1, answer.index), directory)
      try await takeUp(next)
      await announceEndpoints()
      logger.notice("\(settings.name) serves as a control-plane node")
    } catch {
      end.finish(.failure(Failure.starting("go on as a control-plane node", error)))
    }
  }

  /// All that a control-plane node starts from, beside the worker that still runs. Every step may
  /// be done twice.
  private func prepareControlPlane(_ answer: JoinAnswer) throws -> NodeFile {
    if let certificate = answer.kubernetesCA {
      try KubernetesFiles(directory).store(certificate: certificate, key: answer.kubernetesKey)
    }
    try IntroductionLetter(members: answer.members, chain: answer.introductions).save(directory)
    var next = file
    next.role = .controlPlane
    next.roleIndex = answer.index
    try prepareEmptyLog(next)
    try receive(answer, report: { _ in })
    return next
  }

  /// Switches to a file that is complete, and starts what it says.
  private func takeUp(_ next: NodeFile) async throws {
    try next.save(directory)
    try Formation.recover(directory)
    state.withLock { $0.file = next }
    try await startNode()
  }
}
