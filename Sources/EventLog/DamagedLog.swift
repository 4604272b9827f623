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

  /// Hands out entries in order, each proven by the hash of the one before, until `body` returns
  /// false or none follows.
  /// - Throws: `Fault` where it cannot be read on, else what `body` throws.
  package func forEach(
    from first: Index, through last: Index = .max, _ body: (Entry) throws -> Bool
  ) throws {
    var (next, hash) = (max(first, identity.firstIndex), ChainHash?.none)
    while next <= last,
      let found = try store.run(from: next, to: next + 1, maxBytes: .max, after: hash),
      let entry = found.entries.first
    {
      guard try body(entry) else { return }
      (next, hash) = (next + 1, found.hash)
    }
  }

  /// The chain hash at an index, also before the first entry; nil if there is no entry.
  package func chainHash(at index: Index) throws(Fault) -> ChainHash? {
    try store.chainHash(at: index)
  }
}
