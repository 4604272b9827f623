// The one folder a node keeps everything in: names, modes, and the steps that switch it from one
// cluster to another so that a crash between any two leaves it before or after, never between.

import Membership
import Transport

#if canImport(Glibc)
  import Glibc
#endif

/// Paths under `--data-dir` and the careful ways to write there.
package struct DataDirectory: Sendable {
  package let path: String

  package init(_ path: String) { self.path = path.hasSuffix("/") ? String(path.dropLast()) : path }

  package var log: String { path + "/log" }
  /// A log that is complete but not yet in its place.
  package var newLog: String { path + "/log.new" }
  package var identity: String { path + "/identity" }
  package var newIdentity: String { path + "/identity.new" }
  package var nodeFile: String { identity + "/node.json" }
  package var kubernetes: String { path + "/kubernetes" }
  package var socket: String { path + "/agent.sock" }
  package var lock: String { path + "/agent.lock" }
  package var archive: String { path + "/archive" }
  package var kubeconfig: String { path + "/kubeconfig" }
  package var provider: String { path + "/args/traefik/provider.yaml" }
  package var proxyArguments: String { path + "/args/apiserver-proxy" }
  package var joinIntent: String { path + "/join.json" }
  package var leaveIntent: String { path + "/leave.json" }
  package var introductions: String { identity + "/introductions.json" }
  package var workerState: String { path + "/worker.json" }
  package var configFile: String { path + "/agent.yaml" }
  package var hooks: String { path + "/hooks.d" }
  package var hookLedger: String { path + "/hooks.json" }
  /// What joiners are given, by role.
  package var bundle: String { path + "/bundle" }
  /// What this node was given when it joined.
  package var received: String { path + "/received" }

  /// Makes the folder (0700) or checks that it is ours alone.
  package func prepare() throws(Failure) {
    guard let info = FileStatus(path) else {
      guard errno == ENOENT else { throw .system("open data dir", path) }
      try makeFolder(path)
      return
    }
    guard info.kind == .folder else {
      throw Failure(
        "cannot use data dir \(path): it is not a folder (symbolic links are not followed); "
          + "name a folder with --data-dir")
    }
    guard info.owner == geteuid() else {
      throw Failure(
        "cannot use data dir \(path): it belongs to uid \(info.owner), this process runs as uid "
          + "\(geteuid()); run as its owner or: chown -R \(geteuid()) \(path)")
    }
    guard info.mode & 0o077 == 0 else {
      throw Failure(
        "cannot use data dir \(path): others may enter it (mode "
          + "\(String(info.mode & 0o777, radix: 8))), and it holds keys; run: chmod 700 \(path)")
    }
    guard socket.utf8.count < 108 else {
      throw Failure(
        "cannot use data dir \(path): the path of its socket would have \(socket.utf8.count) "
          + "bytes, at most 107 are possible; use a shorter --data-dir")
    }
  }

  /// Makes a folder and its parents, all 0700, and syncs what holds it.
  package func makeFolder(_ folder: String) throws(Failure) {
    if exists(folder) { return }
    let parent = Self.parent(of: folder)
    if parent != folder, !exists(parent) { try makeFolder(parent) }
    guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw .system("make folder", folder) }
    try syncFolder(parent)
  }

  /// - Throws: `Failure` if it may be there, and this user has no right to see it.
  package func requireReadable() throws(Failure) {
    guard access(path, R_OK) != 0, errno == EACCES || errno == EPERM else { return }
    throw Failure("no right to read \(path): run as root (sudo muster ...)")
  }

  package func exists(_ file: String) -> Bool {
    FileStatus(file) != nil
  }

  /// The bytes of a file, or nil if there is none; at most 16 MiB; symbolic links are not followed.
  package func read(_ file: String) throws(Failure) -> [UInt8]? {
    let descriptor = open(file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw .system("read", file)
    }
    defer { close(descriptor) }
    var out: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw .system("read", file)
      }
      if count == 0 { return out }
      out += chunk[..<count]
      guard out.count <= 16 << 20 else {
        throw Failure("cannot read \(file): it is larger than 16 MiB")
      }
    }
  }

  /// Replaces a file whole: temporary file, fsync, rename, fsync of the folder.
  package func write(_ bytes: [UInt8], to file: String, mode: UInt32 = 0o600) throws(Failure) {
    let folder = Self.parent(of: file)
    try makeFolder(folder)
    let temporary = "\(file).\(getpid()).tmp"
    unlink(temporary)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw .system("write", file) }
    do throws(Failure) {
      var written = 0
      while written < bytes.count {
        let count = bytes[written...].withUnsafeBytes {
          Glibc.write(descriptor, $0.baseAddress, $0.count)
        }
        if count < 0 {
          if errno == EINTR { continue }
          throw Failure.system("write", file)
        }
        written += count
      }
      guard fsync(descriptor) == 0 else { throw Failure.system("sync", file) }
      guard Glibc.rename(temporary, file) == 0 else { throw Failure.system("rename to", file) }
    } catch {
      close(descriptor)
      unlink(temporary)
      throw error
    }
    close(descriptor)
    try syncFolder(folder)
  }

  /// Moves a file or folder and syncs both parents.
  package func move(_ from: String, to: String) throws(Failure) {
    try makeFolder(Self.parent(of: to))
    guard Glibc.rename(from, to) == 0 else { throw .system("move \(from) to", to) }
    try syncFolder(Self.parent(of: to))
    try syncFolder(Self.parent(of: from))
  }

  /// Removes a file if it is there.
  package func remove(_ file: String) throws(Failure) {
    guard unlink(file) == 0 || errno == ENOENT else { throw .system("remove", file) }
    // Also where it was gone already: whoever removed it may not have come as far as this.
    if exists(Self.parent(of: file)) { try syncFolder(Self.parent(of: file)) }
  }

  /// Moves a folder under `archive/`, under a name that tells the cluster and is not yet taken.
  @discardableResult
  package func archive(_ folder: String, as name: String) throws(Failure) -> String? {
    guard exists(folder) else { return nil }
    let target = free("\(archive)/\(name)")
    try move(folder, to: target)
    return target
  }

  /// Renames a folder where it is, to its name, a dot and `word`; returns the new path.
  package func setAside(_ folder: String, as word: String) throws(Failure) -> String {
    let target = free("\(folder).\(word)")
    try move(folder, to: target)
    return target
  }

  /// `path`, or with a number behind it if that is taken.
  private func free(_ path: String) -> String {
    var target = path
    var copy = 1
    while exists(target) {
      copy += 1
      target = "\(path)-\(copy)"
    }
    return target
  }

  /// Removes a folder that holds nothing any more.
  package func removeEmptyFolder(_ folder: String) throws(Failure) {
    guard rmdir(folder) == 0 || errno == ENOENT else { throw .system("remove", folder) }
    try syncFolder(Self.parent(of: folder))
  }

  /// Removes the plain files in a folder.
  package func removeFiles(in folder: String) throws(Failure) {
    guard let handle = opendir(folder) else { throw .system("read folder", folder) }
    defer { closedir(handle) }
    while let entry = readdir(handle) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name == "." || name == ".." { continue }
      guard unlink(folder + "/" + name) == 0 else { throw .system("remove", folder + "/" + name) }
    }
  }

  func syncFolder(_ folder: String) throws(Failure) {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system("open folder", folder) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw .system("sync folder", folder) }
  }

  static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}

/// The exclusive right to a data dir, held until the process ends.
package final class AgentLock: Sendable {
  private let descriptor: Int32

  /// - Parameter purpose: what it is wanted for, as in "cannot start on".
  /// - Throws: `Failure` if another agent holds it, naming its process id.
  package init(
    _ directory: DataDirectory, to purpose: String = "start on",
    orElse advice: String = "stop it first, or use another --data-dir"
  ) throws(Failure) {
    descriptor = open(directory.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw .system("lock", directory.lock) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let holder = try directory.read(directory.lock).map { String(decoding: $0, as: UTF8.self) }
      close(descriptor)
      throw Failure(
        "cannot \(purpose) \(directory.path): another agent runs there"
          + (holder.flatMap { Int($0) }.map { " (pid \($0))" } ?? "")
          + "; \(advice)")
    }
    let pid = Array("\(getpid())".utf8)
    ftruncate(descriptor, 0)
    _ = pid.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
  }

  deinit { close(descriptor) }
}
