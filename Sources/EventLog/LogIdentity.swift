package import Raft

/// Whose log it is. Kept in a file beside the data and in the data: if they differ, or one is
/// missing, the directory is not what it was (LMDB itself makes a missing file anew, empty, and a
/// voter would have forgotten its vote).
package struct LogIdentity: Equatable, Sendable, CustomStringConvertible {
  /// Format of what this version writes.
  package static let currentFormat = 1

  package let cluster: UInt64
  package let node: UInt64
  /// The first index this log held when it was made: above 1 if it began from a state instead of
  /// from nothing.
  package let firstIndex: Index
  package let format: Int

  package init(
    cluster: UInt64, node: UInt64, firstIndex: Index = 1, format: Int = Self.currentFormat
  ) {
    self.cluster = cluster
    self.node = node
    self.firstIndex = firstIndex
    self.format = format
  }

  /// The file's text, one `name value` a line.
  package var description: String {
    """
    muster-log \(format)
    cluster \(String(cluster, radix: 16))
    node \(String(node, radix: 16))
    first-index \(firstIndex)

    """
  }

  /// Parses `description`; nil if it is anything else.
  init?(text: String) {
    let lines = text.split(separator: "\n").map { $0.split(separator: " ") }
    guard lines.count == 4, lines.allSatisfy({ $0.count == 2 }),
      lines.map({ $0[0] }) == ["muster-log", "cluster", "node", "first-index"],
      let format = Int(lines[0][1]), let cluster = UInt64(lines[1][1], radix: 16),
      let node = UInt64(lines[2][1], radix: 16), let firstIndex = Index(lines[3][1])
    else { return nil }
    self.init(cluster: cluster, node: node, firstIndex: firstIndex, format: format)
  }
}

/// What stands before the first entry: nothing, or a state that the log continues.
package struct LogBase: Equatable, Sendable {
  package let index: Index
  package let term: Term
  package let chainHash: ChainHash

  package init(index: Index, term: Term, chainHash: ChainHash) {
    self.index = index
    self.term = term
    self.chainHash = chainHash
  }

  /// Before the first entry ever.
  package static let genesis = LogBase(index: 0, term: 0, chainHash: .genesis)
}

/// A state at an index, as bytes that only the host understands.
package struct Checkpoint: Equatable, Sendable {
  package let index: Index
  package let bytes: [UInt8]

  package init(index: Index, bytes: [UInt8]) {
    self.index = index
    self.bytes = bytes
  }
}

/// The ends of the log at one moment.
package struct LogTip: Equatable, Sendable {
  /// What stands before the first entry.
  package var base: LogBase
  package var lastIndex: Index
  package var lastTerm: Term
  /// The chain hash at `lastIndex`.
  package var chainHash: ChainHash
  package var hardState: HardState
}
