import Raft

/// A small world for random runs: nodes with slow disks, messages that are lost, doubled and late,
/// crashes, partitions, and changes of the configuration. One seed decides everything.
///
/// After every event the laws of Raft are checked (Raft paper, figure 3), against one history of
/// everything that was ever committed.
struct Network {
  struct Broken: Error, CustomStringConvertible {
    var description: String
  }

  private var group: Group
  private var random: SplitMix64
  private var partition: Set<PeerID> = []
  /// Who led in a term.
  private var leaders: [Term: PeerID] = [:]
  /// Everything that was ever committed, in order.
  private(set) var history: [Entry] = []
  /// Up to where a node's log was compared with the history.
  private var compared: [PeerID: Index] = [:]
  private var applied: [PeerID: Index] = [:]
  private var serial = 0
  /// Leaders may remove themselves. Then a group may wait for one that left (etcd issue 10563), so
  /// that hosts hand over leadership first; safety must hold all the same.
  let removesLeaders: Bool
  /// How often what happened.
  private(set) var counts: [String: Int] = [:]

  init(seed: UInt64) {
    random = SplitMix64(seed: seed)
    removesLeaders = seed.isMultiple(of: 4)
    let voters: [PeerID] = [[1], [1, 2, 3], [1, 2, 3, 4, 5]].randomElement(using: &random) ?? [1]
    let start = Configuration(voters: voters)
    group = Group(voters: [])
    var dice = random
    let maxMessage = [1, 40, 1 << 20].randomElement(using: &dice) ?? 1
    let maxInflight = [1, 3, 64].randomElement(using: &dice) ?? 1
    let maxCommitted = [1, 60, 1 << 20].randomElement(using: &dice) ?? 1
    let preVote = Bool.random(using: &dice)
    for id in 1...6 as ClosedRange<PeerID> {
      group.add(id, start) {
        $0.seed = seed &* 31 &+ id
        $0.maxMessageBytes = maxMessage
        $0.maxInflightMessages = maxInflight
        $0.maxCommittedBytes = maxCommitted
        $0.preVote = preVote
        $0.forgottenLeaderDelay = preVote ? 3 : nil
      }
    }
    random = dice
  }

  private mutating func chance(_ percent: Int) -> Bool {
    Int.random(in: 0..<100, using: &random) < percent
  }

  private mutating func anyone() -> PeerID { PeerID.random(in: 1...6, using: &random) }

  private mutating func count(_ what: String) { counts[what, default: 0] += 1 }

  // MARK: Events

  /// One random event, and the check of all laws.
  mutating func event() throws {
    let id = anyone()
    switch Int.random(in: 0..<1_000, using: &random) {
    case 0..<300: try deliver()
    case 300..<520: group.mail += group[id].collect()
    case 520..<660 where !group[id].jobs.isEmpty:
      group.mail += try group[id].write(at: group.now)
    case 660..<720: try group[id].apply(at: group.now)
    case 720..<800:
      group.now += 1
      for node in group.nodes.keys.sorted() { try step(node, .tick) }
    case 800..<860: try propose(group.leaders.randomElement(using: &random) ?? id)
    case 860..<900: try proposeChange()
    case 900..<908:
      group[id].restart(at: group.now)
      compared[id] = nil
      count("crash")
    case 908..<914: partition = chance(50) ? [] : [anyone(), anyone()]
    case 914..<925:
      if let target = group[id].machine.configuration.voters.randomElement(using: &random) {
        try step(id, .transferLeader(to: target))
      }
    case 925..<935: try step(id, .forgetLeader)
    case 935..<950: try step(id, .unreachable(anyone()))
    case 950..<953: compact(id)
    default: try step(id, .readIndex(context: UInt64(serial)))
    }
    try check()
  }

  private mutating func step(_ id: PeerID, _ input: Input) throws {
    do { try group.step(id, input) } catch is Refused { count("refused") }
  }

  private mutating func deliver() throws {
    guard !group.mail.isEmpty else { return }
    // Mostly in order; sometimes late, lost or twice.
    let position = chance(80) ? 0 : Int.random(in: 0..<group.mail.count, using: &random)
    let letter = group.mail[position]
    if !chance(3) { group.mail.remove(at: position) }
    if chance(5) || partition.contains(letter.from) != partition.contains(letter.to) { return }
    try step(letter.to, .receive(letter))
    group.mail.removeFirst(max(0, group.mail.count - 300))
  }

  private mutating func propose(_ id: PeerID) throws {
    serial += 1
    do { try group.propose(id, "\(serial)") } catch is Refused { count("refused") }
  }

  private mutating func proposeChange() throws {
    guard let id = group.leaders.randomElement(using: &random) else { return }
    let transitions: [ConfigurationChange.Transition] = [
      .automatic, .automatic, .jointImplicit, .jointExplicit,
    ]
    var change = ConfigurationChange(
      transition: transitions.randomElement(using: &random) ?? .automatic)
    for _ in 0..<Int.random(in: 0...3, using: &random) {
      let peer = anyone()
      if peer == id && !removesLeaders { continue }
      let steps: [ConfigurationChange.Step] = [.addVoter(peer), .addLearner(peer), .remove(peer)]
      if let step = steps.randomElement(using: &random) { change.steps.append(step) }
    }
    do {
      try group.propose(id, change)
      count("change")
    } catch is Refused { count("refused") }
  }

  /// Drops the applied part of a log, so that others may need a snapshot.
  private mutating func compact(_ id: PeerID) {
    group[id].store.change { content in
      guard content.applied > content.baseIndex else { return }
      let dropped = Int(content.applied - content.baseIndex)
      content.baseTerm = content.entries[dropped - 1].term
      content.entries.removeFirst(dropped)
      content.baseIndex = content.applied
    }
    count("compaction")
  }

  // MARK: Laws

  private mutating func check() throws {
    for (id, node) in group.nodes {
      let machine = node.machine
      if let reason = machine.halted { throw Broken(description: "\(id) halted: \(reason)") }
      if machine.role == .leader {
        if let other = leaders[machine.term], other != id {
          throw Broken(description: "\(other) and \(id) both lead term \(machine.term)")
        }
        if leaders[machine.term] == nil { count("leader") }
        leaders[machine.term] = id
      }
      try compare(id, machine)
      let position = machine.appliedIndex
      guard position <= machine.commitIndex, machine.commitIndex <= machine.lastIndex else {
        throw Broken(
          description: "\(id): applied \(position), committed \(machine.commitIndex),"
            + " last \(machine.lastIndex)")
      }
      applied[id] = position
    }
  }

  /// Whatever a node holds committed is what everybody ever held committed there.
  private mutating func compare(_ id: PeerID, _ machine: Machine) throws {
    let start = max(compared[id] ?? 0, machine.firstIndex - 1)
    guard start < machine.commitIndex else { return }
    guard let entries = machine.entries(from: start + 1, to: machine.commitIndex + 1) else {
      throw Broken(description: "\(id) can not read what it holds committed")
    }
    for entry in entries {
      let position = Int(entry.index) - 1
      if position < history.count {
        guard history[position] == entry else {
          throw Broken(description: "\(id) committed \(entry), others \(history[position])")
        }
      } else if position == history.count {
        // Nobody may hold an entry committed before some quorum has it durably.
        try checkDurable(entry)
        history.append(entry)
      }
    }
    compared[id] = machine.commitIndex
  }

  private func checkDurable(_ entry: Entry) throws {
    let holders = group.nodes.values.count {
      $0.store.lastIndex >= entry.index
        && ($0.store.term(at: entry.index) == entry.term || $0.store.firstIndex > entry.index)
    }
    let isAlone = group.nodes.values.contains {
      $0.machine.role == .leader && $0.machine.configuration.electors.count == 1
    }
    guard holders >= 2 || isAlone else {
      throw Broken(description: "\(entry) is committed, and durable only \(holders) times")
    }
  }

  // MARK: Healing

  /// Faults end. Within the given time there is one leader, no joint configuration that leaves by
  /// itself, and a new entry is applied by all members.
  mutating func heal(within time: UInt64) throws {
    partition = []
    var index: Index?
    var term: Term = 0
    for _ in 0..<time {
      group.now += 1
      for id in group.nodes.keys.sorted() { try step(id, .tick) }
      try reportLostSnapshots()
      for _ in 0..<20 {
        for id in group.nodes.keys.sorted() {
          group.mail += group[id].collect()
          while !group[id].jobs.isEmpty {
            group.mail += try group[id].write(at: group.now)
            try check()
          }
          try group[id].apply(at: group.now)
        }
        let letters = group.mail
        group.mail = []
        for letter in letters { try step(letter.to, .receive(letter)) }
      }
      try check()
      guard let leader = group.leaders.max(by: { group[$0].machine.term < group[$1].machine.term })
      else { continue }
      let machine = group[leader].machine
      if index == nil || machine.term != term {
        term = machine.term
        index = nil
        do {
          index = try group.propose(leader, "last").lowerBound
        } catch is Refused { continue }
      }
      let members = machine.configuration.members
      if let index, members.allSatisfy({ group[$0].machine.appliedIndex >= index }),
        !machine.configuration.autoLeave
      {
        return
      }
    }
    throw Broken(
      description: "no progress after \(time); leaders \(group.leaders), "
        + group.nodes.keys.sorted().map { id in
          let machine = group[id].machine
          return "\(id): \(machine.role) term \(machine.term) applied \(machine.appliedIndex)"
            + " of \(machine.lastIndex), \(machine.configuration)"
        }.joined(separator: "; "))
  }

  /// It is the host that knows whether a snapshot arrived.
  private mutating func reportLostSnapshots() throws {
    for leader in group.leaders {
      for member in group[leader].machine.progress where member.state == .snapshot {
        try step(leader, .snapshotReported(member.id, failed: true))
      }
    }
  }

  /// What distinguishes two runs.
  var summary: String {
    group.nodes.keys.sorted().map { id in
      let machine = group[id].machine
      return "\(machine.term) \(machine.vote) \(machine.commitIndex) \(machine.lastIndex)"
    }.joined(separator: ", ")
  }
}
