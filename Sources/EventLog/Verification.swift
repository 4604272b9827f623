import LMDB
package import Raft

/// What looking at every entry found.
package struct Verification: Equatable, Sendable {
  /// Where the log is not what was written.
  package struct Damage: Equatable, Sendable, CustomStringConvertible {
    /// The first index that is wrong; everything before it is right.
    package let index: Index
    package let text: String

    package var description: String { "index \(index): \(text)" }
  }

  /// Entries whose hash was computed anew, up to the damage if there is any.
  package var checked: Int
  /// The last index that is right, and its chain hash.
  package var lastIndex: Index
  package var chainHash: ChainHash
  package var damage: Damage?
}

extension EventLog {
  /// What to look at.
  package enum Scope: Equatable, Sendable {
    case whole
    /// What a start looks at before it trusts the file: that every entry is in its place and can
    /// be reached, and the chain of the last 32,768, which takes some 50 ms. (Whatever the log's
    /// length, entries prove themselves when they are read.)
    case quick
    /// The last so many entries and some before them, trusting the whole hash before those.
    case last(Int)
  }

  /// Computes the chain anew from the stored bytes, and checks that the indices are contiguous,
  /// that every entry can be decoded and is found where it is looked for, and that the commit index
  /// is inside the log.
  ///
  /// Damage to LMDB's own pages can end the process (SIGBUS, SIGSEGV): at a start, do this in a
  /// child process. A node may go on writing meanwhile.
  /// - Parameter progress: told now and then through which index all is right.
  /// - Throws: `Fault` if the log cannot be read at all; damage to what can be read is in the
  ///   result.
  package func verify(
    _ scope: Scope = .whole, progress: (Index) -> Void = { _ in }
  ) throws(Fault) -> Verification {
    let tip = try store.tip()
    if scope == .quick, let damage = try store.walk(from: tip.base) { return damage }
    let trusted: Index =
      switch scope {
      case .whole: tip.base.index
      case .last(let count): store.trusted(beforeLast: count, of: tip)
      case .quick: store.trusted(beforeLast: 32_768, of: tip)
      }
    guard let previous = try store.chainHash(at: trusted) else {
      return Verification(
        checked: 0, lastIndex: tip.base.index, chainHash: tip.base.chainHash,
        damage: .init(index: trusted, text: "the entry is missing"))
    }
    var result = Verification(checked: 0, lastIndex: trusted, chainHash: previous)
    // What is committed stays as it is and is read in parts; the rest, which may be replaced at any
    // time, in one transaction.
    let committed = min(tip.hardState.commit, tip.lastIndex)
    while result.damage == nil, result.lastIndex < committed {
      try store.verify(&result, through: min(result.lastIndex + 512, committed))
      progress(result.lastIndex)
    }
    if result.damage == nil { try store.verify(&result, through: nil) }
    if result.damage == nil { try store.verifyFrame(&result) }
    return result
  }
}

extension LogStore {
  /// The index whose whole hash is the last one before the last so many entries.
  fileprivate func trusted(beforeLast count: Int, of tip: LogTip) -> Index {
    let before = tip.lastIndex - min(UInt64(clamping: max(count, 0)), tip.lastIndex)
    return max(layout.anchor(atOrBefore: before), tip.base.index)
  }

  /// Visits every entry without computing its hash; nil if each is there and none is too short.
  fileprivate func walk(from base: LogBase) throws(Fault) -> Verification? {
    try read("verify") { transaction in
      try transaction.withCursor(on: entries) { cursor in
        var index = base.index
        var isThere = try cursor.move(to: .first)
        while isThere {
          index += 1
          let isSound = cursor.withEntry { key, value in
            key.count == 8 && key.bigEndian64(at: 0) == index
              && layout.isPlausible(value, at: index)
          }
          guard isSound else {
            return Verification(
              checked: 0, lastIndex: index - 1, chainHash: base.chainHash,
              damage: .init(index: index, text: "the entry is missing or cut short"))
          }
          isThere = try cursor.move(to: .next)
        }
        return nil
      }
    }
  }

  /// Goes on from `result.lastIndex` through `last`, or to the end of the log if nil.
  fileprivate func verify(_ result: inout Verification, through last: Index?) throws(Fault) {
    result = try read("verify") { transaction in
      try transaction.withCursor(on: entries) { cursor in
        var result = result
        var isThere = try cursor.move(to: .atOrAfter([UInt8](bigEndian: result.lastIndex + 1)))
        while isThere {
          if let last, result.lastIndex >= last { return result }
          // On a damaged page above, one may be passed on the way along and missed on the way down.
          let next = result.lastIndex + 1
          if cursor.key == [UInt8](bigEndian: next),
            try transaction.withValue(cursor.key, in: entries, { $0.count }) == nil
          {
            result.damage = .init(
              index: next, text: "the entry is not found where it is looked for")
            return result
          }
          cursor.withEntry { key, value in check(key, value, &result) }
          if result.damage != nil { return result }
          isThere = try cursor.move(to: .next)
        }
        if let last, result.lastIndex < last {
          result.damage = .init(index: result.lastIndex + 1, text: "the entry is missing")
        }
        return result
      }
    }
  }

  private func check(_ key: Span<UInt8>, _ value: Span<UInt8>, _ result: inout Verification) {
    let index = result.lastIndex + 1
    do throws(EntryLayout.Unsound) {
      result.chainHash = try checked(key, value, at: index, after: result.chainHash).hash
      result.checked += 1
      result.lastIndex = index
    } catch {
      result.damage = .init(index: index, text: error.text)
    }
  }

  /// The commit index must lie inside the log. Where a checkpoint lies does not matter: one that is
  /// not of this log is not used.
  fileprivate func verifyFrame(_ result: inout Verification) throws(Fault) {
    let tip = try tip()
    if tip.hardState.commit > tip.lastIndex {
      result.damage = .init(
        index: tip.lastIndex + 1,
        text: "committed is \(tip.hardState.commit), the log ends at \(tip.lastIndex)")
    }
  }
}
