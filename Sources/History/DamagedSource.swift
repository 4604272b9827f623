// What can be read of a damaged log: the events before the damage.

package import EventLog
package import Membership
package import Raft

/// The history in a damaged log, through an index that another process could read up to.
package struct DamagedSource: HistorySource {
  private let log: DamagedLog?
  package let name: String
  package let lastIndex: UInt64
  package var firstIndex: UInt64 { 1 }
  package var baseTerm: UInt64 { 0 }
  package var redaction: String? { nil }
  package var cluster: ClusterID { ClusterID(log?.identity.cluster ?? 0) }
  package var node: NodeID { NodeID(log?.identity.node ?? 0) }

  /// - Parameters:
  ///   - directory: of the log.
  ///   - last: 0 if nothing can be read; then it is not opened.
  package init(_ directory: String, through last: UInt64, name: String) throws(Fault) {
    log = last == 0 ? nil : try DamagedLog(directory: directory)
    lastIndex = last
    self.name = name
  }

  package func forEach(
    from first: UInt64, through last: UInt64, _ body: (Entry, ChainHash) throws -> Bool
  ) throws {
    try log?.forEach(from: first, through: min(last, lastIndex), body)
  }

  package func chainHash(at index: UInt64) throws -> ChainHash? {
    index <= lastIndex ? try log?.chainHash(at: index) : nil
  }

  /// Stored states only save time.
  package func storedState(atOrBefore index: UInt64) throws -> UInt64? { nil }
  package func checkpoint(atOrBefore index: UInt64) throws -> Cluster? { nil }
  package func newest() throws -> Cluster? { nil }
}
