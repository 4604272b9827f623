// Who waits for what.
//
// A local request is idle (no leader known, or to be tried again), forwarded, or in the hands of
// this node while it leads. Until its deadline it goes again under the same command id whenever its
// outcome became unknown: the log answers a command id exactly once, so going again is safe.
// Requests of peers are in the hands of the leader only; they are told when it cannot know.

import Membership
import Schema

/// Where an answer goes.
enum Origin: Sendable, Hashable {
  case local(Caller)
  case peer(NodeID, UInt64)
  /// The leader's own role keeping: nobody waits.
  case keeper
}

struct Requests: Sendable {
  enum State: Sendable, Equatable {
    /// To be dispatched at that time (monotonic nanoseconds) or later.
    case idle(since: UInt64)
    case forwarded(to: NodeID, id: UInt64)
    /// Queued, appended or waiting here, where this node leads.
    case here
  }
  struct Local: Sendable {
    var request: Request
    var deadline: UInt64
    var state: State
  }
  struct Queued: Sendable {
    var origin: Origin
    var request: Request
    /// Held back (a change is in flight) since then; 0 if not.
    var heldSince: UInt64 = 0
  }

  /// A queue longer than this takes no more.
  static let limit = 16_384
  /// An outcome that is unknown is asked for again after so long, nanoseconds.
  static let pause: UInt64 = 30_000_000

  var local: [Caller: Local] = [:]
  var idle: [Caller] = []
  var forwarded: [UInt64: Caller] = [:]
  var nextForward: UInt64 = 1
  var queue: [Queued] = []
  /// Answered with the range when everything up to the last index is applied here.
  var waiting: [UInt64: [(origin: Origin, first: UInt64)]] = [:]
  /// Answered when the departure under that command id is complete.
  var departures: [CommandID: [Origin]] = [:]
  /// No deadline is earlier than this.
  private(set) var earliest = UInt64.max

  /// When this node must look at its requests again.
  var deadline: UInt64? {
    var due = earliest
    for caller in idle {
      if case .idle(let since)? = local[caller]?.state { due = min(due, since) }
    }
    return due == .max ? nil : due
  }

  mutating func add(_ caller: Caller, _ request: Request, deadline: UInt64) {
    local[caller] = Local(request: request, deadline: deadline, state: .idle(since: 0))
    idle.append(caller)
    earliest = min(earliest, deadline)
  }

  /// Forgets a caller that wants no answer any more.
  mutating func drop(_ caller: Caller) {
    local[caller] = nil
    idle.removeAll { $0 == caller }
  }

  /// Takes what is past its deadline, in the order of the callers.
  mutating func takeExpired(at now: UInt64) -> [(Caller, Local)] {
    guard now >= earliest else { return [] }
    let late = local.filter { $0.value.deadline <= now }.sorted { $0.key < $1.key }
    for (caller, _) in late { local[caller] = nil }
    idle.removeAll { local[$0] == nil }
    earliest = local.values.map(\.deadline).min() ?? .max
    return late.map { ($0.key, $0.value) }
  }

  /// The outcome of that caller's request is unknown: it goes again after a pause.
  mutating func retry(_ caller: Caller, at time: UInt64) {
    guard local[caller] != nil else { return }
    if case .idle? = local[caller]?.state { return }
    local[caller]?.state = .idle(since: time)
    idle.append(caller)
  }

  /// Whether something can be done at once.
  func hasWork(_ replica: Replica) -> Bool {
    guard replica.isLeader, replica.tail != nil else { return false }
    return queue.contains { $0.heldSince == 0 }
  }
}

extension Command {
  /// Whether a client may ask for it; the others are the leader's own.
  package var isClients: Bool {
    switch self {
    case .issueToken, .revokeToken, .join, .leave, .removeNode, .changeRole, .refreshEndpoints,
      .loseReplica, .refetchReplica, .enterMaintenance, .exitMaintenance, .changePolicy,
      .issueCertificate:
      true
    case .assignRoles, .settle, .suspect, .recover: false
    }
  }

  /// Whether it may change the configuration, of which only one change is in flight at a time.
  var mayChangeConfiguration: Bool {
    switch self {
    case .leave, .removeNode, .changeRole, .assignRoles, .settle: true
    case .join(let join): join.replaces != nil
    default: false
    }
  }
}
