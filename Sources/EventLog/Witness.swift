import Glibc
import LMDB
package import Raft

/// What a node must never forget, as kept outside LMDB too: one flipped bit in a meta page of LMDB
/// silently undoes the last commit, and a voter that forgets its vote may vote twice.
package struct Witness: Equatable, Sendable, CustomStringConvertible {
  package var term: Term
  package var vote: PeerID
  /// The log reached at least to here.
  package var commit: Index
  package var boot: UInt64

  package init(_ state: HardState, boot: UInt64) {
    term = state.term
    vote = state.vote
    commit = state.commit
    self.boot = boot
  }

  package init(term: Term, vote: PeerID, commit: Index, boot: UInt64) {
    self.term = term
    self.vote = vote
    self.commit = commit
    self.boot = boot
  }

  package var description: String {
    "term \(term), vote \(vote == 0 ? "for nobody" : "for \(hex(vote))"), committed \(commit), "
      + "boot \(boot)"
  }
}

/// Where log and witness did not agree at opening. The higher of both has been taken.
package enum OpenFinding: Equatable, Sendable, CustomStringConvertible {
  /// There was no readable witness; there is one again.
  case witnessMissing
  /// The process died between writing the one and the other: nothing was lost.
  case witnessBehind(log: Witness, witness: Witness)
  /// The log has forgotten something that it had made durable: it was rolled back, restored or
  /// damaged. This node must not vote before it holds again what its peers say it acknowledged;
  /// found at every opening until a write `settlesFindings`.
  case logBehind(log: Witness, witness: Witness, lastIndex: Index)

  /// The last index that this node is known to have held, where its log lacks something.
  package var lostUpTo: Index? {
    if case .logBehind(let log, let witness, _) = self { return max(log.commit, witness.commit) }
    return nil
  }

  package var description: String {
    switch self {
    case .witnessMissing: "the votes file was missing or unreadable; it was made anew"
    case .witnessBehind(let log, let witness):
      "the votes file was behind, as after a crash, and nothing is lost: \(log) in the log, "
        + "\(witness) in the file"
    case .logBehind(let log, let witness, let last):
      "the log has forgotten what it had made durable, as after putting back an old copy: it ends "
        + "at \(last) with \(log), the votes file has \(witness). This node does not vote before "
        + "it holds that again"
    }
  }

  /// Whether this node may have forgotten a vote or entries that it acknowledged.
  package var isLogBehind: Bool {
    if case .logBehind = self { return true }
    return false
  }
}

/// A file of two slots that are written in turn, so that one is whole whatever happens. A slot:
/// "MUSTERW1", then sequence, term, vote, commit and boot number (8 bytes each, big-endian), then
/// the CRC-32 of all that.
final class WitnessSlots: Sendable {
  private static let magic = Array("MUSTERW1".utf8)
  private static let slotSize = 4096
  private static let recordSize = 8 + 5 * 8 + 4

  private let path: String
  private let descriptor: Int32

  /// The content of a new file.
  static func initial(_ witness: Witness) -> [UInt8] {
    var bytes = encode(witness, sequence: 1)
    bytes += [UInt8](repeating: 0, count: 2 * slotSize - bytes.count)
    return bytes
  }

  /// Opens the file, or makes one if it is missing.
  init(path: String) throws(Fault) {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system("open", path) }
    let code = posix_fallocate(descriptor, 0, off_t(2 * Self.slotSize))
    guard code == 0 else {
      close(descriptor)
      errno = code
      throw .system("allocate", path)
    }
  }

  deinit { close(descriptor) }

  /// The newest witness whose slot is whole, with its sequence number; nil if there is none.
  func newest() throws(Fault) -> (sequence: UInt64, witness: Witness)? {
    try Self.newest(descriptor, path)
  }

  /// The same of a file that is only read; nil also if it is missing.
  static func read(_ path: String) throws(Fault) -> (sequence: UInt64, witness: Witness)? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0, errno == ENOENT { return nil }
    guard descriptor >= 0 else { throw .system("open", path) }
    defer { close(descriptor) }
    return try newest(descriptor, path)
  }

  private static func newest(
    _ descriptor: Int32, _ path: String
  ) throws(Fault) -> (sequence: UInt64, witness: Witness)? {
    var newest: (sequence: UInt64, witness: Witness)?
    for slot in 0..<2 {
      var buffer = [UInt8](repeating: 0, count: recordSize)
      let count = pread(descriptor, &buffer, buffer.count, off_t(slot * slotSize))
      guard count >= 0 else { throw .system("read", path) }
      if let found = decode(buffer), found.sequence > newest?.sequence ?? 0 {
        newest = found
      }
    }
    return newest
  }

  /// Writes the slot that holds the older record, and waits for the disk.
  func write(_ witness: Witness, sequence: UInt64) throws(Fault) {
    let bytes = Self.encode(witness, sequence: sequence)
    let offset = off_t((sequence + 1) % 2) * off_t(Self.slotSize)
    guard pwrite(descriptor, bytes, bytes.count, offset) == bytes.count,
      fdatasync(descriptor) == 0
    else {
      let code = errno
      throw Fault(
        .syncFailed, operation: "write", subject: path, code: code,
        text: String(cString: strerror(code)))
    }
  }

  private static func encode(_ witness: Witness, sequence: UInt64) -> [UInt8] {
    var bytes = magic
    for number in [sequence, witness.term, witness.vote, witness.commit, witness.boot] {
      bytes.append(bigEndian: number)
    }
    bytes.append(bigEndian: crc32(bytes))
    return bytes
  }

  private static func decode(_ bytes: [UInt8]) -> (sequence: UInt64, witness: Witness)? {
    let body = Array(bytes.dropLast(4))
    guard bytes.starts(with: magic) else { return nil }
    var check: [UInt8] = []
    check.append(bigEndian: crc32(body))
    guard bytes.suffix(4) == check[...] else { return nil }
    let numbers = (0..<5).map { field in
      body[(8 + 8 * field)..<(16 + 8 * field)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }
    return (
      numbers[0],
      Witness(term: numbers[1], vote: numbers[2], commit: numbers[3], boot: numbers[4])
    )
  }
}

/// CRC-32 as in IEEE 802.3 and zlib.
func crc32(_ bytes: [UInt8]) -> UInt32 {
  var crc: UInt32 = .max
  for byte in bytes {
    crc ^= UInt32(byte)
    for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
  }
  return ~crc
}
