// Looks at everything that the doctor judges, and changes nothing: no lock is taken, no port bound,
// no process signalled, and no peer is asked anything that counts as a sign of life.
//
// Each look has its own time, all together have five seconds: what hangs (a disk, a network) is
// told as not seen, and the rest is judged all the same.

import EventLog
import FoundationEssentials
import History
import Membership
import NIOCore
import NIOHTTP1
import NIOPosix
import Transport

#if canImport(Glibc)
  import Glibc
#endif

extension Diagnosis {
  /// Examines the node in a data dir, whether its agent runs or not.
  /// - Parameter id: only that check; nil for all.
  package static func examine(_ directory: DataDirectory, only id: String? = nil) async -> Diagnosis
  {
    Diagnosis(await DoctorGathering(directory: directory).facts(), only: id)
  }
}

struct DoctorGathering: Sendable {
  let directory: DataDirectory

  func facts() async -> DoctorFacts {
    guard var facts = await TimeLimit.runBlocking(.milliseconds(1500), { onDisk() }) else {
      var facts = DoctorFacts(directory: directory.path, user: geteuid(), now: .now)
      facts.files = [.init(path: "", kind: .folder, mode: 0o700, owner: geteuid(), size: 0)]
      facts.obstacle = "the data dir does not answer: its disk may hang"
      facts.isHung = true
      return facts
    }
    guard facts.obstacle == nil, facts.file("")?.kind == .folder else { return facts }
    let hasSocket = facts.file("agent.sock") != nil
    async let live = hasSocket ? self.live() : (nil, nil)
    async let hasProxy = hasSocket ? self.hasProxy() : nil
    if facts.isControlPlane {
      (facts.log, facts.state) =
        await TimeLimit.runBlocking(.milliseconds(1500)) { readLog() }
        ?? (.hidden("it could not be looked through in time"), nil)
    }
    let known = facts
    async let apiservers = known.isWorker ? apiservers(known) : []
    facts.peers = await peers(known)
    facts.apiservers = await apiservers
    (facts.live, facts.socketAnswers) = await live
    facts.hasProxy = await hasProxy ?? facts.hasProxy
    return facts
  }

  /// What is on this machine's disk and under /proc.
  private func onDisk() -> DoctorFacts {
    var facts = DoctorFacts(directory: directory.path, user: geteuid(), now: .now)
    facts.filesystem = DoctorFiles.filesystem(directory.path)
    facts.hasServiceManager = directory.exists("/run/systemd/system")
    facts.hasUnitFile = ["/etc", "/usr/local/lib", "/usr/lib", "/lib"]
      .contains { directory.exists("\($0)/systemd/system/muster.service") }
    facts.isClockSynchronized =
      directory.exists("/run/systemd/timesync")
      ? directory.exists("/run/systemd/timesync/synchronized") : nil
    facts.addresses = ThisMachine.addresses()
    facts.listeners = DoctorProcesses.listeners()
    guard let own = DoctorFiles.file(directory.path, named: "") else {
      if errno == EACCES { facts.obstacle = "a folder above it may not be entered" }
      return facts
    }
    facts.files = [own]
    guard own.kind == .folder else { return facts }
    guard access(directory.path, R_OK | X_OK) == 0 else {
      facts.obstacle = "only uid \(own.owner) may look inside"
      return facts
    }
    facts.files += DoctorFiles.tree(directory.path)
    facts.archiveBytes = facts.files.filter { $0.path.hasPrefix("archive/") }
      .reduce(0) { $0 + $1.size }
    facts.files.removeAll { $0.path.hasPrefix("archive/") && $0.path.count { $0 == "/" } > 1 }
    facts.agent = DoctorProcesses.agent(holding: directory.lock)
    readFiles(&facts)
    return facts
  }

  // MARK: Files

  private func readFiles(_ facts: inout DoctorFacts) {
    var options = AgentOptions()
    options.dataDirectory = directory.path
    do {
      facts.hasProxy = !(try options.merged().hasNoProxy ?? false)
    } catch {
      facts.optionsProblem = "\(error)"
    }
    facts.node = seen { try NodeFile.load(directory) }
    facts.stranger = facts.node.value.flatMap { directory.stranger($0) }
    if directory.exists(directory.identity + "/node.key")
      || directory.exists(directory.identity + "/node.crt")
    {
      facts.identity = seen {
        Digest(bytes: try NodeIdentity.load(from: directory.identity).keyDigest)
      }
    }
    facts.worker = seen { try WorkerState.load(directory) }
    facts.proxyArguments = seen {
      directory.exists(directory.proxyArguments) ? try ProxyArguments.load(directory) : nil
    }
    facts.provider = seen {
      try directory.read(directory.provider).map {
        try ProviderReader.addresses($0, file: directory.provider)
      }
    }
    if facts.node.value != nil { facts.kubernetes = DoctorFiles.kubernetes(directory) }
    if HookFolder.exists(directory) { facts.hooks = HookFolder(directory) }
    facts.hookLedger = seen { try HookLedger.load(directory) }
    for role in NodeRole.allCases {
      do {
        _ = try JoinBundle(for: role, directory)
      } catch {
        facts.bundleProblems.append((error as? APIError)?.error ?? "\(error)")
      }
    }
  }

  /// What a read gives, where no file (nil) and a failure are answers.
  private func seen<Value>(_ read: () throws -> Value?) -> Seen<Value> {
    do {
      return try read().map { .value($0) } ?? .absent
    } catch {
      return .broken("\(error)")
    }
  }

  /// The log, after another process has looked whether it can be read at all.
  private func readLog() -> (Seen<DoctorFacts.Log>, Cluster?) {
    guard directory.exists(directory.log) else { return (.absent, nil) }
    do {
      let examination = try LogExamination.run(directory.log, isWhole: false)
      if let damage = examination.damage { return (.broken(damage), nil) }
      let log = try LogReading.open(directory.log)
      defer { log.close() }
      let space = try log.space()
      let found = DoctorFacts.Log(
        last: log.lastIndex, lost: examination.claim?.lost ?? 0, used: space.used,
        fileSize: space.fileSize, mapSize: space.mapSize, fill: space.fill)
      let history = History(LogSource(log, name: directory.path))
      return (.value(found), try? history.state(at: history.head))
    } catch let fault as Fault where fault.kind == .damaged || fault.kind == .foreign {
      return (.broken("\(fault)"), nil)
    } catch let failure as Failure where failure.exitCode == 65 {
      return (.broken("\(failure)"), nil)
    } catch {
      return (.hidden("\(error)"), nil)
    }
  }

  // MARK: The agent and other nodes

  private func live() async -> (DoctorFacts.Live?, Bool?) {
    do {
      return (
        try await LocalClient(directory).call(
          "GET", "/v1/status?format=json", timeout: .milliseconds(2500)), true
      )
    } catch is APIError {
      return (nil, true)
    } catch {
      return (nil, false)
    }
  }

  /// Whether the agent forwards connections to the API servers; nil if it does not say.
  private func hasProxy() async -> Bool? {
    let version: [String: String]? = try? await LocalClient(directory).call(
      "GET", "/version", timeout: .milliseconds(2500))
    return version?["proxy"].map { $0 == "on" }
  }

  /// A control-plane node to ask: what it is called, where it is, and its key.
  private struct Target: Sendable {
    var name: String
    var cluster: Address
    var datastore: Address?
    var key: Digest
  }

  private func targets(_ facts: DoctorFacts) -> [Target] {
    let own = facts.node.value?.nodeID
    if let state = facts.state {
      return state.controlPlane.filter { $0.id != own }.map {
        Target(
          name: $0.name, cluster: $0.record.endpoints.cluster,
          datastore: $0.record.endpoints.datastore, key: $0.record.key)
      }
    }
    return (facts.worker.value?.list.servers ?? []).compactMap { server in
      guard let address = Address(server.cluster), let key = Digest(server.key) else { return nil }
      return Target(name: server.name, cluster: address, datastore: nil, key: key)
    }
  }

  private func peers(_ facts: DoctorFacts) async -> [DoctorFacts.Peer] {
    let targets = targets(facts)
    guard !targets.isEmpty, let identity = try? NodeIdentity.load(from: directory.identity) else {
      return []
    }
    let client = ClusterClient(identity: identity, group: MultiThreadedEventLoopGroup.singleton)
    let isWorker = facts.isWorker
    let peers = await withTaskGroup(of: (Int, DoctorFacts.Peer).self) { group in
      for (place, target) in targets.enumerated() {
        group.addTask {
          (place, await look(at: target, client, asWorker: isWorker))
        }
      }
      var found: [(Int, DoctorFacts.Peer)] = []
      for await peer in group { found.append(peer) }
      return found.sorted { $0.0 < $1.0 }.map(\.1)
    }
    await client.shutdown()
    return peers
  }

  private func look(
    at target: Target, _ client: ClusterClient, asWorker: Bool
  ) async -> DoctorFacts.Peer {
    async let datastoreProblem = datastoreProblem(target)
    var peer = DoctorFacts.Peer(
      name: target.name, cluster: target.cluster.description,
      datastore: target.datastore?.description)
    // Neither counts as a sign of life of this node.
    let path = asWorker ? "/v1/self" : "/v1/log/replica"
    let word = await TimeLimit.run(.milliseconds(2000)) {
      await self.ask(path, of: target, client)
    }
    switch word {
    case nil: peer.problem = "\(target.cluster) did not answer in time"
    case .problem(let problem): peer.problem = problem
    case .departed(let text): peer.departure = text
    case .answer(let bytes, let asked, let answered):
      if asWorker, let answer = try? JSON.decode(SelfAnswer.self, bytes) {
        peer.departure = answer.departure.map { "\($0.how) at index \($0.index) by \($0.actor)" }
      } else if let answer = try? JSON.decode(ReplicaAnswer.self, bytes) {
        peer.version = answer.version
        peer.applied = answer.applied
        peer.clockError = (answered - asked + 1) / 2
        peer.clockAhead = answer.clock.map { $0 - asked - peer.clockError }
      }
    }
    peer.datastoreProblem = await datastoreProblem
    return peer
  }

  private enum Word: Sendable {
    case answer([UInt8], asked: Int64, answered: Int64)
    case departed(String)
    case problem(String)
  }

  private func ask(_ path: String, of target: Target, _ client: ClusterClient) async -> Word {
    // What is known of its certificate by then makes the second answer a measure of its clock.
    _ = try? await client.call(
      .GET, "/v1/self", at: target.cluster, key: target.key, timeout: .milliseconds(1500))
    let asked = Timestamp.now.milliseconds
    do {
      let bytes = try await client.call(
        .GET, path, at: target.cluster, key: target.key, timeout: .milliseconds(1500))
      return .answer(bytes, asked: asked, answered: Timestamp.now.milliseconds)
    } catch let error as APIError where error.code == "departed" {
      return .departed(error.error)
    } catch let error as APIError {
      return .problem(error.error)
    } catch {
      return .problem("\(error)")
    }
  }

  private func datastoreProblem(_ target: Target) async -> String? {
    guard let address = target.datastore else { return nil }
    do {
      let certificate = try await PinnedProbe.fetchCertificate(
        HostPort(address.host.description, Int(address.port)), expectedFingerprint: nil,
        timeout: .milliseconds(1000))
      let key = try NodeIdentity.keyDigest(ofCertificate: certificate)
      return key == target.key.bytes ? nil : "\(address) has another key than the log has of it"
    } catch {
      return "\(ClusterClient.failure(of: error, address))"
    }
  }

  private func apiservers(_ facts: DoctorFacts) async -> [(address: String, problem: String?)] {
    let listed =
      facts.provider.value ?? facts.worker.value?.list.addresses.compactMap { Address($0) } ?? []
    return await withTaskGroup(of: (Int, String?).self) { group in
      for (place, address) in listed.enumerated() {
        group.addTask {
          do {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
              .connectTimeout(.seconds(1))
              .connect(host: address.host.description, port: Int(address.port)).get()
            channel.close(promise: nil)
            return (place, nil)
          } catch {
            return (place, "\(ClusterClient.failure(of: error, address))")
          }
        }
      }
      var problems: [Int: String] = [:]
      for await (place, problem) in group { problems[place] = problem }
      return listed.enumerated().map { ($0.element.description, problems[$0.offset]) }
    }
  }
}

/// Looks that may hang.
enum TimeLimit {
  /// What `body` gives; nil if it takes longer, and then it goes on unheeded.
  static func run<Value: Sendable>(
    _ limit: Duration, _ body: @escaping @Sendable () async -> Value
  ) async -> Value? {
    await race(limit) { promise in
      Task { promise.succeed(await body()) }
    }
  }

  /// The same for a body that blocks its thread.
  static func runBlocking<Value: Sendable>(
    _ limit: Duration, _ body: @escaping @Sendable () -> Value
  ) async -> Value? {
    await race(limit) { promise in
      NIOThreadPool.singleton.submit { _ in promise.succeed(body()) }
    }
  }

  private static func race<Value: Sendable>(
    _ limit: Duration, _ begin: (EventLoopPromise<Value?>) -> Void
  ) async -> Value? {
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let promise = loop.makePromise(of: Value?.self)
    let alarm = loop.scheduleTask(in: .nanoseconds(Int64(clamping: limit.nanoseconds))) {
      promise.succeed(nil)
    }
    begin(promise)
    defer { alarm.cancel() }
    return (try? await promise.futureResult.get()) ?? nil
  }
}
