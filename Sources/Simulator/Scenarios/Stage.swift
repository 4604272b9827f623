// Consensus cores on a stage, and a script that moves every letter.
//
// The world is large and drawn from a seed; here nothing happens by itself. Who speaks, which
// letter arrives first, which disk is slow and when the power fails stands in the script. Whatever
// is played, the laws of consensus are checked after every step (`StageRecord`).

import Raft

/// Some cores, their disks, and the letters between them. Times are ticks: an election timeout has
/// ten, a heartbeat comes every one.
final class Stage {
  /// A core with its host: what is durable, and what was not done yet.
  final class Player {
    var machine: Machine
    let disk: StageDisk
    let options: Machine.Options
    var isUp = true
    /// Handed out and not yet on the disk: gone in a crash.
    var jobs: [AppendJob] = []
    var toApply: [Entry] = []
    /// Applied since the last start.
    var applied: [Entry] = []
    /// Confirmed reads since the last start.
    var reads: [ReadState] = []

    init(_ options: Machine.Options, _ disk: StageDisk, at now: UInt64) {
      self.options = options
      self.disk = disk
      let image = disk.now
      machine = Machine(
        options: options, configuration: image.configuration, hardState: image.hardState,
        applied: image.applied, log: disk,
        payload: { _, _, _, time in Array("at \(time.stamp)".utf8) },
        at: Time(monotonic: now, stamp: Int64(now)))
    }
  }

  private(set) var players: [PeerID: Player] = [:]
  /// On its way, in the order of sending.
  private(set) var mail: [Message] = []
  /// Everything that ever left, in order.
  private(set) var sent: [Message] = []
  var now: UInt64 = 0
  /// Letters for which this is true wait until the script delivers them.
  var holds: (Message) -> Bool = { _ in false }
  /// Letters for which this is true are lost.
  var loses: (Message) -> Bool = { _ in false }
  /// Who is cut off: nothing reaches them or leaves them.
  var cut: Set<PeerID> = []
  /// Whose disk does nothing for now.
  var stalled: Set<PeerID> = []
  /// Whose host applies nothing for now.
  var busy: Set<PeerID> = []
  /// Who may find that it must stop.
  var mayHalt: Set<PeerID> = []

  private var record = StageRecord()
  private let tell: (String) -> Void

  init(_ tell: @escaping (String) -> Void) { self.tell = tell }

  // MARK: Who plays

  /// Players that all begin with the same configuration and an empty log.
  func cast(
    _ voters: [PeerID], learners: [PeerID] = [],
    _ adjust: (inout Machine.Options) -> Void = { _ in
    }
  ) throws(Violation) {
    for id in voters + learners {
      try enter(id, Configuration(voters: voters, learners: learners), adjust)
    }
  }

  /// A player that begins with that log, durable.
  /// - Parameters:
  ///   - log: The terms of its entries.
  ///   - term: Of its hard state; that of the last entry if nil.
  ///   - commit: What it knows to be committed.
  func enter(
    _ id: PeerID, _ configuration: Configuration, log: [Term] = [], term: Term? = nil,
    commit: Index = 0, _ adjust: (inout Machine.Options) -> Void = { _ in }
  ) throws(Violation) {
    var options = Machine.Options(id: id, seed: id)
    options.electionTimeout = 10
    options.heartbeatInterval = 1
    options.forgottenLeaderDelay = nil
    adjust(&options)
    var image = StageDisk.Image(configuration: configuration)
    image.entries = log.enumerated().map { Entry(index: Index($0 + 1), term: $1) }
    image.hardState = HardState(term: term ?? log.last ?? 0, vote: 0, commit: commit)
    tell("\(id) enters: \(configuration.text), log \(log)")
    players[id] = Player(options, StageDisk(image), at: now)
    try record.wrote(image.entries, id, image)
    try look(at: id)
  }

  private func player(_ id: PeerID) -> Player {
    guard let player = players[id] else { preconditionFailure("\(id) does not play") }
    return player
  }

  subscript(_ id: PeerID) -> Machine { player(id).machine }
  func disk(_ id: PeerID) -> StageDisk { player(id).disk }
  func reads(_ id: PeerID) -> [UInt64] { player(id).reads.map(\.context) }
  func applied(_ id: PeerID) -> [Entry] { player(id).applied }
  func jobs(_ id: PeerID) -> [AppendJob] { player(id).jobs }

  private var standing: [PeerID] { players.keys.sorted().filter { player($0).isUp } }
  /// Who takes itself for the leader.
  var leaders: [PeerID] { standing.filter { self[$0].role == .leader } }

  /// The terms of the log of that player.
  func terms(_ id: PeerID) -> [Term] {
    (self[id].firstIndex..<self[id].lastIndex + 1).map { self[id].term(at: $0) ?? 0 }
  }

  // MARK: What happens to them

  /// An input; what follows from it waits to be worked off.
  /// - Throws: `Refused`, or the law that was broken.
  func step(_ id: PeerID, _ input: Input) throws {
    let player = player(id)
    guard player.isUp else { return }
    let commit = player.machine.commitIndex
    try player.machine.step(input, at: Time(monotonic: now, stamp: Int64(now)))
    try look(at: id, before: commit)
  }

  private func look(at id: PeerID, before commit: Index = 0) throws(Violation) {
    let machine = self[id]
    if let reason = machine.halted, !mayHalt.contains(id) {
      throw Violation(.noHalt, "\(id): \(reason)")
    }
    if machine.halted == nil { try record.look(at: id, machine, before: commit) }
  }

  /// - Returns: where it stands in the log.
  @discardableResult
  func propose(_ id: PeerID, _ entries: [Entry]) throws -> Index {
    let range = try player(id).machine.propose(entries, at: Time(monotonic: now, stamp: Int64(now)))
    tell("\(id) takes \(entries.count) at \(range.lowerBound)")
    try look(at: id)
    return range.lowerBound
  }

  @discardableResult
  func propose(_ id: PeerID, _ text: String) throws -> Index {
    try propose(id, [Entry(payload: Array(text.utf8))])
  }

  @discardableResult
  func change(
    _ id: PeerID, _ steps: [ConfigurationChange.Step],
    _ transition: ConfigurationChange.Transition = .automatic
  ) throws -> Index {
    let change = ConfigurationChange(transition: transition, steps: steps)
    return try propose(id, [Entry(kind: .change, change: change)])
  }

  /// Why that was refused; nil if it was not.
  func refusal(_ body: () throws -> Void) throws -> Refused? {
    do { try body() } catch let refused as Refused { return refused }
    return nil
  }

  func campaign(_ id: PeerID) throws {
    tell("\(id) campaigns")
    try step(id, .campaign)
  }

  /// It campaigns and wins.
  func elect(_ id: PeerID) throws {
    try campaign(id)
    try settle()
    try expect(self[id].role == .leader, "\(id) leads term \(self[id].term)")
  }

  /// The power fails: what was not written is gone.
  func crash(_ id: PeerID) {
    tell("\(id) crashes with \(player(id).jobs.count) jobs unwritten")
    player(id).isUp = false
  }

  /// It starts from its disk.
  func start(_ id: PeerID) throws(Violation) {
    let old = player(id)
    var options = old.options
    options.seed = options.seed &+ old.machine.term &+ now
    let new = Player(options, old.disk, at: now)
    tell("\(id) starts: \(new.machine.text)")
    players[id] = new
    try look(at: id)
  }

  /// Fixes when its next election is due, after the moment at which it last heard of a leader.
  func setElectionWait(_ ticks: UInt64, of id: PeerID) { player(id).machine.setElectionWait(ticks) }

  // MARK: What they do

  /// It does everything that waits for it, as far as its disk and its host do.
  /// - Returns: whether there was anything.
  @discardableResult
  func work(_ id: PeerID) throws -> Bool {
    let player = player(id)
    guard player.isUp else { return false }
    var worked = false
    if player.machine.hasEffects, player.machine.halted == nil {
      try collect(id)
      worked = true
    }
    while !player.jobs.isEmpty, !stalled.contains(id) {
      try write(id)
      worked = true
    }
    if !player.toApply.isEmpty, !busy.contains(id) {
      try apply(id)
      worked = true
    }
    return worked
  }

  /// It is asked what is to be done: letters leave, the rest waits.
  /// - Parameter heedless: Its host goes on to apply what a snapshot in the job makes void.
  func collect(_ id: PeerID, heedless: Bool = false) throws(Violation) {
    let player = player(id)
    let effects = player.machine.takeEffects()
    try look(at: id)
    if let job = effects.append {
      player.jobs.append(job)
      if job.snapshot != nil, !heedless { player.toApply = [] }
    }
    player.toApply += effects.committed
    player.reads += effects.reads
    try post(effects.messages)
  }

  /// Its oldest job becomes durable, and what waited for that leaves.
  /// - Parameter acking: Whether the core hears of it before the script says so.
  func write(_ id: PeerID, acking: Bool = true) throws {
    let player = player(id)
    let job = player.jobs.removeFirst()
    var image = player.disk.now
    guard image.write(job) else {
      throw Violation(.logMatching, "\(id) would have a gap in its log")
    }
    player.disk.change { $0 = image }
    tell("\(id) has durably \(image.hardState.text), log \(image.entries.suffix(12).map(\.text))")
    try record.wrote(job.entries, id, image)
    try post(job.released)
    if acking { try step(id, .appended(job.ack)) }
  }

  /// Its host applies everything that is committed.
  func apply(_ id: PeerID) throws {
    let player = player(id)
    let entries = player.toApply
    player.toApply = []
    for entry in entries {
      if let change = entry.change {
        let configuration = try player.machine.apply(change)
        player.disk.change { $0.configuration = configuration }
        tell("\(id) applies \(entry.index): \(configuration.text)")
      }
      player.applied.append(entry)
      player.disk.change { $0.applied = max($0.applied, entry.index) }
      try step(id, .applied(entry.index))
    }
  }

  /// Time passes; whoever is due gets a tick, and everybody works.
  func pass(_ ticks: UInt64, only id: PeerID? = nil) throws {
    for _ in 0..<ticks {
      now += 1
      for player in standing where id == nil || id == player { try step(player, .tick) }
      try settle()
    }
  }

  /// Everybody works and every letter that is not held arrives, until nothing is left to do.
  func settle() throws {
    for _ in 0..<10_000 {
      var isQuiet = true
      for id in standing where try work(id) { isQuiet = false }
      let letters = mail.filter { !holds($0) }
      mail.removeAll { !holds($0) }
      for letter in letters { try hand(letter) }
      if isQuiet, letters.isEmpty { return }
    }
    throw Violation(.liveness, "there is no end of letters")
  }

  // MARK: Letters

  private func post(_ messages: [Message]) throws(Violation) {
    for message in messages {
      try record.sent(message, disk(message.from).now)
      sent.append(message)
      if cut.contains(message.from) || cut.contains(message.to) || loses(message) {
        tell("\(message.text), lost")
      } else {
        tell(message.text)
        mail.append(message)
      }
    }
  }

  /// A letter arrives, whoever wrote it and whenever.
  func hand(_ message: Message) throws {
    guard let player = players[message.to], player.isUp, !cut.contains(message.to) else { return }
    do { try step(message.to, .receive(message)) } catch let refused as Refused {
      tell("\(message.to) refuses that: \(refused)")
    }
  }

  /// The oldest held letter of that kind arrives.
  func deliver(_ kind: Message.Kind, from: PeerID, to: PeerID) throws {
    try hand(try take(kind, from: from, to: to))
  }

  /// The oldest letter of that kind on its way, which is now in the hands of the script.
  func take(_ kind: Message.Kind, from: PeerID, to: PeerID) throws -> Message {
    let found = mail.firstIndex { $0.kind == kind && $0.from == from && $0.to == to }
    guard let found else {
      throw Violation(.asTold, "\(from) has no \(kind.rawValue) on its way to \(to)")
    }
    return mail.remove(at: found)
  }

  /// Whatever is on its way is lost.
  func loseMail() { mail = [] }

  // MARK: Claims

  /// What the scenario is about must hold.
  func expect(_ isSo: Bool, _ claim: String) throws(Violation) {
    guard isSo else { throw Violation(.asTold, "not so: \(claim)") }
    tell("so it is: \(claim)")
  }
}
