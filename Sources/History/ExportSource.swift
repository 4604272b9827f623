// An exported file, read from where it lies. All of it is checked when it is opened: what somebody
// mailed is believed whole or not at all.

package import EventLog
package import Membership
package import Raft

/// The history in an exported file.
package struct ExportSource: HistorySource {
  package let header: ExportHeader
  package let name: String
  private let file: FileBytes
  /// Where every 256th entry begins, and the chain hash before it.
  private let marks: [Mark]
  private static let spacing: UInt64 = 256

  private typealias Mark = (offset: Int, hash: ChainHash)

  package var cluster: ClusterID { header.cluster }
  package var node: NodeID { header.node }
  package var firstIndex: UInt64 { header.first }
  package var lastIndex: UInt64 { header.last }
  package var redaction: String? { header.redaction }

  /// Opens a file and checks it: every hash, every index, and that it is whole.
  /// - Throws: `Unanswerable` (65) naming the first index that is wrong.
  package init(path: String) throws {
    let file: FileBytes
    do throws(Fault) {
      file = try FileBytes(path: path)
    } catch {
      throw Unanswerable("cannot read \(path): \(Self.words(error))", exitCode: 1)
    }
    try self.init(file)
  }

  private static func words(_ fault: Fault) -> String {
    switch fault.code {
    case 2: "there is no such file"
    case 13: "no right to"
    default: fault.text
    }
  }

  /// From the bytes of a file.
  package init(_ bytes: [UInt8], name: String) throws {
    try self.init(FileBytes(bytes, name: name))
  }

  private init(_ file: FileBytes) throws {
    name = file.name
    self.file = file
    let headerEnd = try Self.headerEnd(file)
    let text = String(decoding: try file.read(at: 0, size: headerEnd), as: UTF8.self)
    guard let header = ExportHeader(lines: text.split(separator: "\n")), header.text == text
    else {
      throw Unanswerable("\(name) is damaged: its header is unreadable", exitCode: 65)
    }
    self.header = header
    var marks: [Mark] = []
    var walk = Walk(file, Mark(headerEnd, header.baseHash), header.first)
    while walk.next <= header.last {
      if (walk.next - header.first).isMultiple(of: Self.spacing) {
        marks.append((walk.offset, walk.hash))
      }
      _ = try walk.step()
    }
    self.marks = marks
    let end =
      ExportFraming.bigEndian(ExportFraming.end) + ExportFraming.seal(header.text, walk.hash)
    guard try file.read(at: walk.offset, size: end.count + 1) == end else {
      throw Unanswerable(
        "\(name) is damaged: its header or its end was changed after index \(header.last) was "
          + "written. Nothing of it is believed; export again", exitCode: 65)
    }
  }

  private static func headerEnd(_ file: FileBytes) throws -> Int {
    let head = try file.read(at: 0, size: 4096)
    guard head.starts(with: Array((ExportHeader.magic + "\n").utf8)) else {
      if head.starts(with: Array("muster-history ".utf8)) {
        throw Unanswerable("\(file.name) was written by a newer version of muster", exitCode: 65)
      }
      if head.dropFirst(257).starts(with: Array("ustar".utf8)) {
        throw Unanswerable(
          "\(file.name) is an archive, as muster bundle writes it, and no exported history; one is "
            + "in it: tar xf \(file.name), then --file muster-support/history.muster", exitCode: 65)
      }
      throw Unanswerable(
        "\(file.name) is no exported history; muster export writes one", exitCode: 65)
    }
    let newline = UInt8(ascii: "\n")
    for end in head.indices.dropFirst() where head[end] == newline && head[end - 1] == newline {
      return end + 1
    }
    throw Unanswerable("\(file.name) is damaged: its header does not end", exitCode: 65)
  }

  /// Goes from entry to entry and proves each, also when the file is read again: it may have been
  /// changed meanwhile.
  private struct Walk {
    private let file: FileBytes
    private(set) var offset: Int
    private(set) var hash: ChainHash
    /// The index of the entry that comes next.
    private(set) var next: UInt64
    private var piece: [UInt8] = []
    private var start = 0

    init(_ file: FileBytes, _ mark: Mark, _ next: UInt64) {
      self.file = file
      (offset, hash) = mark
      self.next = next
    }

    mutating func step() throws -> Entry {
      guard let head = try take(12) else { throw wrong("the file is cut there") }
      let size = head.prefix(4).reduce(0) { $0 << 8 | Int($1) }
      let index = head.dropFirst(4).reduce(0) { $0 << 8 | UInt64($1) }
      guard index == next, let value = try take(size, after: 12) else {
        throw wrong("the file is cut or changed there")
      }
      do throws(EntryLayout.Unsound) {
        let (entry, proven) = try EntryLayout.whole.checked(
          Array(value).span, at: index, after: hash)
        (hash, next, offset) = (proven, next + 1, offset + 12 + size)
        return entry
      } catch {
        throw wrong(error.text)
      }
    }

    /// So many bytes, that far behind `offset`; nil if the file ends before.
    private mutating func take(_ size: Int, after: Int = 0) throws -> ArraySlice<UInt8>? {
      let from = offset + after
      guard size <= file.count - from else { return nil }
      if from < start || from + size > start + piece.count {
        (piece, start) = (try file.read(at: from, size: max(size, 1 << 18)), from)
      }
      guard from - start + size <= piece.count else { return nil }
      return piece[from - start..<from - start + size]
    }

    private func wrong(_ why: String) -> Unanswerable {
      Unanswerable(
        "\(file.name) is damaged at index \(next): \(why). Nothing of it is believed; export "
          + "again", exitCode: 65)
    }
  }

  package func forEach(
    from first: UInt64, through last: UInt64, _ body: (Entry, ChainHash) throws -> Bool
  ) throws {
    guard first >= firstIndex, first <= min(last, lastIndex) else { return }
    var walk = walk(to: first)
    while walk.next <= min(last, lastIndex) {
      let entry = try walk.step()
      if entry.index >= first, try !body(entry, walk.hash) { return }
    }
  }

  package func chainHash(at index: UInt64) throws -> ChainHash? {
    guard index + 1 >= firstIndex, index <= lastIndex else { return nil }
    if index + 1 == firstIndex { return header.baseHash }
    var walk = walk(to: index)
    while walk.next <= index { _ = try walk.step() }
    return walk.hash
  }

  /// A walk that begins at that index or before.
  private func walk(to index: UInt64) -> Walk {
    let mark = (index - firstIndex) / Self.spacing
    return Walk(file, marks[Int(mark)], firstIndex + mark * Self.spacing)
  }

  package var baseTerm: UInt64 { header.baseTerm }
  package func storedState(atOrBefore index: UInt64) throws -> UInt64? { nil }
  package func checkpoint(atOrBefore index: UInt64) throws -> Cluster? { nil }
  package func newest() throws -> Cluster? { nil }
}
