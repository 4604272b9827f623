package import Raft

/// A log that may be damaged, of which entries are read one at a time, each without a look at what
/// lies behind it: so all are reached that stand before the damage.
package struct DamagedLog: Sendable {
  package let identity: LogIdentity
  private let store: LogStore

  /// - Throws: `Fault` if nothing can be read at all.
  package init(directory: String) throws(Fault) {
    let files = LogFiles(directory: directory)
    identity = try files.readIdentity()
    try files.checkData()
    store = try LogStore(
      files: files, mode: .readOnly, identity: identity, mapSize: EventLog.defaultMapSize)
  }

  /// Hands out entries in order with their chain hashes, each proven by that of the one before,
  /// until `body` returns false or none follows.
  /// - Throws: `Fault` where it cannot be read on, else what `body` throws.
  package func forEach(
    from first: Index, through last: Index = .max, _ body: (Entry, ChainHash) throws -> Bool
  ) throws {
    var (next, hash) = (max(first, identity.firstIndex), ChainHash?.none)
    while next <= last {
      var found: (entry: Entry, hash: ChainHash)?
      _ = try store.run(from: next, to: next + 1, maxBytes: .max, after: hash) {
        found = ($0, $1)
      }
      guard let found, try body(found.entry, found.hash) else { return }
      (next, hash) = (next + 1, found.hash)
    }
  }

  /// The chain hash at an index, also before the first entry; nil if there is no entry.
  package func chainHash(at index: Index) throws(Fault) -> ChainHash? {
    try store.chainHash(at: index)
  }
}
