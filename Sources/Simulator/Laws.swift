// The judge. It sees everything, and believes no node's word: what counts as durable is read from
// the disks, what counts as committed is what some replica applied, and the state that all must
// agree on is folded here, from the first account of every event.

import Membership
import Raft
import Replication
import Schema

struct Laws {
  /// The one history: what was applied anywhere, by index - 1.
  private(set) var history: [RecordedEvent] = []
  /// The term of who applied it first: it was committed in this term or before.
  private var committedBy: [Term] = []
  /// The history, folded.
  private(set) var truth = Cluster()
  /// The highest index that a client was told of.
  private(set) var acknowledged: Index = 0
  private var leaders: [Term: NodeID] = [:]
  private var votes: [Vote: NodeID] = [:]
  /// By index - 1: every entry that was ever written there, and the term of the one before it.
  private var written: [[(previous: Term, entry: Entry)]] = []
  private var byCommand: [CommandID: [Index]] = [:]
  private var redemptions: [TokenID: UInt32] = [:]
  private var looks = 0

  private struct Vote: Hashable {
    var voter: NodeID
    var term: Term
  }

  // MARK: What is applied

  /// - Returns: whether it was applied for the first time.
  mutating func applied(
    _ event: RecordedEvent, by node: SimulatedNode, statistics: inout Statistics
  ) throws(Violation) -> Bool {
    let position = Int(event.index) - 1
    if position < history.count {
      guard position >= 0, history[position] == event else {
        throw Violation(
          .oneHistory, "\(node.name) applied \(event), the others \(history[max(0, position)])")
      }
      return false
    }
    guard position == history.count else {
      throw Violation(.oneHistory, "\(node.name) applied \(event) after \(history.count)")
    }
    if let problem = truth.evolve(event) {
      throw Violation(.equalStates, "\(node.name) applied what does not fit: \(problem)")
    }
    history.append(event)
    committedBy.append(node.running?.raft.term ?? event.term)
    statistics.committed += 1
    try countRedemption(event)
    try countCommand(event)
    return true
  }

  private mutating func countRedemption(_ event: RecordedEvent) throws(Violation) {
    guard let joined = event.envelope.event.joined else { return }
    let count = (redemptions[joined.token] ?? 0) + 1
    redemptions[joined.token] = count
    guard let token = truth.token(joined.token) else {
      throw Violation(.tokenUses, "\(joined.token) admitted \(joined.node.name) and never was")
    }
    if token.issued.uses > 0, count > token.issued.uses {
      throw Violation(.tokenUses, "\(token.id) admits \(token.issued.uses), and now \(count)")
    }
  }

  /// One event, or a departure: the roles given up, the configuration settled, the node gone.
  private mutating func countCommand(_ event: RecordedEvent) throws(Violation) {
    if case .leaderElected = event.envelope.event { return }
    let command = event.envelope.command
    let before = byCommand[command] ?? []
    byCommand[command] = before + [event.index]
    guard let last = before.last else { return }
    let follows =
      switch (history[Int(last) - 1].envelope.event, event.envelope.event) {
      case (.roleAssigned(let assigned), .rolesSettled): assigned.joint
      case (.nodeReplaced(let replaced), .rolesSettled): replaced.joint
      case (.roleAssigned(let assigned), .nodeLeft), (.roleAssigned(let assigned), .nodeRemoved),
        (.roleAssigned(let assigned), .nodeDemoted):
        assigned.departing != nil && !assigned.joint
      case (.rolesSettled, .nodeLeft), (.rolesSettled, .nodeRemoved), (.rolesSettled, .nodeDemoted):
        true
      default: false
      }
    if !follows {
      throw Violation(.exactlyOnce, "command \(command) at \(before) and again at \(event.index)")
    }
  }

  // MARK: What is written and said

  /// Entries and a vote reached a disk.
  mutating func wrote(
    _ node: SimulatedNode, _ entries: [Entry], _ state: HardState? = nil
  ) throws(Violation) {
    if let state, state.vote != 0 {
      try voted(node, for: NodeID(state.vote), in: state.term)
    }
    guard let first = entries.first else { return }
    var previous = node.disk.syncedTerm(at: first.index - 1) ?? node.disk.term(at: first.index - 1)
    for entry in entries {
      let position = Int(entry.index) - 1
      while written.count <= position { written.append([]) }
      if let known = written[position].first(where: { $0.entry.term == entry.term }) {
        guard known.entry == entry, previous == nil || known.previous == previous else {
          throw Violation(
            .logMatching,
            "\(node.name) wrote entry \(entry.index) of term \(entry.term) after term "
              + "\(previous ?? 0), and it is not the one that was written before")
        }
      } else {
        written[position].append((previous ?? 0, entry))
      }
      previous = entry.term
    }
    if let last = entries.last, node.disk.lastIndex != last.index {
      throw Violation(
        .logMatching,
        "\(node.name) wrote up to \(last.index), and its log ends at \(node.disk.lastIndex)")
    }
  }

  /// A job was handed to the disk.
  func queued(_ job: AppendJob, by node: SimulatedNode) {
    guard let first = job.entries.first?.index else { return }
    node.seen.changes.removeAll { $0 >= first }
    for entry in job.entries where entry.kind == .change { node.seen.changes.append(entry.index) }
  }

  /// A node begins anew with what its disk has.
  func started(_ node: SimulatedNode) throws(Violation) {
    let image = node.disk.synced
    node.seen = SimulatedNode.Seen()
    node.seen.term = image.hardState.term
    var previous: Term = 0
    for entry in image.entries {
      let known = written[Int(entry.index) - 1].first { $0.entry.term == entry.term }
      guard let known, known.entry == entry, known.previous == previous else {
        throw Violation(
          .logMatching,
          "\(node.name) has an entry \(entry.index) of term \(entry.term) behind term \(previous)")
      }
      if entry.kind == .change { node.seen.changes.append(entry.index) }
      previous = entry.term
    }
  }

  /// A message leaves that node.
  mutating func sent(_ message: Message, by node: SimulatedNode) throws(Violation) {
    switch message.body {
    case .voteResponse(let response) where !response.isPreVote && !response.rejected:
      try voted(node, for: NodeID(message.to), in: message.term)
      let state = node.disk.syncedState
      if state.term < message.term || (state.term == message.term && state.vote != message.to) {
        throw Violation(
          .durableWord, "\(node.name) votes in term \(message.term), its disk has \(state)")
      }
    case .appendResponse(let response) where !response.rejected:
      let term = node.disk.syncedState.term
      // What it acknowledged in an earlier term may have been replaced since, in the same
      // transaction even; it was there when it counted, which was before this node voted again.
      guard term < message.term || term == message.term && response.index > node.disk.syncedLast
      else { return }
      throw Violation(
        .durableWord,
        "\(node.name) acknowledges entry \(response.index) in term \(message.term), its disk ends "
          + "at \(node.disk.syncedLast) in \(node.disk.syncedState)")
    default:
      break
    }
  }

  private mutating func voted(
    _ node: SimulatedNode, for candidate: NodeID, in term: Term
  ) throws(Violation) {
    let vote = Vote(voter: node.id, term: term)
    if let other = votes[vote], other != candidate {
      throw Violation(
        .oneVote, "\(node.name) votes for \(candidate) and voted for \(other) in term \(term)")
    }
    votes[vote] = candidate
  }

  // MARK: What a node is

  /// To be called when a node has taken its turn.
  mutating func check(
    _ node: SimulatedNode, statistics: inout Statistics, in world: World
  ) throws(Violation) {
    guard let running = node.running else { return }
    let before = node.seen
    var after = before
    after.term = running.raft.term
    after.commit = running.raft.commitIndex
    after.applied = running.raft.appliedIndex
    after.leads = running.replica.isLeader
    if after.applied > before.applied || after.leads {
      after.configuration = running.raft.configuration
    }
    guard after.term >= before.term, after.commit >= before.commit, after.applied >= before.applied
    else { throw Violation(.monotony, "\(node.name) went from \(before) to \(after)") }
    try checkDurable(node, applied: after.applied)
    if after.leads {
      if !before.leads || before.term != after.term {
        statistics.elections += 1
        try checkNewLeader(node, running)
      }
      try checkLeader(node, running, before: before, after: &after, world.options)
      if after.commit > before.commit {
        try checkQuorum(
          for: after.commit, node, running, [after.configuration, before.configuration], world)
      }
      let last = node.lastIndex
      let open = after.changes.filter { $0 > after.applied && $0 <= last }
      if open.count > 1 {
        throw Violation(.oneChange, "\(node.name) has changes at \(open)")
      }
    }
    if after.applied > before.applied, running.replica.cluster.lastIndex == truth.lastIndex {
      try checkState(node, after.configuration)
    }
    node.seen = after
  }

  private mutating func checkNewLeader(
    _ node: SimulatedNode, _ running: SimulatedNode.Running
  ) throws(Violation) {
    let leading = running.raft.term
    if let other = leaders[leading], other != node.id {
      throw Violation(.electionSafety, "\(node.name) and \(other) lead in term \(leading)")
    }
    leaders[leading] = node.id
    // Terms never fall along a log: the last entry that was committed before this term suffices.
    var last = history.count
    while last > 0, committedBy[last - 1] >= leading { last -= 1 }
    guard last > 0 else { return }
    let term = running.raft.term(at: Index(last))
    if term != history[last - 1].term {
      throw Violation(
        .leaderCompleteness,
        "\(node.name) leads in term \(leading) and has term \(term ?? 0) at \(last), which was "
          + "committed as \(history[last - 1])")
    }
  }

  /// Counts disks, not acknowledgements; in the configuration that the leader counted with.
  private func checkQuorum(
    for index: Index, _ node: SimulatedNode, _ running: SimulatedNode.Running,
    _ configurations: [Configuration], _ world: World
  ) throws(Violation) {
    guard let term = running.raft.term(at: index) else { return }
    let holds = configurations.contains { configuration in
      Quorum.vote(configuration) { id in
        guard let at = world.indexes[NodeID(id)] else { return false }
        return world.nodes[at].holds(index, of: term)
      } == .won
    }
    if !holds {
      throw Violation(
        .durableCommit,
        "\(node.name) committed \(index) of term \(term) in \(configurations[0]), and no quorum "
          + "has it on disk")
    }
  }

  private mutating func checkState(
    _ node: SimulatedNode, _ actual: Configuration
  ) throws(Violation) {
    let wanted = truth.configuration
    guard actual.voters == wanted.voters, actual.outgoing == wanted.outgoing,
      actual.learners == wanted.learners, actual.learnersNext == wanted.learnersNext
    else {
      throw Violation(.configuration, "\(node.name) counts \(actual), the events say \(wanted)")
    }
    looks += 1
    if looks % 16 == 0 { try checkEqual(node) }
  }

  /// The whole state, field for field.
  func checkEqual(_ node: SimulatedNode) throws(Violation) {
    guard node.cluster.lastIndex == truth.lastIndex else { return }
    if node.cluster != truth {
      throw Violation(.equalStates, "\(node.name) differs at index \(truth.lastIndex)")
    }
  }

  // MARK: What clients are told

  /// What was applied was asked for, and asked for by that command.
  /// - Parameter request: The one with the event's command id; nil if no client drew it.
  func checkAsked(_ event: RecordedEvent, by request: Request?) throws(Violation) {
    let kind = event.envelope.event
    let isAsked =
      switch (kind, request?.command) {
      case (.clusterFormed, nil), (.leaderElected, nil), (.rolesSettled, nil),
        (.nodeSuspected, nil), (.nodeRecovered, nil), (.replicaLost, nil), (.replicaRefetched, nil),
        (.maintenanceExited, nil),
        (.rolesSettled, .leave), (.rolesSettled, .join),
        (.rolesSettled, .removeNode), (.rolesSettled, .changeRole):
        true
      case (.roleAssigned(let assigned), let command):
        (assigned.departing == nil) == (command == nil)
      case (_, let command?): fits(command, kind)
      default: false
      }
    if !isAsked { throw Violation(.exactlyOnce, "nobody asked for \(event)") }
  }

  /// A client was told that its request is done.
  mutating func acknowledge(
    _ request: Request, first: Index, last: Index, by node: SimulatedNode
  ) throws(Violation) {
    func wrong(_ why: String) -> Violation {
      Violation(
        .rightAnswer,
        "\(node.name) answers \(request.id) (\(request.command)) with \(first)-\(last): \(why)")
    }
    guard first > 0, first <= last, last <= Index(history.count) else {
      throw wrong("only \(history.count) are committed")
    }
    acknowledged = max(acknowledged, last)
    // Things may have been as asked for, when one copy of the request was decided and answered, and
    // not any more when a late copy was: then its own event is behind the one it is told of.
    let own = byCommand[request.id] ?? []
    let isOwn = own.contains(first) && own.contains(last)
    guard isOwn || own.first.map({ last < $0 }) ?? true else {
      throw wrong("its events are \(own)")
    }
    guard fits(request.command, history[Int(last) - 1].envelope.event) else {
      throw wrong("there is \(history[Int(last) - 1])")
    }
  }

  private func fits(_ command: Command, _ event: Event) -> Bool {
    switch (command, event) {
    case (.issueToken(let wanted), .tokenIssued(let issued)): wanted == issued
    case (.revokeToken(let id), .tokenRevoked(let revoked)): revoked.id == id
    case (.join(let join), .nodeJoined), (.join(let join), .nodeReplaced):
      event.joined?.node == join.node && (event.type == .nodeReplaced) == (join.replaces != nil)
    case (.join(let join), .rolesSettled): join.replaces != nil
    case (.join(let join), .clusterFormed(let formed)): formed.first == join.node
    case (.leave(let id), .nodeLeft(let left)): left.node == id
    case (.removeNode, .nodeRemoved): true
    case (.changeRole(let wish), _): event.gives(wish)
    case (.changePolicy, .policyChanged), (.changePolicy, .clusterFormed): true
    case (.issueCertificate(let wanted), .certificateIssued(let issued)): wanted == issued
    case (.enterMaintenance, .maintenanceEntered), (.exitMaintenance, .maintenanceExited): true
    case (.refreshEndpoints(let wanted), _): event.places(wanted)
    default: false
    }
  }

  /// A client was told no.
  /// - Parameter known: What had been acknowledged anywhere when it asked.
  func refuse(
    _ request: Request, code: String, known: Index, by node: SimulatedNode
  ) throws(Violation) {
    func wrong(_ why: String) -> Violation {
      Violation(
        .linearizable, "\(node.name) refuses \(request.id) (\(request.command)) as \(code): \(why)")
    }
    if let first = byCommand[request.id]?.first, first <= known, code != "command-forgotten" {
      throw wrong("it was carried out at \(first)")
    }
    switch (code, request.command) {
    case ("token-unknown", .join(let join)):
      if let (token, _) = truth.token(secret: join.secret), token.index <= known {
        throw wrong("\(token.id) was issued at \(token.index)")
      }
    case ("token-used", .join(let join)):
      guard let (token, _) = truth.token(secret: join.secret), token.remaining == 0 else {
        throw wrong("it is not used up")
      }
    case ("token-revoked", .join(let join)):
      guard let (token, _) = truth.token(secret: join.secret), token.revocation != nil else {
        throw wrong("it is not revoked")
      }
    case ("key-departed", .join(let join)):
      guard truth.departed(join.node.id) != nil else { throw wrong("it never departed") }
    case ("token-missing", .revokeToken(let id)):
      if let token = truth.token(id), token.index <= known {
        throw wrong("it was issued at \(token.index)")
      }
    case ("node-unknown", .leave(let id)):
      if let member = truth.node(id), member.joinIndex <= known {
        throw wrong("it joined at \(member.joinIndex)")
      }
    case ("not-formed", _): throw wrong("it was formed at index 1")
    default: break
    }
  }
}
