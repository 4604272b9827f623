#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Why a key or certificate on the disk cannot be used.
package enum IdentityError: Error, Hashable, Sendable, CustomStringConvertible {
  /// There is no such file.
  case missing(path: String)
  /// Others may read the secret; `mode` is the file's permission bits.
  case tooOpen(path: String, mode: UInt16)
  /// The secret belongs to another user, whose id is given.
  case foreignOwner(path: String, uid: UInt32)
  /// A link, a directory or a device where a plain file should be.
  case notAFile(path: String)
  /// The content is not what it should be.
  case damaged(path: String, reason: String)
  /// The operating system failed: which call, on what, with which errno.
  case system(operation: String, path: String, code: Int32)

  package var description: String {
    switch self {
    case .missing(let path): "\(path) does not exist"
    case .tooOpen(let path, let mode):
      "\(path) is a secret but has mode \(String(mode, radix: 8)); run: chmod 600 \(path)"
    case .foreignOwner(let path, let uid):
      "\(path) belongs to user id \(uid); run: chown \(geteuid()) \(path)"
    case .notAFile(let path): "\(path) is not a plain file"
    case .damaged(let path, let reason): "\(path) is damaged: \(reason)"
    case .system(let operation, let path, let code):
      "\(operation) \(path) failed: \(String(cString: strerror(code)))"
    }
  }
}

/// Reading and writing of small files that must be whole or absent, and mostly secret.
///
/// A write goes to a temporary file in the same directory, is synced, and takes the name by rename;
/// then the directory is synced. So after a power cut there is the old file or the new one.
enum PrivateFile {
  /// A certificate is a kilobyte; whatever is larger is not ours.
  static let limit = 1 << 20

  static func write(_ bytes: [UInt8], to path: String, mode: mode_t) throws(IdentityError) {
    let temporary = path + ".new"
    unlink(temporary)
    let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
    guard file >= 0 else { throw .system(operation: "create", path: temporary, code: errno) }
    do throws(IdentityError) {
      try fill(file, with: bytes, path: temporary)
      // The process's umask may have taken bits away that the caller asked for.
      guard fchmod(file, mode) == 0 else {
        throw .system(operation: "chmod", path: temporary, code: errno)
      }
      guard fsync(file) == 0 else {
        throw .system(operation: "sync", path: temporary, code: errno)
      }
    } catch {
      close(file)
      unlink(temporary)
      throw error
    }
    close(file)
    guard rename(temporary, path) == 0 else {
      let code = errno
      unlink(temporary)
      throw .system(operation: "rename", path: temporary, code: code)
    }
    try syncDirectory(of: path)
  }

  /// The whole file. With `secret`, one that others can read or that another user owns is refused;
  /// root's files are accepted for any user that can read them.
  static func read(_ path: String, secret: Bool) throws(IdentityError) -> [UInt8] {
    let file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else {
      switch errno {
      case ENOENT, ENOTDIR: throw .missing(path: path)
      case ELOOP: throw .notAFile(path: path)
      case let code: throw .system(operation: "open", path: path, code: code)
      }
    }
    defer { close(file) }
    guard let info = FileStatus(descriptor: file) else {
      throw .system(operation: "stat", path: path, code: errno)
    }
    guard info.kind == .file else { throw .notAFile(path: path) }
    if secret {
      guard info.mode & 0o077 == 0 else {
        throw .tooOpen(path: path, mode: UInt16(truncatingIfNeeded: info.mode))
      }
      guard info.owner == geteuid() || info.owner == 0 else {
        throw .foreignOwner(path: path, uid: info.owner)
      }
    }
    return try contents(of: file, path: path)
  }

  /// Whether something bears that name, be it a dangling link.
  static func exists(_ path: String) -> Bool {
    FileStatus(path) != nil
  }

  /// Makes a directory for secrets where there is none; its parent must exist.
  static func makeDirectory(_ path: String) throws(IdentityError) {
    if mkdir(path, 0o700) != 0, errno != EEXIST {
      throw .system(operation: "create directory", path: path, code: errno)
    }
  }

  private static func fill(_ file: Int32, with bytes: [UInt8], path: String) throws(IdentityError) {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes { Self.put(file, $0) }
      if count < 0 {
        if errno == EINTR { continue }
        throw .system(operation: "write", path: path, code: errno)
      }
      sent += count
    }
  }

  // Beside a member called `write`, the C function needs a name of its own.
  private static func put(_ file: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    #if canImport(Glibc)
      Glibc.write(file, bytes.baseAddress, bytes.count)
    #elseif canImport(Musl)
      Musl.write(file, bytes.baseAddress, bytes.count)
    #else
      Darwin.write(file, bytes.baseAddress, bytes.count)
    #endif
  }

  private static func get(_ file: Int32, _ bytes: UnsafeMutableRawBufferPointer) -> Int {
    #if canImport(Glibc)
      Glibc.read(file, bytes.baseAddress, bytes.count)
    #elseif canImport(Musl)
      Musl.read(file, bytes.baseAddress, bytes.count)
    #else
      Darwin.read(file, bytes.baseAddress, bytes.count)
    #endif
  }

  private static func contents(of file: Int32, path: String) throws(IdentityError) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 8192)
    while true {
      let count = chunk.withUnsafeMutableBytes { get(file, $0) }
      if count == 0 { return bytes }
      if count < 0 {
        if errno == EINTR { continue }
        throw .system(operation: "read", path: path, code: errno)
      }
      bytes += chunk[..<count]
      guard bytes.count <= limit else {
        throw .damaged(path: path, reason: "it has more than \(limit) bytes")
      }
    }
  }

  private static func syncDirectory(of path: String) throws(IdentityError) {
    var directory = "."
    if let slash = path.lastIndex(of: "/") {
      directory = slash == path.startIndex ? "/" : String(path[..<slash])
    }
    let handle = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard handle >= 0 else { throw .system(operation: "open", path: directory, code: errno) }
    defer { close(handle) }
    guard fsync(handle) == 0 else {
      throw .system(operation: "sync", path: directory, code: errno)
    }
  }
}
