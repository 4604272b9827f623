import Raft

/// Some nodes and the messages between them, for scripted laws: everything is done at once, except
/// what the script holds back.
struct Group {
  var nodes: [PeerID: Node] = [:]
  var mail: [Message] = []
  /// Everything that was ever sent, in order.
  var sent: [Message] = []
  var now: UInt64 = 0
  /// Nodes that nothing leaves or reaches.
  var cut: Set<PeerID> = []
  /// Messages for which this is true are lost.
  var loses: (Message) -> Bool = { _ in false }

  init(
    voters: [PeerID], learners: [PeerID] = [], _ adjust: (inout Machine.Options) -> Void = { _ in }
  ) {
    for id in voters + learners {
      add(id, Configuration(voters: voters, learners: learners), adjust)
    }
  }

  mutating func add(
    _ id: PeerID, _ configuration: Configuration = Configuration(), log: [Term] = [],
    hardState: HardState = HardState(), _ adjust: (inout Machine.Options) -> Void = { _ in }
  ) {
    var options = Node.options(id)
    adjust(&options)
    let entries = log.enumerated().map { Entry(index: Index($0 + 1), term: $1) }
    nodes[id] = Node(
      options, Store(configuration, entries: entries, hardState: hardState), at: now)
  }

  subscript(_ id: PeerID) -> Node {
    get { nodes[id]! }
    set { nodes[id] = newValue }
  }

  mutating func step(_ id: PeerID, _ input: Input) throws {
    try self[id].machine.step(input, at: Time(monotonic: now, stamp: 0))
  }

  @discardableResult
  mutating func propose(_ id: PeerID, _ text: String) throws -> Range<Index> {
    try self[id].machine.propose(
      [Entry(payload: Array(text.utf8))], at: Time(monotonic: now, stamp: 0))
  }

  @discardableResult
  mutating func propose(_ id: PeerID, _ change: ConfigurationChange) throws -> Range<Index> {
    try self[id].machine.propose(
      [Entry(kind: .change, change: change)], at: Time(monotonic: now, stamp: 0))
  }

  /// Time passes; who is due gets a tick.
  mutating func pass(_ duration: UInt64, only id: PeerID? = nil) throws {
    for _ in 0..<duration {
      now += 1
      for node in nodes.keys.sorted() where id == nil || node == id { try step(node, .tick) }
      try settle()
    }
  }

  /// Everybody works, and everything is delivered, until nothing is left to do.
  mutating func settle() throws {
    var rounds = 0
    while true {
      var isQuiet = true
      for id in nodes.keys.sorted() {
        if self[id].machine.hasEffects { post(self[id].collect()); isQuiet = false }
        while !self[id].jobs.isEmpty {
          post(try self[id].write(at: now))
          isQuiet = false
        }
        if !self[id].toApply.isEmpty {
          try self[id].apply(at: now)
          isQuiet = false
        }
      }
      try deliver()
      if isQuiet { return }
      rounds += 1
      precondition(rounds < 10_000, "no end of messages")
    }
  }

  mutating func post(_ messages: [Message]) {
    sent += messages
    mail += messages
  }

  mutating func deliver() throws {
    let letters = mail
    mail = []
    for letter in letters {
      if cut.contains(letter.from) || cut.contains(letter.to) || loses(letter) { continue }
      guard nodes[letter.to] != nil else { continue }
      do { try step(letter.to, .receive(letter)) } catch Refused.unknownPeer { continue }
    }
  }

  /// Makes that node leader.
  mutating func elect(_ id: PeerID) throws {
    try step(id, .campaign)
    try settle()
  }

  var leaders: [PeerID] { nodes.keys.sorted().filter { self[$0].machine.role == .leader } }

  func terms(_ id: PeerID) -> [Term] {
    let machine = self[id].machine
    return (0..<machine.lastIndex).map { machine.term(at: $0 + 1) ?? 0 }
  }
}
