// What the doctor looked at, as plain values: gathered once by `DoctorGathering`, judged by the
// checks, written by hand in tests.

import Membership

/// Something that was looked for.
enum Seen<Value: Sendable>: Sendable {
  case value(Value)
  /// It is not there.
  case absent
  /// It is there and cannot be used; why.
  case broken(String)
  /// It could not be looked at; why.
  case hidden(String)

  var value: Value? {
    if case .value(let value) = self { return value }
    return nil
  }
}

struct DoctorFacts: Sendable {
  struct File: Sendable {
    enum Kind: Sendable {
      case file, folder, socket, other
    }
    /// Below the data dir; empty for itself.
    var path: String
    var kind: Kind
    /// Permission bits.
    var mode: UInt32
    var owner: UInt32
    var size: Int
  }
  struct Filesystem: Sendable {
    var type: String
    var isReadOnly: Bool
    var free: Int
    var total: Int
    var freeInodes: Int
    /// 0 where the file system does not count them.
    var totalInodes: Int
  }
  struct Log: Sendable {
    var last: UInt64
    /// What it should hold and does not; 0 if nothing.
    var lost: UInt64
    var used: Int
    var fileSize: Int
    var mapSize: Int
    var fill: Double
  }
  /// A control-plane node as it was reached from here.
  struct Peer: Sendable {
    var name: String
    var cluster: String
    /// Why it could not be asked on its cluster port; nil if it answered.
    var problem: String?
    /// Nil for workers, who have no business there.
    var datastore: String?
    var datastoreProblem: String?
    /// What it says that became of this node.
    var departure: String?
    var version: String?
    var applied: UInt64?
    /// Milliseconds that its clock is ahead of the one here, and how far off that may be.
    var clockAhead: Int64?
    var clockError: Int64 = 0
  }
  struct Listener: Sendable, Hashable {
    var host: String
    var port: Int
    var pid: Int32?
    var program: String?
  }
  struct Kubernetes: Sendable {
    struct Certificate: Sendable {
      /// Seconds since 1970.
      var from: Int64
      var until: Int64
    }
    var authority: Seen<Certificate>
    /// Why the CA and its key do not fit; nil if they do, or there is no key.
    var authorityProblem: String?
    var client: Seen<Certificate>
    /// Whether kubeconfig trusts the CA that is kept here.
    var trustsAuthority = true
  }
  /// What the agent that runs says.
  struct Live: Sendable, Decodable {
    struct Node: Sendable, Decodable {
      var name: String
      var role: String
      var status: String
      var state: String
    }
    var highAvailability: Bool
    var canLose: Int
    var quorumHeld: Bool
    var summary: String
    var leader: String?
    var confirmed: Bool
    var nodes: [Node]
  }
  struct Process: Sendable {
    var pid: Int32
    var owner: UInt32
    var descriptors: UInt64?
    /// Its unit, if a service manager started it.
    var unit: String?
    var isProgramReplaced = false
  }

  var directory: String
  var user: UInt32
  var now: Timestamp
  /// The data dir itself is the first.
  var files: [File] = []
  /// Why nothing inside can be seen; nil if it can.
  var obstacle: String?
  /// The data dir did not answer in time.
  var isHung = false
  /// Whose log lies in this node's place, if it is not its own.
  var stranger: String?
  var archiveBytes = 0
  var filesystem: Filesystem?
  var agent: Process?
  /// Whether the admin socket answers; nil without one.
  var socketAnswers: Bool?
  /// What is wrong with agent.yaml; nil if nothing is.
  var optionsProblem: String?
  var node: Seen<NodeFile> = .absent
  /// The digest of the node's key.
  var identity: Seen<Digest> = .absent
  var log: Seen<Log> = .absent
  /// As the log here has it, up to what is known to be committed.
  var state: Cluster?
  var worker: Seen<WorkerState> = .absent
  var live: Live?
  var peers: [Peer] = []
  /// API servers that a worker sends clients to, and why they could not be reached: those of
  /// provider.yaml or, if that cannot be read, those that the control plane last told.
  var apiservers: [(address: String, problem: String?)] = []
  var addresses: [Host] = []
  var listeners: [Listener] = []
  var provider: Seen<[Address]> = .absent
  var proxyArguments: Seen<ProxyArguments> = .absent
  /// As the agent says; without one, as agent.yaml has it.
  var hasProxy = true
  var kubernetes: Kubernetes?
  /// What is in hooks.d; nil if there is no such folder.
  var hooks: HookFolder?
  var hookLedger: Seen<HookLedger> = .absent
  /// Why joiners of a role cannot be given their files.
  var bundleProblems: [String] = []
  var isClockSynchronized: Bool?
  var hasServiceManager = false
  var hasUnitFile = false

  // MARK: Words that checks share

  /// A command on this node.
  func muster(_ words: String) -> String {
    let isStandard = directory == DataDirectory.standard
    return "muster \(words)" + (isStandard ? "" : " --data-dir \(directory)")
  }

  var isWorker: Bool { node.value?.role == .worker }
  var isControlPlane: Bool { node.value?.role == .controlPlane }
  func file(_ path: String) -> File? { files.first { $0.path == path } }
  /// This node as the log has it.
  var member: Member? { node.value?.nodeID.flatMap { state?.node($0) } }

  /// For a check that must see inside; nil if it can.
  var unseen: DoctorCheck.Verdict? {
    if file("") == nil { return .skip("there is no data dir") }
    return obstacle.map { .skip($0) }
  }

  /// Whether this node is no member any more.
  var hasDeparted: Bool {
    node.value?.departed != nil || peers.contains { $0.departure != nil }
  }

  /// For a check of the cluster's state.
  var stateless: DoctorCheck.Verdict? {
    if let unseen { return unseen }
    if hasDeparted { return .skip("this node departed from its cluster") }
    return state == nil ? .skip(isWorker ? "a worker keeps no log" : "the log cannot be read") : nil
  }

  /// How to start the agent.
  var start: String { hasUnitFile ? "systemctl start muster" : muster("agent") }

  /// Whether a worker's provider.yaml is the operator's.
  var isPinned: Bool { proxyArguments.value?.refreshInterval == 0 }

  /// How to have the agent do what it does at its start.
  var anew: String { agent == nil ? start : restart }

  /// A command that works on a stopped node alone, with how to stop the agent and see it gone.
  func stopped(_ words: String) -> String {
    guard let agent else { return muster(words) }
    let stop =
      agent.unit.map { "systemctl stop \($0)" }
      ?? "kill \(agent.pid); tail --pid=\(agent.pid) -f /dev/null"
    return "\(stop); \(muster(words))"
  }

  /// How to start it anew.
  var restart: String {
    if hasUnitFile { return "systemctl restart muster" }
    return (agent.map { "kill \($0.pid); " } ?? "") + muster("agent")
  }
}
