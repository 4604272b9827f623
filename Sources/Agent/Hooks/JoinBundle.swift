// What a joiner is given beside its membership: files that an operator put into bundle/ of the
// node that answers, for whatever runs beside muster (a Kubernetes PKI, a token of k3s). They are
// secrets: they go over the connection that was verified, into files of mode 0600, and the log
// keeps only their SHA-256.
//
// What is given is taken whole or not at all, and judged before the join is: links, files that
// others may read or write, files that cannot be read, files that change meanwhile are refused by
// name, so that nobody becomes a member with half of what it needs.

import Crypto
import FoundationEssentials
import Membership
import Transport

#if canImport(Glibc)
  import Glibc
#endif

/// One file on its way to a joiner.
package struct BundleFile: Codable, Equatable, Sendable {
  /// Below the folder, its parts divided by slashes.
  package var path: String
  /// Base64.
  package var content: String
}

struct JoinBundle: Sendable {
  /// By path, as bytes are ordered.
  private(set) var files: [(path: String, bytes: [UInt8])] = []

  /// Bytes of all files together.
  static let limit = 1 << 20
  static let mostFiles = 256
  static let deepest = 8

  /// The folder for joiners of that role.
  static func folder(_ role: NodeRole, _ directory: DataDirectory) -> String {
    "\(directory.bundle)/\(role.name)"
  }

  // MARK: Giving

  /// What joiners of that role are given; nothing if there is no folder.
  /// - Parameter reading: told each file before it is read.
  /// - Throws: `APIError` naming the file that cannot be given, and why.
  init(
    for role: NodeRole, _ directory: DataDirectory, reading: (String) -> Void = { _ in }
  ) throws {
    let folder = Self.folder(role, directory)
    guard directory.exists(folder) else { return }
    let paths = try Self.paths(folder)
    var total = 0
    for path in paths {
      reading(path)
      let bytes = try Self.read("\(folder)/\(path)", upTo: Self.limit - total)
      total += bytes.count
      files.append((path, bytes))
    }
    guard try Self.paths(folder) == paths else {
      throw Self.refusal(folder, "changed while it was read; try again")
    }
  }

  /// All files below a folder, sorted.
  private static func paths(_ folder: String) throws -> [String] {
    var found: [String] = []
    var waiting = [""]
    while let next = waiting.popLast() {
      let inside = next.isEmpty ? folder : "\(folder)/\(next)"
      guard let info = FileStatus(inside) else { throw refusal(inside, "is gone; try again") }
      guard info.kind == .folder else {
        throw refusal(inside, "is not a folder (symbolic links are not followed)")
      }
      try requireOwn(info, inside, others: 0o022)
      let names: [String]
      do {
        names = try FileManager.default.contentsOfDirectory(atPath: inside)
      } catch {
        throw refusal(inside, "cannot be read: \(error)")
      }
      for name in names {
        let path = next.isEmpty ? name : "\(next)/\(name)"
        guard let file = FileStatus("\(folder)/\(path)") else {
          throw refusal("\(folder)/\(path)", "is gone; try again")
        }
        if let flaw = flaw(path) { throw refusal(inside, "holds a file that \(flaw)") }
        if file.kind == .folder { waiting.append(path) } else { found.append(path) }
      }
      guard found.count + waiting.count <= mostFiles else {
        throw refusal(folder, "holds more than \(mostFiles) files")
      }
    }
    return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  private static func read(_ path: String, upTo room: Int) throws -> [UInt8] {
    if FileStatus(path)?.kind == .link { throw refusal(path, "is a symbolic link") }
    let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw refusal(path, "cannot be read: \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    guard let info = FileStatus(descriptor: descriptor) else {
      throw refusal(path, "cannot be read: \(String(cString: strerror(errno)))")
    }
    guard info.kind == .file else { throw refusal(path, "is not a plain file") }
    try requireOwn(info, path, others: 0o077)
    // Root can read everything; that its owner may not is a sign that it is not meant to be read.
    guard info.mode & 0o400 != 0 else {
      throw refusal(path, "may not be read by its owner (mode \(octal(info.mode)))")
    }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw refusal(path, "cannot be read: \(String(cString: strerror(errno)))")
      }
      if count == 0 { break }
      bytes += chunk[..<count]
      guard bytes.count <= room else {
        throw refusal(path, "is one too many: a bundle has at most \(limit >> 10) KiB in all")
      }
    }
    guard FileStatus(descriptor: descriptor) == info, FileStatus(path) == info,
      Int64(bytes.count) == info.size
    else { throw refusal(path, "changed while it was read; try again") }
    return bytes
  }

  private static func requireOwn(_ info: FileStatus, _ path: String, others: UInt32) throws {
    guard info.owner == 0 || info.owner == geteuid() else {
      throw refusal(path, "belongs to uid \(info.owner); run: chown \(geteuid()) \(path)")
    }
    guard info.mode & others == 0 else {
      let bits = others == 0o022 ? "go-w" : "go="
      throw refusal(
        path, "is open to others (mode \(octal(info.mode))); run: chmod \(bits) \(path)")
    }
  }

  private static func octal(_ mode: UInt32) -> String { String(mode & 0o777, radix: 8) }

  private static func refusal(_ path: String, _ why: String) -> APIError {
    APIError("\(path), which joiners are to be given, \(why)", code: "bundle", exitCode: 1)
  }

  /// Why that cannot be the path of a file below a folder, from which it must not lead out; nil if
  /// it can.
  static func flaw(_ path: String) -> String? {
    guard path.utf8.count <= 512 else { return "has a path of more than 512 bytes" }
    guard path.unicodeScalars.allSatisfy({ $0.value >= 32 && !(0x7f...0x9f).contains($0.value) })
    else { return "has control characters in its name" }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= deepest else { return "is more than \(deepest) folders deep" }
    return parts.contains { $0.isEmpty || $0 == "." || $0 == ".." } ? "leads elsewhere" : nil
  }

  // MARK: On its way

  var isEmpty: Bool { files.isEmpty }

  /// Of names and contents, each with its length before it; nil if there are no files.
  var digest: Membership.Digest? {
    guard !files.isEmpty else { return nil }
    var hash = SHA256()
    hash.update(data: Array("muster bundle 1\n".utf8))
    func add(_ bytes: [UInt8]) {
      let count = UInt64(bytes.count)
      hash.update(data: (0..<8).map { UInt8(truncatingIfNeeded: count >> (56 - 8 * $0)) })
      hash.update(data: bytes)
    }
    for file in files {
      add(Array(file.path.utf8))
      add(file.bytes)
    }
    return Membership.Digest(bytes: Array(hash.finalize()))
  }

  var encoded: [BundleFile] {
    files.map { BundleFile(path: $0.path, content: Data($0.bytes).base64EncodedString()) }
  }

  // MARK: Receiving

  /// What another node sent.
  /// - Throws: `Failure` if it is no bundle that would have been given: a path that leads out of
  ///   its folder, too much, two files of one name.
  init(_ sent: [BundleFile]) throws(Failure) {
    func refuse(_ why: String) -> Failure { Failure("the files of its bundle/ \(why)") }
    guard sent.count <= Self.mostFiles else { throw refuse("are more than \(Self.mostFiles)") }
    var total = 0
    var paths: Set<String> = []
    for file in sent {
      if let flaw = Self.flaw(file.path) { throw refuse("hold one that \(flaw)") }
      guard paths.insert(file.path).inserted else { throw refuse("hold \(file.path) twice") }
      guard let data = Data(base64Encoded: file.content) else {
        throw refuse("hold \(file.path), which cannot be decoded")
      }
      total += data.count
      guard total <= Self.limit else { throw refuse("have more than \(Self.limit >> 10) KiB") }
      files.append((file.path, Array(data)))
    }
    for path in paths {
      var folder = path[...]
      while let slash = folder.lastIndex(of: "/") {
        folder = folder[..<slash]
        if paths.contains(String(folder)) { throw refuse("hold \(folder) as file and as folder") }
      }
    }
    files.sort { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
  }

  /// Puts the files into `received/`, in the place of all that was there, at once. None: that
  /// folder goes.
  func store(_ directory: DataDirectory) throws(Failure) {
    let new = directory.received + ".new"
    try directory.removeTree(new)
    guard !files.isEmpty else { return try directory.removeTree(directory.received) }
    try directory.makeFolder(new)
    for file in files { try directory.write(file.bytes, to: "\(new)/\(file.path)") }
    try directory.replace(directory.received, by: new)
    try directory.removeTree(new)
  }
}
