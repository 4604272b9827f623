import LMDB
import Raft

/// The tables of one group of the log, and every read and write on them.
///
/// `entries`: by index, as `EntryLayout` has them. `checkpoints`: the host's bytes by index, kept
/// for good. `meta`: `identity` (its file's text), `base` (index, term, chain hash), `hard` (term,
/// vote, commit), `boot`, `behind` (log, witness, last index: a finding not yet settled), `newest`
/// (a checkpoint that the next one replaces: its index and the host's bytes) and `fact/NAME`.
/// Numbers, also as keys, are 8 bytes big-endian. The names of the tables begin with the group's
/// number: an environment can hold several groups.
struct LogStore: Sendable {
  let directory: String
  let files: LogFiles
  let environment: Environment
  let layout: EntryLayout
  let entries: Table
  let checkpoints: Table
  let meta: Table

  /// Opens the environment and checks that it is whole and whose it is.
  init(files: LogFiles, mode: EventLog.Mode, identity: LogIdentity, mapSize: Int) throws(Fault) {
    let directory = files.directory
    do {
      let environment = try Environment(
        directory: directory,
        options: .init(
          isReadOnly: mode == .readOnly, mapSize: mapSize,
          smallestMapSize: min(mapSize, 64 << 20)))
      try Self.checkSize(environment)
      try environment.clearStaleReaders()
      self.files = files
      self.directory = directory
      self.environment = environment
      layout = identity.layout
      entries = try environment.table("0/entries")
      checkpoints = try environment.table("0/checkpoints")
      meta = try environment.table("0/meta")
      let meta = meta
      let (stored, base) = try environment.read { transaction in
        (
          try transaction.get(MetaKey.identity, in: meta),
          try transaction.withValue(MetaKey.base, in: meta) { MetaCoding.base($0) } ?? nil
        )
      }
      guard let stored, let base else {
        throw Fault.damaged("open", directory, "its identity or base is missing or unreadable")
      }
      guard stored == Array(identity.description.utf8), base.index + 1 >= identity.firstIndex
      else {
        throw Fault(
          .foreign, operation: "open", subject: directory,
          text: "the file identity and the data name different logs")
      }
    } catch {
      throw Fault("open", directory, error)
    }
  }

  /// A file that was cut would end the process at the first page that is missing (SIGBUS).
  private static func checkSize(_ environment: Environment) throws {
    let info = try environment.info()
    if info.fileSize < info.usedSize {
      throw Fault.damaged(
        "open", environment.directory,
        "data.mdb has \(info.fileSize) bytes, its last page ends at \(info.usedSize)")
    }
  }

  // MARK: Reads

  func read<R>(
    _ operation: String, _ body: (borrowing ReadTransaction) throws -> R
  ) throws(Fault) -> R {
    do {
      return try environment.read(body)
    } catch {
      throw Fault(operation, directory, error)
    }
  }

  func tip() throws(Fault) -> LogTip {
    try read("read the end of") { transaction in
      guard let hard = try transaction.withValue(MetaKey.hard, in: meta, MetaCoding.hardState),
        let hardState = hard
      else { throw Fault.damaged("read", directory, "term and vote are missing or unreadable") }
      let base = try base(in: transaction)
      let last: (Index, Term)? = try transaction.withCursor(on: entries) { cursor in
        guard try cursor.move(to: .last) else { return nil }
        return try cursor.withEntry { key, value in
          guard key.count == 8, let index = key.bigEndian64(at: 0),
            let term = layout.term(in: value, at: index)
          else { throw Fault.damaged("read", directory, "its last entry is unreadable") }
          return (index, term)
        }
      }
      let (index, term) = last ?? (base.index, base.term)
      return LogTip(base: base, lastIndex: index, lastTerm: term, hardState: hardState)
    }
  }

  private func base(in transaction: borrowing ReadTransaction) throws -> LogBase {
    guard let found = try transaction.withValue(MetaKey.base, in: meta, MetaCoding.base),
      let base = found
    else { throw Fault.damaged("read", directory, "what stands before its entries is unreadable") }
    return base
  }

  func bootNumber() throws(Fault) -> UInt64 {
    try read("read the boot number of") { transaction in
      try transaction.withValue(MetaKey.boot, in: meta) { $0.bigEndian64(at: 0) } ?? nil
    } ?? 0
  }

  func term(at index: Index) throws(Fault) -> Term? {
    try read("read the term at index \(index) of") { transaction in
      let term = try transaction.withValue([UInt8](bigEndian: index), in: entries) { value in
        guard let term = layout.term(in: value, at: index) else { throw unsound(index) }
        return term
      }
      if let term { return term }
      let base = try base(in: transaction)
      return index == base.index ? base.term : nil
    }
  }

  func chainHash(at index: Index) throws(Fault) -> ChainHash? {
    try read("read the chain hash at index \(index) of") { try chainHash(at: index, in: $0) }
  }

  private func chainHash(
    at index: Index, in transaction: borrowing ReadTransaction
  ) throws -> ChainHash? {
    let base = try base(in: transaction)
    return try hash(at: index, after: base) { try transaction.get($0, in: entries) }
  }

  /// The chain hash at an index, from the whole one at or before it; nil if there is no entry.
  /// - Parameter get: finds what is stored under a key.
  /// - Throws: `Fault` at the first entry on the way that is not what was written.
  func hash(
    at index: Index, after base: LogBase, _ get: ([UInt8]) throws -> [UInt8]?
  ) throws -> ChainHash? {
    guard index >= base.index else { return nil }
    if index == base.index { return base.chainHash }
    guard let value = try get([UInt8](bigEndian: index)) else { return nil }
    if let whole = layout.wholeHash(in: value.span, at: index) { return whole }
    let anchor = max(layout.anchor(atOrBefore: index), base.index)
    var hash = base.chainHash
    if anchor > base.index {
      let value = try get([UInt8](bigEndian: anchor))
      guard let whole = value.flatMap({ layout.wholeHash(in: $0.span, at: anchor) }) else {
        throw unsound(anchor)
      }
      hash = whole
    }
    for next in anchor + 1...index {
      guard let value = try get([UInt8](bigEndian: next)) else {
        throw unsound(next, "the entry is missing")
      }
      do throws(EntryLayout.Unsound) {
        hash = try layout.proven(value.span, at: next, after: hash).hash
      } catch {
        throw unsound(next, error.text)
      }
    }
    return hash
  }

  /// As `StableLog.entries`; nil if the first is not there, and `[]` if `end` is not above it.
  /// Each is proven by the hash of the one before.
  func entries(from index: Index, to end: Index, maxBytes: Int) throws(Fault) -> [Entry]? {
    var found: [Entry] = []
    found.reserveCapacity(Int(min(end - min(index, end), 512)))
    let isThere = try run(from: index, to: end, maxBytes: maxBytes, after: nil) { entry, _ in
      found.append(entry)
    }
    return isThere ? found : nil
  }

  /// Hands out the same with their hashes, inside a transaction; false if the first is not there.
  /// - Parameter previous: the hash of the entry before; the stored one is trusted if nil.
  func run(
    from index: Index, to end: Index, maxBytes: Int, after previous: ChainHash?,
    _ take: (Entry, ChainHash) -> Void
  ) throws(Fault) -> Bool {
    guard index < end else { return true }
    return try read("read entries from index \(index) of") { transaction in
      try transaction.withCursor(on: entries) { cursor in
        var isThere = try cursor.move(to: .atOrAfter([UInt8](bigEndian: index)))
        guard isThere, index > (try base(in: transaction)).index else { return false }
        guard var hash = try previous ?? chainHash(at: index - 1, in: transaction) else {
          throw unsound(index - 1, "the entry is missing")
        }
        var next = index
        var bytes = 0
        while isThere, next < end {
          var read: (entry: Entry, hash: ChainHash)?
          var problem = ""
          cursor.lendEntry { key, value in
            do throws(EntryLayout.Unsound) {
              read = try checked(key, value, at: next, after: hash)
            } catch {
              problem = error.text
            }
          }
          guard let (entry, proven) = read else { throw unsound(next, problem) }
          bytes += entry.payload.count
          if next > index, bytes > maxBytes { return true }
          take(entry, proven)
          hash = proven
          next += 1
          isThere = try cursor.move(to: .next)
        }
        return true
      }
    }
  }

  /// What a cursor found where an index is looked for.
  func checked(
    _ key: Span<UInt8>, _ value: Span<UInt8>, at index: Index, after previous: ChainHash
  ) throws(EntryLayout.Unsound) -> (entry: Entry, hash: ChainHash) {
    guard key.count == 8, key.bigEndian64(at: 0) == index else {
      throw EntryLayout.Unsound(text: "the entry is missing")
    }
    return try layout.checked(value, at: index, after: previous)
  }

  /// Lends the newest checkpoint at that index or before; nil if there is none.
  func checkpoint<R>(
    atOrBefore index: Index, _ body: (Index, Span<UInt8>) -> R
  ) throws(Fault) -> R? {
    try read("read a checkpoint of") { transaction in
      try transaction.withCursor(on: checkpoints) { cursor in
        guard try cursor.move(to: .atOrBefore([UInt8](bigEndian: index))) else { return nil }
        return try cursor.withEntry { key, value in
          guard key.count == 8, let found = key.bigEndian64(at: 0) else {
            throw Fault.damaged("read", directory, "a checkpoint has no index")
          }
          // On a damaged page the order of keys may be another.
          return found <= index ? body(found, value) : nil
        }
      }
    }
  }

  /// Lends the checkpoint that is replaced by the next; nil if there is none.
  func newest<R>(_ body: (Index, Span<UInt8>) -> R) throws(Fault) -> R? {
    try read("read the newest checkpoint of") { transaction in
      try transaction.withValue(MetaKey.newest, in: meta) { value in
        value.bigEndian64(at: 0).map { body($0, value.extracting(8..<value.count)) }
      } ?? nil
    }
  }

  func fact(_ name: String) throws(Fault) -> [UInt8]? {
    try read("read \(name) of") { try $0.get(MetaKey.fact(name), in: meta) }
  }

  func unsound(_ index: Index, _ text: String = "the entry is unreadable") -> Fault {
    .damaged("read", directory, "data.mdb, index \(index): \(text)")
  }
}

/// The keys of the table `meta`.
enum MetaKey {
  static let identity = Array("identity".utf8)
  static let base = Array("base".utf8)
  static let hard = Array("hard".utf8)
  static let boot = Array("boot".utf8)
  static let behind = Array("behind".utf8)
  static let newest = Array("newest".utf8)
  static func fact(_ name: String) -> [UInt8] { Array("fact/\(name)".utf8) }
}

/// The values of the table `meta`.
enum MetaCoding {
  static func bytes(_ base: LogBase) -> [UInt8] {
    [UInt8](bigEndian: base.index) + [UInt8](bigEndian: base.term) + base.chainHash.bytes
  }

  static func base(_ value: Span<UInt8>) -> LogBase? {
    guard value.count == 48, let index = value.bigEndian64(at: 0), index < .max,
      let term = value.bigEndian64(at: 8), let hash = ChainHash(bytes: value.bytes(from: 16))
    else { return nil }
    return LogBase(index: index, term: term, chainHash: hash)
  }

  static func bytes(_ state: HardState) -> [UInt8] {
    [UInt8](bigEndian: state.term) + [UInt8](bigEndian: state.vote)
      + [UInt8](bigEndian: state.commit)
  }

  static func hardState(_ value: Span<UInt8>) -> HardState? {
    guard value.count == 24, let term = value.bigEndian64(at: 0),
      let vote = value.bigEndian64(at: 8), let commit = value.bigEndian64(at: 16)
    else { return nil }
    return HardState(term: term, vote: vote, commit: commit)
  }

  /// Of a finding `logBehind`; empty for any other.
  static func bytes(_ finding: OpenFinding) -> [UInt8] {
    guard case .logBehind(let log, let witness, let lastIndex) = finding else { return [] }
    let numbers = [
      log.term, log.vote, log.commit, log.boot, witness.term, witness.vote, witness.commit,
      witness.boot, lastIndex,
    ]
    return numbers.flatMap { [UInt8](bigEndian: $0) }
  }

  static func finding(_ value: Span<UInt8>) -> OpenFinding? {
    var numbers: [UInt64] = []
    for field in 0..<9 {
      guard let number = value.bigEndian64(at: 8 * field) else { return nil }
      numbers.append(number)
    }
    return .logBehind(
      log: Witness(term: numbers[0], vote: numbers[1], commit: numbers[2], boot: numbers[3]),
      witness: Witness(term: numbers[4], vote: numbers[5], commit: numbers[6], boot: numbers[7]),
      lastIndex: numbers[8])
  }
}
