import Glibc
import LMDB

/// The files of a log's directory besides LMDB's pages, and the order in which they become durable.
struct LogFiles: Sendable {
  let directory: String

  var identity: String { directory + "/identity" }
  var witness: String { directory + "/votes" }
  var data: String { directory + "/data.mdb" }
  var lock: String { directory + "/lock.mdb" }
  var ballast: String { directory + "/ballast" }

  /// Bytes set aside for the day the disk is full.
  static let ballastSize = 8 << 20

  func readIdentity() throws(Fault) -> LogIdentity {
    guard let bytes = try Self.read(identity) else {
      if try Self.size(of: data) != nil {
        throw .damaged("open", directory, "its file identity is missing")
      }
      throw Fault(
        .other, operation: "open", subject: directory, code: ENOENT, text: "there is no log here")
    }
    switch LogIdentity.read(String(decoding: bytes, as: UTF8.self)) {
    case .known(let identity): return identity
    case .unknownFormat(let format):
      throw Fault(
        .foreign, operation: "open", subject: directory,
        text: "it has format \(format), this version reads 1 to "
          + "\(LogIdentity.currentLayout.rawValue); use a newer version of muster")
    case nil: throw .damaged("open", directory, "its file identity is unreadable")
    }
  }

  /// LMDB would make a missing or empty file anew: the node would have forgotten everything.
  func checkData() throws(Fault) {
    guard let size = try Self.size(of: data) else {
      throw .damaged("open", directory, "data.mdb is missing")
    }
    if size < 8192 { throw .damaged("open", directory, "data.mdb has only \(size) bytes") }
    // Opening would ask for as much address space.
    if let used = Environment.usedSize(ofFile: data), let now = try Self.size(of: data), used > now
    {
      throw .damaged("open", directory, "data.mdb has \(now) bytes, its last page ends at \(used)")
    }
  }

  /// Gives the lock file its blocks: on a full disk LMDB would end the process with SIGBUS.
  /// Only before the environment is open: closing any descriptor of the file drops its locks.
  func prepareLockFile() throws(Fault) {
    let size = 8192
    if let now = try Self.size(of: lock), now >= size { return }
    try Self.allocate(lock, size)
  }

  /// LMDB copies with the mode of the process.
  func restrictData() throws(Fault) {
    guard chmod(data, 0o600) == 0 else { throw .system("restrict", data) }
  }

  /// Sets the ballast aside again if there is room for much more. It is no promise: failing to is
  /// no fault.
  func restoreBallast() {
    guard (try? Self.size(of: ballast)) == .some(nil),
      Self.freeBytes(at: directory) > 16 * Self.ballastSize
    else { return }
    try? Self.allocate(ballast, Self.ballastSize)
  }

  /// Gives the ballast back to the disk; false if it was gone already.
  func dropBallast() -> Bool { unlink(ballast) == 0 }

  // MARK: The file system

  /// Bytes that are free for us at `path`; 0 if that cannot be told.
  static func freeBytes(at path: String) -> Int {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return 0 }
    return Int(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
  }

  /// Bytes of a file; nil if it is missing.
  static func size(of path: String) throws(Fault) -> Int? {
    var status = stat()
    if stat(path, &status) == 0 { return Int(status.st_size) }
    if errno == ENOENT { return nil }
    throw .system("look at", path)
  }

  /// The bytes of a small file; nil if it is missing.
  static func read(_ path: String) throws(Fault) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0, errno == ENOENT { return nil }
    guard descriptor >= 0 else { throw .system("open", path) }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = Glibc.read(descriptor, &buffer, buffer.count)
    guard count >= 0 else { throw .system("read", path) }
    return Array(buffer.prefix(count))
  }

  /// Makes a file (mode 0600) that is durable once its directory is synced.
  static func create(_ path: String, _ bytes: [UInt8]) throws(Fault) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system("create", path) }
    defer { close(descriptor) }
    guard write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {
      throw .system("write", path)
    }
  }

  private static func allocate(_ path: String, _ size: Int) throws(Fault) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system("create", path) }
    defer { close(descriptor) }
    let code = posix_fallocate(descriptor, 0, off_t(size))
    guard code == 0 else {
      errno = code
      throw .system("allocate", path)
    }
  }

  static func makeDirectory(_ path: String) throws(Fault) {
    guard mkdir(path, 0o700) == 0 else { throw .system("create", path) }
  }

  /// Makes the names in a directory durable.
  static func syncDirectory(_ path: String) throws(Fault) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system("open", path) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw .system("sync", path) }
  }

  /// Gives a directory that is complete its name, and makes that durable.
  static func publish(_ path: String, as name: String) throws(Fault) {
    try syncDirectory(path)
    guard rename(path, name) == 0 else {
      if errno == ENOTEMPTY { errno = EEXIST }
      throw .system("create", name)
    }
    try syncDirectory(parent(of: name))
  }

  static func parent(of path: String) -> String {
    let parts = path.split(separator: "/", omittingEmptySubsequences: true)
    let rest = parts.dropLast().joined(separator: "/")
    if path.hasPrefix("/") { return "/" + rest }
    return rest.isEmpty ? "." : rest
  }

  /// Removes what an attempt that was cut short left behind.
  static func removeFlat(_ path: String) {
    for name in ["identity", "votes", "data.mdb", "lock.mdb", "ballast"] {
      unlink(path + "/" + name)
    }
    rmdir(path)
  }
}
