// Linearizable reads and refusals: both wait for a confirmed leadership.
//
// One read index serves everything that was asked for before it was taken. A refusal waits, too,
// until the prefix it was decided on is applied: what it cites is then history, not a guess.

import Membership
import Raft
import Schema

struct Reads: Sendable {
  enum Purpose: Sendable {
    case caller(Caller, deadline: UInt64)
    case refusal(Origin, Outcome, basis: UInt64)
    /// This node wants to know whether it holds everything again.
    case standing
  }

  var nextContext: UInt64 = 0
  var unconfirmed: [UInt64: [Purpose]] = [:]
  /// Confirmed; to be answered when that index is applied.
  var confirmed: [(index: UInt64, purpose: Purpose)] = []
  private(set) var earliest = UInt64.max

  var deadline: UInt64? { earliest == .max ? nil : earliest }

  mutating func add(_ purpose: Purpose, under context: UInt64) {
    unconfirmed[context, default: []].append(purpose)
    if case .caller(_, let deadline) = purpose { earliest = min(earliest, deadline) }
  }

  mutating func confirmed(_ state: ReadState) {
    for purpose in unconfirmed.removeValue(forKey: state.context) ?? [] {
      confirmed.append((state.index, purpose))
    }
  }

  mutating func dropStanding() {
    func isStanding(_ purpose: Purpose) -> Bool {
      if case .standing = purpose { true } else { false }
    }
    for context in unconfirmed.keys.sorted() {
      unconfirmed[context]?.removeAll(where: isStanding)
      if unconfirmed[context]?.isEmpty == true { unconfirmed[context] = nil }
    }
    confirmed.removeAll { isStanding($0.purpose) }
  }

  /// Takes the callers whose time is over.
  mutating func takeExpired(at now: UInt64) -> [Caller] {
    guard now >= earliest else { return [] }
    var late: [Caller] = []
    func isLate(_ purpose: Purpose) -> Bool {
      guard case .caller(let caller, let deadline) = purpose, deadline <= now else { return false }
      late.append(caller)
      return true
    }
    for context in unconfirmed.keys.sorted() {
      unconfirmed[context]?.removeAll(where: isLate)
      if unconfirmed[context]?.isEmpty == true { unconfirmed[context] = nil }
    }
    confirmed.removeAll { isLate($0.purpose) }
    var next = UInt64.max
    for case .caller(_, let deadline) in unconfirmed.values.joined() { next = min(next, deadline) }
    for case (_, .caller(_, let deadline)) in confirmed { next = min(next, deadline) }
    earliest = next
    return late
  }
}

extension Replica {
  mutating func startRead(_ caller: Caller, deadline: UInt64) {
    let context = newContext()
    reads.add(.caller(caller, deadline: deadline), under: context)
    core(.readIndex(context: context))
  }

  /// Asks for a confirmation for this node itself; one that is under way is not waited for.
  mutating func startBarrier() {
    reads.dropStanding()
    let context = newContext()
    reads.add(.standing, under: context)
    core(.readIndex(context: context))
  }

  /// A refusal decided on the tail as it is: it is told once that is known to be true.
  mutating func refuseLater(_ refusals: [(Origin, Outcome)]) {
    guard !refusals.isEmpty else { return }
    let context = newContext()
    for (origin, outcome) in refusals {
      reads.add(.refusal(origin, outcome, basis: raft.lastIndex), under: context)
    }
    core(.readIndex(context: context))
  }

  private mutating func newContext() -> UInt64 {
    if reads.nextContext == 0 { reads.nextContext = options.raft.seed | 1 }
    reads.nextContext &+= 1
    return reads.nextContext
  }

  /// Answers confirmed reads whose index is applied.
  mutating func confirmReads() {
    guard !reads.confirmed.isEmpty else { return }
    let applied = cluster.lastIndex
    let open = reads.confirmed
    reads.confirmed = []
    for (index, purpose) in open {
      switch purpose {
      case .caller(let caller, _) where applied >= index:
        effects.reads.append(.init(caller: caller, confirmed: true))
      case .refusal(let origin, let outcome, let basis) where applied >= max(index, basis):
        answer(origin, outcome)
      case .standing where applied >= index:
        regain(at: applied)
      default:
        reads.confirmed.append((index, purpose))
      }
    }
  }

  mutating func expireReads() {
    for caller in reads.takeExpired(at: now.monotonic) {
      effects.reads.append(.init(caller: caller, confirmed: false))
    }
  }

  /// The leader changed: reads are asked for again, refusals have an unknown outcome.
  mutating func restartReads() {
    var purposes: [Reads.Purpose] = []
    for context in reads.unconfirmed.keys.sorted() {
      purposes += reads.unconfirmed[context] ?? []
    }
    reads.unconfirmed = [:]
    var again: [Reads.Purpose] = []
    for purpose in purposes {
      switch purpose {
      case .caller: again.append(purpose)
      case .standing: break
      case .refusal(let origin, _, _):
        answer(origin, .unknown(reason: "leadership was lost"))
      }
    }
    guard !again.isEmpty else { return }
    let context = newContext()
    for purpose in again { reads.add(purpose, under: context) }
    core(.readIndex(context: context))
  }
}
