// Whether this node still holds what it has promised.
//
// A disk can be put back to how it was, or copied. The node that starts from it has forgotten votes
// that it cast and entries that it acknowledged, and cannot know. Its peers can: they remember what
// they heard of it, and tell it when a link opens (`Recollection`). In doubt it abstains: it
// follows and is sent the log, but nothing it says counts for a majority. It is sure again once it
// holds everything that a leader had, which a majority without it has confirmed to lead, and once
// so much time has passed that no election can be going on in which it has voted before. What it
// lost is stored with the first entry that it is sent: a log that is filled anew passes through old
// states, and a node that is restarted in one of them could be its only voter.
//
// Law: at no time does a majority rest on a promise that one of its members has forgotten.

import Membership
import Schema

/// How a node presented itself when a link opened.
package struct Greeting: Hashable, Sendable {
  /// Raised durably at each start.
  package var boot: UInt64
  /// Drawn at each start.
  package var nonce: UInt64

  package init(boot: UInt64, nonce: UInt64) {
    self.boot = boot
    self.nonce = nonce
  }
}

struct Standing: Sendable {
  enum Doubt: Equatable, Sendable {
    /// What it acknowledged up to that index may be missing.
    case lost(acknowledged: UInt64)
    /// Another start of this node is, or was, alive at the same time: only a restart ends this.
    case contested
  }

  private(set) var doubt: Doubt?
  /// Since when, in monotonic nanoseconds.
  private(set) var since: UInt64 = 0
  /// The highest term that this node is said to have been in.
  private(set) var term: UInt64 = 0
  /// The highest boot number by which a peer knows this node.
  private(set) var knownBoot: UInt64 = 0
  /// What was lost with starts up to that boot number it has again.
  private var settledBoot: UInt64 = 0
  /// What is to be stored of it changed.
  private(set) var isChanged = false
  /// When the next confirmation is to be asked for.
  var nextBarrier: UInt64 = .max
  /// Peers that have told what they remember since this start.
  private var heard: Set<NodeID> = []

  mutating func begin(_ doubt: Doubt, at now: UInt64) {
    switch (self.doubt, doubt) {
    case (.contested?, _): return
    case (.lost(let known)?, .lost(let acknowledged)):
      isChanged = isChanged || acknowledged > known
      self.doubt = .lost(acknowledged: max(known, acknowledged))
      return
    default: self.doubt = doubt
    }
    since = now
    isChanged = true
    // A copy that is alive goes away by no confirmation: there is nothing to ask for.
    nextBarrier = doubt == .contested ? .max : now
  }

  mutating func end() {
    doubt = nil
    nextBarrier = .max
    settledBoot = knownBoot
    isChanged = true
  }

  /// What the node remembers of itself: what it has lost and does not have again; nil if nothing.
  func memory(of node: NodeID) -> Recollection? {
    guard case .lost(let acknowledged)? = doubt else { return nil }
    return Recollection(node: node, boot: knownBoot, term: term, acknowledged: acknowledged)
  }

  /// Goes on as an earlier start left it.
  mutating func restore(_ memory: Recollection) {
    term = max(term, memory.term)
    knownBoot = max(knownBoot, memory.boot)
  }

  mutating func stored() { isChanged = false }

  /// What a peer's memory says against this node; nil if it fits.
  mutating func judge(
    _ told: Recollection, by peer: NodeID, greeting: Greeting, term: UInt64, lastIndex: UInt64
  ) -> Doubt? {
    let isFirst = heard.insert(peer).inserted
    self.term = max(self.term, told.term)
    // A number that no node reaches, so that there is always a higher one.
    knownBoot = max(knownBoot, min(told.boot, 1 << 62))
    if told.isContested { return .contested }
    let acknowledged = max(told.committed, told.term == term ? told.acknowledged : 0)
    let isOlder =
      isFirst && told.nonce != greeting.nonce && told.boot >= greeting.boot
      && told.boot > settledBoot
    guard isOlder || told.term > term || acknowledged > lastIndex else { return nil }
    return .lost(acknowledged: acknowledged)
  }
}

/// What a node remembers of its peers.
struct Acquaintances: Sendable {
  private var known: [NodeID: Recollection]
  /// What was known of a peer before its present start: told to it however often links break.
  private var before: [NodeID: Recollection] = [:]
  /// How often peers had begun or ceased to abstain when they last spoke.
  private var standings: [NodeID: UInt32] = [:]
  /// Peers of which a new start has greeted and not yet spoken.
  private var fresh: Set<NodeID> = []
  /// Something worth storing changed.
  private(set) var isChanged = false

  init(_ recollections: [Recollection]) {
    known = Dictionary(recollections.map { ($0.node, $0) }, uniquingKeysWith: { _, last in last })
  }

  /// All of them, by id.
  var all: [Recollection] { known.values.sorted { $0.node < $1.node } }

  /// What to tell a peer that has just greeted.
  mutating func met(_ peer: NodeID, _ greeting: Greeting) -> Recollection {
    var record = known[peer] ?? Recollection(node: peer)
    let previous = before[peer]?.nonce
    if record.nonce != greeting.nonce {
      if previous == greeting.nonce, greeting.nonce != 0 {
        // The start before this one is alive, too.
        record.isContested = true
      } else {
        if greeting.boot > record.boot { record.isContested = false }
        before[peer] = record
      }
      record.nonce = greeting.nonce
      record.boot = max(record.boot, greeting.boot)
      fresh.insert(peer)
      known[peer] = record
      isChanged = true
    }
    guard var told = before[peer] else { return record }
    told.term = record.term
    told.acknowledged = record.acknowledged
    told.committed = record.committed
    told.isContested = record.isContested
    return told
  }

  /// A peer has told what it remembers: the first thing that it says on a new link. Only now is all
  /// that came from an earlier start of it over.
  mutating func spoke(_ peer: NodeID) {
    if fresh.remove(peer) != nil { standings[peer] = nil }
  }

  /// Whether that peer has told since that it began or ceased to abstain: an append job releases
  /// what was said before, and a network may deliver in another order.
  mutating func isVoid(_ standing: UInt32, of peer: NodeID) -> Bool {
    let newest = standings[peer] ?? 0
    if standing > newest { standings[peer] = standing }
    return standing < newest
  }

  /// It was durably in that term, and has acknowledged that entry of its leader.
  mutating func heard(_ peer: NodeID, term: UInt64, acknowledged: UInt64 = 0) {
    var record = known[peer] ?? Recollection(node: peer)
    guard (term, acknowledged) > (record.term, record.acknowledged) else { return }
    if term > record.term { isChanged = true }
    record.term = term
    record.acknowledged = acknowledged
    known[peer] = record
  }

  /// It has acknowledged that entry, which is committed.
  mutating func heard(_ peer: NodeID, committed: UInt64) {
    var record = known[peer] ?? Recollection(node: peer)
    guard committed > record.committed else { return }
    record.committed = committed
    known[peer] = record
  }

  mutating func forget(_ peer: NodeID) {
    known[peer] = nil
    before[peer] = nil
    standings[peer] = nil
    fresh.remove(peer)
  }

  mutating func stored() { isChanged = false }
}
