import Membership
import Testing

@testable import Agent

@Suite("The doctor's judgement")
struct DoctorTests {
  static let now = Timestamp(milliseconds: 1_792_811_520_000)

  static func digest(_ n: UInt8) -> Digest {
    guard let digest = Digest(bytes: [UInt8](repeating: n, count: 32)) else {
      preconditionFailure("32 bytes")
    }
    return digest
  }

  static func address(_ text: String) -> Address {
    guard let address = Address(text) else { preconditionFailure("address \(text)") }
    return address
  }

  static func member(
    _ n: Int, _ role: DatastoreRole = .voter, domain: String = "1"
  ) -> Member {
    let host = "127.0.15.\(n)"
    return Member(
      record: NodeRecord(
        id: NodeID(UInt64(n)), name: "n\(n)", role: .controlPlane,
        endpoints: Endpoints(
          cluster: address("\(host):25000"), datastore: address("\(host):19001"),
          apiserver: address("\(host):16443")), key: digest(UInt8(n)), failureDomain: domain,
        version: Version.program),
      joined: now, joinIndex: UInt64(n), datastoreRole: role, apiserverReady: true,
      endpointIndex: UInt64(n))
  }

  static func state(
    _ nodes: [Member] = [member(1), member(2), member(3)], tokens: [Token] = []
  ) -> Cluster {
    Cluster(
      id: ClusterID(0xc1), incarnation: 1, formed: now, nodes: nodes, tokens: tokens,
      leader: NodeID(1), term: 1, lastIndex: 100, lastTime: now, endpointIndex: 3)
  }

  private static func token(uses: UInt32, expires: Timestamp?) -> Token {
    Token(
      issued: TokenIssued(
        id: TokenID(7), secrets: [.init(hash: digest(9), roles: [.worker])], uses: uses,
        expires: expires), index: 4, time: now, actor: "root@n1")
  }

  private static func nodeFile(_ role: NodeFile.Role) -> NodeFile {
    NodeFile(
      cluster: "00000000000000c1", node: "0000000000000001", name: "n1", role: role,
      address: "127.0.15.1", clusterPort: 25000, datastorePort: 19001, apiserverPort: 16443)
  }

  private static func list() -> EndpointsAnswer {
    EndpointsAnswer(
      cluster: "c1", incarnation: 1, index: 3,
      servers: [
        .init(
          node: "0000000000000002", name: "n2", apiserver: "127.0.15.2:16443",
          cluster: "127.0.15.2:25000", key: digest(2).description)
      ])
  }

  /// A node whose agent runs and where nothing is wrong.
  static func well(_ role: NodeFile.Role = .controlPlane) -> DoctorFacts {
    var facts = DoctorFacts(directory: "/data", user: 0, now: now)
    func file(_ path: String, _ kind: DoctorFacts.File.Kind = .file, _ mode: UInt32 = 0o600) {
      facts.files.append(.init(path: path, kind: kind, mode: mode, owner: 0, size: 1))
    }
    file("", .folder, 0o700)
    for path in ["identity/node.key", "identity/node.crt", "kubeconfig", "log/data.mdb"] {
      file(path)
    }
    file("agent.sock", .socket)
    facts.filesystem = .init(
      type: "ext4", isReadOnly: false, free: 1 << 33, total: 1 << 36, freeInodes: 1 << 20,
      totalInodes: 1 << 21)
    facts.agent = .init(pid: 4711, owner: 0, descriptors: 65536, unit: "muster.service")
    facts.hasServiceManager = true
    facts.hasUnitFile = true
    facts.socketAnswers = true
    facts.isClockSynchronized = true
    facts.node = .value(nodeFile(role))
    facts.identity = .value(digest(1))
    facts.listeners = [25000, 19001, 16443].map { .init(host: "127.0.15.1", port: $0, pid: 4711) }
    facts.addresses = [.ipv4(0x0a00_0001)]
    facts.kubernetes = .init(
      authority: .value(.init(from: 0, until: 253_402_300_799)),
      client: .value(.init(from: 0, until: 253_402_300_799)))
    facts.live = .init(
      highAvailability: true, canLose: 1, quorumHeld: true, summary: "can lose: 1 more node",
      leader: "n1", confirmed: true,
      nodes: [.init(name: "n1", role: "control-plane", status: "Ready", state: "ready")])
    facts.peers = [2, 3].map {
      .init(
        name: "n\($0)", cluster: "127.0.15.\($0):25000", datastore: "127.0.15.\($0):19001",
        version: Version.program, applied: 100, clockAhead: 3, clockError: 2)
    }
    if role == .worker {
      facts.worker = .value(WorkerState(list()))
      facts.provider = .value([address("127.0.15.2:16443")])
      facts.proxyArguments = .value(ProxyArguments())
      facts.apiservers = [("127.0.15.2:16443", nil)]
    } else {
      facts.log = .value(
        .init(
          last: 100, lost: 0, used: 1 << 20, fileSize: 1 << 20, mapSize: 16 << 30, fill: 0.01))
      facts.state = state()
    }
    return facts
  }

  @Test("A worker of MicroK8s has no agent whose version or silence could be wrong")
  func keyless() {
    var facts = Self.well()
    var worker = Self.member(4)
    worker.record.role = .worker
    worker.record.key = NodeRecord.keyless(worker.id)
    worker.record.version = NodeRecord.microK8s
    facts.state = Self.state([Self.member(1), Self.member(2), Self.member(3), worker])
    facts.live?.nodes.append(
      .init(name: "n4", role: "worker", status: "Unknown", state: "unknown"))
    // Nor has one that joined a moment ago been silent.
    facts.live?.nodes.append(
      .init(name: "n5", role: "worker", status: "NotReady", state: "joining"))
    for id in ["MU-SYS-05", "MU-HA-08"] {
      let check = DoctorCheck.all.first { $0.id == id }
      #expect(check?.judge(facts).level == .pass, "\(id)")
    }
  }

  struct Case: Sendable {
    var id: String
    var level: Diagnosis.Level
    var role = NodeFile.Role.controlPlane
    var change: @Sendable (inout DoctorFacts) -> Void

    init(
      _ id: String, _ level: Diagnosis.Level, _ role: NodeFile.Role = .controlPlane,
      _ change: @escaping @Sendable (inout DoctorFacts) -> Void
    ) {
      self.id = "MU-" + id
      self.level = level
      self.role = role
      self.change = change
    }
  }

  @Test(
    "Where nothing is wrong nothing fails and nothing warns",
    arguments: [
      NodeFile.Role.controlPlane, .worker,
    ])
  func healthy(role: NodeFile.Role) {
    let diagnosis = Diagnosis(Self.well(role))
    let wrong = diagnosis.findings.filter { $0.level == .warn || $0.level == .fail }
    #expect(wrong.isEmpty, "\(wrong)")
    #expect(diagnosis.isGood)
  }

  @Test("Each check finds what it is for, and says what helps", arguments: table.indices)
  func finds(at index: Int) throws {
    let example = Self.table[index]
    var facts = Self.well(example.role)
    example.change(&facts)
    let found = try #require(
      Diagnosis(facts, only: example.id).findings.first, "no check \(example.id)")
    #expect(found.level == example.level, "\(found)")
    #expect(found.fix?.isEmpty == false, "\(found)")
    #expect(!found.finding.isEmpty)
  }

  @Test("Every check has an example of what it finds; ids are of one form and unique")
  func complete() {
    let ids = DoctorCheck.all.map(\.id)
    #expect(ids.count >= 25)
    #expect(Set(ids).count == ids.count)
    #expect(Set(ids) == Set(Self.table.map(\.id)))
    let areas = Set(ids.map { $0.split(separator: "-")[1] })
    #expect(
      areas == ["SYS", "DIR", "LOG", "ID", "NET", "CLK", "DISK", "HA", "TOK", "PRX", "K8S", "HOOK"])
    #expect(Diagnosis.knows("mu-net-03") && Diagnosis.knows("NET-03") && !Diagnosis.knows("NET"))
  }

  @Test("A user without rights is told so, and what needs rights is skipped, not failed")
  func withoutRights() {
    var facts = DoctorFacts(directory: "/data", user: 1000, now: Self.now)
    facts.files = [.init(path: "", kind: .folder, mode: 0o700, owner: 0, size: 0)]
    facts.obstacle = "only uid 0 may look inside"
    let diagnosis = Diagnosis(facts)
    #expect(diagnosis.isGood)
    let rights = diagnosis.findings.first { $0.id == "MU-SYS-06" }
    #expect(rights?.level == .warn && rights?.fix == "sudo muster doctor --data-dir /data")
  }
}

extension DoctorTests {
  typealias Cert = DoctorFacts.Kubernetes.Certificate
  private static let day: Int64 = 86_400

  static let table: [Case] = files + cluster + worker

  private static let files: [Case] = [
    Case("SYS-01", .fail) { $0.agent = nil },
    Case("SYS-02", .warn) { $0.agent?.descriptors = 1024 },
    Case("SYS-03", .warn) { $0.agent?.unit = nil },
    Case("SYS-03", .warn) { $0.agent = nil },
    Case("SYS-04", .warn) { $0.agent?.isProgramReplaced = true },
    Case("SYS-05", .warn) {
      var old = member(3)
      old.record.version = "0.0.9"
      $0.state = state([member(1), member(2), old])
    },
    Case("SYS-06", .warn) { $0.obstacle = "only uid 0 may look inside" },
    Case("SYS-06", .fail) { $0.agent?.owner = 33 },
    Case("DIR-01", .fail) { $0.files = [] },
    Case("DIR-01", .fail) { $0.files[0].kind = .file },
    Case("DIR-01", .fail) { ($0.obstacle, $0.isHung) = ("the disk hangs", true) },
    Case("DIR-02", .fail) { $0.files[0].mode = 0o755 },
    Case("DIR-03", .fail) { $0.files[1].mode = 0o644 },
    Case("DIR-04", .fail) { $0.files[2].owner = 33 },
    Case("DIR-05", .fail) { $0.directory = "/" + String(repeating: "d", count: 100) },
    Case("DIR-06", .warn) { ($0.agent, $0.socketAnswers) = (nil, false) },
    Case("DIR-06", .fail) { $0.socketAnswers = false },
    Case("DIR-06", .fail) { facts in facts.files.removeAll { $0.path == "agent.sock" } },
    Case("DIR-07", .warn) {
      $0.files.append(.init(path: "join.json", kind: .file, mode: 0o600, owner: 0, size: 1))
    },
    Case("DIR-08", .warn) {
      $0.files.append(.init(path: "log.damaged-1", kind: .folder, mode: 0o700, owner: 0, size: 1))
    },
    Case("DIR-08", .warn) { $0.archiveBytes = 2 << 30 },
    Case("DIR-09", .fail) { $0.optionsProblem = "cannot read agent.yaml: it is no YAML" },
    Case("LOG-01", .fail) { $0.log = .broken("index 4: hash") },
    Case("LOG-01", .fail) { $0.log = .absent },
    Case("LOG-02", .fail) { $0.stranger = "the log is that of node 2" },
    Case("LOG-03", .warn) { facts in
      guard var log = facts.log.value else { return }
      log.lost = 200
      facts.log = .value(log)
    },
    Case("LOG-03", .warn) { $0.peers[0].applied = 400 },
    Case("LOG-04", .warn) { facts in
      guard var log = facts.log.value else { return }
      log.fill = 0.8
      facts.log = .value(log)
    },
    Case("LOG-05", .warn) { $0.filesystem?.type = "tmpfs" },
    Case("LOG-05", .fail) { $0.filesystem?.type = "nfs4" },
    Case("ID-01", .fail) { $0.node = .broken("damaged") },
    Case("ID-01", .warn) { $0.node = .absent },
    Case("ID-02", .fail) { $0.identity = .broken("it is of another key") },
    Case("ID-02", .fail) { $0.identity = .absent },
    Case("ID-03", .fail) { $0.identity = .value(digest(2)) },
    Case("ID-03", .warn) { $0.state = state([member(2), member(3)]) },
    Case("ID-04", .fail) { facts in
      guard var node = facts.node.value else { return }
      node.departed = .init(index: 9, actor: "root@n2", how: "removed")
      facts.node = .value(node)
    },
    Case("ID-04", .fail) { $0.peers[0].departure = "removed at index 9 by root@n2" },
    Case("HOOK-01", .fail) {
      $0.hooks = HookFolder(programs: [.init(name: "a", path: "/a", refusal: "open to others")])
    },
    Case("HOOK-01", .warn) { $0.hooks = HookFolder(idle: ["10-a"]) },
    Case("HOOK-02", .fail) {
      var ledger = HookLedger(cluster: "c1", handled: 4)
      ledger.failures = [
        HookFailure(
          key: "joined@c1/5", hook: .joined, index: 5, program: "10-a", reason: "exit code 1",
          attempts: 2, next: 0)
      ]
      $0.hookLedger = .value(ledger)
    },
    Case("HOOK-02", .fail) { $0.hookLedger = .broken("hooks.json is damaged") },
    Case("HOOK-03", .fail) { $0.bundleProblems = ["a.key is a symbolic link"] },
    Case("DISK-01", .fail) { $0.filesystem?.free = 1 << 20 },
    Case("DISK-01", .warn) { $0.filesystem?.free = 1 << 29 },
    Case("DISK-02", .fail) { $0.filesystem?.freeInodes = 9 },
    Case("DISK-02", .warn) { $0.filesystem?.freeInodes = 900 },
    Case("DISK-03", .fail) { $0.filesystem?.isReadOnly = true },
  ]

  private static let cluster: [Case] = [
    Case("NET-01", .warn) { facts in
      guard var node = facts.node.value else { return }
      node.address = "10.9.9.9"
      facts.node = .value(node)
    },
    Case("NET-02", .warn) { facts in
      guard var node = facts.node.value else { return }
      node.clusterPort = 25111
      facts.node = .value(node)
    },
    Case("NET-03", .fail) { $0.agent = nil },
    Case("NET-03", .fail) { $0.listeners.removeFirst() },
    Case("NET-04", .warn) { $0.peers[0].problem = "refused" },
    Case("NET-04", .fail) { for i in 0...1 { $0.peers[i].problem = "refused" } },
    Case("NET-05", .warn) { $0.peers[1].datastoreProblem = "another key" },
    Case("CLK-01", .fail) { $0.now = Timestamp(milliseconds: 0) },
    Case("CLK-01", .fail) { $0.now = now.adding(seconds: -11) },
    Case("CLK-02", .warn) { $0.peers[0].clockAhead = -1010 },
    Case("CLK-02", .fail) { $0.peers[0].clockAhead = 9000 },
    Case("CLK-03", .warn) { $0.isClockSynchronized = false },
    Case("HA-01", .warn) {
      $0.live?.highAvailability = false
      $0.live?.canLose = 0
    },
    Case("HA-01", .fail) {
      $0.live?.highAvailability = false
      $0.live?.canLose = 0
      $0.live?.quorumHeld = false
    },
    Case("HA-02", .warn) { $0.state = state([member(1), member(2)]) },
    Case("HA-03", .warn) {
      $0.state = state([member(1, domain: "a"), member(2, domain: "a"), member(3, domain: "b")])
    },
    Case("HA-04", .warn) {
      var suspected = member(3)
      suspected.suspectedSince = now
      $0.state = state([member(1), member(2), suspected])
    },
    Case("HA-05", .warn) {
      $0.state = Cluster(
        id: ClusterID(0xc1), incarnation: 1, formed: now, nodes: [member(1)],
        joint: JointRoles(
          outgoing: [NodeID(2)],
          attribution: .init(
            command: CommandID(high: 0, low: 1), fingerprint: 0, actor: "", reason: ""), index: 8))
    },
    Case("HA-06", .warn) {
      var left = member(3)
      left.state = .left(index: 9, time: now)
      $0.state = state([member(1), member(2), left])
    },
    Case("HA-07", .fail) { $0.live?.leader = nil },
    Case("HA-07", .warn) { $0.live?.confirmed = false },
    Case("HA-08", .warn) {
      $0.live?.nodes.append(.init(name: "n2", role: "", status: "NotReady", state: "not ready"))
    },
    Case("HA-09", .warn) {
      var away = member(3)
      away.maintenance = .init(index: 9, since: now.adding(seconds: -day - 1), until: nil)
      $0.state = state([member(1), member(2), away])
    },
    Case("TOK-01", .warn) { $0.state = state(tokens: [token(uses: 1, expires: nil)]) },
    Case("TOK-01", .warn) {
      $0.state = state(tokens: [token(uses: 1, expires: now.adding(seconds: day + 1))])
    },
    Case("TOK-02", .warn) {
      $0.state = state(tokens: [token(uses: 0, expires: now.adding(seconds: 60))])
    },
    Case("K8S-01", .fail) { $0.kubernetes?.authorityProblem = "ca.key is of another certificate" },
    Case("K8S-01", .warn) {
      let today = now.milliseconds / 1000
      $0.kubernetes?.authority = .value(Cert(from: 0, until: today + 9 * day))
    },
    Case("K8S-02", .fail) {
      $0.kubernetes?.client = .value(Cert(from: 0, until: now.milliseconds / 1000))
    },
    Case("K8S-02", .fail) {
      $0.kubernetes?.client = .value(Cert(from: now.milliseconds / 1000 + 9, until: .max / 2000))
    },
    Case("K8S-02", .fail) { $0.kubernetes?.trustsAuthority = false },
    Case("K8S-03", .warn) {
      var unready = member(2)
      unready.apiserverReady = false
      $0.state = state([member(1), unready, member(3)])
    },
  ]

  private static let worker: [Case] = [
    Case("NET-06", .fail, .worker) { $0.apiservers = [("127.0.15.2:16443", "refused")] },
    Case("PRX-01", .fail, .worker) { $0.provider = .broken("provider.yaml:3: an address") },
    Case("PRX-01", .fail, .worker) { $0.provider = .absent },
    Case("PRX-02", .warn, .worker) { $0.provider = .value([address("127.0.15.9:16443")]) },
    Case("PRX-02", .warn, .worker) {
      $0.proxyArguments = .value(ProxyArguments(refreshInterval: 0))
      $0.apiservers = [("127.0.15.2:16443", nil), ("127.0.15.9:16443", "refused")]
    },
    Case("PRX-02", .fail, .worker) {
      $0.proxyArguments = .value(ProxyArguments(refreshInterval: 0))
      $0.apiservers = [("127.0.15.8:16443", "refused"), ("127.0.15.9:16443", "refused")]
    },
    Case("PRX-03", .fail, .worker) { $0.proxyArguments = .broken("args/apiserver-proxy:2: abc") },
    Case("PRX-04", .fail, .worker) { $0.worker = .absent },
    Case("K8S-02", .warn, .worker) { $0.kubernetes?.trustsAuthority = false },
  ]
}
