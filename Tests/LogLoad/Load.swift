import EventLog
import Raft

/// Writes as a busy and unlucky node makes them: batches of all sizes, tails replaced, terms and
/// votes, commits; and beside them how the log ends after each.
struct Load {
  private var random: Seeded
  private(set) var tip: LogTip
  /// The chain hash at its end.
  private(set) var hash: ChainHash
  /// Chain hash and term by index, for what is not committed, to cut there.
  private var tail: [Index: (hash: ChainHash, term: Term)] = [:]
  /// The commit index that a write has to make durable.
  private var promised: Index

  init(seed: UInt64, tip: LogTip, hash: ChainHash) {
    random = Seeded(state: seed)
    (self.tip, self.hash) = (tip, hash)
    promised = tip.hardState.commit
    tail[tip.lastIndex] = (hash, tip.lastTerm)
  }

  /// The next write, and the commit index that is durable with it.
  mutating func next() -> (LogWrite, promised: Index) {
    var write = LogWrite()
    var state = tip.hardState
    if state.term == 0 || chance(12) {
      state.term += 1
      state.vote = number(0...3)
    } else if state.vote == 0, chance(30) {
      state.vote = number(1...3)
    }
    let (lowest, highest) = (max(state.commit, tail.keys.min() ?? 0), tip.lastIndex)
    if chance(10), lowest < highest { cut(to: number(lowest...highest)) }
    // A log that is cut is written to in the same breath: there is no other way to cut it.
    let count = tip.lastIndex < highest ? number(1...9) : chance(10) ? 0 : number(1...9)
    for _ in 0..<count { append(to: &write, state.term) }
    if chance(40) { state.commit = number(state.commit...max(state.commit, tip.lastIndex)) }
    tail = tail.filter { $0.key >= state.commit }
    if chance(5) { write.facts = ["seen": [UInt8](repeating: 7, count: Int(number(0...3000)))] }
    let isDurable =
      !write.entries.isEmpty || !write.facts.isEmpty
      || (state.term, state.vote) != (tip.hardState.term, tip.hardState.vote)
    if state != tip.hardState { write.hardState = state }
    tip.hardState = state
    if isDurable { promised = state.commit }
    return (write, promised)
  }

  private mutating func cut(to index: Index) {
    guard let place = tail[index] else { return }
    (tip.lastIndex, tip.lastTerm, hash) = (index, place.term, place.hash)
    tail = tail.filter { $0.key <= index }
  }

  private mutating func append(to write: inout LogWrite, _ term: Term) {
    let sizes = [0, 20, 300, 300, 300, 2500, 12_000]
    let size = sizes[Int(number(0...UInt64(sizes.count - 1)))]
    let (first, step) = (number(0...255), number(0...255))
    let payload = (0..<UInt64(size)).map { UInt8(truncatingIfNeeded: first + $0 * step) }
    let entry = Entry(
      index: tip.lastIndex + 1, term: max(term, tip.lastTerm), payload: payload)
    write.entries.append(entry)
    hash = hash.extended(by: entry)
    (tip.lastIndex, tip.lastTerm) = (entry.index, entry.term)
    tail[entry.index] = (hash, entry.term)
  }

  private mutating func number(_ range: ClosedRange<UInt64>) -> UInt64 {
    .random(in: range, using: &random)
  }

  private mutating func chance(_ percent: UInt64) -> Bool { number(0...99) < percent }
}

/// SplitMix64: the same numbers for the same seed.
struct Seeded: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
