package import Raft

/// Whose log it is. Kept in a file beside the data and in the data: if they differ, or one is
/// missing, the directory is not what it was (LMDB itself makes a missing file anew, empty, and a
/// voter would have forgotten its vote).
package struct LogIdentity: Equatable, Sendable, CustomStringConvertible {
  /// The layout of new logs.
  package static let currentLayout = EntryLayout.short

  package let cluster: UInt64
  package let node: UInt64
  /// The first index this log held when it was made: above 1 if it began from a state instead of
  /// from nothing.
  package let firstIndex: Index
  /// How it lays out its entries; a log keeps the layout that it began with.
  package let layout: EntryLayout

  package init(
    cluster: UInt64, node: UInt64, firstIndex: Index = 1,
    layout: EntryLayout = Self.currentLayout
  ) {
    self.cluster = cluster
    self.node = node
    self.firstIndex = firstIndex
    self.layout = layout
  }

  /// The file's text, one `name value` a line.
  package var description: String {
    """
    muster-log \(layout.rawValue)
    cluster \(String(cluster, radix: 16))
    node \(String(node, radix: 16))
    first-index \(firstIndex)

    """
  }

  /// Whether both name the same log, whatever its layout.
  package func isSameLog(as other: LogIdentity) -> Bool {
    (cluster, node, firstIndex) == (other.cluster, other.node, other.firstIndex)
  }

  /// What a file's text says: an identity, or the number of a layout that is not known here.
  enum Reading {
    case known(LogIdentity)
    case unknownFormat(Int)
  }

  /// Parses `description`; nil if it is anything else.
  static func read(_ text: String) -> Reading? {
    let lines = text.split(separator: "\n").map { $0.split(separator: " ") }
    guard lines.count == 4, lines.allSatisfy({ $0.count == 2 }),
      lines.map({ $0[0] }) == ["muster-log", "cluster", "node", "first-index"],
      let format = Int(lines[0][1]), let cluster = UInt64(lines[1][1], radix: 16),
      let node = UInt64(lines[2][1], radix: 16), let firstIndex = Index(lines[3][1])
    else { return nil }
    guard let layout = EntryLayout(rawValue: format) else { return .unknownFormat(format) }
    return .known(
      LogIdentity(cluster: cluster, node: node, firstIndex: firstIndex, layout: layout))
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
  package var hardState: HardState
}
