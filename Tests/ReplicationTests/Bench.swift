import Membership
import Raft
import Replication
import Schema
import Simulator

/// Replicas on a bench: every frame, every disk transaction and every nanosecond is given by hand.
final class Bench {
  struct Sent {
    var from: NodeID
    var to: NodeID
    var frame: Frame
  }

  let ids: [NodeID]
  let secret = Bench.digest(1)
  private(set) var disks: [SimulatedDisk] = []
  var replicas: [Replica] = []
  var now: UInt64 = 1_000_000_000
  /// Milliseconds; each node's own.
  var walls: [Int64]
  var frames: [Sent] = []
  var jobs: [[AppendJob]]
  var answers: [Caller: Outcome] = [:]
  var reads: [Caller: Bool] = [:]
  var events: [[RecordedEvent]]
  private(set) var halted: [String?]
  private(set) var greetings: [Greeting]
  /// What each node last wanted to be stored of its peers.
  var memories: [[Recollection]]
  /// Whether a node holds everything again that it had lost.
  private(set) var settled: [Bool]
  /// By which boot number a node that was settled is known.
  private(set) var knownBoots: [UInt64]
  private var drawn: UInt64 = 0

  static let start: Int64 = 1_767_225_600_000

  static func digest(_ number: UInt8) -> Digest {
    guard let digest = Digest(bytes: [UInt8](repeating: number, count: 32)) else {
      preconditionFailure("32 bytes are a digest")
    }
    return digest
  }

  static func record(_ number: Int, _ role: NodeRole = .controlPlane) -> NodeRecord {
    func address(_ port: UInt16) -> Address {
      guard let address = Address(host: .ipv4(0x7f00_0000 | UInt32(number)), port: port) else {
        preconditionFailure("\(port) is a port")
      }
      return address
    }
    return NodeRecord(
      id: NodeID(UInt64(number)), name: "n\(number)", role: role,
      endpoints: Endpoints(
        cluster: address(25_000), datastore: role == .worker ? nil : address(19_001),
        apiserver: role == .worker ? nil : address(16_443)), key: digest(UInt8(number)),
      failureDomain: "a", version: "1")
  }

  /// That many nodes, all voters if there are three, the first of them leading; nothing is on its
  /// way, and an invitation for any number of nodes is out.
  init(_ count: Int = 1) {
    ids = (1...count).map { NodeID(UInt64($0)) }
    walls = [Int64](repeating: Self.start, count: count)
    jobs = [[AppendJob]](repeating: [], count: count)
    events = [[RecordedEvent]](repeating: [], count: count)
    halted = [String?](repeating: nil, count: count)
    greetings = (0..<count).map { Greeting(boot: 1, nonce: UInt64($0 + 1) << 8 | 1) }
    memories = [[Recollection]](repeating: [], count: count)
    settled = [Bool](repeating: false, count: count)
    knownBoots = [UInt64](repeating: 0, count: count)
    for position in 0..<count {
      let disk = SimulatedDisk()
      if position == 0 {
        disk.form(ClusterID(1), Self.record(1), at: Timestamp(milliseconds: Self.start))
      }
      disks.append(disk)
      replicas.append(makeReplica(position, boot: 1))
    }
    give(0, .campaign)
    settle()
    ask(0, .issueToken(token(1, uses: 0)))
    settle()
    for position in 1..<max(1, count) {
      ask(0, .join(.init(node: Self.record(position + 1), secret: secret)))
      settle()
      for _ in 0..<8 { advance(200_000_000) }
    }
  }

  private func makeReplica(
    _ position: Int, boot: UInt64, lostUpTo: UInt64? = nil
  ) -> Replica {
    let id = ids[position]
    var raft = Machine.Options(id: id.rawValue, seed: id.rawValue << 32 | boot)
    raft.electionTimeout = 1_000_000_000 * UInt64(position + 1)
    let cluster = (try? disks[position].fold()) ?? Cluster()
    var options = Replica.Options(node: id, name: id.description, raft: raft)
    options.greeting = greetings[position]
    options.lostUpTo = lostUpTo
    return Replica(
      options: options, cluster: cluster, hardState: disks[position].syncedState,
      log: disks[position], memory: memories[position], at: clock(position))
  }

  /// A crash: what was not synced is gone.
  func restart(_ position: Int, boot: UInt64 = 2, lostUpTo: UInt64? = nil) {
    jobs[position] = []
    settled[position] = false
    greetings[position] = Greeting(boot: boot, nonce: UInt64(position + 1) << 8 | boot)
    replicas[position] = makeReplica(position, boot: boot, lostUpTo: lostUpTo)
  }

  /// A link between two nodes opens: each hears how the other presents itself.
  func link(_ a: Int, _ b: Int) {
    give(a, .greeted(ids[b], greetings[b]))
    give(b, .greeted(ids[a], greetings[a]))
  }

  func clock(_ position: Int) -> Clock {
    Clock(monotonic: now, wall: Timestamp(milliseconds: walls[position]))
  }

  // MARK: By hand

  func give(_ position: Int, _ input: ReplicaInput) {
    replicas[position].step(input, at: clock(position))
    take(position)
  }

  func take(_ position: Int) {
    let effects = replicas[position].takeEffects()
    frames += effects.frames.map { Sent(from: ids[position], to: $0.to, frame: $0.frame) }
    jobs[position] += effects.appends
    events[position] += effects.events
    for answer in effects.answers { answers[answer.caller] = answer.outcome }
    for read in effects.reads { reads[read.caller] = read.confirmed }
    halted[position] = halted[position] ?? effects.halt
    if let memory = effects.memory { memories[position] = memory }
    if effects.isSettled {
      settled[position] = true
      knownBoots[position] = effects.knownBoot
    }
  }

  /// The disk has done everything it was given.
  func sync(_ position: Int) {
    let done = jobs[position]
    jobs[position] = []
    for job in done {
      _ = disks[position].write(job)
      frames += job.released.map {
        Sent(from: ids[position], to: NodeID($0.to), frame: .raft($0))
      }
      give(position, .appended(job.ack))
    }
  }

  /// Delivers what is on its way between these nodes; the rest stays.
  func deliver(among positions: Set<Int>) {
    let all = frames
    frames = []
    for sent in all {
      guard let from = ids.firstIndex(of: sent.from), let to = ids.firstIndex(of: sent.to),
        positions.contains(from), positions.contains(to)
      else {
        frames.append(sent)
        continue
      }
      give(to, .frame(from: sent.from, sent.frame))
    }
  }

  /// Lets everything happen that follows, among these nodes (all, if none are named).
  func settle(among named: Set<Int>? = nil) {
    let positions = named ?? Set(ids.indices)
    for _ in 0..<200 {
      deliver(among: positions)
      for position in positions.sorted() { sync(position) }
      let isQuiet = frames.allSatisfy { sent in
        !positions.contains { ids[$0] == sent.from } || !positions.contains { ids[$0] == sent.to }
      }
      if isQuiet, positions.allSatisfy({ jobs[$0].isEmpty }) { return }
    }
  }

  /// Time passes for these nodes, everything else at once.
  func advance(_ nanoseconds: UInt64, among named: Set<Int>? = nil) {
    now += nanoseconds
    let positions = named ?? Set(ids.indices)
    for position in positions.sorted() {
      walls[position] += Int64(nanoseconds / 1_000_000)
      give(position, .tick)
    }
    settle(among: named)
  }

  // MARK: Requests

  func drawID() -> CommandID {
    drawn += 1
    return CommandID(
      at: Timestamp(milliseconds: Self.start + Int64(drawn)), random: (0, drawn))
  }

  /// Gives a request to a node; the caller is the number returned.
  @discardableResult
  func ask(
    _ position: Int, _ command: Command, id: CommandID? = nil, wait: UInt64 = 5_000_000_000
  ) -> Caller {
    drawn += 1
    let caller = drawn
    let request = Request(id: id ?? drawID(), command: command, actor: "test")
    give(position, .request(caller, request, deadline: now + wait))
    return caller
  }

  /// Several requests in one turn: one batch.
  func askAtOnce(_ position: Int, _ commands: [Command]) -> [Caller] {
    let callers = commands.map { command -> Caller in
      let request = Request(id: drawID(), command: command, actor: "test")
      drawn += 1
      replicas[position].step(
        .request(drawn, request, deadline: now + 5_000_000_000), at: clock(position))
      return drawn
    }
    take(position)
    return callers
  }

  func token(_ number: UInt8, uses: UInt32) -> TokenIssued {
    TokenIssued(
      id: TokenID(UInt64(number)),
      secrets: [.init(hash: Self.digest(number), roles: [.controlPlane, .worker])], uses: uses,
      expires: nil)
  }

  func join(_ number: Int, with secret: UInt8 = 1) -> Command {
    .join(.init(node: Self.record(number, .worker), secret: Self.digest(secret)))
  }

  func code(_ caller: Caller) -> String? {
    if case .refused(let code, _, _)? = answers[caller] { code } else { nil }
  }

  func abstains(_ position: Int) -> Bool { replicas[position].raft.abstains }

  func isCommitted(_ caller: Caller) -> Bool {
    if case .committed? = answers[caller] { true } else { false }
  }

  /// How many events of that kind a node has applied.
  func count(_ type: EventType, at position: Int = 0) -> Int {
    events[position].count { $0.envelope.event.type == type }
  }
}
