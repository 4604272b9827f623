// An exported file, read from where it lies. All of it is checked when it is opened: what somebody
// mailed is believed whole or not at all.

package import EventLog
package import FoundationEssentials
package import Membership
package import Raft

/// The history in an exported file.
package struct ExportSource: HistorySource {
  package let header: ExportHeader
  package let name: String
  private let data: Data
  /// Where every 256th entry begins.
  private let marks: [Int]
  private static let spacing: UInt64 = 256

  package var cluster: ClusterID { header.cluster }
  package var node: NodeID { header.node }
  package var firstIndex: UInt64 { header.first }
  package var lastIndex: UInt64 { header.last }
  package var redaction: String? { header.redaction }

  /// Opens a file and checks it: every hash, every index, and that it is whole.
  /// - Throws: `Unanswerable` (65) naming the first index that is wrong.
  package init(path: String) throws {
    let data: Data
    do {
      data = try Data(contentsOf: URL(filePath: path), options: .mappedIfSafe)
    } catch {
      throw Unanswerable("cannot read \(path): \(Self.words(error))", exitCode: 1)
    }
    try self.init(data, name: path)
  }

  private static func words(_ error: any Error) -> String {
    switch (error as? CocoaError)?.code {
    case .fileReadNoSuchFile: "there is no such file"
    case .fileReadNoPermission: "no right to"
    default: "\(error)"
    }
  }

  /// From the bytes of a file.
  package init(_ data: Data, name: String) throws {
    self.name = name
    self.data = data
    let headerEnd = try Self.headerEnd(data, name)
    let text = String(decoding: data[data.startIndex..<data.startIndex + headerEnd], as: UTF8.self)
    let lines = text.split(separator: "\n")
    guard let header = ExportHeader(lines: lines), header.text == text else {
      throw Unanswerable("\(name) is damaged: its header is unreadable", exitCode: 65)
    }
    self.header = header
    var marks: [Int] = []
    var (offset, hash) = (headerEnd, header.baseHash)
    for index in header.first...header.last {
      if (index - header.first).isMultiple(of: Self.spacing) { marks.append(offset) }
      guard let value = Self.value(data, at: offset, index: index) else {
        throw Self.wrong(name, index, "the file is cut or changed there")
      }
      hash = hash.extended(index: index, body: value[StoredEntry.bodyOffset...])
      guard value.starts(with: hash.bytes) else {
        throw Self.wrong(name, index, "the event does not have the hash that is told")
      }
      offset += 12 + value.count
    }
    self.marks = marks
    let end = ExportFraming.bigEndian(ExportFraming.end) + ExportFraming.seal(header.text, hash)
    guard Array(data.dropFirst(offset)) == end else {
      throw Unanswerable(
        "\(name) is damaged: its header or its end was changed after index \(header.last) was "
          + "written. Nothing of it is believed; export again", exitCode: 65)
    }
  }

  private static func headerEnd(_ data: Data, _ name: String) throws -> Int {
    let head = Array(data.prefix(4096))
    guard head.starts(with: Array((ExportHeader.magic + "\n").utf8)) else {
      if head.starts(with: Array("muster-history ".utf8)) {
        throw Unanswerable("\(name) was written by a newer version of muster", exitCode: 65)
      }
      throw Unanswerable(
        "\(name) is no exported history; muster export writes one", exitCode: 65)
    }
    let newline = UInt8(ascii: "\n")
    for end in head.indices.dropFirst() where head[end] == newline && head[end - 1] == newline {
      return end + 1
    }
    throw Unanswerable("\(name) is damaged: its header does not end", exitCode: 65)
  }

  /// What is stored of the entry at an offset; nil if it cannot be that index's.
  private static func value(_ data: Data, at offset: Int, index: UInt64) -> [UInt8]? {
    let start = data.startIndex + offset
    guard offset + 12 <= data.count else { return nil }
    let head = Array(data[start..<start + 12])
    let size = head[..<4].reduce(0) { $0 << 8 | Int($1) }
    guard size >= StoredEntry.bodyOffset, size <= data.count - offset - 12,
      head[4...].reduce(0, { $0 << 8 | UInt64($1) }) == index
    else { return nil }
    return Array(data[start + 12..<start + 12 + size])
  }

  private static func wrong(_ name: String, _ index: UInt64, _ why: String) -> Unanswerable {
    Unanswerable(
      "\(name) is damaged at index \(index): \(why). Nothing of it is believed; export again",
      exitCode: 65)
  }

  package func forEach(
    from first: UInt64, through last: UInt64, _ body: (Entry) throws -> Bool
  ) throws {
    guard first >= firstIndex, first <= min(last, lastIndex) else { return }
    try scan(from: first) { index, value in
      if index > last { return false }
      guard let entry = StoredEntry.decode(value.span, at: index) else {
        throw Self.wrong(name, index, "the entry cannot be decoded")
      }
      return try body(entry)
    }
  }

  package func chainHash(at index: UInt64) throws -> ChainHash? {
    guard index + 1 >= firstIndex, index <= lastIndex else { return nil }
    if index + 1 == firstIndex { return header.baseHash }
    var found: ChainHash?
    try scan(from: index) { _, value in
      found = ChainHash(bytes: Array(value.prefix(ChainHash.size)))
      return false
    }
    return found
  }

  package var baseTerm: UInt64 { header.baseTerm }
  package func storedState(atOrBefore index: UInt64) throws -> UInt64? { nil }
  package func checkpoint(atOrBefore index: UInt64, commands: Bool) throws -> Cluster? { nil }

  /// Hands out what is stored of each entry from `first` on.
  private func scan(from first: UInt64, _ body: (UInt64, [UInt8]) throws -> Bool) throws {
    let mark = (first - firstIndex) / Self.spacing
    var offset = marks[Int(mark)]
    for index in firstIndex + mark * Self.spacing...lastIndex {
      guard let value = Self.value(data, at: offset, index: index) else {
        throw Self.wrong(name, index, "it changed while it was read")
      }
      if index >= first, try !body(index, value) { return }
      offset += 12 + value.count
    }
  }
}
