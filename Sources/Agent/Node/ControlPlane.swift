// A running control-plane node: log, replica, links, and what they publish.
//
// It is started and stopped as a whole: a node that joins another cluster stops one and starts the
// next, while the agent around it goes on serving.

import EventLog
import Logging
import Membership
import NIOCore
import Raft
import Replication
import Schema
import Transport

final class ControlPlane: Sendable {
  let context: NodeContext
  let log: EventLog
  let board: Board
  let driver: ReplicaDriver
  let links: PeerLinks

  /// What the agent around it is told.
  struct Hooks: Sendable {
    /// A member that could be verified says that this node departed.
    var departed: @Sendable (NodeFile.Departure) -> Void
    /// A member that could be verified says that this node is a worker by now.
    var demoted: @Sendable (DemotionNotice) -> Void
    /// The control plane's list names this worker.
    var promoted: @Sendable () -> Void
    /// The node cannot go on.
    var stopped: @Sendable (Failure) -> Void

    init(
      departed: @escaping @Sendable (NodeFile.Departure) -> Void,
      demoted: @escaping @Sendable (DemotionNotice) -> Void,
      promoted: @escaping @Sendable () -> Void,
      stopped: @escaping @Sendable (Failure) -> Void
    ) {
      self.departed = departed
      self.demoted = demoted
      self.promoted = promoted
      self.stopped = stopped
    }
  }

  private init(
    context: NodeContext, log: EventLog, board: Board, driver: ReplicaDriver, links: PeerLinks
  ) {
    self.context = context
    self.log = log
    self.board = board
    self.driver = driver
    self.links = links
  }

  /// Opens the log, folds it, listens for peers and takes up the node's role.
  /// - Throws: `Failure`: damaged or foreign data, a port in use.
  static func start(_ context: NodeContext, hooks: Hooks) async throws -> ControlPlane {
    let log = try openLog(context)
    let checkpoint = try newestCheckpoint(log)
    var cluster = try await restore(log, from: checkpoint, context.logger)
    let lost = log.findings.compactMap(\.lostUpTo).max()
    if let lost, cluster.nodes.filter(\.isControlPlane).count == 1 {
      log.close()
      throw forgotten(context, lost, cluster.lastIndex)
    }
    let board = try Board(context: context, log: log)
    board.publish([], cluster, everything: true)
    let inbox = ReplicaInbox(loop: context.coreLoop)
    let links = try makeLinks(context, board: board, inbox: inbox, hooks: hooks)
    // A node that never came so far as to listen must not have campaigned.
    do {
      try await links.listen(
        on: HostPort(
          context.settings.listen.description, Int(context.settings.datastoreAddress.port)))
    } catch {
      log.close()
      throw Failure.starting("listen for peers", error)
    }
    let replica = Replica(
      options: options(context, board.start, lostUpTo: lost), cluster: cluster,
      hardState: log.hardState, log: log, memory: try memory(log),
      at: Clock(monotonic: ReplicaDriver.now(), wall: .now))
    cluster = Cluster()
    board.onPeersChanged { peers in
      links.setPeers(peers)
      // Who departed or became a worker dials again, and is then told so.
      links.revalidate { [board] key in
        Digest(bytes: key).map { board.directory.admits($0) } ?? false
      }
    }
    let driver = try await context.coreLoop.submit {
      ReplicaDriver(
        replica: replica, inbox: inbox, loop: context.coreLoop, log: log,
        checkpoint: checkpoint, links: links,
        observer: .init(
          applied: { events, replica in board.publish(events, replica.cluster) },
          leadershipChanged: { replica in board.leadership(of: replica, context.logger) },
          stopped: hooks.stopped),
        logger: context.logger)
    }.get()
    let running = ControlPlane(
      context: context, log: log, board: board, driver: driver, links: links)
    LogPatrol.begin(log, stopped: hooks.stopped)
    if replica.isAlone { driver.post(.campaign) }
    driver.post(.tick)
    return running
  }

  /// If this node leads and another could, waits until that one does.
  func handOver() async {
    guard await driver.look({ $0.successor() != nil }) else { return }
    driver.post(.handOver)
    _ = await board.waitForLeadership(timeout: .seconds(2)) { leader in
      leader != nil && leader != self.context.file.nodeID
    }
  }

  /// Hands leadership over, closes the links and the log.
  func stop() async {
    await handOver()
    await driver.stop()
    await links.shutdown()
    board.close()
    log.close()
  }

  private static func openLog(_ context: NodeContext) throws -> EventLog {
    guard let cluster = context.file.clusterID, let node = context.file.nodeID else {
      throw Failure("cannot start: \(context.directory.nodeFile) names no node", exitCode: 65)
    }
    try LogExamination.check(context.directory)
    let log: EventLog
    do throws(Fault) {
      log = try EventLog.open(
        directory: context.directory.log, mode: .readWrite,
        expecting: LogIdentity(cluster: cluster.rawValue, node: node.rawValue))
    } catch {
      throw Failure(error.description, exitCode: error.exitCode)
    }
    for finding in log.findings { context.logger.warning("\(finding)") }
    return log
  }

  private static func forgotten(
    _ context: NodeContext, _ acknowledged: UInt64, _ last: UInt64
  ) -> Failure {
    Failure(
      "cannot start: the log in \(context.directory.log) ends at \(last) and this node had "
        + "acknowledged \(acknowledged), as after restoring an old copy, and it knows no other "
        + "control-plane node that could give it the rest. With a newer copy, restore that; else "
        + "see what can be kept with muster repair --data-dir \(context.directory.path)",
      exitCode: 65)
  }

  /// What this node remembers of its peers.
  private static func memory(_ log: EventLog) throws -> [Recollection] {
    do {
      guard let bytes = try log.fact(ReplicaDriver.memoryFact) else { return [] }
      return try Recollection.decode(bytes)
    } catch let fault as Fault {
      throw Failure(fault.description, exitCode: fault.exitCode)
    } catch {
      throw damaged(log, "what it remembers of its peers is unreadable: \(error)")
    }
  }

  /// Folds what is known to be committed. The next entries are read and decoded while those before
  /// are folded: each is about half of the work.
  static func restore(
    _ log: EventLog, from checkpoint: Checkpoint?, _ logger: Logger
  ) async throws -> Cluster {
    let last = log.hardState.commit
    var cluster = Cluster()
    if let checkpoint {
      do throws(Malformed) {
        cluster = try StoredState.read(checkpoint.bytes, commands: true)
      } catch {
        logger.warning(
          "the checkpoint at index \(checkpoint.index) is not used, the whole log is read: \(error)"
        )
      }
    }
    var events = try read(
      log, from: max(log.firstIndex, cluster.lastIndex + 1), through: last)
    while let newest = events.last {
      async let more = read(log, from: newest.index + 1, through: last)
      for event in events {
        guard let problem = cluster.evolve(event) else { continue }
        guard checkpoint != nil else { throw contradicted(log, problem) }
        logger.warning(
          "the state stored in the log does not lead on: \(problem); the whole log is read instead")
        return try await restore(log, from: nil, logger)
      }
      events = try await more
    }
    return cluster
  }

  private static func newestCheckpoint(_ log: EventLog) throws -> Checkpoint? {
    do throws(Fault) {
      return try log.newestCheckpoint().flatMap { $0.index <= log.hardState.commit ? $0 : nil }
    } catch {
      throw Failure(error.description, exitCode: error.exitCode)
    }
  }

  /// The next few thousand events; none behind `last`.
  private static func read(
    _ log: EventLog, from first: UInt64, through last: UInt64
  ) throws -> [RecordedEvent] {
    var events: [RecordedEvent] = []
    do {
      try log.forEach(from: first, through: min(last, first + 4095)) { entry in
        do throws(Malformed) {
          events.append(try RecordedEvent(decoding: entry))
        } catch {
          throw damaged(log, "entry \(entry.index) is unreadable: \(error)")
        }
        return true
      }
    } catch let fault as Fault {
      throw Failure(fault.description, exitCode: fault.exitCode)
    }
    return events
  }

  private static func damaged(_ log: EventLog, _ problem: String) -> Failure {
    Failure(
      "the log in \(log.directory) is damaged: \(problem). Keep the files; muster repair, on the "
        + "stopped node, says what can be done", exitCode: 65)
  }

  /// Every hash of what was read is right.
  private static func contradicted(_ log: EventLog, _ problem: Inconsistency) -> Failure {
    Failure(
      "muster \(Version.program) cannot go on with the log in \(log.directory): \(problem). "
        + "The log is whole, so what it says was written: by another version, or one of the two is "
        + "wrong. See muster version and muster verify --cluster on another node, and start the "
        + "program that wrote it", exitCode: 65)
  }

  private static func options(
    _ context: NodeContext, _ greeting: Greeting, lostUpTo lost: UInt64?
  ) -> Replica.Options {
    let node = context.file.nodeID ?? NodeID(1)
    let raft = Machine.Options(id: node.rawValue, seed: Random.number())
    var options = Replica.Options(node: node, name: context.file.name, raft: raft)
    options.greeting = greeting
    options.lostUpTo = lost
    return options
  }

  private static func makeLinks(
    _ context: NodeContext, board: Board, inbox: ReplicaInbox, hooks: Hooks
  ) throws -> PeerLinks {
    let logger = context.logger
    return try PeerLinks(
      identity: context.identity, group: context.coreLoop, random: SystemRandomNumberGenerator(),
      greeting: { board.greeting },
      admit: { key, greeting in board.admit(key: key, greeting: greeting) },
      onEvent: { event in
        switch event {
        case .frames(let peer, let frames):
          var inputs: [ReplicaInput] = []
          for frame in frames {
            do throws(Malformed) {
              inputs.append(.frame(from: NodeID(peer), try Frame(decoding: frame.payload)))
            } catch {
              // Told once, then counted: whoever sends one sends many.
              if inbox.countMalformed() == 1 {
                logger.warning(
                  "a frame of \(NodeID(peer)) is malformed and was dropped: \(error)")
              }
            }
          }
          inbox.post(inputs)
        case .closed(let peer, let direction, let reason):
          logger.debug("the \(direction) link of \(NodeID(peer)) closed: \(reason)")
          inbox.post([.linkClosed(NodeID(peer))])
        case .opened(let peer, let direction):
          logger.debug("an \(direction) link with \(NodeID(peer)) opened")
          if direction == .inbound { board.redial() }
          if let greeting = board.greeting(of: peer) {
            inbox.post([.greeted(NodeID(peer), greeting)])
          }
        case .refused(_, let reply):
          if let departure = try? JSON.decode(NodeFile.Departure.self, reply) {
            hooks.departed(departure)
          } else if let notice = try? JSON.decode(DemotionNotice.self, reply) {
            hooks.demoted(notice)
          }
        case .unreachable(let peer, let reason, let attempt):
          if attempt == 1 { logger.info("no link to \(NodeID(peer)): \(reason)") }
        case .turnedAway(let from, let reason):
          logger.debug("turned away a connection from \(from): \(reason)")
        case .dropped: break
        }
      })
  }
}

extension Failure {
  static func starting(_ what: String, _ error: any Error) -> Failure {
    if let failure = error as? Failure { return failure }
    return Failure("cannot \(what): \(error)")
  }
}
