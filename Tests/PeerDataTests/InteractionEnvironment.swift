import Raft

/// Plays the directives of one file, in order, and tells what there is to show for each.
///
/// Several nodes and the letters between them; nothing moves unless a directive says so.
struct InteractionEnvironment {
  typealias MakeLog = (Snapshot?, PeerID) throws -> any PeerLog

  private let makeLog: MakeLog
  private(set) var nodes: [PeerNode] = []
  private var letters: [Letter] = []
  private var changes = ChangeDirectives()
  private var output = ""
  /// The highest level hides everything but errors.
  private var isQuiet = false
  private var electionTicks: UInt64 = 3
  private var heartbeatTicks: UInt64 = 1

  init(makeLog: @escaping MakeLog) { self.makeLog = makeLog }

  /// Why a directive could not be done; shown as its output.
  struct Failure: Error {
    var text: String
    init(_ text: String) { self.text = text }
  }

  /// Plays one directive and returns its output.
  mutating func run(_ directive: Directive, input: [String]) -> String {
    output = ""
    switch directive.command {
    case "committed": return QuorumDirectives(directive).committed()
    case "vote": return QuorumDirectives(directive).vote()
    case "simple", "enter-joint", "leave-joint": return changes.run(directive, input)
    default: break
    }
    do {
      if directive.command == "propose-conf-change" {
        try proposeChange(directive, input)
      } else {
        try perform(directive)
        // Further directives, one a line, whose failures do not end the list.
        for line in input {
          guard let next = Directive(line) else { continue }
          do { try perform(next) } catch { showError(error) }
        }
      }
    } catch {
      showError(error)
    }
    return output.isEmpty ? "ok" : output
  }

  private mutating func perform(_ directive: Directive) throws {
    switch directive.command {
    case "_breakpoint": break
    case "log-level": isQuiet = directive.arguments.first?.key.lowercased() == "none"
    case "add-nodes": try addNodes(directive)
    case "raft-state": showStates()
    case "stabilize": try stabilize(directive)
    case "deliver-msgs": try deliver(directive)
    case "process-ready": try each(directive, "handling Ready") { try $0.processReady() }
    case "process-append-thread":
      try each(directive, "processing append thread") { $0.processAppendWork() }
    case "process-apply-thread":
      try each(directive, "processing apply thread") { try $0.processApplyWork() }
    case "transfer-leadership": try transfer(directive)
    default: try performOnNode(directive)
    }
  }

  /// Directives whose first argument is a node.
  private mutating func performOnNode(_ directive: Directive) throws {
    let position = try position(directive.numbers.first)
    let second = directive.arguments.dropFirst().first
    switch directive.command {
    case "campaign": try nodes[position].step(.campaign)
    case "forget-leader": try nodes[position].step(.forgetLeader)
    case "tick-election": try nodes[position].tick(electionTicks)
    case "tick-heartbeat": try nodes[position].tick(heartbeatTicks)
    case "propose":
      let payload = Array((second?.key ?? "").utf8)
      try nodes[position].propose(Entry(payload: payload))
    case "set-randomized-election-timeout":
      nodes[position].machine.setElectionWait(
        directive.values("timeout").first.flatMap { UInt64($0) } ?? electionTicks)
    case "report-unreachable":
      try? nodes[position].step(.unreachable(directive.numbers.dropFirst().first ?? 0))
    case "send-snapshot":
      guard let snapshot = nodes[position].log.snapshot() else { return }
      letters.append(
        Letter(
          Message(
            from: nodes[position].machine.id, to: directive.numbers.dropFirst().first ?? 0,
            term: nodes[position].machine.term, .snapshot(snapshot))))
      show(Renderer.letter(letters[letters.count - 1]))
    case "compact":
      guard nodes[position].log.compact(to: directive.numbers.dropFirst().first ?? 0) else {
        throw Failure("requested index is unavailable due to compaction")
      }
      showLog(nodes[position].log)
    case "raft-log": showLog(nodes[position].log)
    case "status": nodes[position].machine.progress.forEach { show(Renderer.progress($0) + "\n") }
    default: throw Failure("unknown command")
    }
  }

  // MARK: Output

  private mutating func show(_ text: String) {
    if !isQuiet { output += text }
  }

  private mutating func showError(_ error: any Error) {
    switch error {
    case let failure as Failure: output += failure.text
    case Refused.unknownPeer: output += "raft: cannot step as peer not found"
    case is Refused: output += "raft proposal dropped"
    default: output += "\(error)"
    }
  }

  /// Shows what `body` shows, each line indented.
  private mutating func indented(
    _ body: (inout InteractionEnvironment) throws -> Void
  ) throws {
    let before = output
    output = ""
    defer {
      let lines = output.split(separator: "\n", omittingEmptySubsequences: false)
      let whole = lines.last == "" ? lines.dropLast() : lines[...]
      output = before + whole.map { "  " + $0 + "\n" }.joined()
    }
    try body(&self)
  }

  private mutating func showStates() {
    for node in nodes {
      let machine = node.machine
      let membership = machine.configuration.isElector(machine.id) ? "(Voter)" : "(Non-Voter)"
      show(
        "\(machine.id): \(Renderer.state(machine.role)) \(membership) Term:\(machine.term)"
          + " Lead:\(machine.leader ?? 0)\n")
    }
  }

  private mutating func showLog(_ log: any PeerLog) {
    let entries = log.allEntries
    show(
      entries.isEmpty
        ? "log is empty: first index=\(log.firstIndex), last index=\(log.lastIndex)"
        : Renderer.entries(entries))
  }

  // MARK: Nodes

  private func position(_ id: PeerID?) throws -> Int {
    guard let id, id > 0, id <= nodes.count else { throw Failure("no node \(id ?? 0)") }
    return Int(id) - 1
  }

  private func positions(_ directive: Directive) throws -> [Int] {
    var result: [Int] = []
    for id in directive.numbers { result.append(try position(id)) }
    return result
  }

  private mutating func addNodes(_ directive: Directive) throws {
    var options = Machine.Options(id: 0, seed: 0)
    options.electionTimeout = electionTicks
    options.heartbeatInterval = heartbeatTicks
    let flag = { (key: String) in directive.values(key).first == "true" }
    let number = { (key: String) in directive.values(key).first.flatMap { Int($0) } }
    options.preVote = flag("prevote")
    options.checkQuorum = flag("checkquorum")
    options.stepDownOnRemoval = flag("step-down-on-removal")
    options.asynchronous = flag("async-storage-writes")
    options.validatesChanges = !flag("disable-conf-change-validation")
    options.readOnly = directive.values("read-only") == ["lease-based"] ? .leaseBased : .safe
    options.maxMessageBytes = .max
    options.maxInflightMessages = number("inflight") ?? .max
    options.maxInflightBytes = .max
    options.maxUncommittedBytes = .max
    options.maxCommittedBytes = number("max-committed-size-per-ready") ?? .max
    options.forwardsProposals = true
    options.forgottenLeaderDelay = nil
    options.tellsCommitToCandidates = false
    options.awaitsOwnVote = false
    let ids = { (key: String) in directive.values(key).compactMap { PeerID($0) }.sorted() }
    let start = Snapshot(
      index: number("index").map { Index($0) } ?? 0, term: 1,
      configuration: Configuration(voters: ids("voters"), learners: ids("learners")),
      data: Array((directive.values("content").first ?? "").utf8))
    let isBootstrap =
      start.index > 0 || start.configuration != Configuration() || !start.data.isEmpty
    if isBootstrap, start.index <= 1 {
      throw Failure("index must be specified as > 1 due to bootstrap")
    }
    for _ in 0..<(directive.numbers.first ?? 0) {
      options.id = PeerID(nodes.count + 1)
      options.seed = options.id
      let given = isBootstrap ? start : nil
      nodes.append(PeerNode(options, given, log: try makeLog(given, options.id)))
    }
  }

  private mutating func transfer(_ directive: Directive) throws {
    let number = { (key: String) in directive.values(key).first.flatMap { PeerID($0) } }
    let from = try position(number("from"))
    // A handover that is not possible is no error here.
    try? nodes[from].step(.transferLeader(to: number("to") ?? 0))
  }

  private mutating func proposeChange(_ directive: Directive, _ input: [String]) throws {
    let position = try position(directive.numbers.first)
    var change = ConfigurationChange()
    switch directive.values("transition").first ?? "auto" {
    case "auto": break
    case "implicit": change.transition = .jointImplicit
    case "explicit": change.transition = .jointExplicit
    case let other: throw Failure("unknown transition \(other)")
    }
    change.steps = try ChangeDirectives.steps(input)
    let isSingle = directive.values("v1").first == "true"
    if isSingle, change.steps.count > 1 || change.transition != .automatic {
      throw Failure("v1 conf change can only have one operation and no transition")
    }
    let entry = Entry(
      kind: .change, change: change, payload: isSingle ? Renderer.singleChange : [])
    try nodes[position].propose(entry)
  }

  // MARK: Work

  /// Lets each of the named nodes work; with more than one, under a heading.
  private mutating func each(
    _ directive: Directive, _ what: String,
    _ body: (inout PeerNode) throws -> (text: String, letters: [Letter])
  ) throws {
    let positions = try positions(directive)
    for position in positions {
      if positions.count > 1 {
        try headed(position, what, body)
      } else {
        try work(position, body)
      }
    }
  }

  private mutating func headed(
    _ position: Int, _ what: String,
    _ body: (inout PeerNode) throws -> (text: String, letters: [Letter])
  ) throws {
    show("> \(position + 1) \(what)\n")
    try indented { environment in try environment.work(position, body) }
  }

  private mutating func work(
    _ position: Int,
    _ body: (inout PeerNode) throws -> (text: String, letters: [Letter])
  ) throws {
    let done = try body(&nodes[position])
    show(done.text)
    letters += done.letters
  }

  private mutating func deliver(_ directive: Directive) throws {
    let kind = directive.values("type").first
    var count = 0
    for id in directive.numbers { count += try deliver(to: id, kind: kind, drop: false) }
    for id in directive.values("drop").compactMap({ PeerID($0) }) {
      count += try deliver(to: id, kind: kind, drop: true)
    }
    if count == 0 { show("no messages\n") }
  }

  private mutating func deliver(to id: PeerID, kind: String?, drop: Bool) throws -> Int {
    let isMeant = { (letter: Letter) in
      letter.to == id && !(drop && letter.isLocal) && (kind == nil || letter.kind == kind)
    }
    let taken = letters.filter(isMeant)
    letters.removeAll(where: isMeant)
    for letter in taken {
      show((drop ? "dropped: " : "") + Renderer.letter(letter) + "\n")
      if drop { continue }
      let position = try position(id)
      if let error = nodes[position].deliver(letter) { show(error + "\n") }
    }
    return taken.count
  }

  /// Lets the named nodes (all, if none is named) work and talk until there is nothing left to do.
  private mutating func stabilize(_ directive: Directive) throws {
    let wasQuiet = isQuiet
    defer { isQuiet = wasQuiet }
    if let level = directive.values("log-level").first { isQuiet = level.lowercased() == "none" }
    let named = try positions(directive)
    let positions = named.isEmpty ? Array(nodes.indices) : named
    var isDone = false
    while !isDone {
      isDone = true
      for position in positions where nodes[position].hasReady {
        try headed(position, "handling Ready") { try $0.processReady() }
        isDone = false
      }
      for position in positions {
        let id = PeerID(position + 1)
        guard letters.contains(where: { $0.to == id }) else { continue }
        show("> \(id) receiving messages\n")
        try indented { environment in
          _ = try environment.deliver(to: id, kind: nil, drop: false)
        }
        isDone = false
      }
      for position in positions where !nodes[position].appendWork.isEmpty {
        show("> \(position + 1) processing append thread\n")
        while !nodes[position].appendWork.isEmpty {
          try indented { environment in
            try environment.work(position) { $0.processAppendWork() }
          }
        }
        isDone = false
      }
      for position in positions where !nodes[position].applyWork.isEmpty {
        show("> \(position + 1) processing apply thread\n")
        while !nodes[position].applyWork.isEmpty {
          try indented { environment in
            try environment.work(position) { try $0.processApplyWork() }
          }
        }
        isDone = false
      }
    }
  }
}
