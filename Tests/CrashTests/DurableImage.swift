import Foundation

/// What a program asked of its disk, in order (`Shim/disk.c` writes it).
struct DiskRequest {
  enum Kind: UInt64 {
    case write = 1
    /// It has reached the disk when it returns (O_DSYNC).
    case durableWrite, sync, allocate, truncate, output
  }
  var kind: Kind
  var file: Int
  var offset: Int
  var bytes: Data

  /// The requests of a trace; a last one that was cut short is left out.
  static func read(_ path: String) throws -> [DiskRequest] {
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    var requests: [DiskRequest] = []
    var at = 0
    while at + 32 <= data.count {
      let numbers = data[at..<at + 32].withUnsafeBytes { raw in
        (0..<4).map { raw.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) }
      }
      let length = Int(numbers[3])
      guard let kind = Kind(rawValue: numbers[0]), at + 32 + length <= data.count else { break }
      requests.append(
        DiskRequest(
          kind: kind, file: Int(numbers[1]), offset: Int(numbers[2]),
          bytes: data.subdata(in: at + 32..<at + 32 + length)))
      at += 32 + length
    }
    return requests
  }
}

/// What is on a disk that loses its power: everything synced, and of the rest whatever pleases the
/// disk, down to single sectors, in any order.
struct DurableImage {
  static let names = ["data.mdb", "votes"]
  private static let sector = 512

  private var durable: [Data]
  /// Not synced; in order.
  private var pending: [[DiskRequest]] = [[], []]

  /// The files of a log as they are, all of it durable.
  init(of directory: String) throws {
    durable = try Self.names.map {
      try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\($0)"))
    }
  }

  mutating func take(_ request: DiskRequest) {
    switch request.kind {
    case .output: break
    case .write, .allocate, .truncate: pending[request.file].append(request)
    case .durableWrite:
      apply(request)
      // Once more after what was written before it and is synced later.
      pending[request.file].append(request)
    case .sync:
      for request in pending[request.file] { apply(request) }
      pending[request.file] = []
    }
  }

  private mutating func apply(_ request: DiskRequest) {
    let (file, offset) = (request.file, request.offset)
    switch request.kind {
    case .write, .durableWrite:
      extend(file, to: offset + request.bytes.count)
      durable[file].replaceSubrange(offset..<offset + request.bytes.count, with: request.bytes)
    case .allocate: extend(file, to: offset)
    case .truncate:
      extend(file, to: offset)
      durable[file] = durable[file].prefix(offset)
    case .sync, .output: break
    }
  }

  private mutating func extend(_ file: Int, to size: Int) {
    if durable[file].count < size { durable[file].append(Data(count: size - durable[file].count)) }
  }

  /// The power is gone: of what was not synced some is kept, some is lost, some is torn.
  mutating func losePower(_ random: inout Seeded) {
    // Whole classes of disks: one that kept all, one that kept nothing, and the rest.
    let keep = [0, 100, 50, 50, 20, 80].randomElement(using: &random) ?? 50
    for requests in pending {
      for request in requests {
        if request.kind == .durableWrite {
          apply(request)
        } else if request.kind == .write, Int.random(in: 0..<3, using: &random) == 0 {
          applyTorn(request, keep, &random)
        } else if Int.random(in: 0..<100, using: &random) < keep {
          apply(request)
        }
      }
    }
    pending = [[], []]
  }

  private mutating func applyTorn(_ request: DiskRequest, _ keep: Int, _ random: inout Seeded) {
    var at = 0
    while at < request.bytes.count {
      let end = min(
        request.bytes.count,
        at + Self.sector - (request.offset + at) % Self.sector)
      if Int.random(in: 0..<100, using: &random) < keep {
        apply(
          DiskRequest(
            kind: .write, file: request.file, offset: request.offset + at,
            bytes: request.bytes.subdata(in: at..<end)))
      }
      at = end
    }
  }

  /// Puts the files into a directory that has those of the same log.
  func write(to directory: String) throws {
    for (name, data) in zip(Self.names, durable) {
      try data.write(to: URL(fileURLWithPath: "\(directory)/\(name)"))
    }
  }
}
