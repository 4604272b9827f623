// What a leader knows about one member.

/// A member's log in the eyes of the leader, and how to send to it.
///
/// - `probe`: where the logs match is not known; one append at a time, until one is accepted.
/// - `replicate`: it is known; appends are sent ahead without waiting, as far as `Inflights`
///   allows.
/// - `snapshot`: the entries that it needs are gone; a snapshot is on its way, nothing else is
///   sent.
///
/// Law: `match < next`. `match` never falls while a leader is in office, for what a member has
/// acknowledged was durable there; unless that member says that it may have forgotten it.
package struct Progress: Sendable, Equatable {
  package enum State: Sendable, Equatable {
    case probe
    case replicate
    case snapshot
  }

  private struct Told: Sendable, Equatable {
    var context: UInt64
    var commit: Index
  }

  package let id: PeerID
  package internal(set) var state: State = .probe
  /// The highest index known to be durable there.
  package internal(set) var match: Index = 0
  /// The index of the next entry to send.
  package internal(set) var next: Index
  /// The index of the snapshot on its way, 0 if there is none.
  package internal(set) var pendingSnapshot: Index = 0
  /// Whether it was heard from since the last check of the quorum.
  package internal(set) var isActive = false
  package internal(set) var isLearner: Bool
  /// When a message from it last arrived, in nanoseconds of `Time.monotonic`; nil if none did in
  /// this term of office.
  package internal(set) var lastContact: UInt64?

  /// Whether it said in its last message that it may have forgotten what it promised.
  package private(set) var abstains = false

  /// Sending waits for an answer or for the next heartbeat's answer.
  var flowPaused = false
  /// The highest commit index that is on its way there.
  var sentCommit: Index = 0
  var inflights: Inflights
  /// The commit index that the first heartbeat with that context carried.
  private var told = Told(context: 0, commit: 0)
  /// The highest commit index that it is known to have heard of. Known only of heartbeats that
  /// carry a read, since no other answer names what it answers.
  package private(set) var knownCommit: Index = 0

  init(id: PeerID, next: Index, isLearner: Bool, inflights: Inflights) {
    self.id = id
    self.next = next
    self.isLearner = isLearner
    self.inflights = inflights
  }

  /// How many append messages are on their way.
  package var inflight: Int { inflights.count }
  /// Whether no more append messages may be sent before one is acknowledged.
  package var inflightIsFull: Bool { inflights.isFull }
  /// Whether nothing is sent for now.
  package var isPaused: Bool { state == .snapshot || flowPaused }

  /// What it has acknowledged and stands by.
  var attested: Index? { abstains ? nil : match }

  /// A message of it arrived. With the first one that says that it may have forgotten, everything
  /// that was known of its log is void: the place where the logs match is looked for anew.
  mutating func heard(abstaining: Bool, at time: UInt64) {
    lastContact = time
    if abstaining, !abstains {
      let end = next
      match = 0
      knownCommit = 0
      becomeProbe()
      next = end
    }
    abstains = abstaining
  }

  private mutating func reset(to newState: State) {
    flowPaused = false
    pendingSnapshot = 0
    state = newState
    inflights.removeAll()
  }

  /// Looks again for the place where the logs match; after a snapshot, behind that snapshot.
  mutating func becomeProbe() {
    let behind = state == .snapshot ? pendingSnapshot : 0
    reset(to: .probe)
    next = max(match, behind) + 1
    sentCommit = min(sentCommit, next - 1)
  }

  mutating func becomeReplicate() {
    reset(to: .replicate)
    next = match + 1
  }

  mutating func becomeSnapshot(at index: Index) {
    reset(to: .snapshot)
    pendingSnapshot = index
    next = index + 1
    sentCommit = index
  }

  /// An append message with that many entries left.
  mutating func sent(entries: Int, bytes: Int) {
    switch state {
    case .replicate:
      if entries > 0 {
        next += Index(entries)
        inflights.add(last: next - 1, bytes: bytes)
      }
      // With a full window this message is a probe: wait for what becomes of it.
      flowPaused = inflights.isFull
    case .probe:
      if entries > 0 { flowPaused = true }
    case .snapshot:
      break
    }
  }

  /// A heartbeat left.
  mutating func told(commit: Index, context: UInt64) {
    sentCommit = commit
    if context > told.context { told = Told(context: context, commit: commit) }
  }

  /// A heartbeat was answered.
  mutating func learned(context: UInt64) {
    if context > 0, context >= told.context { knownCommit = max(knownCommit, told.commit) }
  }

  /// Whether telling it that commit index could move its own.
  func canRaiseCommit(to index: Index) -> Bool { index > sentCommit && sentCommit < next - 1 }

  /// An acknowledgement came; false if it says nothing new.
  mutating func update(match index: Index) -> Bool {
    guard index > match else { return false }
    match = index
    next = max(next, index + 1)
    flowPaused = false
    return true
  }

  /// A rejection came: steps back to where the logs may match. False if the rejection is stale.
  ///
  /// - Parameters:
  ///   - rejected: The previous index of the append that was rejected.
  ///   - hint: The highest index where the logs may match.
  mutating func stepBack(rejected: Index, hint: Index) -> Bool {
    if state == .replicate {
      guard rejected > match else { return false }
      next = match + 1
    } else {
      guard next - 1 == rejected else { return false }
      next = max(min(rejected, hint + 1), match + 1)
      flowPaused = false
    }
    sentCommit = min(sentCommit, next - 1)
    return true
  }
}

extension [Progress] {
  /// The position of a member; the array is sorted by id.
  func position(of id: PeerID) -> Int? {
    // A handful of members: a scan is faster than a search.
    for position in indices where self[position].id == id { return position }
    return nil
  }

  func member(_ id: PeerID) -> Progress? { position(of: id).map { self[$0] } }
}
