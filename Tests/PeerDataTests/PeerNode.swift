import Raft

/// One node of a recorded scenario: the core, its log, and the work that storage has not
/// done.
struct PeerNode {
  var machine: Machine
  let log: any PeerLog
  let isAsynchronous: Bool
  var appendWork: [AppendJob] = []
  var applyWork: [[Entry]] = []
  /// Ticks so far; a tick is one unit of the core's time.
  private(set) var ticks: UInt64 = 0
  private var shownLeader: PeerID?
  private var shownRole = Role.follower
  private var shownState: HardState

  init(_ options: Machine.Options, _ start: Snapshot?, log: any PeerLog) {
    self.log = log
    isAsynchronous = options.asynchronous
    machine = Machine(
      options: options, configuration: start?.configuration ?? Configuration(),
      hardState: HardState(), applied: start?.index ?? 0, log: log, payload: { _, _, _, _ in [] },
      at: Time(monotonic: 0, stamp: 0))
    shownState = HardState()
  }

  private var now: Time { Time(monotonic: ticks, stamp: 0) }

  mutating func step(_ input: Input) throws(Refused) { try machine.step(input, at: now) }

  mutating func tick(_ count: UInt64) throws(Refused) {
    for _ in 0..<count {
      ticks += 1
      try step(.tick)
    }
  }

  /// Proposes as etcd-io/raft does: in place of a configuration change that is not possible now, an
  /// empty entry is appended.
  mutating func propose(_ entry: Entry) throws(Refused) {
    try replacingRefusedChange(entry) { (node, entry) throws(Refused) in
      try node.machine.propose([entry], at: node.now)
    }
  }

  /// Hands over a message of another node.
  mutating func receive(_ message: Message) throws(Refused) {
    switch message.body {
    case .propose(let entries):
      for entry in entries {
        try replacingRefusedChange(entry) { (node, entry) throws(Refused) in
          var message = message
          message.body = .propose([entry])
          try node.step(.receive(message))
        }
      }
    case .transferLeader:
      // A handover that is not possible is no error there.
      try? step(.receive(message))
    default:
      try step(.receive(message))
    }
  }

  private mutating func replacingRefusedChange(
    _ entry: Entry, _ body: (inout PeerNode, Entry) throws(Refused) -> Void
  ) throws(Refused) {
    do {
      try body(&self, entry)
    } catch {
      switch error {
      case .changeInFlight, .alreadyJoint, .notJoint, .invalidChange: try body(&self, Entry())
      default: throw error
      }
    }
  }

  // MARK: Work

  /// Who leads and in which role this node is, or nil if that was shown already.
  private var news: String? {
    guard machine.leader != shownLeader || machine.role != shownRole else { return nil }
    return "Lead:\(machine.leader ?? 0) State:\(Renderer.state(machine.role))\n"
  }

  var hasReady: Bool { news != nil || machine.hasEffects }

  /// Does what the core wants done. Returns how it is shown, and what leaves now.
  mutating func processReady() throws(Refused) -> (text: String, letters: [Letter]) {
    let news = news
    let effects = machine.takeEffects()
    if let reason = effects.halt { return ("halted: \(reason)\n", []) }
    (shownLeader, shownRole) = (machine.leader, machine.role)
    var letters = effects.messages.map(Letter.init)
    var text = news ?? ""
    if let state = effects.append?.hardState { text += "HardState \(Renderer.hardState(state))\n" }
    if let entries = effects.append?.entries, !entries.isEmpty {
      text += "Entries:\n" + Renderer.entries(entries)
    }
    if let snapshot = effects.append?.snapshot {
      text += "Snapshot \(Renderer.snapshot(snapshot))\n"
    }
    if !effects.committed.isEmpty {
      text += "CommittedEntries:\n" + Renderer.entries(effects.committed)
    }
    if !isAsynchronous { letters += effects.append?.released.map(Letter.init) ?? [] }
    var lines = letters.map { Renderer.letter($0) }
    if isAsynchronous { lines += queueWork(effects) }
    if !lines.isEmpty { text += "Messages:\n" + lines.map { $0 + "\n" }.joined() }
    text = text.isEmpty ? "<empty Ready>" : "Ready MustSync=\(mustSync(effects)):\n" + text
    if !isAsynchronous { try doWork(effects) }
    return (text, letters)
  }

  /// A snapshot alone does not count there.
  private mutating func mustSync(_ effects: Effects) -> Bool {
    guard let job = effects.append else { return false }
    let state = job.hardState ?? shownState
    defer { shownState = state }
    return !job.entries.isEmpty || state.term != shownState.term || state.vote != shownState.vote
  }

  private mutating func queueWork(_ effects: Effects) -> [String] {
    var lines: [String] = []
    if let job = effects.append {
      appendWork.append(job)
      lines.append(Renderer.appendWork(job, of: machine.id, withReplies: true))
    }
    if !effects.committed.isEmpty {
      applyWork.append(effects.committed)
      lines.append(Renderer.applyWork(effects.committed, of: machine.id, withReplies: true))
    }
    return lines
  }

  /// Stores, applies, and acknowledges both, in this order.
  private mutating func doWork(_ effects: Effects) throws(Refused) {
    if let job = effects.append { log.store(job) }
    try apply(effects.committed)
    if let job = effects.append { try step(.appended(job.ack)) }
    if let last = effects.committed.last { try step(.applied(last.index)) }
  }

  private mutating func apply(_ entries: [Entry]) throws(Refused) {
    for entry in entries {
      var configuration: Configuration?
      if let change = entry.change { configuration = try machine.apply(change) }
      log.states.record(entry, configuration)
    }
  }

  mutating func processAppendWork() -> (text: String, letters: [Letter]) {
    if appendWork.isEmpty { return ("no append work to perform", []) }
    let job = appendWork.removeFirst()
    log.store(job)
    let letters = Letter.replies(of: job, to: machine.id)
    let work = Renderer.appendWork(job, of: machine.id, withReplies: false)
    return (processed(work, letters), letters)
  }

  mutating func processApplyWork() throws(Refused) -> (text: String, letters: [Letter]) {
    if applyWork.isEmpty { return ("no apply work to perform", []) }
    let entries = applyWork.removeFirst()
    try apply(entries)
    let letters = [Letter(to: machine.id, .applied(entries))]
    let work = Renderer.applyWork(entries, of: machine.id, withReplies: false)
    return (processed(work, letters), letters)
  }

  private func processed(_ work: String, _ letters: [Letter]) -> String {
    "Processing:\n" + work + "\nResponses:\n"
      + letters.map { Renderer.letter($0) + "\n" }.joined()
  }

  /// Takes a letter. Returns how a refusal is shown.
  mutating func deliver(_ letter: Letter) -> String? {
    do throws(Refused) {
      switch letter.content {
      case .message(let message):
        try receive(message)
      case .appended(let piece, _):
        if !piece.toSelf.isEmpty, !machine.configuration.contains(machine.id) {
          throw .unknownPeer(machine.id)
        }
        try step(.appended(piece))
      case .applied(let entries):
        try step(.applied(entries.last?.index ?? 0))
      }
      return nil
    } catch {
      if case .unknownPeer = error { return "raft: cannot step as peer not found" }
      return "raft proposal dropped"
    }
  }
}
